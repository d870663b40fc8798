//! `ParentReference`, `AllowedRoutes`, hostnames: where routes are reachable.

use crate::fixture::{TO_WEB, conditions, problems, route, with};
use crate::translate_support::{World, any_class, key, yaml};

fn attached(spec: &str) -> World {
    with(&route(
        "HTTPRoute",
        &format!("{{{spec}, rules: [{{{TO_WEB}}}]}}"),
    ))
}

#[test]
fn routes_are_reachable_where_route_and_listener_hosts_meet() {
    let world = attached("parentRefs: [{name: gw}], hostnames: [x.a.com, '*.com']");
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
        conditions(&world, "HTTPRoute"),
        ["Accepted=True/Accepted", "ResolvedRefs=True/ResolvedRefs"]
    );
    let listeners = world.status("Gateway", "gw")["listeners"].clone();
    let attached: Vec<_> = (0..3)
        .map(|i| listeners[i]["attachedRoutes"].clone())
        .collect();
    assert_eq!(attached, [1, 1, 0]);
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
        let world = attached(&format!("parentRefs: [{parent}], hostnames: {hostnames}"));
        assert_eq!(world.routes(), [""; 0], "{parent}");
        assert_eq!(
            conditions(&world, "HTTPRoute")[0],
            format!("Accepted=False/{reason}"),
            "{parent}"
        );
        let listeners = world.status("Gateway", "gw")["listeners"].clone();
        assert!(
            (0..3).all(|i| listeners[i]["attachedRoutes"] == 0),
            "{parent}"
        );
    }
}

#[test]
fn section_and_port_must_both_match() {
    for (parent, expected) in [
        ("{name: gw, port: 80}", vec!["port:80/*"]),
        ("{name: gw, sectionName: wild}", vec!["port:8080/*.a.com"]),
        (
            "{name: gw, sectionName: wild, port: 8080}",
            vec!["port:8080/*.a.com"],
        ),
        ("{name: gw}", vec!["port:80/*", "port:8080/*.a.com"]),
    ] {
        let world = attached(&format!("parentRefs: [{parent}]"));
        let scopes: Vec<_> = world
            .routes()
            .iter()
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(scopes, expected, "{parent}");
    }
}

#[test]
fn each_parent_has_a_status_of_its_own() {
    let world = attached(
        "parentRefs: [{name: gw, sectionName: any}, {name: gw, sectionName: red}, {name: gone}, \
         {kind: Service, group: '', name: web}]",
    );
    let parents = world.status("HTTPRoute", "r")["parents"].clone();
    let sections: Vec<_> = parents
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["parentRef"]["sectionName"].clone())
        .collect();
    assert_eq!(sections, ["any", "red"]);
    assert_eq!(
        problems(&world, "HTTPRoute", "warning"),
        [
            "NotAllowedByListeners spec.parentRefs[1]",
            "ParentNotFound spec.parentRefs[2]"
        ]
    );
}

#[test]
fn a_parent_that_is_named_twice_counts_once() {
    let world = attached("parentRefs: [{name: gw, port: 80}, {name: gw, port: 80}]");
    assert_eq!(world.routes().len(), 1);
    assert_eq!(
        problems(&world, "HTTPRoute", "warning"),
        ["DuplicateName spec.parentRefs[1]"]
    );
    let parents = world.status("HTTPRoute", "r")["parents"].clone();
    assert_eq!(parents.as_array().map(Vec::len), Some(1));
}

#[test]
fn a_namespace_label_that_comes_later_attaches_the_route() {
    let mut world = attached("parentRefs: [{name: gw, sectionName: red}]");
    assert_eq!(world.routes().len(), 0);
    let namespace =
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: red}}}";
    for object in yaml(namespace) {
        world.apply(&object);
    }
    world.publish();
    assert_eq!(world.routes().len(), 1);
}

#[test]
fn selectors_take_labels_and_expressions() {
    for (selector, attaches) in [
        ("{matchLabels: {team: red}}", true),
        ("{matchLabels: {team: blue}}", false),
        ("{matchLabels: {kubernetes.io/metadata.name: shop}}", true),
        (
            "{matchExpressions: [{key: team, operator: In, values: [red, blue]}]}",
            true,
        ),
        (
            "{matchExpressions: [{key: team, operator: NotIn, values: [red]}]}",
            false,
        ),
        (
            "{matchExpressions: [{key: other, operator: NotIn, values: [red]}]}",
            true,
        ),
        ("{matchExpressions: [{key: team, operator: Exists}]}", true),
        (
            "{matchExpressions: [{key: team, operator: DoesNotExist}]}",
            false,
        ),
        ("{}", true),
        // What cannot be read selects nothing.
        (
            "{matchExpressions: [{key: team, operator: Like, values: [r]}]}",
            false,
        ),
        ("{matchLabels: {team: 7}}", false),
        ("7", false),
        ("null", false),
    ] {
        let text = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{team: red}}}}\n---\n\
             apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: sel, namespace: infra}}\n\
             spec: {{gatewayClassName: kong, listeners: [{{name: l, port: 90, protocol: HTTP, \
             allowedRoutes: {{namespaces: {{from: Selector, selector: {selector}}}}}}}]}}\n---\n{}",
            route(
                "HTTPRoute",
                &format!(
                    "{{parentRefs: [{{name: sel, namespace: infra}}], rules: [{{{TO_WEB}}}]}}"
                )
            )
        );
        assert_eq!(
            with(&text).routes().len(),
            usize::from(attaches),
            "{selector}"
        );
    }
}

#[test]
fn objects_of_others_have_neither_routes_nor_problems_nor_statuses() {
    let text = format!(
        "{}{}",
        crate::fixture::BASE,
        route(
            "HTTPRoute",
            "{parentRefs: [{name: gw}], hostnames: [b com], rules: 7}"
        )
    )
    .replace("silverback.rs/gateway-controller", "other.io/x");
    let world = World::of(silverback_core::translate::Options::default(), &text);
    assert_eq!(world.routes(), [""; 0]);
    assert_eq!(world.codes(), [""; 0]);
    assert!(world.published.statuses.is_empty());
}

#[test]
fn a_route_that_is_deleted_leaves_nothing() {
    let before = World::of(any_class(), crate::fixture::BASE).published;
    let mut world = attached("parentRefs: [{name: gw}]");
    let object = yaml(&route("HTTPRoute", "{}")).remove(0);
    world.translator.delete(&key(&object));
    world.publish();
    assert!(world.published == before);
}
