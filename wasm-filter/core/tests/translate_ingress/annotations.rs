//! Annotations of route objects (kic-map 1.4), a row each.

use crate::world::{Ask, World, get, ingress, path, service};

/// An Ingress with the path `/p` and these annotations.
fn world(annotations: &str) -> World {
    let ingress = ingress("i", annotations, &[path("Prefix", "/p", "a")]);
    World::of(&format!("{ingress}{}", service("a", 1)))
}

fn header(name: &'static str, value: &'static str) -> Ask {
    Ask {
        headers: vec![(name, value)],
        ..get("h", "/p")
    }
}

fn method(method: &'static str) -> Ask {
    Ask {
        method,
        ..get("h", "/p")
    }
}

fn tls(sni: &'static str) -> Ask {
    Ask {
        tls: true,
        sni,
        ..get("h", "/p")
    }
}

#[test]
fn who_is_served() {
    for (annotations, ask, expected) in [
        ("konghq.com/methods: 'get, POST'", method("GET"), "a"),
        ("konghq.com/methods: 'get, POST'", method("POST"), "a"),
        ("konghq.com/methods: 'get, POST'", method("PUT"), "404"),
        ("konghq.com/methods: ''", method("PUT"), "a"),
        (
            "konghq.com/headers.X-Env: 'a, b'",
            header("x-env", "b"),
            "a",
        ),
        (
            "konghq.com/headers.X-Env: 'a, b'",
            header("x-env", "c"),
            "404",
        ),
        (
            "konghq.com/headers.x: 'a,b', konghq.com/headers-separator: ';'",
            header("x", "a,b"),
            "a",
        ),
        (
            "konghq.com/headers.x: 'a,b', konghq.com/headers-separator: ';'",
            header("x", "a"),
            "404",
        ),
        (
            "konghq.com/headers.x: a, konghq.com/headers.y: b",
            header("x", "a"),
            "404",
        ),
        (
            "konghq.com/headers.x: '~*^v[0-9]'",
            header("x", "V1-and-more"),
            "a",
        ),
        (
            "konghq.com/headers.x: '~*[0-9]'",
            header("x", "in 1 it"),
            "a",
        ),
        (
            "konghq.com/headers.x: '~*^v[0-9]'",
            header("x", "none"),
            "404",
        ),
        (
            "konghq.com/headers.x: 'Exact, ~*pat'",
            header("x", "some PATTERN"),
            "a",
        ),
        (
            "konghq.com/headers.x: 'Exact, ~*pat'",
            header("x", "Exact"),
            "a",
        ),
        (
            "konghq.com/headers.x: 'Exact, ~*pat'",
            header("x", "exact"),
            "404",
        ),
        (
            "konghq.com/headers.x: 'a.b, ~*pat'",
            header("x", "aXb"),
            "404",
        ),
        ("konghq.com/snis: s.com", tls("s.com"), "a"),
        ("konghq.com/snis: s.com", tls("other.com"), "404"),
        ("konghq.com/snis: s.com", get("h", "/p"), "a"),
        ("konghq.com/snis: '*.s.com'", tls("x.s.com"), "a"),
        ("konghq.com/protocols: http", tls(""), "404"),
        ("konghq.com/protocols: http", get("h", "/p"), "a"),
        ("konghq.com/protocols: 'http,https'", tls(""), "a"),
        ("konghq.com/protocols: https", tls(""), "a"),
        ("konghq.com/protocols: https", get("h", "/p"), "426"),
        ("konghq.com/protocols: grpcs", get("h", "/p"), "426"),
        (
            "konghq.com/protocols: https, konghq.com/https-redirect-status-code: '301'",
            get("h", "/p"),
            "301",
        ),
        (
            "konghq.com/https-redirect-status-code: '301'",
            get("h", "/p"),
            "a",
        ),
        (
            "ingress.kubernetes.io/force-ssl-redirect: 'true'",
            get("h", "/p"),
            "302",
        ),
        (
            "ingress.kubernetes.io/force-ssl-redirect: 'true'",
            tls(""),
            "a",
        ),
        (
            "ingress.kubernetes.io/force-ssl-redirect: 'false'",
            get("h", "/p"),
            "a",
        ),
        (
            "ingress.kubernetes.io/force-ssl-redirect: 'true', konghq.com/https-redirect-status-code: '308'",
            get("h", "/p"),
            "308",
        ),
        ("konghq.com/host-aliases: 'h, x.com'", get("h", "/p"), "a"),
        ("konghq.com/host-aliases: 'x.com'", get("h", "/p"), "404"),
    ] {
        let world = world(annotations);
        assert_eq!(world.ask(&ask).service(), expected, "{annotations} {ask:?}");
        assert_eq!(world.codes(), [""; 0], "{annotations}");
    }
}

#[test]
fn aliases_have_all_paths_of_the_ingress() {
    let text = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i, annotations: {konghq.com/host-aliases: 'c.com, *.d.com'}}
spec:
  rules:
  - host: a.com
    http: {paths: [{path: /a, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}
  - host: b.com
    http: {paths: [{path: /b, pathType: Prefix, backend: {service: {name: b, port: {number: 80}}}}]}
";
    let world = World::of(&[text, &service("a", 1), &service("b", 1)].concat());
    for (host, path, expected) in [
        ("a.com", "/a", "a"),
        ("a.com", "/b", "404"),
        ("b.com", "/b", "b"),
        ("c.com", "/a", "a"),
        ("c.com", "/b", "b"),
        ("x.d.com", "/b", "b"),
    ] {
        assert_eq!(world.get(host, path), expected, "{host}{path}");
    }
}

#[test]
fn what_the_upstream_sees() {
    let kind = "ImplementationSpecific";
    for (annotations, kind, written, request, expected) in [
        ("", "Prefix", "/p", "/p/x?q=1", "/p/x?q=1"),
        (
            "konghq.com/strip-path: 'true'",
            "Prefix",
            "/p",
            "/p/x?q=1",
            "/x?q=1",
        ),
        ("konghq.com/strip-path: 'TRUE'", "Prefix", "/p", "/p", "/"),
        (
            "konghq.com/strip-path: 'false'",
            "Prefix",
            "/p",
            "/p/x",
            "/p/x",
        ),
        ("konghq.com/strip-path: 'true'", "Exact", "/p", "/p", "/"),
        (
            "konghq.com/strip-path: 'true'",
            kind,
            "/~/p[0-9]+",
            "/p12/x",
            "/x",
        ),
        (
            "konghq.com/rewrite: /new",
            "Prefix",
            "/p",
            "/p/x?q=1",
            "/new?q=1",
        ),
        ("konghq.com/rewrite: ''", "Prefix", "/p", "/p/x", "/"),
        (
            "konghq.com/rewrite: /new/$1/y",
            kind,
            "/~/p/([a-z]+)",
            "/p/abc/d",
            "/new/abc/y",
        ),
        (
            "konghq.com/rewrite: /$2$1",
            kind,
            "/~/(a+)/(b+)",
            "/aa/b",
            "/baa",
        ),
        ("konghq.com/rewrite: '/a\\$1'", "Prefix", "/p", "/p", "/a$1"),
        (
            "konghq.com/rewrite: /n, konghq.com/strip-path: 'true'",
            "Prefix",
            "/p",
            "/p/x",
            "/n",
        ),
        // More groups than the path has: not what was meant, so not served.
        (
            "konghq.com/rewrite: /new/$2",
            kind,
            "/~/p/([a-z]+)",
            "/p/abc",
            "500",
        ),
        (
            "konghq.com/rewrite: /new/$1",
            "Prefix",
            "/p",
            "/p/abc",
            "500",
        ),
        (
            "konghq.com/rewrite: /new/$0",
            "Prefix",
            "/p",
            "/p/abc",
            "500",
        ),
        (
            "konghq.com/rewrite: /new/$100",
            "Prefix",
            "/p",
            "/p/abc",
            "500",
        ),
        ("konghq.com/rewrite: new", "Prefix", "/p", "/p/abc", "500"),
        (
            "konghq.com/rewrite: '/x?y'",
            "Prefix",
            "/p",
            "/p/abc",
            "500",
        ),
    ] {
        let ingress = ingress("i", annotations, &[path(kind, written, "a")]);
        let world = World::of(&format!("{ingress}{}", service("a", 1)));
        let ask = get("h", request);
        let name = format!("{annotations} {written} {request}");
        assert_eq!(world.ask(&ask).uri(&ask), expected, "{name}");
        let told = world
            .codes()
            .iter()
            .any(|code| code.contains("InvalidAnnotation"));
        assert_eq!(told, expected == "500", "{name}");
    }
}

#[test]
fn preserve_host_and_tags() {
    let plan = world("").ask(&get("h", "/p")).plan();
    assert_eq!(plan.host, None);
    let plan = world("konghq.com/preserve-host: 'false', konghq.com/tags: 'b, a,b'")
        .ask(&get("h", "/p"))
        .plan();
    assert!(plan.host.is_some_and(|host| host != b"h"));
    assert_eq!(String::from_utf8_lossy(&plan.tags), "a,b");
}

#[test]
fn a_bad_value_closes_what_it_restricts_and_else_has_no_effect() {
    for (annotation, expected, code) in [
        ("konghq.com/methods: 'GET,P T'", "404", "InvalidAnnotation"),
        ("konghq.com/methods: 7", "404", "WrongType"),
        ("konghq.com/snis: 'a b'", "404", "InvalidAnnotation"),
        (
            "konghq.com/protocols: 'https,tcp'",
            "404",
            "InvalidAnnotation",
        ),
        ("konghq.com/headers.x: '~*('", "404", "InvalidRegex"),
        ("konghq.com/headers.x: ''", "404", "InvalidHeader"),
        ("'konghq.com/headers.x y': a", "404", "InvalidHeader"),
        ("konghq.com/headers.x: [a]", "404", "WrongType"),
        ("konghq.com/headers-separator: 1", "404", "WrongType"),
        (
            "ingress.kubernetes.io/force-ssl-redirect: true",
            "404",
            "WrongType",
        ),
        ("konghq.com/plugins: 'a b'", "500", "InvalidAnnotation"),
        ("konghq.com/plugins: 'a:b:c'", "a", ""),
        ("konghq.com/plugins: 1", "500", "WrongType"),
        ("konghq.com/rewrite: {}", "500", "WrongType"),
        ("konghq.com/strip-path: maybe", "a", "InvalidAnnotation"),
        ("konghq.com/preserve-host: 'no'", "a", "InvalidAnnotation"),
        ("konghq.com/path-handling: v2", "a", "InvalidAnnotation"),
        (
            "konghq.com/https-redirect-status-code: '200'",
            "a",
            "InvalidAnnotation",
        ),
        (
            "ingress.kubernetes.io/force-ssl-redirect: 'yes'",
            "a",
            "InvalidAnnotation",
        ),
        ("konghq.com/host-aliases: 'b c'", "a", "InvalidHost"),
        ("konghq.com/regex-priority: '1'", "a", "UnsupportedField"),
        (
            "konghq.com/request-buffering: 'false'",
            "a",
            "UnsupportedField",
        ),
        ("konghq.com/request-buffering: 'true'", "a", ""),
        (
            "konghq.com/response-buffering: 'false'",
            "a",
            "UnsupportedField",
        ),
        ("konghq.com/path: /x", "a", "UnsupportedField"),
        ("konghq.com/whatever: x", "a", "UnsupportedField"),
        ("other.com/whatever: x", "a", ""),
    ] {
        if annotation.contains("a:b:c") {
            // A name may hold colons (RBAC); no such plugin exists.
            assert_eq!(world(annotation).get("h", "/p"), "500");
            continue;
        }
        let world = world(annotation);
        assert_eq!(world.get("h", "/p"), expected, "{annotation}");
        let codes: Vec<_> = world
            .problems()
            .iter()
            .map(|problem| problem.code.as_str())
            .collect();
        let want = if code.is_empty() { vec![] } else { vec![code] };
        assert_eq!(codes, want, "{annotation}");
    }
}

const GATEWAY: &str = "---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec: {gatewayClassName: any, listeners: [{name: http, port: 80, protocol: HTTP}]}
";

fn http_route(annotations: &str, matches: &str) -> String {
    format!(
        "---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r, annotations: {{{annotations}}}}}
spec:
  parentRefs: [{{name: gw}}]
  rules: [{{matches: {matches}, backendRefs: [{{name: a, port: 80}}]}}]
"
    )
}

#[test]
fn an_httproute_has_them_too() {
    let listener = |ask: Ask| Ask {
        listener: Some(80),
        ..ask
    };
    for (annotations, matches, ask, expected) in [
        ("konghq.com/methods: GET", "[{}]", get("h", "/"), "/"),
        ("konghq.com/methods: POST", "[{}]", get("h", "/"), "404"),
        (
            "konghq.com/methods: POST",
            "[{method: GET}]",
            get("h", "/"),
            "404",
        ),
        (
            "konghq.com/methods: 'POST,GET'",
            "[{method: GET}]",
            get("h", "/"),
            "/",
        ),
        ("konghq.com/headers.x: a", "[{}]", get("h", "/"), "404"),
        (
            "konghq.com/headers.x: a",
            "[{}]",
            Ask {
                headers: vec![("x", "a")],
                ..get("h", "/")
            },
            "/",
        ),
        (
            "konghq.com/strip-path: 'true'",
            "[{path: {value: /p}}]",
            get("h", "/p/x"),
            "/x",
        ),
        (
            "konghq.com/host-aliases: 'x.com'",
            "[{}]",
            get("h", "/"),
            "404",
        ),
        (
            "konghq.com/host-aliases: 'x.com'",
            "[{}]",
            get("x.com", "/"),
            "/",
        ),
        ("konghq.com/protocols: https", "[{}]", get("h", "/"), "426"),
        ("konghq.com/methods: 'a b'", "[{}]", get("h", "/"), "404"),
        ("konghq.com/rewrite: /x", "[{}]", get("h", "/"), "500"),
        ("konghq.com/plugins: none", "[{}]", get("h", "/"), "500"),
    ] {
        let text = [GATEWAY, &http_route(annotations, matches), &service("a", 1)].concat();
        let world = World::of(&text);
        let ask = listener(ask);
        let seen = world.ask(&ask).uri(&ask);
        assert_eq!(seen, expected, "{annotations} {matches} {ask:?}");
    }
}
