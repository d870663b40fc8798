//! The translator's rules, one test each: objects in, routes, problems and conditions out.

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

const GATEWAY: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: kong}
spec: {controllerName: silverback.rs/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: shop, generation: 3}
spec:
  gatewayClassName: kong
  listeners:
  - {name: any, port: 80, protocol: HTTP}
  - {name: wild, port: 8080, protocol: HTTP, hostname: '*.a.com', allowedRoutes: {namespaces: {from: All}}}
  - name: red
    port: 8081
    protocol: HTTP
    allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: red}}}}
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

fn route(spec: &str) -> String {
    format!(
        "{WEB}{GATEWAY}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: r, namespace: shop}}
spec: {spec}
"
    )
}

fn accepted(world: &World) -> Vec<String> {
    world.conditions("HTTPRoute", "r", "/parents/0/conditions")
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
        assert_eq!(world.problems(), [""; 0]);
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
        ("konghq.com/strip-path", "true", vec!["500*1"]),
        ("konghq.com/strip-path", "false", vec!["shop/web:80*1"]),
        ("konghq.com/methods", "GET", vec![]),
        ("konghq.com/tags", "a", vec!["shop/web:80*1"]),
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
fn routes_are_reachable_where_route_and_listener_hosts_meet() {
    let world = World::of(
        any_class(),
        &route(
            "{parentRefs: [{name: gw}], hostnames: [x.a.com, '*.com'], rules: [{backendRefs: [{name: web, port: 80}]}]}",
        ),
    );
    assert_eq!(
        world.routes(),
        [
            "port:80/* *.com Prefix / : shop/r[0.0] -> shop/web:80*1",
            "port:80/* x.a.com Prefix / : shop/r[0.0] -> shop/web:80*1",
            "port:8080/*.a.com *.a.com Prefix / : shop/r[0.0] -> shop/web:80*1",
            "port:8080/*.a.com x.a.com Prefix / : shop/r[0.0] -> shop/web:80*1",
        ]
    );
    assert_eq!(
        accepted(&world),
        ["Accepted=True/Accepted", "ResolvedRefs=True/ResolvedRefs"]
    );
    let listeners = world.status("Gateway", "gw")["listeners"].clone();
    let attached: Vec<_> = (0..3)
        .map(|i| listeners[i]["attachedRoutes"].clone())
        .collect();
    assert_eq!(attached, [1, 1, 0]);
    assert_eq!(
        world.conditions("Gateway", "gw", "/listeners/0/conditions"),
        [
            "Accepted=True/Accepted",
            "Conflicted=False/NoConflicts",
            "ResolvedRefs=True/ResolvedRefs",
            "Programmed=True/Programmed"
        ]
    );
}

#[test]
fn a_route_that_cannot_attach_says_why() {
    for (parent, hostnames, reason) in [
        ("{name: gw, sectionName: gone}", "[]", "NoMatchingParent"),
        ("{name: gw, port: 99}", "[]", "NoMatchingParent"),
        (
            "{name: gw, sectionName: any, port: 8080}",
            "[]",
            "NoMatchingParent",
        ),
        (
            "{name: gw, sectionName: red}",
            "[]",
            "NotAllowedByListeners",
        ),
        (
            "{name: gw, sectionName: wild}",
            "[b.com]",
            "NoMatchingListenerHostname",
        ),
        ("{name: gw}", "[b com]", "NoMatchingListenerHostname"),
    ] {
        let world = World::of(
            any_class(),
            &route(&format!(
                "{{parentRefs: [{parent}], hostnames: {hostnames}, rules: [{{backendRefs: [{{name: web, port: 80}}]}}]}}"
            )),
        );
        assert_eq!(world.routes(), [""; 0], "{parent}");
        assert_eq!(
            accepted(&world)[0],
            format!("Accepted=False/{reason}"),
            "{parent}"
        );
    }
}

#[test]
fn a_namespace_label_that_comes_later_attaches_the_route() {
    let text = route(
        "{parentRefs: [{name: gw, sectionName: red}], rules: [{backendRefs: [{name: web, port: 80}]}]}",
    );
    let mut world = World::of(any_class(), &text);
    assert_eq!(world.routes().len(), 0);
    for object in
        yaml("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: red}}}")
    {
        world.apply(&object);
    }
    world.publish();
    assert_eq!(world.routes().len(), 1);
}

#[test]
fn matches_become_conditions() {
    for (matches, expected) in [
        ("[{}]", Some("Prefix /")),
        ("[{path: {value: /a/}}]", Some("Prefix /a")),
        ("[{path: {type: Exact, value: /a/}}]", Some("Exact /a/")),
        ("[{method: GET}]", Some("Prefix / GET")),
        (
            "[{headers: [{name: X, value: '1'}, {name: A, value: b}, {name: x, value: '2'}]}]",
            Some("Prefix / a=b x=1"),
        ),
        ("[{method: get}]", None),
        ("[{path: {type: RegularExpression, value: /.*}}]", None),
        (
            "[{headers: [{type: RegularExpression, name: a, value: b}]}]",
            None,
        ),
        ("[{headers: [{name: 'a b', value: b}]}]", None),
        ("[{queryParams: [{name: a, value: b}]}]", None),
        ("[{somethingNew: 1}]", None),
    ] {
        let world = World::of(
            any_class(),
            &route(&format!(
                "{{parentRefs: [{{name: gw, sectionName: any}}], rules: [{{matches: {matches}, backendRefs: [{{name: web, port: 80}}]}}]}}"
            )),
        );
        let lines: Vec<_> = expected
            .map(|e| format!("port:80/* * {e} : shop/r[0.0] -> shop/web:80*1"))
            .into_iter()
            .collect();
        assert_eq!(world.routes(), lines, "{matches}");
        if expected.is_none() {
            assert_eq!(
                accepted(&world)[0],
                "Accepted=False/UnsupportedValue",
                "{matches}"
            );
        }
    }
}

#[test]
fn an_unsupported_filter_answers_500_and_a_timeout_only_warns() {
    for (part, target, conditions) in [
        ("filters: [{type: URLRewrite}]", "->", 3),
        ("timeouts: {request: 1s}", "-> shop/web:80*1", 2),
    ] {
        let world = World::of(
            any_class(),
            &route(&format!(
                "{{parentRefs: [{{name: gw, sectionName: any}}], rules: [{{{part}, backendRefs: [{{name: web, port: 80}}]}}]}}"
            )),
        );
        assert!(world.routes()[0].ends_with(target), "{:?}", world.routes());
        assert_eq!(accepted(&world).len(), conditions);
    }
}

#[test]
fn an_invalid_backend_keeps_its_share() {
    for (backend, target, reason) in [
        (
            "{name: web, port: 80, weight: 0}",
            "shop/web:80*0",
            "ResolvedRefs",
        ),
        ("{name: web, port: 81}", "500*1", "BackendNotFound"),
        (
            "{name: gone, port: 80, weight: 7}",
            "500*7",
            "BackendNotFound",
        ),
        (
            "{name: web, namespace: other, port: 80}",
            "500*1",
            "RefNotPermitted",
        ),
        (
            "{kind: Foo, name: web, port: 80, weight: 2}",
            "500*2",
            "InvalidKind",
        ),
        ("{name: web}", "500*1", "UnsupportedValue"),
        (
            "{name: web, port: 80, weight: -1}",
            "500*1",
            "UnsupportedValue",
        ),
    ] {
        let world = World::of(
            any_class(),
            &route(&format!(
                "{{parentRefs: [{{name: gw, sectionName: any}}], rules: [{{backendRefs: [{backend}]}}]}}"
            )),
        );
        assert!(
            world.routes()[0].ends_with(&format!("-> {target}")),
            "{backend}"
        );
        assert!(
            accepted(&world)[1].ends_with(&format!("/{reason}")),
            "{backend}"
        );
    }
}

#[test]
fn a_reference_grant_permits_a_backend_of_another_namespace() {
    let text = route(
        "{parentRefs: [{name: gw, sectionName: any}], rules: [{backendRefs: [{name: db, namespace: data, port: 5}]}]}",
    );
    let mut world = World::of(any_class(), &text);
    assert!(world.routes()[0].ends_with("-> 500*1"));
    for object in yaml("
apiVersion: v1
kind: Service
metadata: {name: db, namespace: data}
spec: {ports: [{port: 5}]}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: data}
spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}], to: [{group: '', kind: Service, name: db}]}
") {
        world.apply(&object);
    }
    world.publish();
    assert!(world.routes()[0].ends_with("-> data/db:5*1"));
}

#[test]
fn objects_of_others_have_neither_routes_nor_problems_nor_statuses() {
    let text = route("{parentRefs: [{name: gw}], hostnames: [b com], rules: 7}")
        .replace("silverback.rs/gateway-controller", "other.io/x");
    let world = World::of(Options::default(), &text);
    assert_eq!(world.routes(), [""; 0]);
    assert_eq!(world.codes(), [""; 0]);
    assert!(world.published.statuses.is_empty());
}

#[test]
fn conflicting_and_broken_listeners_are_not_programmed() {
    let world = World::of(any_class(), "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: shop}
spec:
  gatewayClassName: kong
  listeners:
  - {name: a, port: 80, protocol: HTTP}
  - {name: twin, port: 80, protocol: HTTP}
  - {name: mixed, port: 80, protocol: HTTPS, hostname: a.com}
  - {name: tcp, port: 81, protocol: TCP}
  - {name: nocert, port: 443, protocol: HTTPS}
  - {name: noport, protocol: HTTP}
  - {name: kinds, port: 82, protocol: HTTP, allowedRoutes: {kinds: [{kind: HTTPRoute}, {kind: Foo}]}}
");
    assert_eq!(
        world.rest(),
        [
            "listener 80 * HTTP : shop/gw/a",
            "listener 82 * HTTP : shop/gw/kinds"
        ]
    );
    let reason = |i: usize, c: usize| {
        world.conditions("Gateway", "gw", &format!("/listeners/{i}/conditions"))[c].clone()
    };
    assert_eq!(reason(1, 1), "Conflicted=True/HostnameConflict");
    assert_eq!(reason(2, 1), "Conflicted=True/ProtocolConflict");
    assert_eq!(reason(3, 0), "Accepted=False/UnsupportedProtocol");
    assert_eq!(reason(4, 2), "ResolvedRefs=False/InvalidCertificateRef");
    assert_eq!(reason(5, 0), "Accepted=False/Invalid");
    assert_eq!(reason(6, 2), "ResolvedRefs=False/InvalidRouteKinds");
    assert_eq!(
        world.conditions("Gateway", "gw", "/conditions"),
        [
            "Accepted=True/ListenersNotValid",
            "Programmed=True/Programmed"
        ]
    );
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
    assert!(text.contains("c2VjcmV0"));
    let world = World::of(any_class(), text);
    assert!(!format!("{world:?}").contains("c2VjcmV0"));
}
