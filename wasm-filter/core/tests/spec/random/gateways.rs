//! Classes, namespaces, Secrets, Gateways, grants.

use serde_json::{Value, json};

use super::choices::Choices;
use super::{HOSTS, NAMESPACES, WILDCARDS};

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
        out.push(json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": ns, "labels": {"team": c.of(&["red", "blue"])}}}));
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
        out.push(gateway_of(c.of(&NAMESPACES), "gw0", "ours", listeners));
    }
    for index in 0..c.between(1, 3) {
        out.push(gateway(c, index));
    }
    out
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
    gateway_of(c.of(&NAMESPACES), &name, class, listeners.into())
}

fn gateway_of(ns: &str, name: &str, class: &str, listeners: Value) -> Value {
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"namespace": ns, "name": name},
        "spec": {"gatewayClassName": class, "listeners": listeners}})
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
        1 => json!({"from": "Selector", "selector": {"matchLabels": {"team": "red"}}}),
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
    let from = c.of(&["HTTPRoute", "HTTPRoute", "GRPCRoute", "Gateway"]);
    let mut to = json!({"group": "", "kind": if from == "Gateway" { "Secret" } else { "Service" }});
    if c.one_in(3) {
        to["name"] = c.of(&["s0", "s1", "t0"]).into();
    }
    json!({"apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
        "metadata": {"namespace": c.of(&NAMESPACES), "name": c.of(&["g0", "g1", "g2"])},
        "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": from,
            "namespace": c.of(&NAMESPACES)}], "to": [to]}})
}
