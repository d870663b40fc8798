//! TLS towards upstreams as their Services ask for it.

use std::fs;
use std::net::SocketAddr;

use crate::support::{Dev, directory};
use crate::{async_backend, certificates};

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
