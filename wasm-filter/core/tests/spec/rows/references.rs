//! Gateway API: `HTTPRouteRule.backendRefs`, `ReferenceGrant`; Ingress backends; EndpointSlices.

use serde_json::{Value, json};

use super::{http, open_gateway, path, paths, route, rows, service, to};
use crate::ask::Ask;

fn ask() -> Ask {
    Ask::get("h.example", "/")
}

fn backends(refs: Value) -> Vec<Value> {
    http(vec![json!({"backendRefs": refs})])
}

/// A backend in another namespace, and a grant there.
fn across(from: Value, to: Value) -> Vec<Value> {
    let mut out = backends(json!([{"name": "one", "namespace": "b", "port": 80}]));
    out.extend(service("b", "one", 1));
    out.push(
        json!({"apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
        "metadata": {"namespace": "b", "name": "g"}, "spec": {"from": [from], "to": [to]}}),
    );
    out
}

fn from(kind: &str, namespace: &str) -> Value {
    json!({"group": "gateway.networking.k8s.io", "kind": kind, "namespace": namespace})
}

/// The Service `one` with these endpoints.
fn endpoints(endpoints: Value) -> Vec<Value> {
    let mut out = http(vec![to("one", json!([]))]);
    let [service, mut slice] = service("a", "one", 1);
    slice["endpoints"] = endpoints;
    out.extend([service, slice]);
    out
}

/// A route of this kind to the Service `one` with this appProtocol.
fn speaking(kind: &str, protocol: &str) -> Vec<Value> {
    let [mut service, slice] = service("a", "one", 1);
    service["spec"]["ports"][0]["appProtocol"] = protocol.into();
    let rules = json!([{"backendRefs": [{"name": "one", "port": 80}]}]);
    vec![open_gateway(), route(kind, "r", &[], rules), service, slice]
}

/// A route to a port of the Service `one`, which is a name with these addresses.
fn named(port: u16, addresses: Value) -> Vec<Value> {
    let mut out = backends(json!([{"name": "one", "port": port}]));
    out.push(
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "a", "name": "one"},
        "spec": {"type": "ExternalName", "externalName": "db.example", "ports": [{"port": 8080}]}}),
    );
    out.push(
        json!({"apiVersion": "silverback.rs/v1", "kind": "ResolvedName",
        "metadata": {"name": "db.example"}, "addresses": addresses}),
    );
    out
}

rows! {
    // "If a Route is not able to send traffic to the backend using the specified protocol then the
    // backend is considered invalid."
    http2_for_an_httproute: speaking("HTTPRoute", "kubernetes.io/h2c"), ask() => "one";
    web_socket_for_an_httproute: speaking("HTTPRoute", "kubernetes.io/ws"), ask() => "one";
    a_protocol_that_is_not_known: speaking("HTTPRoute", "example.com/own"), ask() => "500";
    http2_for_a_grpcroute: speaking("GRPCRoute", "kubernetes.io/h2c"), ask() => "one";
    // UNAVAILABLE.
    web_socket_for_a_grpcroute: speaking("GRPCRoute", "kubernetes.io/wss"), ask() => "503";

    // "Any port of an ExternalName can be named" (docs/routing.md).
    an_external_name: named(8080, json!(["10.0.0.1"])), ask() => "one";
    another_port_of_an_external_name: named(90, json!(["10.0.0.1"])), ask() => "10.0.0.1:90";
    an_external_name_without_addresses: named(8080, json!([])), ask() => "503";

    // "If *all* entries in BackendRefs are invalid, and there are also no filters specified in this
    // route rule, *all* traffic which matches this rule MUST receive a 500 status code."
    no_backends: backends(json!([])), ask() => "500";
    a_service_that_does_not_exist: backends(json!([{"name": "none", "port": 80}])), ask() => "500";
    a_port_that_does_not_exist: backends(json!([{"name": "one", "port": 81}])), ask() => "500";
    another_kind: backends(json!([{"name": "one", "port": 80, "group": "example.com", "kind": "Bucket"}])), ask() => "500";
    weights_that_are_all_zero: backends(json!([{"name": "one", "port": 80, "weight": 0}])), ask() => "500";
    weight_zero_gets_nothing: backends(json!([{"name": "one", "port": 80, "weight": 0}, {"name": "two", "port": 80}])), ask() => "two";
    an_invalid_backend_of_weight_zero_costs_nothing: backends(json!([{"name": "none", "port": 80, "weight": 0}, {"name": "two", "port": 80}])), ask() => "two";
    // "A Service that has no ready endpoints: implementations SHOULD return a 503."
    no_endpoints: endpoints(json!([])), ask() => "503";
    // "A nil value should be interpreted as "true"."
    nil_is_ready: endpoints(json!([{"addresses": ["10.0.0.1"], "conditions": {}}])), ask() => "one";
    not_ready_is_not_used: endpoints(json!([{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}])), ask() => "503";
    serving_while_terminating_is_used_if_there_is_nothing_else: endpoints(json!([{"addresses": ["10.0.0.1"], "conditions": {"ready": false, "serving": true, "terminating": true}}])), ask() => "one";
    serving_while_terminating_is_not_used_beside_ready_ones: endpoints(json!([
        {"addresses": ["10.0.0.9"], "conditions": {"ready": false, "serving": true, "terminating": true}},
        {"addresses": ["10.0.0.2"]}])), ask() => "two";

    a_grant_permits: across(from("HTTPRoute", "a"), json!({"group": "", "kind": "Service"})), ask() => "one";
    a_grant_permits_by_name: across(from("HTTPRoute", "a"), json!({"group": "", "kind": "Service", "name": "one"})), ask() => "one";
    a_grant_for_another_name_does_not: across(from("HTTPRoute", "a"), json!({"group": "", "kind": "Service", "name": "two"})), ask() => "500";
    a_grant_from_another_namespace_does_not: across(from("HTTPRoute", "c"), json!({"group": "", "kind": "Service"})), ask() => "500";
    a_grant_from_another_kind_does_not: across(from("GRPCRoute", "a"), json!({"group": "", "kind": "Service"})), ask() => "500";
    a_grant_to_another_kind_does_not: across(from("HTTPRoute", "a"), json!({"group": "", "kind": "Secret"})), ask() => "500";

    // docs/problems.md, BackendNotFound.
    ingress_service_that_does_not_exist: paths(vec![path("Prefix", "/", "none")]), ask() => "503";
    ingress_port_by_name: {
        let mut objects = paths(vec![path("Prefix", "/", "one")]);
        objects[0]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] = json!({"name": "http"});
        objects
    }, ask() => "one";
    ingress_port_name_that_does_not_exist: {
        let mut objects = paths(vec![path("Prefix", "/", "one")]);
        objects[0]["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] = json!({"name": "none"});
        objects
    }, ask() => "500";
    a_missing_backend_keeps_its_path: paths(vec![path("Prefix", "/", "one"), path("Prefix", "/x", "none")]), Ask::get("h.example", "/x") => "503";
}
