//! Gateway API: `GatewaySpec.listeners`, `ParentReference`, `AllowedRoutes`.

use serde_json::{Value, json};

use super::{gateway, route, rows, to};
use crate::ask::Ask;

fn listener(name: &str, port: u16, hostname: &str) -> Value {
    let mut out = json!({"name": name, "port": port, "protocol": "HTTP"});
    if !hostname.is_empty() {
        out["hostname"] = hostname.into();
    }
    out
}

fn tls(name: &str, hostname: &str) -> Value {
    let mut out = listener(name, 443, hostname);
    out["protocol"] = "HTTPS".into();
    out["tls"] = json!({"certificateRefs": [{"name": "t"}]});
    out
}

fn secret() -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"namespace": "a", "name": "t"}})
}

/// A route to a Service on one listener.
fn at(name: &str, section: &str, service: &str) -> Value {
    let mut out = route("HTTPRoute", name, &[], json!([to(service, json!([]))]));
    out["spec"]["parentRefs"][0]["sectionName"] = section.into();
    out
}

/// `foo.example.com`, `*.example.com`, `*.foo.example.com` and the rest, each with a route but the
/// last two.
fn isolated() -> Vec<Value> {
    vec![
        gateway(json!([
            listener("exact", 80, "foo.example.com"),
            listener("wild", 80, "*.example.com"),
            listener("rest", 80, ""),
        ])),
        at("r0", "exact", "one"),
        at("r1", "wild", "two"),
        at("r2", "rest", "three"),
    ]
}

fn get(host: &str) -> Ask {
    Ask::get(host, "/")
}

/// One listener that allows these routes; the route is in a namespace.
fn allowed(namespaces: Value, ns: &str) -> Vec<Value> {
    let mut only = listener("l", 80, "");
    only["allowedRoutes"] = json!({"namespaces": namespaces});
    let mut out = at("r", "l", "one");
    out["metadata"]["namespace"] = ns.into();
    out["spec"]["parentRefs"][0]["namespace"] = "a".into();
    out["spec"]["rules"][0]["backendRefs"][0]["namespace"] = "a".into();
    let grant = json!({"apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
        "metadata": {"namespace": "a", "name": "g"}, "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "b"}],
            "to": [{"group": "", "kind": "Service"}]}});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "b", "labels": {"team": "blue"}}});
    vec![gateway(json!([only])), out, grant, namespace]
}

fn kinds(kind: &str) -> Vec<Value> {
    let mut only = listener("l", 80, "");
    only["allowedRoutes"] = json!({"kinds": [{"kind": kind}]});
    vec![gateway(json!([only])), at("r", "l", "one")]
}

fn parent(field: &str, value: Value) -> Vec<Value> {
    let mut out = at("r", "l", "one");
    out["spec"]["parentRefs"][0][field] = value;
    vec![
        gateway(json!([listener("l", 80, ""), listener("m", 8080, "")])),
        out,
    ]
}

rows! {
    // "`"foo.example.com"` takes precedence over `"*.example.com"`, and `"*.example.com"` takes
    // precedence over `""`."
    exact_listener_first: isolated(), get("foo.example.com") => "one";
    wildcard_listener_second: isolated(), get("bar.example.com") => "two";
    listener_without_hostname_last: isolated(), get("example.net") => "three";
    wildcard_listener_matches_dots: isolated(), get("foo.bar.example.com") => "two";
    wildcard_listener_does_not_match_its_suffix: isolated(), get("example.com") => "three";
    // "A request to "foo.example.com" SHOULD only be routed using routes attached to the
    // "foo.example.com" Listener (and not the "*.example.com" Listener)."
    listeners_are_isolated: {
        let mut objects = isolated();
        objects.remove(1);
        objects
    }, get("foo.example.com") => "404";
    // "`"*.foo.example.com"` takes precedence over `"*.example.com"`."
    more_specific_wildcard_first: vec![
        gateway(json!([listener("short", 80, "*.example.com"), listener("long", 80, "*.foo.example.com")])),
        at("r0", "short", "one"),
        at("r1", "long", "two"),
    ], get("a.foo.example.com") => "two";
    // "ALL indistinct Listeners must not be accepted for processing."
    conflicting_listeners_are_not_served: vec![
        gateway(json!([listener("x", 80, "foo.example.com"), listener("y", 80, "foo.example.com")])),
        at("r0", "x", "one"),
    ], get("foo.example.com") => "404";
    others_are_served_beside_conflicting_ones: vec![
        gateway(json!([listener("x", 80, "foo.example.com"), listener("y", 80, "foo.example.com"), listener("z", 80, "")])),
        at("r0", "z", "one"),
    ], get("example.net") => "one";
    ports_are_apart: vec![
        gateway(json!([listener("x", 80, ""), listener("y", 8080, "")])),
        at("r0", "x", "one"),
        at("r1", "y", "two"),
    ], get("h.example").port(8080) => "two";
    a_tls_listener_takes_tls: vec![gateway(json!([tls("l", "")])), secret(), at("r", "l", "one")], get("h.example").port(443).tls("h.example") => "one";
    a_tls_listener_takes_no_plain_request: vec![gateway(json!([tls("l", "")])), secret(), at("r", "l", "one")], get("h.example").port(443) => "404";
    a_plain_listener_takes_no_tls: vec![gateway(json!([listener("l", 80, "")])), at("r", "l", "one")], get("h.example").tls("h.example") => "404";
    a_tls_listener_without_certificate_is_not_served: vec![gateway(json!([tls("l", "")])), at("r", "l", "one")], get("h.example").port(443).tls("h.example") => "404";

    // "Same: Only Routes in the same namespace may be used by this Gateway" (the default).
    same_is_the_default: allowed(Value::Null, "a"), get("h.example") => "one";
    same_takes_no_other_namespace: allowed(json!({"from": "Same"}), "b"), get("h.example") => "404";
    all_takes_every_namespace: allowed(json!({"from": "All"}), "b"), get("h.example") => "one";
    selector_takes_selected_namespaces: allowed(json!({"from": "Selector", "selector": {"matchLabels": {"team": "blue"}}}), "b"), get("h.example") => "one";
    selector_takes_no_other_namespace: allowed(json!({"from": "Selector", "selector": {"matchLabels": {"team": "red"}}}), "b"), get("h.example") => "404";
    kinds_allow_a_kind: kinds("HTTPRoute"), get("h.example") => "one";
    kinds_do_not_allow_another: kinds("GRPCRoute"), get("h.example") => "404";

    a_section_is_selected: parent("sectionName", json!("m")), get("h.example").port(8080) => "one";
    other_sections_are_not: parent("sectionName", json!("m")), get("h.example") => "404";
    without_section_all_listeners_are_selected: parent("sectionName", Value::Null), get("h.example").port(8080) => "one";
    section_and_port_must_both_match: parent("port", json!(8080)), get("h.example").port(8080) => "404";
    another_kind_of_parent_is_none: parent("kind", json!("Service")), get("h.example") => "404";
}
