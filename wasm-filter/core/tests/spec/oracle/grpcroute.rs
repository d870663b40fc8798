//! GRPCRoute.

use std::rc::Rc;

use serde_json::Value;

use super::attach::{Listener, places};
use super::httproute::action;
use super::matches::{Anchor, read, regex};
use super::objects::{Objects, age, list, text};
use super::paths::PathCond;
use super::{Candidate, Kind, Scheme, Scope};

pub(crate) fn candidates(objects: Objects<'_>, listeners: &[Listener<'_>]) -> Vec<Candidate> {
    let mut out = Vec::new();
    for route in objects.of("GRPCRoute") {
        let places = places(objects, listeners, "GRPCRoute", route);
        for (index, rule) in list(&route["spec"]["rules"]).enumerate() {
            let action = Rc::new(action(objects, Kind::Grpc, route, index, rule));
            // "If no matches are specified, the implementation MUST match every gRPC request."
            let every = [Value::Null];
            let matches = rule["matches"]
                .as_array()
                .filter(|matches| !matches.is_empty());
            let matches = matches.map_or(&every[..], Vec::as_slice);
            for (match_index, entry) in matches.iter().enumerate() {
                let (path, headers) = (path_of(&entry["method"]), read(&entry["headers"], true));
                let (Some(path), Some(headers)) = (path, headers) else {
                    continue;
                };
                out.extend(places.iter().map(|place| Candidate {
                    scope: Scope::Listener(place.port, place.listener.clone()),
                    host: place.host.clone(),
                    path: path.clone(),
                    methods: Vec::new(),
                    headers: headers.clone(),
                    queries: Vec::new(),
                    snis: Vec::new(),
                    scheme: Scheme::Any,
                    age: age(route),
                    position: (index, match_index),
                    rule: Rc::clone(&action),
                }));
            }
        }
    }
    out
}

/// "Service: Value of the service to match against. If left empty or omitted, will match any service.
/// Method: [...] If left empty or omitted, will match all services." A gRPC call is
/// `POST /{service}/{method}`.
fn path_of(method: &Value) -> Option<PathCond> {
    let part = |name: &str| {
        let pattern = text(&method[name]);
        match pattern {
            "" => Some(None),
            _ => Some(Some((pattern.len(), regex(pattern, Anchor::Whole, false)?))),
        }
    };
    match method["type"].as_str().unwrap_or("Exact") {
        "Exact" => {}
        "RegularExpression" => {
            return Some(PathCond::GrpcPattern {
                service: part("service")?,
                method: part("method")?,
            });
        }
        _ => return None,
    }
    match (text(&method["service"]), text(&method["method"])) {
        ("", "") => Some(PathCond::GrpcAny),
        ("", method) => Some(PathCond::GrpcMethod(method.to_owned())),
        (service, "") => PathCond::prefix(&format!("/{service}")),
        (service, method) => PathCond::exact(&format!("/{service}/{method}")),
    }
}
