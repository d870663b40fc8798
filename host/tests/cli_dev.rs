//! `silverback dev` as people run it: the real binary, real sockets, real file changes.
#![cfg(feature = "dev")]

#[path = "gateway/async_backend.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "a part of it is used; a test may fail"
)]
mod async_backend;
#[path = "gateway/certificates.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "a part of it is used; a test may fail"
)]
mod certificates;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

const MANIFESTS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: shop}
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /cart, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
";

/// A running `silverback dev`; it is ended with the test.
struct Dev {
    child: Child,
    out: Receiver<String>,
    port: u16,
    seen: String,
}

/// Longer than anything here takes on a busy machine; what does not come at all fails the test.
const PATIENCE: Duration = Duration::from_secs(120);

/// The lines as they come.
fn lines(out: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut out = BufReader::new(out);
        let mut line = String::new();
        while out.read_line(&mut line).is_ok_and(|read| read > 0) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn command(root: &Path, port: u16, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_silverback"));
    command
        .arg("dev")
        .arg(root)
        .args(["--ingress-port", &port.to_string(), "--workers", "1"])
        // The usual one is for one test at a time.
        .env("SILVERBACK_INGRESS_TLS_PORT", "0")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Dev {
    fn start(root: &Path, args: &[&str]) -> Self {
        let port = free_port();
        let mut child = command(root, port, args).spawn().expect("started");
        let out = lines(child.stdout.take().expect("a pipe"));
        let mut dev = Self {
            child,
            out,
            port,
            seen: String::new(),
        };
        dev.wait_for("ready after");
        dev
    }

    /// Reads lines up to one with this text.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = match self.out.recv_timeout(PATIENCE) {
                Ok(line) => line,
                Err(why) => panic!("no `{text}` ({why}) in:\n{}", self.seen),
            };
            self.seen += &line;
            if line.contains(text) {
                return line;
            }
        }
    }

    fn get(&self, host: &str, path: &str) -> String {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let mut stream = TcpStream::connect(address).expect("connected");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a timeout");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn directory() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    fs::write(root.path().join("shop.yaml"), MANIFESTS).expect("written");
    root
}

#[test]
fn requests_are_proxied_and_changes_follow() {
    let root = directory();
    let mut dev = Dev::start(root.path(), &[]);
    assert!(
        dev.seen
            .contains("shop/web has no endpoints: an echo answers"),
        "{}",
        dev.seen
    );
    assert!(
        dev.seen.contains("curl -i -H 'Host: shop.example.com'"),
        "{}",
        dev.seen
    );
    let answer = dev.get("shop.example.com", "/cart/1");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("x-silverback-echo: 1"), "{answer}");
    assert!(answer.contains(r#""service":"web""#), "{answer}");
    assert!(
        dev.get("shop.example.com", "/other")
            .starts_with("HTTP/1.1 404")
    );

    let changed = MANIFESTS.replace("/cart", "/other");
    fs::write(root.path().join("shop.yaml"), changed).expect("written");
    let line = dev.wait_for("~ Ingress shop/shop");
    assert!(line.contains("in effect after"), "{line}");
    assert!(
        dev.get("shop.example.com", "/other")
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        dev.get("shop.example.com", "/cart")
            .starts_with("HTTP/1.1 404")
    );

    // A broken file changes nothing but what is said.
    fs::write(root.path().join("shop.yaml"), "a: [").expect("written");
    dev.wait_for("Unparsable");
    assert!(
        dev.get("shop.example.com", "/other")
            .starts_with("HTTP/1.1 200")
    );

    fs::write(root.path().join("shop.yaml"), "").expect("written");
    let line = dev.wait_for("- Ingress shop/shop");
    assert!(line.contains("in effect after"), "{line}");
    assert!(
        dev.get("shop.example.com", "/other")
            .starts_with("HTTP/1.1 404")
    );
}

#[test]
fn service_can_be_something_that_runs() {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = upstream.local_addr().expect("an address");
    let root = directory();
    let dev = Dev::start(
        root.path(),
        &["--backend", &format!("shop/web:80={address}")],
    );
    assert!(
        dev.seen.contains(&format!("shop/web:80 is {address}")),
        "{}",
        dev.seen
    );
    let server = std::thread::spawn(move || {
        let (mut stream, _) = upstream.accept().expect("a connection");
        let mut request = [0; 4096];
        let read = stream.read(&mut request).expect("a request");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmine")
            .expect("sent");
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let answer = dev.get("shop.example.com", "/cart");
    assert!(answer.ends_with("mine"), "{answer}");
    let request = server.join().expect("served");
    assert!(request.starts_with("GET /cart HTTP/1.1"), "{request}");
}

#[test]
fn modules_are_replaced_while_it_runs() {
    let root = directory();
    let modules = tempfile::tempdir().expect("a directory");
    let filter = modules.path().join("silverback.wasm");
    let translator = modules.path().join("translator.wasm");
    fs::write(&filter, silverback_guests::FILTER_WASM).expect("written");
    fs::write(&translator, silverback_guests::TRANSLATOR_WASM).expect("written");
    let path = |path: &Path| path.display().to_string();
    let (filter_path, translator_path) = (path(&filter), path(&translator));
    let mut dev = Dev::start(
        root.path(),
        &[
            "--filter-wasm",
            &filter_path,
            "--translator-wasm",
            &translator_path,
        ],
    );
    // An empty custom section named x: other bytes, the same code.
    let other = |wasm: &[u8]| [wasm, &[0, 2, 1, b'x']].concat();
    for (file, wasm) in [
        (&filter, silverback_guests::FILTER_WASM),
        (&translator, silverback_guests::TRANSLATOR_WASM),
    ] {
        // As a linker does it: written elsewhere, then moved.
        let temporary = modules.path().join("new");
        fs::write(&temporary, other(wasm)).expect("written");
        fs::rename(&temporary, file).expect("moved");
        let name = file
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let line = dev.wait_for(&name);
        assert!(line.contains("in effect after"), "{line}");
        assert!(
            dev.get("shop.example.com", "/cart")
                .starts_with("HTTP/1.1 200")
        );
    }
}

#[test]
fn without_the_echo_there_is_nobody() {
    let root = directory();
    let dev = Dev::start(root.path(), &["--no-echo"]);
    let answer = dev.get("shop.example.com", "/cart");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}

#[test]
fn busy_port_names_port_and_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let output = command(directory().path(), port, &[])
        .output()
        .expect("ended");
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains(&format!("port {port} is in use")), "{err}");
    assert!(err.contains("--ingress-port"), "{err}");
}

#[cfg(unix)]
#[test]
fn sigterm_ends_it_well() {
    let root = directory();
    let mut dev = Dev::start(root.path(), &[]);
    let pid = dev.child.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(dev.child.wait().expect("ended").code(), Some(0));
}

#[test]
fn wrong_flags_end_with_2() {
    for args in [
        &["--backend", "x"][..],
        &["--zone-size", "many"],
        &["--filter-wasm", "/does/not/exist"],
    ] {
        let root = directory();
        let output = command(root.path(), free_port(), args)
            .output()
            .expect("ended");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {err}");
    }
}

/// The answer over TLS, and the certificate that was shown; `None` without a handshake.
fn get_tls(port: u16, sni: &str, host: &str, path: &str) -> Option<(String, Vec<u8>)> {
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConnection, StreamOwned};

    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let stream = TcpStream::connect(address).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a timeout");
    let name = ServerName::try_from(sni.to_owned()).expect("a name");
    let client = ClientConnection::new(tls::takes_all(), name).expect("a client");
    let mut tls = StreamOwned::new(client, stream);
    write!(
        tls,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    tls.read_to_string(&mut answer).expect("an answer");
    let shown = tls.conn.peer_certificates().expect("a certificate");
    Some((answer, shown.first().expect("a leaf").to_vec()))
}

/// A Gateway with an HTTPS listener, and the Secret of its certificate.
fn gateway(port: u16, certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> String {
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
        indented(&certificate.cert.pem()),
        indented(&certificate.signing_key.serialize_pem())
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
    let name = || vec!["secure.example.com".to_owned()];
    let make = || rcgen::generate_simple_self_signed(name()).expect("a certificate");
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
    assert_eq!(shown, old.cert.der().to_vec());
    // No certificate, no handshake.
    assert!(get_tls(port, "other.example.com", host, "/").is_none());

    fs::write(&file, gateway(port, &new)).expect("written");
    dev.wait_for("~ Secret shop/cert");
    let (_, shown) = get_tls(port, host, host, "/").expect("a handshake");
    assert_eq!(shown, new.cert.der().to_vec());

    // The key of another certificate.
    let mixed = rcgen::CertifiedKey {
        cert: new.cert,
        signing_key: old.signing_key,
    };
    fs::write(&file, gateway(port, &mixed)).expect("written");
    dev.wait_for("UnusableCertificate");
    assert!(get_tls(port, host, host, "/").is_none());

    // No PEM at all: the listener goes.
    let broken = gateway(port, &mixed).replace("BEGIN PRIVATE KEY", "BEGIN NOTHING");
    fs::write(&file, broken).expect("written");
    dev.wait_for("InvalidCertificateRef");
}

/// A Service that is spoken to in TLS, with what verifies it and what is shown to it.
fn secure(at: SocketAddr, authority: &str, client: Option<&certificates::Leaf>) -> String {
    let indented = |pem: &str| pem.trim_end().replace('\n', "\n    ");
    let client = client.map(|leaf| {
        format!(
            "---
apiVersion: v1
kind: Secret
metadata: {{name: client, namespace: shop}}
type: kubernetes.io/tls
stringData:
  tls.crt: |
    {}
  tls.key: |
    {}
",
            indented(&leaf.chain),
            indented(&leaf.key)
        )
    });
    format!(
        "apiVersion: v1
kind: Service
metadata:
  name: secure
  namespace: shop
  annotations:
    konghq.com/protocol: https
    konghq.com/tls-verify: 'true'
    konghq.com/ca-certificates-secrets: ca
    konghq.com/client-cert: client
spec: {{ports: [{{name: https, port: 443}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: secure-1, namespace: shop, labels: {{kubernetes.io/service-name: secure}}}}
addressType: IPv4
ports: [{{name: https, port: {}}}]
endpoints: [{{addresses: [{}]}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: ca, namespace: shop}}
stringData:
  cert: |
    {}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: secure, namespace: shop}}
spec:
  rules:
  - host: secure.example.com
    http:
      paths:
      - {{path: /, pathType: Prefix, backend: {{service: {{name: secure, port: {{number: 443}}}}}}}}
{}",
        at.port(),
        at.ip(),
        indented(authority),
        client.unwrap_or_default()
    )
}

#[test]
fn upstreams_are_verified_and_shown_a_certificate_as_their_service_says() {
    let (ca, clients) = (
        certificates::Ca::new("servers"),
        certificates::Ca::new("clients"),
    );
    let server = ca
        .leaf(&["secure.example.com"])
        .server(&["http/1.1"], Some(&clients));
    let backend = async_backend::AsyncBackend::saying(server, "verified");
    let client = clients.leaf(&["gateway.example.com"]);
    let root = directory();
    let file = root.path().join("secure.yaml");
    fs::write(&file, secure(backend.addr, &ca.pem(), Some(&client))).expect("written");
    let mut dev = Dev::start(root.path(), &[]);
    let answer = dev.get("secure.example.com", "/");
    assert!(answer.ends_with("verified"), "{answer}");
    let accepted = backend.accepted().remove(0);
    assert_eq!(accepted.sni.as_deref(), Some("secure.example.com"));
    assert!(accepted.client_certificate);

    // Somebody else's authority.
    let other = certificates::Ca::new("others").pem();
    fs::write(&file, secure(backend.addr, &other, Some(&client))).expect("written");
    dev.wait_for("~ Secret shop/ca");
    let answer = dev.get("secure.example.com", "/");
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");

    // No certificate to be shown: nothing is sent without it.
    let before = backend.connections();
    fs::write(&file, secure(backend.addr, &ca.pem(), None)).expect("written");
    dev.wait_for("UnusableCertificate");
    let answer = dev.get("secure.example.com", "/");
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert_eq!(backend.connections(), before);

    fs::write(&file, secure(backend.addr, &ca.pem(), Some(&client))).expect("written");
    dev.wait_for("+ Secret shop/client");
    let answer = dev.get("secure.example.com", "/");
    assert!(answer.ends_with("verified"), "{answer}");
}

/// A client that takes every certificate: which one it is is looked at afterwards.
mod tls {
    use std::sync::Arc;

    use tokio_rustls::rustls;

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

    #[derive(Debug)]
    struct TakesAll;

    pub(super) fn takes_all() -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TakesAll))
            .with_no_client_auth();
        Arc::new(config)
    }

    impl ServerCertVerifier for TakesAll {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            let provider = rustls::crypto::ring::default_provider();
            provider
                .signature_verification_algorithms
                .supported_schemes()
        }
    }
}
