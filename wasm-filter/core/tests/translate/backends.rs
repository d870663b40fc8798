//! `HTTPBackendRef`, ReferenceGrant.

use crate::fixture::{BASE, conditions, one_rule, rule, targets};
use crate::translate_support::{World, any_class, yaml};

#[test]
fn an_invalid_backend_keeps_its_share() {
    for (backend, target, reason) in [
        ("{name: web, port: 80, weight: 0}", "shop/web:80*0", None),
        (
            "{name: web, port: 80, weight: 1000000}",
            "shop/web:80*1000000",
            None,
        ),
        ("{name: web, port: 81}", "500*1", Some("BackendNotFound")),
        (
            "{name: gone, port: 80, weight: 7}",
            "500*7",
            Some("BackendNotFound"),
        ),
        (
            "{name: far, namespace: other, port: 80}",
            "500*1",
            Some("RefNotPermitted"),
        ),
        // Whether it exists is nobody's business without a grant.
        (
            "{name: gone, namespace: other, port: 80}",
            "500*1",
            Some("RefNotPermitted"),
        ),
        (
            "{kind: Foo, name: web, port: 80, weight: 2}",
            "500*2",
            Some("InvalidKind"),
        ),
        (
            "{group: x.io, name: web, port: 80}",
            "500*1",
            Some("InvalidKind"),
        ),
        ("{name: web}", "500*1", Some("UnsupportedValue")),
        (
            "{name: web, port: 80, weight: -1}",
            "500*1",
            Some("UnsupportedValue"),
        ),
        (
            "{name: web, port: 80, weight: 1000001}",
            "500*1",
            Some("UnsupportedValue"),
        ),
        (
            "{name: 'a b', port: 80, weight: 3}",
            "500*3",
            Some("UnsupportedValue"),
        ),
        ("7", "500*1", Some("UnsupportedValue")),
    ] {
        let world = rule(&format!("backendRefs: [{backend}]"));
        assert_eq!(targets(&world), [target], "{backend}");
        let resolved = match reason {
            None => "ResolvedRefs=True/ResolvedRefs".to_owned(),
            Some(reason) => format!("ResolvedRefs=False/{reason}"),
        };
        assert_eq!(
            conditions(&world, "HTTPRoute"),
            ["Accepted=True/Accepted".to_owned(), resolved],
            "{backend}"
        );
    }
}

#[test]
fn a_rule_without_backends_answers_500() {
    for members in ["name: a", "backendRefs: []", "backendRefs: null"] {
        assert_eq!(targets(&rule(members)), [""; 0], "{members}");
    }
}

#[test]
fn a_grant_permits_kinds_names_and_namespaces() {
    let grant = |from: &str, to: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\n\
             metadata: {{name: g, namespace: other}}\nspec: {{from: [{from}], to: [{to}]}}\n"
        )
    };
    let from = "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}";
    let to = "{group: '', kind: Service}";
    for (from, to, permitted) in [
        (from, to, true),
        (from, "{group: '', kind: Service, name: far}", true),
        (from, "{group: '', kind: Service, name: near}", false),
        (from, "{group: '', kind: Secret}", false),
        (
            "{group: gateway.networking.k8s.io, kind: GRPCRoute, namespace: shop}",
            to,
            false,
        ),
        (
            "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: x}",
            to,
            false,
        ),
        ("{group: x.io, kind: HTTPRoute, namespace: shop}", to, false),
        ("7", to, false),
    ] {
        let route = one_rule(
            "HTTPRoute",
            "backendRefs: [{name: far, namespace: other, port: 80}]",
        );
        let mut world = World::of(any_class(), &format!("{BASE}{route}"));
        assert_eq!(targets(&world), ["500*1"]);
        // It comes later.
        for object in yaml(&grant(from, to)) {
            world.apply(&object);
        }
        world.publish();
        let expected = if permitted { "other/far:80*1" } else { "500*1" };
        assert_eq!(targets(&world), [expected], "{from} {to}");
    }
}

#[test]
fn a_backend_whose_protocol_the_route_cannot_be_sent_in_is_invalid() {
    for (kind, annotation, protocol, valid) in [
        ("HTTPRoute", "", "kubernetes.io/h2c", true),
        ("HTTPRoute", "", "kubernetes.io/ws", true),
        ("HTTPRoute", "", "kubernetes.io/wss", true),
        ("HTTPRoute", "", "http", true),
        ("HTTPRoute", "", "https", true),
        ("HTTPRoute", "", "grpc", true),
        ("HTTPRoute", "", "", true),
        ("HTTPRoute", "", "redis", false),
        ("HTTPRoute", "", "example.com/own", false),
        ("HTTPRoute", "", "kubernetes.io/new", false),
        // The annotation says what is spoken, whatever the field says.
        ("HTTPRoute", "konghq.com/protocol: http", "redis", true),
        ("GRPCRoute", "", "kubernetes.io/h2c", true),
        ("GRPCRoute", "", "grpcs", true),
        ("GRPCRoute", "", "https", true),
        ("GRPCRoute", "", "kubernetes.io/ws", false),
        ("GRPCRoute", "", "kubernetes.io/wss", false),
        ("GRPCRoute", "", "redis", false),
        (
            "GRPCRoute",
            "konghq.com/protocol: grpc",
            "kubernetes.io/ws",
            true,
        ),
    ] {
        let service = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: app, namespace: shop, \
             annotations: {{{annotation}}}}}\n\
             spec: {{ports: [{{port: 80, appProtocol: '{protocol}'}}]}}\n---\n"
        );
        let route = one_rule(kind, "backendRefs: [{name: app, port: 80, weight: 3}]");
        let world = World::of(any_class(), &format!("{BASE}{service}{route}"));
        let what = format!("{kind} {annotation} {protocol}");
        let (target, resolved) = match valid {
            true => ("shop/app:80*3", "ResolvedRefs=True/ResolvedRefs"),
            false => ("500*3", "ResolvedRefs=False/UnsupportedProtocol"),
        };
        assert_eq!(targets(&world), [target], "{what}");
        assert_eq!(conditions(&world, kind)[1], resolved, "{what}");
        let told = world.problems().into_iter();
        let told = told
            .filter(|problem| problem.contains("UnsupportedProtocol"))
            .count();
        assert_eq!(told, usize::from(!valid), "{what}");
    }
}
