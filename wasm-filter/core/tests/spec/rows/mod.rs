//! The tables of the specifications, row by row, driven with manifests. The oracle is asked too, so
//! that both say the same.

mod grpc;
mod headers;
mod hosts;
mod ingress_paths;
mod listeners;
mod paths;
mod precedence;
mod queries;
mod references;
mod rewrites;

use serde_json::{Value, json};

use crate::ask::Ask;
use crate::oracle::{Classes, Oracle};
use crate::subject::{Seen, Subject};

/// `name: objects, request => who answers`: a Service, or a status.
macro_rules! rows {
    ($($name:ident: $objects:expr, $ask:expr => $wanted:expr;)*) => {
        $(#[test]
        fn $name() {
            let objects: Vec<serde_json::Value> = $objects;
            crate::rows::check(&objects, &$ask, $wanted, crate::rows::who);
        })*
    };
}
pub(crate) use rows;

const GROUP: &str = "gateway.networking.k8s.io/v1";

/// What there is always: a Gateway that everything attaches to, Services `one`, `two` and `three` in
/// namespace `a`.
fn base() -> Vec<Value> {
    let mut out = vec![
        json!({"apiVersion": GROUP, "kind": "GatewayClass", "metadata": {"name": "ours"},
            "spec": {"controllerName": "silverback.rs/gateway-controller"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"team": "red"}}}),
    ];
    for (index, name) in ["one", "two", "three"].iter().enumerate() {
        out.extend(service("a", name, index + 1));
    }
    out
}

/// A Service with one endpoint, 10.0.0.`last`.
pub(crate) fn service(ns: &str, name: &str, last: usize) -> [Value; 2] {
    [
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": ns, "name": name},
            "spec": {"ports": [{"name": "http", "port": 80}]}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": ns, "name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
            "endpoints": [{"addresses": [format!("10.0.0.{last}")]}]}),
    ]
}

/// An Ingress of these rules.
pub(crate) fn ingress(name: &str, rules: Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": "a", "name": name, "annotations": {}}, "spec": {"rules": rules}})
}

/// A path of an Ingress.
pub(crate) fn path(kind: &str, path: &str, service: &str) -> Value {
    json!({"pathType": kind, "path": path,
        "backend": {"service": {"name": service, "port": {"number": 80}}}})
}

/// An Ingress without host of these paths.
pub(crate) fn paths(paths: Vec<Value>) -> Vec<Value> {
    vec![ingress("i", json!([{"http": {"paths": paths}}]))]
}

/// The Gateway `gw` with these listeners.
pub(crate) fn gateway(listeners: Value) -> Value {
    json!({"apiVersion": GROUP, "kind": "Gateway", "metadata": {"namespace": "a", "name": "gw"},
        "spec": {"gatewayClassName": "ours", "listeners": listeners}})
}

/// One listener for everything.
pub(crate) fn open_gateway() -> Value {
    gateway(json!([{"name": "http", "port": 80, "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}}}]))
}

/// A route of a kind with these rules.
pub(crate) fn route(kind: &str, name: &str, hostnames: &[&str], rules: Value) -> Value {
    json!({"apiVersion": GROUP, "kind": kind, "metadata": {"namespace": "a", "name": name},
        "spec": {"parentRefs": [{"name": "gw"}], "hostnames": hostnames, "rules": rules}})
}

/// A rule that goes to one Service.
pub(crate) fn to(service: &str, matches: Value) -> Value {
    json!({"matches": matches, "backendRefs": [{"name": service, "port": 80}]})
}

/// An HTTPRoute of these rules, and its Gateway.
pub(crate) fn http(rules: Vec<Value>) -> Vec<Value> {
    vec![open_gateway(), route("HTTPRoute", "r", &[], rules.into())]
}

/// HTTPRoutes `r0`, `r1`, ... with these hostnames to the Services in this order.
pub(crate) fn by_host(hostnames: &[&[&str]]) -> Vec<Value> {
    let services = ["one", "two", "three"];
    let mut out = vec![open_gateway()];
    for (index, names) in hostnames.iter().enumerate() {
        let rules = json!([to(services[index], json!([]))]);
        out.push(route("HTTPRoute", &format!("r{index}"), names, rules));
    }
    out
}

/// Asks translator and matcher, and the oracle.
pub(crate) fn check(
    objects: &[Value],
    ask: &Ask,
    wanted: &str,
    what: impl Fn(&Ask, &Seen) -> String,
) {
    let mut all = base();
    all.retain(|known| {
        let same = |object: &Value| {
            object["kind"] == known["kind"]
                && object["metadata"]["name"] == known["metadata"]["name"]
                && object["metadata"]["namespace"] == known["metadata"]["namespace"]
        };
        !objects.iter().any(same)
    });
    all.extend_from_slice(objects);
    let classes = Classes {
        all: true,
        ingress: "kong".to_owned(),
        controller: "silverback.rs/gateway-controller".to_owned(),
    };
    let subject = Subject::new(&all, &classes);
    let seen = what(ask, &subject.answer(ask, 0));
    assert_eq!(seen, wanted, "{ask}\nproblems: {:#?}", subject.problems);
    let verdict = Oracle::new(&all, &classes).verdict(ask);
    if let Err(why) = verdict.check(&subject, ask) {
        panic!("{ask}\nthe oracle disagrees: {why}\n{verdict:#?}");
    }
}

/// The Service that gets the request, or the status.
pub(crate) fn who(_: &Ask, seen: &Seen) -> String {
    match seen {
        Seen::Reply(status, _) => status.to_string(),
        Seen::Proxy(plan, _) => match plan.endpoints[0].to_string().as_str() {
            "10.0.0.1:8080" => "one".to_owned(),
            "10.0.0.2:8080" => "two".to_owned(),
            "10.0.0.3:8080" => "three".to_owned(),
            other => other.to_owned(),
        },
    }
}

/// The path that the upstream sees, or where a redirect goes.
pub(crate) fn target(ask: &Ask, seen: &Seen) -> String {
    match seen {
        Seen::Reply(status, headers) => {
            let location = headers.iter().find(|(name, _)| name == "location");
            format!("{status} {}", location.map_or("", |(_, value)| value))
        }
        Seen::Proxy(plan, _) => {
            String::from_utf8_lossy(plan.uri.as_deref().unwrap_or(&ask.target)).into_owned()
        }
    }
}
