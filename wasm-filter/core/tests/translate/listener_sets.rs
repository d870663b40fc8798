//! ListenerSets.

use crate::fixture::{BASE, TO_WEB, conditions, problems, route};
use crate::translate_support::{World, any_class, key, yaml};

fn gateway(allowed: &str, listeners: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: main, namespace: shop}}\n\
         spec: {{gatewayClassName: kong, {allowed} listeners: [{listeners}]}}\n---\n"
    )
}

fn set(namespace: &str, name: &str, created: &str, listeners: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\n\
         metadata: {{name: {name}, namespace: {namespace}, creationTimestamp: {created}, generation: 2}}\n\
         spec: {{parentRef: {{name: main, namespace: shop}}, listeners: [{listeners}]}}\n---\n"
    )
}

const OWN: &str = "{name: own, port: 90, protocol: HTTP, hostname: own.com}";
const ALL: &str = "allowedListeners: {namespaces: {from: All}},";
const EXTRA: &str = "{name: extra, port: 90, protocol: HTTP, hostname: extra.com}";

fn of(world: &World, name: &str) -> Vec<String> {
    world.conditions("ListenerSet", name, "/conditions")
}

fn served(world: &World) -> Vec<String> {
    let lines = world.rest().into_iter();
    lines
        .filter(|line| line.starts_with("listener 90"))
        .collect()
}

#[test]
fn a_gateway_says_whose_listener_sets_attach() {
    for (allowed, same, other) in [
        ("", false, false),
        ("allowedListeners: {},", false, false),
        ("allowedListeners: {namespaces: {}},", false, false),
        (
            "allowedListeners: {namespaces: {from: None}},",
            false,
            false,
        ),
        ("allowedListeners: {namespaces: {from: Same}},", true, false),
        (ALL, true, true),
        (
            "allowedListeners: {namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: other}}}},",
            false,
            true,
        ),
        // What cannot be read allows nothing.
        ("allowedListeners: {namespaces: {from: Any}},", false, false),
        ("allowedListeners: 7,", false, false),
    ] {
        let text = format!(
            "{BASE}{}{}{}",
            gateway(allowed, OWN),
            set("shop", "same", "null", EXTRA),
            set(
                "other",
                "other",
                "null",
                "{name: x, port: 90, protocol: HTTP, hostname: other.com}"
            )
        );
        let world = World::of(any_class(), &text);
        for (name, attaches) in [("same", same), ("other", other)] {
            let expected = if attaches {
                ["Accepted=True/Accepted", "Programmed=True/Programmed"]
            } else {
                ["Accepted=False/NotAllowed", "Programmed=False/NotAllowed"]
            };
            assert_eq!(of(&world, name), expected, "{allowed} {name}");
        }
        let count = usize::from(same) + usize::from(other);
        assert_eq!(served(&world).len(), 1 + count, "{allowed}");
        assert_eq!(
            world.status("Gateway", "main")["attachedListenerSets"],
            count
        );
        assert_eq!(problems(&world, "ListenerSet", "error").len(), 2 - count);
    }
}

#[test]
fn routes_attach_to_what_they_name_and_to_nothing_else() {
    for (parents, expected) in [
        ("{name: main}", vec!["own.com"]),
        (
            "{kind: ListenerSet, name: more}",
            vec!["extra.com", "third.com"],
        ),
        (
            "{kind: ListenerSet, name: more, sectionName: third}",
            vec!["third.com"],
        ),
        (
            "{name: main}, {kind: ListenerSet, name: more}",
            vec!["extra.com", "own.com", "third.com"],
        ),
    ] {
        let text = format!(
            "{BASE}{}{}{}",
            gateway(ALL, OWN),
            set(
                "shop",
                "more",
                "null",
                &format!("{EXTRA}, {{name: third, port: 90, protocol: HTTP, hostname: third.com}}")
            ),
            route(
                "HTTPRoute",
                &format!("{{parentRefs: [{parents}], rules: [{{{TO_WEB}}}]}}")
            )
        );
        let world = World::of(any_class(), &text);
        let hosts: Vec<_> = world
            .routes()
            .iter()
            .map(|line| line.split(' ').nth(1).unwrap().to_owned())
            .collect();
        assert_eq!(hosts, expected, "{parents}");
        assert_eq!(conditions(&world, "HTTPRoute")[0], "Accepted=True/Accepted");
        let listeners = world.status("ListenerSet", "more")["listeners"].clone();
        let attached = |i: usize| listeners[i]["attachedRoutes"].as_u64().unwrap();
        let of_set = expected.iter().filter(|host| **host != "own.com").count() as u64;
        assert_eq!(attached(0) + attached(1), of_set, "{parents}");
    }
}

#[test]
fn the_gateway_comes_before_older_listener_sets_and_these_before_younger_ones() {
    let text = format!(
        "{BASE}{}{}{}{}",
        gateway(ALL, OWN),
        // Loses one to the Gateway and wins another from the younger one.
        set(
            "shop",
            "b-old",
            "'2020-01-01T00:00:00Z'",
            &format!("{EXTRA}, {{name: own, port: 90, protocol: HTTP, hostname: own.com}}")
        ),
        set("shop", "a-young", "'2021-01-01T00:00:00Z'", EXTRA),
        // Of one age the name decides.
        set(
            "shop",
            "z-old",
            "'2020-01-01T00:00:00Z'",
            "{name: tcp, port: 90, protocol: TCP}, {name: z, port: 90, protocol: HTTP, hostname: z.com}"
        )
    );
    let world = World::of(any_class(), &text);
    assert_eq!(
        served(&world),
        [
            "listener 90 extra.com HTTP : shop/b-old/extra (ListenerSet)",
            "listener 90 own.com HTTP : shop/main/own",
            "listener 90 z.com HTTP : shop/z-old/z (ListenerSet)",
        ]
    );
    assert_eq!(
        of(&world, "b-old"),
        [
            "Accepted=True/ListenersNotValid",
            "Programmed=True/Programmed"
        ]
    );
    assert_eq!(
        of(&world, "a-young"),
        [
            "Accepted=False/ListenersNotValid",
            "Programmed=False/ListenersNotValid"
        ]
    );
    for (name, listener, reason) in [
        ("b-old", 1, "HostnameConflict"),
        ("a-young", 0, "HostnameConflict"),
        ("z-old", 0, "ProtocolConflict"),
    ] {
        let conditions = world.conditions(
            "ListenerSet",
            name,
            &format!("/listeners/{listener}/conditions"),
        );
        assert_eq!(conditions[0], format!("Accepted=False/{reason}"), "{name}");
        assert_eq!(conditions[1], format!("Conflicted=True/{reason}"), "{name}");
        assert_eq!(
            conditions[3],
            format!("Programmed=False/{reason}"),
            "{name}"
        );
    }
    assert_eq!(world.status("Gateway", "main")["attachedListenerSets"], 2);
    assert_eq!(
        world.status("ListenerSet", "b-old")["conditions"][0]["observedGeneration"],
        2
    );
}

#[test]
fn routes_of_a_listener_set_that_is_not_allowed_have_no_parent() {
    let text = format!(
        "{BASE}{}{}{}",
        gateway("", OWN),
        set("shop", "more", "null", EXTRA),
        route(
            "HTTPRoute",
            &format!("{{parentRefs: [{{kind: ListenerSet, name: more}}], rules: [{{{TO_WEB}}}]}}")
        )
    );
    let world = World::of(any_class(), &text);
    assert_eq!(world.routes(), [""; 0]);
    assert_eq!(
        conditions(&world, "HTTPRoute")[0],
        "Accepted=False/NoMatchingParent"
    );
}

#[test]
fn when_the_winner_goes_the_loser_is_in_effect() {
    let winner = set("shop", "first", "'2020-01-01T00:00:00Z'", EXTRA);
    let loser = set("shop", "second", "'2021-01-01T00:00:00Z'", EXTRA);
    let routes = route(
        "HTTPRoute",
        &format!("{{parentRefs: [{{kind: ListenerSet, name: second}}], rules: [{{{TO_WEB}}}]}}"),
    );
    let mut world = World::of(
        any_class(),
        &format!("{BASE}{}{winner}{loser}{routes}", gateway(ALL, OWN)),
    );
    assert_eq!(world.routes(), [""; 0]);
    world.translator.delete(&key(&yaml(&winner)[0]));
    world.publish();
    assert_eq!(world.routes().len(), 1);
    // And nothing is left without the Gateway.
    world.translator.delete(&key(&yaml(&gateway("", ""))[0]));
    world.publish();
    assert_eq!(world.routes(), [""; 0]);
    assert!(world.status("ListenerSet", "second").is_null());
    assert_eq!(
        problems(&world, "ListenerSet", "warning"),
        ["ParentNotFound spec.parentRef"]
    );
    assert_eq!(
        problems(&world, "HTTPRoute", "warning"),
        ["ParentNotFound spec.parentRefs[0]"]
    );
}

#[test]
fn a_listener_set_of_a_gateway_that_is_not_accepted_is_not() {
    let parameters = "infrastructure: {parametersRef: {group: a, kind: b, name: c}},";
    let text = format!(
        "{BASE}{}{}",
        gateway(&format!("{ALL} {parameters}"), OWN),
        set("shop", "more", "null", EXTRA)
    );
    let world = World::of(any_class(), &text);
    assert_eq!(
        of(&world, "more"),
        [
            "Accepted=False/ParentNotAccepted",
            "Programmed=False/ParentNotProgrammed"
        ]
    );
    assert_eq!(served(&world), [""; 0]);
}

/// "ReferenceGrants applied to a Gateway are not inherited by child ListenerSets."
#[test]
fn grants_are_for_the_listener_set_itself() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: certs}\ntype: kubernetes.io/tls\n---\n";
    let listener = "{name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: s, namespace: certs}]}}";
    for (kind, permitted) in [("Gateway", false), ("ListenerSet", true)] {
        let grant = format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: {{name: g, namespace: certs}}\n\
             spec: {{from: [{{group: gateway.networking.k8s.io, kind: {kind}, namespace: shop}}], to: [{{group: '', kind: Secret}}]}}\n---\n"
        );
        let text = format!(
            "{BASE}{secret}{grant}{}{}",
            gateway(ALL, OWN),
            set("shop", "more", "null", listener)
        );
        let world = World::of(any_class(), &text);
        let resolved =
            world.conditions("ListenerSet", "more", "/listeners/0/conditions")[2].clone();
        let expected = if permitted {
            "ResolvedRefs=True/ResolvedRefs"
        } else {
            "ResolvedRefs=False/RefNotPermitted"
        };
        assert_eq!(resolved, expected, "{kind}");
    }
}

#[test]
fn a_listener_set_without_a_gateway_is_told() {
    for (parent, problem) in [
        ("{name: gone}", "ParentNotFound spec.parentRef"),
        (
            "{kind: Service, name: main}",
            "InvalidKind spec.parentRef.kind",
        ),
        ("{}", "MissingField spec.parentRef.name"),
        ("null", "MissingField spec.parentRef"),
        ("7", "WrongType spec.parentRef"),
    ] {
        let text =
            set("shop", "more", "null", EXTRA).replace("{name: main, namespace: shop}", parent);
        let world = World::of(any_class(), &format!("{BASE}{text}"));
        assert_eq!(
            problems(&world, "ListenerSet", "warning"),
            [problem],
            "{parent}"
        );
        assert!(world.status("ListenerSet", "more").is_null());
    }
}
