//! Services: how they are spoken to.

use silverback_core::contract::plan::Protocol;

use crate::world::{World, get, ingress, path};

/// A Service `a` with these annotations and port fields, behind `/p`.
fn world(annotations: &str, port: &str) -> World {
    let ingress = ingress(
        "i",
        "konghq.com/preserve-host: 'false'",
        &[path("Prefix", "/p", "a")],
    );
    World::of(&format!(
        "{ingress}---
apiVersion: v1
kind: Service
metadata: {{name: a, annotations: {{{annotations}}}}}
spec: {{ports: [{{port: 80{port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: a-1, labels: {{kubernetes.io/service-name: a}}}}
addressType: IPv4
ports: [{{port: 8080}}]
endpoints: [{{addresses: [10.0.0.1]}}]
"
    ))
}

#[test]
fn protocols() {
    for (annotation, app, expected) in [
        ("", "", Protocol::Http),
        ("", "http", Protocol::Http),
        ("", "https", Protocol::Https),
        ("", "grpc", Protocol::Grpc),
        ("", "grpcs", Protocol::Grpcs),
        ("", "kubernetes.io/h2c", Protocol::H2c),
        ("", "kubernetes.io/ws", Protocol::Http),
        ("", "kubernetes.io/wss", Protocol::Https),
        ("konghq.com/protocol: http", "https", Protocol::Http),
        ("konghq.com/protocol: https", "", Protocol::Https),
        ("konghq.com/protocol: grpc", "", Protocol::Grpc),
        ("konghq.com/protocol: grpcs", "", Protocol::Grpcs),
        ("konghq.com/protocol: ws", "", Protocol::Http),
        ("konghq.com/protocol: wss", "", Protocol::Https),
        ("konghq.com/protocol: ''", "https", Protocol::Https),
    ] {
        let port = match app {
            "" => String::new(),
            app => format!(", appProtocol: '{app}'"),
        };
        let world = world(annotation, &port);
        let plan = world.ask(&get("h", "/p")).plan();
        assert_eq!(plan.protocol, expected, "{annotation} {app}");
        assert!(world.codes().is_empty(), "{annotation} {app}");
    }
    let world = world("", ", appProtocol: redis");
    assert_eq!(world.ask(&get("h", "/p")).plan().protocol, Protocol::Http);
    assert_eq!(
        world.codes(),
        ["Service a UnsupportedField spec.ports[0].appProtocol"]
    );
}

#[test]
fn path_host_header_timeouts_and_retries() {
    let annotations = "konghq.com/path: /base/, konghq.com/host-header: up.example, \
        konghq.com/connect-timeout: '100', konghq.com/read-timeout: '200', \
        konghq.com/write-timeout: '300', konghq.com/retries: '2'";
    let world = world(annotations, "");
    let plan = world.ask(&get("h", "/p")).plan();
    assert_eq!(plan.uri.as_deref(), Some(&b"/base/p"[..]));
    assert_eq!(plan.host.as_deref(), Some(&b"up.example"[..]));
    let timeouts = plan.timeouts;
    assert_eq!(
        (timeouts.connect, timeouts.read, timeouts.send),
        (100, 200, 300)
    );
    assert_eq!(plan.tries, 3);
    assert!(world.codes().is_empty());
}

#[test]
fn a_bad_value_closes_the_service_or_has_no_effect() {
    for (annotation, expected, code) in [
        ("konghq.com/protocol: tcp", "500", "InvalidAnnotation"),
        ("konghq.com/protocol: HTTP", "500", "InvalidAnnotation"),
        ("konghq.com/path: base", "500", "InvalidAnnotation"),
        ("konghq.com/path: '/a?b'", "500", "InvalidAnnotation"),
        ("konghq.com/host-header: 'a b'", "500", "InvalidAnnotation"),
        ("konghq.com/client-cert: c", "500", "UnsupportedField"),
        ("konghq.com/tls-verify: 'true'", "500", "UnsupportedField"),
        ("konghq.com/tls-verify: 'false'", "a", ""),
        (
            "konghq.com/ca-certificates-secrets: c",
            "500",
            "UnsupportedField",
        ),
        (
            "konghq.com/ca-certificates-configmaps: c",
            "500",
            "UnsupportedField",
        ),
        ("konghq.com/plugins: 'a b'", "500", "InvalidAnnotation"),
        ("konghq.com/path: 1", "500", "WrongType"),
        ("konghq.com/connect-timeout: '0'", "a", "InvalidAnnotation"),
        ("konghq.com/read-timeout: 'x'", "a", "InvalidAnnotation"),
        (
            "konghq.com/write-timeout: '2147483647'",
            "a",
            "InvalidAnnotation",
        ),
        ("konghq.com/retries: '255'", "a", "InvalidAnnotation"),
        ("konghq.com/retries: 1", "a", "WrongType"),
        (
            "konghq.com/upstream-policy: 'a b'",
            "a",
            "InvalidAnnotation",
        ),
        (
            "konghq.com/upstream-policy: none",
            "a",
            "UpstreamPolicyNotFound",
        ),
        ("konghq.com/override: x", "a", "UnsupportedField"),
        (
            "ingress.kubernetes.io/service-upstream: 'x'",
            "a",
            "InvalidAnnotation",
        ),
    ] {
        let world = world(annotation, "");
        assert_eq!(world.get("h", "/p"), expected, "{annotation}");
        let problems = world.problems();
        let of_service: Vec<_> = problems
            .iter()
            .filter(|problem| &*problem.object.kind == "Service")
            .map(|problem| problem.code.as_str())
            .collect();
        let want = if code.is_empty() { vec![] } else { vec![code] };
        assert_eq!(of_service, want, "{annotation}");
        // The Ingress says why it answers 500.
        let of_ingress = problems.iter().any(|p| &*p.object.kind == "Ingress");
        assert_eq!(of_ingress, expected == "500", "{annotation}");
    }
}
