//! Conditions of routes and GatewayClasses.

use crate::fixture::{TO_WEB, conditions, problems, route, with};

fn rules(list: &str) -> crate::translate_support::World {
    with(&route(
        "HTTPRoute",
        &format!("{{parentRefs: [{{name: gw, sectionName: any}}], rules: {list}}}"),
    ))
}

#[test]
fn a_route_with_valid_and_invalid_rules_is_partially_invalid() {
    let good = format!("{{{TO_WEB}}}");
    let filter = format!("{{filters: [{{type: New}}], {TO_WEB}}}");
    for (list, invalid) in [
        (format!("[{good}]"), None),
        (format!("[{good}, {filter}]"), Some("1")),
        (format!("[7, {good}, {{matches: 7}}]"), Some("0, 2")),
        (format!("[{{matches: [{{method: x}}]}}, {good}]"), Some("0")),
    ] {
        let world = rules(&list);
        let told = conditions(&world, "HTTPRoute");
        assert_eq!(told[0], "Accepted=True/Accepted", "{list}");
        assert_eq!(told.len(), 2 + usize::from(invalid.is_some()), "{list}");
        if let Some(invalid) = invalid {
            let message =
                world.status("HTTPRoute", "r")["parents"][0]["conditions"][2]["message"].clone();
            let start = format!("Dropped Rule: of rules {invalid} not everything");
            assert!(message.as_str().unwrap().starts_with(&start), "{message}");
        }
    }
}

#[test]
fn a_route_without_a_valid_rule_is_not_accepted_and_does_not_count() {
    for list in [
        "7".to_owned(),
        "[7]".to_owned(),
        "[{matches: [{method: x}]}]".to_owned(),
        format!("[{{filters: [{{type: New}}], {TO_WEB}}}]"),
    ] {
        let world = rules(&list);
        assert_eq!(
            conditions(&world, "HTTPRoute")[0],
            "Accepted=False/UnsupportedValue",
            "{list}"
        );
        assert_eq!(
            world.status("Gateway", "gw")["listeners"][0]["attachedRoutes"],
            0,
            "{list}"
        );
    }
}

#[test]
fn a_route_without_rules_takes_everything_and_answers_500() {
    let world = with(&route(
        "HTTPRoute",
        "{parentRefs: [{name: gw, sectionName: any}]}",
    ));
    assert_eq!(world.routes(), ["port:80/* * Prefix / : shop/r[0.0] ->"]);
}

#[test]
fn statuses_name_generation_parent_and_controller() {
    let world = rules(&format!("[{{{TO_WEB}}}]"));
    let parent = world.status("HTTPRoute", "r")["parents"][0].clone();
    assert_eq!(parent["controllerName"], "silverback.rs/gateway-controller");
    assert_eq!(parent["conditions"][0]["observedGeneration"], 7);
    assert_eq!(
        parent["parentRef"],
        serde_json::json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw", "sectionName": "any"})
    );
}

#[test]
fn a_route_without_parent_is_told() {
    for spec in ["{}", "{parentRefs: []}", "7", "null"] {
        let world = with(&route("HTTPRoute", spec));
        assert!(
            problems(&world, "HTTPRoute", "warning")
                .contains(&"ParentNotFound spec.parentRefs".to_owned()),
            "{spec}"
        );
        assert!(world.status("HTTPRoute", "r").is_null());
    }
}

#[test]
fn a_class_lists_what_is_supported_in_order() {
    let world = with("");
    let status = world.status("GatewayClass", "kong");
    let features = status["supportedFeatures"].as_array().expect("a list");
    let names: Vec<&str> = features.iter().filter_map(|f| f["name"].as_str()).collect();
    assert_eq!(names.len(), features.len());
    assert!(names.is_sorted(), "{names:?}");
    for name in [
        "Gateway",
        "HTTPRoute",
        "GRPCRoute",
        "ReferenceGrant",
        "ListenerSet",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    // "supportedFeatures MaxItems=64".
    assert!(names.len() <= 64);
    for name in ["BackendTLSPolicy", "GatewayStaticAddresses", "TLSRoute"] {
        assert!(!names.contains(&name), "{name}");
    }
}
