//! Classes, namespaces, Secrets, Gateways, grants.

use serde_json::{Value, json};

use super::choices::Choices;
use super::{HOSTS, NAMESPACES, WILDCARDS, created, put};

/// Ports that Gateways listen on, and which of them have TLS.
pub(crate) const PORTS: [(u16, bool); 4] = [(80, false), (8080, false), (443, true), (8443, true)];

/// What there is always, and the Gateways.
pub(crate) fn base(c: &mut Choices) -> Vec<Value> {
    let mut out = vec![
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
            "metadata": {"name": "ours"}, "spec": {"controllerName": "silverback.rs/gateway-controller"}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
            "metadata": {"name": "theirs"}, "spec": {"controllerName": "example.com/other"}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": "kong", "annotations":
                {"ingressclass.kubernetes.io/is-default-class": c.of(&["true", "false"])}},
            "spec": {"controller": "ingress-controllers.konghq.com/kong"}}),
    ];
    out.push(
        json!({"apiVersion": "configuration.konghq.com/v1", "kind": "KongClusterPlugin",
        "metadata": {"name": "cp", "annotations": {"kubernetes.io/ingress.class": "kong"}},
        "plugin": "cors"}),
    );
    for ns in NAMESPACES {
        let mut labels = json!({"team": c.of(&["red", "blue"])});
        if c.one_in(2) {
            labels["env"] = c.of(&["prod", "test"]).into();
        }
        out.push(json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": ns, "labels": labels}}));
        for name in ["p0", "p1"] {
            out.push(
                json!({"apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin",
                "metadata": {"namespace": ns, "name": name}, "plugin": "key-auth"}),
            );
        }
        for (name, kind) in [("t0", "kubernetes.io/tls"), ("t1", "Opaque")] {
            out.push(json!({"apiVersion": "v1", "kind": "Secret",
                "metadata": {"namespace": ns, "name": name}, "type": kind}));
        }
    }
    // One that most routes can attach to.
    if !c.one_in(4) {
        let listeners = json!([{"name": "l0", "port": 80, "protocol": "HTTP",
            "allowedRoutes": {"namespaces": {"from": "All"}}},
            {"name": "l1", "port": 443, "protocol": "HTTPS", "hostname": c.of(&WILDCARDS),
            "allowedRoutes": {"namespaces": {"from": "All"}},
            "tls": {"certificateRefs": [{"name": "t0"}]}}]);
        let gateway = gateway_of(c, "gw0", "ours", listeners);
        out.push(gateway);
    }
    for index in 0..c.between(1, 3) {
        out.push(gateway(c, index));
    }
    for index in 0..[0, 0, 1, 2][c.below(4)] {
        out.push(listener_set(c, index));
    }
    out
}

fn listener_set(c: &mut Choices, index: usize) -> Value {
    let listeners: Vec<Value> = (0..c.between(1, 3)).map(|i| listener(c, i)).collect();
    let mut parent = json!({"name": c.of(&["gw0", "gw0", "gw1", "gw9"])});
    if !c.one_in(4) {
        parent["namespace"] = c.of(&NAMESPACES).into();
    }
    let mut metadata = json!({"namespace": c.of(&NAMESPACES), "name": format!("ls{index}")});
    put(&mut metadata, "creationTimestamp", created(c));
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "ListenerSet", "metadata": metadata,
        "spec": {"parentRef": parent, "listeners": listeners}})
}

pub(crate) fn hostname(c: &mut Choices) -> Option<&'static str> {
    match c.below(5) {
        0 | 1 => None,
        2 => Some(c.of(&HOSTS)),
        _ => Some(c.of(&WILDCARDS)),
    }
}

fn gateway(c: &mut Choices, index: usize) -> Value {
    let listeners: Vec<Value> = (0..c.between(1, 4)).map(|i| listener(c, i)).collect();
    let class = if c.one_in(8) { "theirs" } else { "ours" };
    let name = format!("gw{index}");
    gateway_of(c, &name, class, listeners.into())
}

fn gateway_of(c: &mut Choices, name: &str, class: &str, listeners: Value) -> Value {
    let ns = c.of(&NAMESPACES);
    let mut gateway = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"namespace": ns, "name": name},
        "spec": {"gatewayClassName": class, "listeners": listeners}});
    // Mostly they let ListenerSets in.
    let allowed = match c.below(6) {
        0 => Value::Null,
        1 => json!({"from": "Same"}),
        2 => json!({"from": "None"}),
        3 => selected(c),
        _ => json!({"from": "All"}),
    };
    if !allowed.is_null() {
        gateway["spec"]["allowedListeners"] = json!({"namespaces": allowed});
    }
    gateway
}

/// Namespaces by their labels.
fn selected(c: &mut Choices) -> Value {
    let teams = [&["red"][..], &["blue"], &["red", "blue"], &["green"]][c.below(4)];
    let selector = match c.below(7) {
        0..3 => json!({"matchLabels": {"team": "red"}}),
        3 => json!({"matchExpressions": [{"key": "team", "operator": "In", "values": teams}]}),
        4 => json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": teams}]}),
        5 => json!({"matchExpressions": [{"key": "env",
            "operator": c.of(&["Exists", "DoesNotExist"])}]}),
        _ => json!({"matchLabels": {"team": "red"}, "matchExpressions": [
            {"key": "env", "operator": "NotIn", "values": ["prod"]}]}),
    };
    json!({"from": "Selector", "selector": selector})
}

fn listener(c: &mut Choices, index: usize) -> Value {
    let (port, tls) = PORTS[if c.one_in(2) { 0 } else { c.below(4) }];
    let mut out = json!({"name": format!("l{index}"), "port": port,
        "protocol": if tls { "HTTPS" } else { "HTTP" }});
    if let Some(hostname) = hostname(c) {
        out["hostname"] = hostname.into();
    }
    if tls {
        let mut reference = json!({"name": c.of(&["t0", "t0", "t0", "t1", "t9"])});
        if c.one_in(3) {
            reference["namespace"] = c.of(&NAMESPACES).into();
        }
        out["tls"] = json!({"mode": "Terminate", "certificateRefs": [reference]});
    }
    let from = match c.below(5) {
        0 => json!({"from": "Same"}),
        1 => selected(c),
        2 => Value::Null,
        _ => json!({"from": "All"}),
    };
    if !from.is_null() {
        out["allowedRoutes"]["namespaces"] = from;
    }
    match c.below(8) {
        0 => out["allowedRoutes"]["kinds"] = json!([{"kind": "HTTPRoute"}]),
        1 => {
            out["allowedRoutes"]["kinds"] =
                json!([{"group": "gateway.networking.k8s.io", "kind": "GRPCRoute"}]);
        }
        _ => {}
    }
    out
}

pub(crate) fn grant(c: &mut Choices) -> Value {
    let from = c.of(&[
        "HTTPRoute",
        "HTTPRoute",
        "GRPCRoute",
        "Gateway",
        "ListenerSet",
    ]);
    let secret = matches!(from, "Gateway" | "ListenerSet");
    let mut to = json!({"group": "", "kind": if secret { "Secret" } else { "Service" }});
    if c.one_in(3) {
        to["name"] = c.of(&["s0", "s1", "t0"]).into();
    }
    json!({"apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
        "metadata": {"namespace": c.of(&NAMESPACES), "name": c.of(&["g0", "g1", "g2"])},
        "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": from,
            "namespace": c.of(&NAMESPACES)}], "to": [to]}})
}
