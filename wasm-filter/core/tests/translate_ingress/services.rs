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
        // Where no TLS is spoken they cannot be in effect.
        ("konghq.com/client-cert: c", "500", "InvalidAnnotation"),
        ("konghq.com/tls-verify: 'true'", "500", "InvalidAnnotation"),
        ("konghq.com/tls-verify: 'false'", "a", ""),
        (
            "konghq.com/ca-certificates-secrets: c",
            "500",
            "InvalidAnnotation",
        ),
        (
            "konghq.com/ca-certificates-configmaps: c",
            "500",
            "InvalidAnnotation",
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

#[test]
fn certificates_of_endpoints_are_a_policy_by_id_and_an_entity() {
    let tls = "konghq.com/protocol: https";
    for (annotations, expected) in [
        ("konghq.com/tls-verify: 'false'", None),
        ("konghq.com/client-cert: ''", None),
        ("konghq.com/tls-verify: 'true'", Some(r#""verify":true"#)),
        (
            "konghq.com/tls-verify: 'TRUE', konghq.com/tls-verify-depth: '2', \
             konghq.com/ca-certificates-secrets: 'b, a,b', konghq.com/ca-certificates-configmaps: c",
            Some(
                r#""verify":true,"depth":2,"caSecrets":["default/a","default/b"],"caConfigMaps":["default/c"]"#,
            ),
        ),
        (
            "konghq.com/client-cert: mine",
            Some(r#""verify":false,"clientCertificate":"default/mine""#),
        ),
    ] {
        let mut world = world(&format!("{tls}, {annotations}"), "");
        let plan = world.ask(&get("h", "/p")).plan();
        let policy = plan.tls.expect("TLS").0;
        assert_eq!(policy != 0, expected.is_some(), "{annotations}");
        let entity = expected.map(|fields| {
            format!(
                r#"{{"type":"tlsPolicy","id":"tls-policy/{policy:016x}","policy":"{policy:016x}",{fields}}}"#
            )
        });
        assert_eq!(world.entities(), Vec::from_iter(entity), "{annotations}");
        assert!(world.codes().is_empty(), "{annotations}");
        // Nobody needs it any more.
        world.apply(
            "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n",
        );
        assert!(world.entities().is_empty(), "{annotations}");
    }
}

#[test]
fn certificates_that_cannot_be_honoured_close_the_service() {
    let tls = "konghq.com/protocol: https";
    for annotation in [
        "konghq.com/tls-verify: 'yes'",
        "konghq.com/tls-verify: 1",
        "konghq.com/tls-verify-depth: '65'",
        "konghq.com/client-cert: 'a b'",
        "konghq.com/ca-certificates-secrets: 'a,/'",
    ] {
        let world = world(&format!("{tls}, {annotation}"), "");
        assert_eq!(world.get("h", "/p"), "500", "{annotation}");
        assert!(world.entities().is_empty(), "{annotation}");
    }
    // Where no TLS is spoken nobody would be verified.
    for (annotations, port, expected) in [
        ("konghq.com/tls-verify: 'true'", "", "500"),
        (
            "konghq.com/tls-verify: 'true'",
            ", appProtocol: kubernetes.io/h2c",
            "500",
        ),
        ("konghq.com/tls-verify: 'true'", ", appProtocol: https", "a"),
        (
            "konghq.com/tls-verify: 'true', konghq.com/protocol: http",
            ", appProtocol: https",
            "500",
        ),
        ("konghq.com/tls-verify: 'false'", "", "a"),
    ] {
        let world = world(annotations, port);
        assert_eq!(world.get("h", "/p"), expected, "{annotations} {port}");
    }
}
