//! The translator's rules for Ingress and for what every object has in common, one test each. Those of
//! the Gateway API are in `translate/`.

mod translate_support;

use silverback_core::translate::{Applied, Options};
use translate_support::{World, any_class, key, yaml};

const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- addresses: [10.0.0.2, 10.0.0.1]
- {addresses: [10.0.0.3], conditions: {ready: false, serving: true, terminating: true}}
---
";

fn ingress(spec: &str) -> String {
    format!(
        "{WEB}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web, namespace: shop}}
spec: {spec}
"
    )
}

/// One path of one rule, as flow YAML.
fn path(host: &str, kind: &str, path: &str) -> String {
    ingress(&format!(
        "{{rules: [{{host: '{host}', http: {{paths: [{{path: '{path}', pathType: {kind}, \
         backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]}}"
    ))
}

#[test]
fn ingress_hosts_and_paths_become_matches() {
    for (host, kind, written, expected) in [
        ("a.com", "Exact", "/foo", "ingress a.com Exact /foo"),
        ("a.com", "Exact", "/foo/", "ingress a.com Exact /foo/"),
        ("A.com", "Exact", "", "ingress a.com Exact /"),
        ("*.a.com", "Prefix", "/foo", "ingress *.a.com Prefix /foo"),
        ("a.com", "Prefix", "/foo/", "ingress a.com Prefix /foo"),
        (
            "a.com",
            "Prefix",
            "//foo//bar",
            "ingress a.com Prefix /foo/bar",
        ),
        ("", "Prefix", "/", "ingress * Prefix /"),
        ("", "Prefix", "", "ingress * Prefix /"),
    ] {
        let world = World::of(any_class(), &path(host, kind, written));
        assert_eq!(
            world.routes(),
            [format!("{expected} : shop/web[0.0] -> shop/web:80*1")],
            "{host} {kind} {written}"
        );
        // A wildcard means less than in Kong, which is told.
        let told = world.problems().iter().all(|p| p.contains("KicDiffers"));
        assert!(told && world.problems().len() == usize::from(host.starts_with('*')));
    }
}

#[test]
fn what_is_wrong_with_a_rule_costs_that_rule() {
    for (host, kind, written, code) in [
        ("10.0.0.1", "Prefix", "/", "InvalidHost spec.rules[0].host"),
        ("a.com:80", "Prefix", "/", "InvalidHost spec.rules[0].host"),
        ("a.*.com", "Prefix", "/", "InvalidHost spec.rules[0].host"),
        (
            "a.com",
            "Prefix",
            "x",
            "InvalidPath spec.rules[0].http.paths[0].path",
        ),
        (
            "a.com",
            "Regex",
            "/",
            "UnsupportedPathType spec.rules[0].http.paths[0].pathType",
        ),
    ] {
        let world = World::of(any_class(), &path(host, kind, written));
        assert_eq!(world.routes(), [""; 0], "{code}");
        assert_eq!(world.codes(), [format!("Ingress web {code}")]);
    }
}

#[test]
fn endpoints_are_all_ready_addresses_on_the_port_of_the_same_name() {
    let world = World::of(any_class(), &path("a.com", "Prefix", "/"));
    assert_eq!(
        world.rest(),
        ["service shop/web:80 : 10.0.0.1:8080 10.0.0.2:8080"]
    );
}

#[test]
fn an_ingress_backend_that_is_missing_does_not_fall_through() {
    for (backend, target, code) in [
        ("{name: web, port: {name: http}}", "shop/web:80*1", None),
        (
            "{name: gone, port: {number: 80}}",
            "shop/gone:80*1",
            Some("service.name"),
        ),
        (
            "{name: web, port: {number: 81}}",
            "shop/web:81*1",
            Some("service.port.number"),
        ),
        (
            "{name: web, port: {name: x}}",
            "500*1",
            Some("service.port.name"),
        ),
        (
            "{name: gone, port: {name: x}}",
            "500*1",
            Some("service.name"),
        ),
    ] {
        let world = World::of(
            any_class(),
            &ingress(&format!(
                "{{rules: [{{http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {backend}}}}}]}}}}]}}"
            )),
        );
        assert_eq!(
            world.routes(),
            [format!("ingress * Prefix / : shop/web[0.0] -> {target}")]
        );
        let field = "Ingress web BackendNotFound spec.rules[0].http.paths[0].backend";
        let expected: Vec<_> = code
            .map(|part| format!("{field}.{part}"))
            .into_iter()
            .collect();
        assert_eq!(world.codes(), expected, "{backend}");
    }
}

#[test]
fn the_oldest_default_backend_wins() {
    let object = |name: &str, created: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: shop, creationTimestamp: '{created}'}}
spec: {{defaultBackend: {{service: {{name: web, port: {{number: 80}}}}}}}}
---
"
        )
    };
    let text = format!(
        "{WEB}{}{}",
        object("a", "2024-01-01T00:00:00Z"),
        object("b", "2023-01-01T00:00:00Z")
    );
    let world = World::of(any_class(), &text);
    assert!(world.routes()[0].starts_with("ingress default * Prefix / : shop/b"));
    assert_eq!(
        world.codes(),
        ["Ingress a ConflictingDefaultBackend spec.defaultBackend"]
    );
}

#[test]
fn the_older_of_two_equal_paths_wins_and_the_other_is_told() {
    let other = yaml(&path("a.com", "Prefix", "/x/"));
    let mut world = World::of(any_class(), &path("a.com", "Prefix", "/x"));
    let mut twin = other.last().unwrap().clone();
    twin["metadata"]["name"] = "older".into();
    twin["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z".into();
    world.apply(&twin);
    world.publish();
    assert_eq!(
        world.codes(),
        ["Ingress web ConflictingPath spec.rules[0].http.paths[0]"]
    );
    assert!(
        world.problems()[0].contains("served by spec.rules[0].http.paths[0] of Ingress shop/older")
    );
    world.translator.delete(&key(&twin));
    world.publish();
    assert_eq!(world.codes(), [""; 0]);
}

#[test]
fn ingress_class_is_annotation_then_field_then_default_class() {
    let default = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: kong, annotations: {ingressclass.kubernetes.io/is-default-class: 'true'}}
";
    for (annotation, field, class, ours) in [
        (None, None, "", false),
        (None, None, default, true),
        (None, Some("kong"), "", true),
        (None, Some("nginx"), default, false),
        (Some("kong"), Some("nginx"), "", true),
        (Some("nginx"), Some("kong"), default, false),
        (Some(""), Some("kong"), "", true),
    ] {
        let mut world = World::of(Options::default(), class);
        let mut objects = yaml(&path("a.com", "Prefix", "/"));
        let last = objects.last_mut().unwrap();
        if let Some(class) = annotation {
            last["metadata"]["annotations"]["kubernetes.io/ingress.class"] = class.into();
        }
        if let Some(class) = field {
            last["spec"]["ingressClassName"] = class.into();
        }
        objects.iter().for_each(|object| {
            world.apply(object);
        });
        world.publish();
        assert_eq!(
            world.routes().len(),
            usize::from(ours),
            "{annotation:?} {field:?}"
        );
    }
}

#[test]
fn an_annotation_that_must_not_be_ignored_closes_the_ingress() {
    for (annotation, value, routes) in [
        ("konghq.com/plugins", "key-auth", vec!["500*1"]),
        ("konghq.com/rewrite", "no path", vec!["500*1"]),
        ("konghq.com/strip-path", "false", vec!["shop/web:80*1"]),
        ("konghq.com/methods", "G T", vec![]),
        ("konghq.com/regex-priority", "1", vec!["shop/web:80*1"]),
    ] {
        let mut objects = yaml(&path("a.com", "Prefix", "/"));
        objects.last_mut().unwrap()["metadata"]["annotations"][annotation] = value.into();
        let mut world = World::new(any_class());
        for object in &objects {
            world.apply(object);
        }
        world.publish();
        let targets: Vec<_> = world
            .routes()
            .iter()
            .map(|line| line.rsplit_once("-> ").unwrap().1.to_owned())
            .collect();
        assert_eq!(targets, routes, "{annotation}={value}");
        assert_eq!(world.codes().len(), usize::from(value != "false"));
    }
}

#[test]
fn what_is_no_object_is_refused_and_other_kinds_are_ignored() {
    let mut world = World::new(any_class());
    let t = &mut world.translator;
    for (json, code) in [
        ("", "InvalidJson"),
        ("[]", "WrongType"),
        ("{}", "MissingField"),
        (r#"{"apiVersion":"v1","kind":"Service"}"#, "MissingField"),
        (
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"a/b"}}"#,
            "InvalidName",
        ),
    ] {
        match t.apply(json.as_bytes()) {
            Applied::Refused(problem) => assert_eq!(problem.code.as_str(), code, "{json}"),
            other => panic!("{json}: {other:?}"),
        }
    }
    let deep = "[".repeat(100_000);
    assert!(matches!(t.apply(deep.as_bytes()), Applied::Refused(_)));
    let ignored = t.apply(br#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{}}"#);
    assert!(matches!(ignored, Applied::Ignored { kind, .. } if kind == "Deployment"));
}

#[test]
fn what_is_not_read_changes_nothing() {
    let mut world = World::of(any_class(), &path("a.com", "Prefix", "/"));
    for mut object in yaml(&path("a.com", "Prefix", "/")) {
        object["status"] = "new".into();
        object["metadata"]["resourceVersion"] = "7".into();
        assert!(matches!(world.apply(&object), Applied::Unchanged(_)));
    }
    assert_eq!(world.translator.commit().objects, 0);
    assert_eq!(world.translator.take_changes(1000), Default::default());
}

#[test]
fn paths_of_one_ingress_rule_have_their_own_backends() {
    let backend =
        |name: &str| format!("backend: {{service: {{name: {name}, port: {{number: 80}}}}}}");
    let world = World::of(
        any_class(),
        &ingress(&format!(
            "{{rules: [{{http: {{paths: [{{path: /a, pathType: Exact, {}}}, {{path: /b, pathType: Exact, {}}}]}}}}]}}",
            backend("web"),
            backend("other")
        )),
    );
    assert_eq!(
        world.routes(),
        [
            "ingress * Exact /a : shop/web[0.0] -> shop/web:80*1",
            "ingress * Exact /b : shop/web[0.1] -> shop/other:80*1",
        ]
    );
}

#[test]
fn the_data_of_secrets_is_never_kept() {
    let text = include_str!("golden/quickstart/in.yaml");
    let key = "WS0tLS0tCmMyVmpjbVYwCi0tLS0tRU5E";
    assert!(text.contains(key));
    let world = World::of(any_class(), text);
    let kept = format!("{world:?}");
    // Neither as it is written nor decoded.
    assert!(!kept.contains(key) && !kept.contains("c2VjcmV0"));
}
