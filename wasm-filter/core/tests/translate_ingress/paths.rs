//! Paths of Ingress (docs/routing.md, "Paths of Ingress").

use crate::world::{World, ingress, path, service};

/// Whether the only path of an Ingress takes a request.
fn takes(annotations: &str, kind: &str, written: &str, request: &str) -> bool {
    let ingress = ingress("i", annotations, &[path(kind, written, "a")]);
    World::of(&format!("{ingress}{}", service("a", 1))).get("h", request) == "a"
}

#[test]
fn what_each_path_type_takes() {
    let implementation = "ImplementationSpecific";
    for (kind, written, yes, no) in [
        (
            "Exact",
            "/foo",
            &["/foo", "//foo"][..],
            &["/foo/", "/foob", "/Foo"][..],
        ),
        (
            "Prefix",
            "/foo",
            &["/foo", "/foo/", "/foo/b"],
            &["/foob", "/FOO"],
        ),
        ("Prefix", "/foo/", &["/foo", "/foo/", "/foo/b"], &["/foob"]),
        ("Prefix", "/a.b", &["/a.b"], &["/aXb"]),
        ("Exact", "/a+b", &["/a+b"], &["/aab"]),
        (
            implementation,
            "/foo",
            &["/foo", "/foobar", "/foo/x"],
            &["/fo", "/xfoo"],
        ),
        (implementation, "/foo/", &["/foo/", "/foo/x"], &["/foo"]),
        (
            implementation,
            "/~/foo/\\d{3}",
            &["/foo/123", "/foo/1234x"],
            &["/foo/12", "/x/foo/123"],
        ),
        (implementation, "/~/foo$", &["/foo"], &["/foo/"]),
        (implementation, "/~", &["/", "/anything"], &[]),
        (implementation, "//~//foo", &["/foo"], &["/~/foo"]),
        (implementation, "", &["/", "/x"], &[]),
        ("Exact", "", &["/"], &["/x"]),
        ("Prefix", "", &["/", "/x"], &[]),
        (
            "Prefix",
            "//foo//bar//",
            &["/foo/bar", "/foo//bar"],
            &["/foo"],
        ),
        ("null", "/foo", &["/foobar"], &["/fo"]),
    ] {
        for request in yes {
            assert!(
                takes("", kind, written, request),
                "{kind} {written}: {request}"
            );
        }
        for request in no {
            assert!(
                !takes("", kind, written, request),
                "{kind} {written}: {request}"
            );
        }
    }
}

#[test]
fn the_mark_of_patterns_can_be_changed() {
    let other = "konghq.com/regex-prefix: '/@'";
    let kind = "ImplementationSpecific";
    assert!(takes(other, kind, "/@/a[0-9]", "/a1"));
    assert!(!takes(other, kind, "/~/a[0-9]", "/a1"));
    assert!(takes(other, kind, "/~/a", "/~/a"));
    assert!(takes(
        "konghq.com/regex-prefix: ''",
        kind,
        "/~/a[0-9]",
        "/a1"
    ));
}

#[test]
fn a_broken_pattern_is_not_programmed_and_told() {
    for pattern in ["/~/a(", "/~/a(?=b)", "/~/(a)\\1", "/~/(a{1000}){1000}"] {
        let text = ingress("i", "", &[path("ImplementationSpecific", pattern, "a")]);
        let world = World::of(&format!("{text}{}", service("a", 1)));
        assert_eq!(world.get("h", "/a"), "404", "{pattern}");
        let code = "Ingress i InvalidRegex spec.rules[0].http.paths[0].path";
        assert_eq!(world.codes(), [code], "{pattern}");
    }
}

#[test]
fn larger_paths_come_first_whatever_their_type() {
    let kind = "ImplementationSpecific";
    let paths = [
        path("Prefix", "/a", "short"),
        path(kind, "/a/b", "text"),
        path(kind, "/~/a/[b]cdefgh", "pattern"),
        path("Exact", "/a/bcdefgh", "exact"),
    ];
    let services: String = ["short", "text", "pattern", "exact"]
        .map(|name| service(name, 1))
        .concat();
    let world = World::of(&format!("{}{services}", ingress("i", "", &paths)));
    for (request, expected) in [
        ("/a/x", "short"),
        ("/a/bx", "text"),
        ("/a/bcdefghi", "pattern"),
        ("/a/bcdefgh", "exact"),
    ] {
        assert_eq!(world.get("h", request), expected, "{request}");
    }
    assert!(
        world
            .codes()
            .contains(&"Ingress i KicDiffers spec.rules[0].http.paths[1].path".to_owned())
    );
}

#[test]
fn what_kic_takes_otherwise_is_told_once() {
    let text = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i}
spec:
  rules:
  - host: '*.a.com'
    http: {paths: [
      {path: /a.b, pathType: Exact, backend: {service: {name: a, port: {number: 80}}}},
      {path: /c.d, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}
  - host: '*.b.com'
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}
";
    let world = World::of(&format!("{text}{}", service("a", 1)));
    assert_eq!(
        world.codes(),
        [
            "Ingress i KicDiffers spec.rules[0].http.paths[0].path",
            "Ingress i KicDiffers spec.rules[0].host",
        ]
    );
    assert_eq!(world.get("x.a.com", "/a.b"), "a");
    assert_eq!(world.get("x.y.a.com", "/a.b"), "404");
}

#[test]
fn the_oldest_default_backend_of_the_cluster_is_in_effect_and_comes_last() {
    let backend = |name: &str, year: u16| {
        format!(
            "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, creationTimestamp: '{year}-01-01T00:00:00Z'}}
spec: {{defaultBackend: {{service: {{name: {name}, port: {{number: 80}}}}}}}}
"
        )
    };
    let text = [
        backend("young", 2024),
        backend("old", 2020),
        ingress("rule", "", &[path("Prefix", "/x", "rule")]),
        service("young", 1),
        service("old", 1),
        service("rule", 1),
    ]
    .concat();
    let world = World::of(&text);
    assert_eq!(world.get("any", "/y"), "old");
    assert_eq!(world.get("any", "/x"), "rule");
    assert_eq!(
        world.codes(),
        ["Ingress young ConflictingDefaultBackend spec.defaultBackend"]
    );
}

#[test]
fn what_cannot_be_a_backend_answers_500_in_its_place() {
    let text = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i}
spec:
  rules:
  - http: {paths: [
      {path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}},
      {path: /resource, pathType: Prefix, backend: {resource: {kind: Bucket, name: x}}},
      {path: /none, pathType: Prefix, backend: {service: {name: none, port: {number: 80}}}},
      {path: /name, pathType: Prefix, backend: {service: {name: a, port: {name: nope}}}},
      {path: /port, pathType: Prefix, backend: {service: {name: a, port: {name: http}}}},
      {path: /target, pathType: Prefix, backend: {service: {name: a, port: {name: web}}}}]}
";
    let world = World::of(&format!("{text}{}", service("a", 1)));
    for (path, expected) in [
        ("/", "a"),
        ("/resource", "500"),
        ("/none", "503"),
        ("/name", "500"),
        ("/port", "a"),
        ("/target", "a"),
    ] {
        assert_eq!(world.get("h", path), expected, "{path}");
    }
    assert_eq!(
        world.codes(),
        [
            "Ingress i UnsupportedField spec.rules[0].http.paths[1].backend.resource",
            "Ingress i BackendNotFound spec.rules[0].http.paths[2].backend.service.name",
            "Ingress i BackendNotFound spec.rules[0].http.paths[3].backend.service.port.name",
        ]
    );
}
