//! What a backend reference stands for: a Service's endpoints, or a status.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::attach::GROUP;
use super::filters::{Filters, MIRRORS, mirrors};
use super::objects::{Objects, annotation, items, kong, list, name_of, namespace_of, text};

/// What is spoken with an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Https,
    Grpc,
    Grpcs,
    H2c,
}

/// One weighted share of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    pub(crate) weight: u64,
    pub(crate) target: Target,
    pub(crate) filters: Filters,
}

#[derive(Debug, Clone)]
pub(crate) enum Target {
    Status(u16),
    Service(Service),
}

/// A Service's port.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) endpoints: BTreeSet<SocketAddr>,
    pub(crate) protocol: Protocol,
    pub(crate) path: Option<String>,
    pub(crate) host_header: Option<String>,
    /// Of an ExternalName.
    pub(crate) external: Option<String>,
    /// Connect, write, read.
    pub(crate) timeouts: [Option<u32>; 3],
    pub(crate) retries: Option<u8>,
    pub(crate) plugins: Vec<String>,
}

/// The backends of a rule of an HTTPRoute or GRPCRoute.
pub(crate) fn of_rule(objects: Objects<'_>, kind: &str, route: &Value, rule: &Value) -> Vec<Share> {
    let left = MIRRORS - mirrors(&rule["filters"]).min(MIRRORS);
    list(&rule["backendRefs"])
        .map(|reference| Share {
            // "If unspecified, weight defaults to 1." "If weight is set to 0, no traffic should be
            // forwarded for this entry."
            weight: reference["weight"].as_u64().unwrap_or(1),
            target: of_ref(objects, kind, route, reference),
            filters: Filters::read(objects, kind, route, &reference["filters"], left),
        })
        .collect()
}

/// "When a GRPCBackendRef is invalid, `UNAVAILABLE` statuses MUST be returned": what a gRPC client makes
/// of 503 (grpc/doc/http-grpc-status-mapping.md); 500 is `UNKNOWN`.
pub(crate) fn invalid_status(grpc: bool) -> u16 {
    if grpc { 503 } else { 500 }
}

/// "When a HTTPBackendRef is invalid, 500 status codes MUST be returned for requests that would have
/// otherwise been routed to an invalid backend." "When a HTTPBackendRef refers to a Service that has no
/// ready endpoints, implementations SHOULD return a 503 for requests to that backend instead."
pub(crate) fn of_ref(objects: Objects<'_>, kind: &str, route: &Value, reference: &Value) -> Target {
    let invalid = Target::Status(invalid_status(kind == "GRPCRoute"));
    let group = reference["group"].as_str().unwrap_or_default();
    let referent = reference["kind"].as_str().unwrap_or("Service");
    let from = namespace_of(route);
    let namespace = reference["namespace"].as_str().unwrap_or(from);
    let name = text(&reference["name"]);
    if !group.is_empty() || referent != "Service" {
        return invalid;
    }
    if !objects.permits((GROUP, kind, from), ("", "Service"), namespace, name) {
        return invalid;
    }
    // "Port is required when the referent is a Kubernetes Service. In this case, the port number is
    // the service port number, not the target port."
    let Some(service) = objects.get("Service", namespace, name) else {
        return invalid;
    };
    match by_number(service, &reference["port"]) {
        // "If a Route is not able to send traffic to the backend using the specified protocol then
        // the backend is considered invalid."
        Some(port) if !speaks(service, &port, kind == "GRPCRoute") => invalid,
        Some(port) => of_port(objects, service, &port, kind == "GRPCRoute"),
        None => invalid,
    }
}

/// The backend of an Ingress path: "Service references a service as a backend", with the port's
/// "name" or "number". A missing Service or number is 503 (docs/routing.md), a missing name 500.
pub(crate) fn of_ingress(objects: Objects<'_>, ingress: &Value, backend: &Value) -> Target {
    let port = &backend["service"]["port"];
    let missing = Target::Status(if port["name"].is_string() { 500 } else { 503 });
    let name = text(&backend["service"]["name"]);
    let Some(service) = objects.get("Service", namespace_of(ingress), name) else {
        return missing;
    };
    let mut ports = list(&service["spec"]["ports"]);
    let found = match port["name"].as_str() {
        Some(name) => ports.find(|known| known["name"] == name).cloned(),
        None => by_number(service, &port["number"]),
    };
    match found {
        Some(port) => of_port(objects, service, &port, false),
        None => missing,
    }
}

/// A Service's port of this number. "Any port of an ExternalName can be named" (docs/routing.md).
fn by_number(service: &Value, number: &Value) -> Option<Value> {
    let mut ports = list(&service["spec"]["ports"]);
    let known = ports.find(|port| port["port"] == *number).cloned();
    let any = service["spec"]["externalName"].is_string();
    known.or_else(|| any.then(|| json!({ "port": number })))
}

fn of_port(objects: Objects<'_>, service: &Value, port: &Value, grpc: bool) -> Target {
    let number = |name: &str| kong(service, name).and_then(|text| text.parse().ok());
    let service = Service {
        namespace: namespace_of(service).to_owned(),
        name: name_of(service).to_owned(),
        port: u16::try_from(port["port"].as_u64().unwrap_or(0)).unwrap_or(0),
        endpoints: match service["spec"]["externalName"].as_str() {
            Some(name) => resolved(objects, name, &port["port"]),
            None => endpoints(objects, service, text(&port["name"])),
        },
        protocol: protocol(service, port, grpc),
        path: kong(service, "path").map(str::to_owned),
        host_header: kong(service, "host-header").map(str::to_owned),
        external: service["spec"]["externalName"].as_str().map(str::to_owned),
        timeouts: ["connect-timeout", "write-timeout", "read-timeout"].map(number),
        retries: kong(service, "retries").and_then(|text| text.parse().ok()),
        plugins: kong(service, "plugins").map(items).unwrap_or_default(),
    };
    if service.endpoints.is_empty() {
        return Target::Status(503);
    }
    Target::Service(service)
}

/// "ready indicates that this endpoint is ready to receive traffic [...] A nil value should be
/// interpreted as "true"." "serving [...] A nil value should be interpreted as "ready"", "terminating
/// [...] A nil value should be interpreted as "false"". "Consumers of EndpointSlices must handle the
/// case of duplicate endpoints."
fn endpoints(objects: Objects<'_>, service: &Value, port: &str) -> BTreeSet<SocketAddr> {
    let mut ready = BTreeSet::new();
    let mut draining = BTreeSet::new();
    let slices = objects.of("EndpointSlice").filter(|slice| {
        namespace_of(slice) == namespace_of(service)
            && slice["metadata"]["labels"]["kubernetes.io/service-name"] == name_of(service)
    });
    for slice in slices {
        let numbers: Vec<u64> = list(&slice["ports"])
            .filter(|known| text(&known["name"]) == port)
            .filter_map(|known| known["port"].as_u64())
            .collect();
        for endpoint in list(&slice["endpoints"]) {
            let Ok(address) = text(&endpoint["addresses"][0]).parse::<IpAddr>() else {
                continue;
            };
            let condition = |name: &str| endpoint["conditions"][name].as_bool();
            let is_ready = condition("ready").unwrap_or(true);
            let serves = condition("serving").unwrap_or(is_ready);
            let all = numbers
                .iter()
                .map(|number| SocketAddr::new(address, u16::try_from(*number).unwrap_or(0)));
            if is_ready {
                ready.extend(all);
            } else if serves && condition("terminating") == Some(true) {
                draining.extend(all);
            }
        }
    }
    if ready.is_empty() { draining } else { ready }
}

/// "ExternalName: Maps the Service to the contents of the externalName field": its addresses, as the
/// host found them, with the Service's port.
fn resolved(objects: Objects<'_>, name: &str, port: &Value) -> BTreeSet<SocketAddr> {
    let found = objects.get("ResolvedName", "", &name.to_ascii_lowercase());
    let addresses = found.into_iter().flat_map(|name| list(&name["addresses"]));
    let port = u16::try_from(port.as_u64().unwrap_or(0)).unwrap_or(0);
    addresses
        .filter_map(|address| text(address).parse::<IpAddr>().ok())
        .map(|address| SocketAddr::new(address, port))
        .collect()
}

/// Can requests of a route be sent there? docs/routing.md, Services: "Any other, and WebSocket for a
/// GRPCRoute, makes a backendRef invalid"; the annotation comes first.
fn speaks(service: &Value, port: &Value, grpc: bool) -> bool {
    let known = ["kubernetes.io/h2c", "http", "https", "grpc", "grpcs"];
    let web_socket = ["kubernetes.io/ws", "kubernetes.io/wss"];
    kong(service, "protocol").is_some()
        || match port["appProtocol"].as_str() {
            None => true,
            Some(name) => known.contains(&name) || (!grpc && web_socket.contains(&name)),
        }
}

/// "`kubernetes.io/h2c`: HTTP/2 prior knowledge over cleartext", "`kubernetes.io/ws`: WebSocket over
/// cleartext", "`kubernetes.io/wss`: WebSocket over TLS" (KEP-3726); the annotation comes first.
fn protocol(service: &Value, port: &Value, grpc: bool) -> Protocol {
    let named = kong(service, "protocol").or(port["appProtocol"].as_str());
    let plain = match named.unwrap_or_default() {
        "https" | "kubernetes.io/wss" | "wss" => Protocol::Https,
        "grpc" => Protocol::Grpc,
        "grpcs" => Protocol::Grpcs,
        "kubernetes.io/h2c" => Protocol::H2c,
        _ => Protocol::Http,
    };
    match (grpc, plain) {
        (true, Protocol::Https | Protocol::Grpcs) => Protocol::Grpcs,
        (true, _) => Protocol::Grpc,
        (false, plain) => plain,
    }
}

/// Is an annotation of the other prefix on?
pub(crate) fn is_on(object: &Value, name: &str) -> bool {
    annotation(object, name) == Some("true")
}
