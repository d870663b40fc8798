//! The 25 scenarios of kubernetes-sigs/ingress-controller-conformance, as far as they are about
//! routing (the certificate of row 2 and the status of row 8 are not decided here).

use std::collections::BTreeSet;

use crate::world::{Ask, World, get, service};

const HOST_RULES: &str = "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: host-rules}
spec:
  tls: [{hosts: [foo.bar.com], secretName: conformance-tls}]
  rules:
  - host: '*.foo.com'
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: wildcard-foo-com, port: {number: 80}}}}]}
  - host: foo.bar.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: foo-bar-com, port: {name: http}}}}]}
---
apiVersion: v1
kind: Secret
metadata: {name: conformance-tls}
type: kubernetes.io/tls
";

const PATH_RULES: &str = "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: path-rules}
spec:
  rules:
  - host: exact-path-rules
    http: {paths: [{path: /foo, pathType: Exact, backend: {service: {name: foo-exact, port: {number: 80}}}}]}
  - host: prefix-path-rules
    http:
      paths:
      - {path: /foo, pathType: Prefix, backend: {service: {name: foo-prefix, port: {number: 80}}}}
      - {path: /aaa/bbb, pathType: Prefix, backend: {service: {name: aaa-slash-bbb-prefix, port: {number: 80}}}}
      - {path: /aaa, pathType: Prefix, backend: {service: {name: aaa-prefix, port: {number: 80}}}}
  - host: mixed-path-rules
    http:
      paths:
      - {path: /foo, pathType: Prefix, backend: {service: {name: foo-prefix, port: {number: 80}}}}
      - {path: /foo, pathType: Exact, backend: {service: {name: foo-exact, port: {number: 80}}}}
  - host: trailing-slash-path-rules
    http:
      paths:
      - {path: /aaa/bbb/, pathType: Prefix, backend: {service: {name: aaa-slash-bbb-slash-prefix, port: {number: 80}}}}
      - {path: /foo/, pathType: Exact, backend: {service: {name: foo-slash-exact, port: {number: 80}}}}
";

const DEFAULT: &str = "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: default}
spec: {defaultBackend: {service: {name: echo-service, port: {number: 80}}}}
";

fn world(ingress: &str, services: &[&str]) -> World {
    let services: String = services.iter().map(|name| service(name, 2)).collect();
    World::of(&format!("{ingress}{services}"))
}

#[test]
fn row_1_a_default_backend_takes_everything() {
    let world = world(DEFAULT, &["echo-service"]);
    for (method, host, path) in [
        ("GET", "my-host", "/"),
        ("GET", "my-host", "/sub-path"),
        ("POST", "some-host", "/"),
        ("PUT", "", "/resource"),
        ("DELETE", "some-host", "/resource"),
        ("PATCH", "my-host", "/resource"),
    ] {
        let ask = Ask {
            method,
            ..get(host, path)
        };
        let seen = world.ask(&ask);
        assert_eq!(seen.service(), "echo-service", "{method} {host}{path}");
        let plan = seen.plan();
        assert_eq!((plan.host, plan.uri), (None, None), "kept as they are");
    }
}

#[test]
fn rows_2_to_7_hosts() {
    let world = world(HOST_RULES, &["wildcard-foo-com", "foo-bar-com"]);
    for (row, tls, host, expected) in [
        (2, true, "foo.bar.com", "foo-bar-com"),
        (3, false, "foo.bar.com", "foo-bar-com"),
        (4, false, "subdomain.bar.com", "404"),
        (5, false, "bar.foo.com", "wildcard-foo-com"),
        (6, false, "baz.bar.foo.com", "404"),
        (7, false, "foo.com", "404"),
    ] {
        let ask = Ask {
            tls,
            sni: if tls { "foo.bar.com" } else { "" },
            ..get(host, "/")
        };
        assert_eq!(world.ask(&ask).service(), expected, "row {row}");
    }
    let certificate = r#"{"type":"certificate","id":"certificate/default/conformance-tls","secret":"default/conformance-tls","snis":["foo.bar.com"]}"#;
    assert_eq!(world.entities(), [certificate]);
}

#[test]
fn row_8_another_class_is_not_ours() {
    let text = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: other}
spec: {ingressClassName: some-class, defaultBackend: {service: {name: a, port: {number: 80}}}}
";
    let world = World::with(Default::default(), &format!("{text}{}", service("a", 1)));
    assert_eq!(world.get("h", "/"), "404");
    assert!(world.codes().is_empty());
}

#[test]
fn row_9_a_hundred_requests_reach_all_of_ten_pods() {
    let world = World::of(&format!("{DEFAULT}{}", service("echo-service", 10)));
    let first: BTreeSet<_> = (0..100)
        .map(|spin| {
            let ask = Ask {
                spin,
                ..get("load-balancing", "/")
            };
            world.ask(&ask).plan().endpoints[0]
        })
        .collect();
    assert_eq!(first.len(), 10);
}

#[test]
fn rows_10_to_25_paths() {
    let services = [
        "foo-exact",
        "foo-prefix",
        "aaa-slash-bbb-prefix",
        "aaa-prefix",
        "aaa-slash-bbb-slash-prefix",
        "foo-slash-exact",
    ];
    let world = world(PATH_RULES, &services);
    let (exact, prefix) = ("exact-path-rules", "prefix-path-rules");
    let (mixed, slash) = ("mixed-path-rules", "trailing-slash-path-rules");
    for (row, host, path, expected) in [
        (10, exact, "/foo", "foo-exact"),
        (11, exact, "/foo/", "404"),
        (12, exact, "/FOO", "404"),
        (13, exact, "/bar", "404"),
        (14, prefix, "/foo", "foo-prefix"),
        (15, prefix, "/foo/", "foo-prefix"),
        (16, prefix, "/FOO", "404"),
        (17, prefix, "/aaa/bbb", "aaa-slash-bbb-prefix"),
        (18, prefix, "/aaa/bbb/ccc", "aaa-slash-bbb-prefix"),
        (19, prefix, "/aaa/ccc", "aaa-prefix"),
        (20, prefix, "/aaaccc", "404"),
        (21, prefix, "/foo/", "foo-prefix"),
        (22, mixed, "/foo", "foo-exact"),
        (23, slash, "/aaa/bbb", "aaa-slash-bbb-slash-prefix"),
        (24, slash, "/aaa/bbb/", "aaa-slash-bbb-slash-prefix"),
        (25, slash, "/foo", "404"),
    ] {
        assert_eq!(world.get(host, path), expected, "row {row}");
    }
}
