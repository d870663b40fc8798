//! Certificates: of Gateways from their Secrets, and one of our own for Ingress.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use silverback::gateway::KeyPair;

use crate::certs::{Authority, Offer, leaf};
use crate::support::{Dev, directory, exchange, free_port};

/// The answer over TLS, and the certificate that was shown; `None` without a handshake.
fn get_tls(port: u16, sni: &'static str, host: &str, path: &str) -> Option<(String, Vec<u8>)> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut tls = Offer::sni(sni).connect(address).ok()?;
    let answer = exchange(&mut tls, host, path);
    let shown = tls.conn.peer_certificates().expect("a certificate");
    Some((answer, shown.first().expect("a leaf").to_vec()))
}

/// A Gateway with an HTTPS listener, and the Secret of its certificate.
fn gateway(port: u16, certificate: &KeyPair) -> String {
    let indented = |pem: &str| pem.trim_end().replace('\n', "\n    ");
    format!(
        "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: web, namespace: shop}}
spec:
  gatewayClassName: any
  listeners:
  - name: https
    port: {port}
    protocol: HTTPS
    hostname: secure.example.com
    tls: {{certificateRefs: [{{name: cert}}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: any}}
spec: {{controllerName: example.com/any}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: secure, namespace: shop}}
spec:
  parentRefs: [{{name: web}}]
  rules:
  - backendRefs: [{{name: web, port: 80}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: cert, namespace: shop}}
type: kubernetes.io/tls
stringData:
  tls.crt: |
    {}
  tls.key: |
    {}
",
        indented(&certificate.chain),
        indented(&certificate.key)
    )
}

#[test]
fn ingress_is_served_over_tls_with_a_certificate_of_our_own() {
    let root = directory();
    let port = free_port();
    let dev = Dev::start(root.path(), &["--ingress-tls-port", &port.to_string()]);
    let url = format!("https://127.0.0.1:{port}");
    assert!(dev.seen.contains(&url), "{}", dev.seen);
    let (answer, _) = get_tls(port, "localhost", "shop.example.com", "/cart").expect("a handshake");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("\"x-forwarded-proto\":[\"https\"]"),
        "{answer}"
    );
}

#[test]
fn a_tls_port_that_is_taken_costs_ingress_its_tls_only() {
    let root = directory();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let dev = Dev::start(root.path(), &["--ingress-tls-port", &port]);
    let note = format!("no TLS for Ingress: port {port} is in use");
    assert!(dev.seen.contains(&note), "{}", dev.seen);
    let answer = dev.get("shop.example.com", "/cart");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn a_gateways_listener_has_its_secrets_certificate_and_follows_it() {
    let authority = Authority::new();
    let make = || authority.issue("secure.example.com");
    let (old, new) = (make(), make());
    let root = directory();
    let port = free_port();
    let file = root.path().join("gateway.yaml");
    fs::write(&file, gateway(port, &old)).expect("written");
    let mut dev = Dev::start(root.path(), &[]);
    let url = format!("https://127.0.0.1:{port}");
    assert!(dev.seen.contains(&url), "{}", dev.seen);

    let host = "secure.example.com";
    let (answer, shown) = get_tls(port, host, host, "/").expect("a handshake");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(shown, leaf(&old).to_vec());
    // No certificate, no handshake.
    assert!(get_tls(port, "other.example.com", host, "/").is_none());

    fs::write(&file, gateway(port, &new)).expect("written");
    dev.wait_for("~ Secret shop/cert");
    let (_, shown) = get_tls(port, host, host, "/").expect("a handshake");
    assert_eq!(shown, leaf(&new).to_vec());

    // The key of another certificate.
    let mixed = KeyPair {
        chain: new.chain,
        key: old.key,
    };
    fs::write(&file, gateway(port, &mixed)).expect("written");
    dev.wait_for("UnusableCertificate");
    assert!(get_tls(port, host, host, "/").is_none());

    // No PEM at all: the listener goes.
    let broken = gateway(port, &mixed).replace("BEGIN PRIVATE KEY", "BEGIN NOTHING");
    fs::write(&file, broken).expect("written");
    dev.wait_for("InvalidCertificateRef");
}

/// What the Gateway asks of its clients, and the authorities that it trusts.
fn asking(gateway: &str, mode: &str, authorities: &str) -> String {
    let reference = "{group: '', kind: ConfigMap, name: clients}";
    let validation = format!("{{mode: {mode}, caCertificateRefs: [{reference}]}}");
    let tls = format!("  tls: {{frontend: {{default: {{validation: {validation}}}}}}}\n");
    let gateway = gateway.replacen("  listeners:\n", &format!("{tls}  listeners:\n"), 1);
    let indented = authorities.trim_end().replace('\n', "\n    ");
    format!(
        "{gateway}---
apiVersion: v1
kind: ConfigMap
metadata: {{name: clients, namespace: shop}}
data:
  ca.crt: |
    {indented}
"
    )
}

#[test]
fn a_gateway_asks_its_clients_for_certificates() {
    let host = "secure.example.com";
    let (servers, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let root = directory();
    let port = free_port();
    let file = root.path().join("gateway.yaml");
    let gateway = gateway(port, &servers.issue(host));
    let write = |mode: &str, authorities: &str| {
        fs::write(&file, asking(&gateway, mode, authorities)).expect("written");
    };
    write("AllowValidOnly", &clients.pem);
    let mut dev = Dev::start(root.path(), &[]);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let status = |offer: &Offer| {
        let mut tls = offer.connect(address).ok()?;
        // TLS 1.3: a client that is refused learns of it when it reads.
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        tls.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        tls.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1).map(str::to_owned)
    };
    let plain = Offer::sni(host);
    let valid = Offer::sni(host).own(&clients.issue("client"));
    let foreign = Offer::sni(host).own(&others.issue("client"));
    let served = Some("200".to_owned());
    assert_eq!(
        [status(&valid), status(&plain), status(&foreign)],
        [served.clone(), None, None]
    );

    // Another authority: the table is the same, and whom it trusts is not.
    write("AllowValidOnly", &others.pem);
    dev.wait_for("~ ConfigMap shop/clients");
    assert_eq!(
        [status(&valid), status(&plain), status(&foreign)],
        [None, None, served.clone()]
    );

    write("AllowInsecureFallback", &others.pem);
    dev.wait_for("~ Gateway shop/web");
    for offer in [&valid, &plain, &foreign] {
        assert_eq!(status(offer), served);
    }

    // Authorities that nobody can read let nobody in.
    write(
        "AllowValidOnly",
        "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----",
    );
    dev.wait_for("UnusableCertificate");
    for offer in [&valid, &plain, &foreign] {
        assert_eq!(status(offer), None);
    }
}
