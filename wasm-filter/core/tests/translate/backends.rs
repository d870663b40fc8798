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
