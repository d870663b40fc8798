//! Services and their endpoints.

use serde_json::{Value, json};

use super::NAMESPACES;
use super::choices::Choices;

/// `s0` and `s1` have endpoints mostly, `s2` has none, `s9` does not exist.
pub(crate) const SERVICES: [&str; 6] = ["s0", "s0", "s1", "s1", "s2", "s9"];

/// What ExternalNames name; the last is not resolved.
const NAMES: [&str; 3] = ["one.example", "two.example", "none.example"];

/// The Services of both namespaces with their slices.
pub(crate) fn all(c: &mut Choices) -> Vec<Value> {
    let mut out = Vec::new();
    for (ns_index, ns) in NAMESPACES.iter().enumerate() {
        for (index, name) in ["s0", "s1", "s2"].iter().enumerate() {
            if c.one_in(12) {
                continue;
            }
            let mut service = service(c, ns, name);
            if c.one_in(10) {
                service["spec"]["type"] = "ExternalName".into();
                service["spec"]["externalName"] = c.of(&NAMES).into();
            }
            out.push(service);
            if *name == "s2" {
                continue;
            }
            for slice in 0..c.between(1, 2) {
                let net = format!("10.{ns_index}.{index}");
                out.push(self::slice(c, ns, name, slice, &net));
            }
        }
    }
    for (index, name) in NAMES.iter().enumerate().take(2) {
        let addresses: Vec<String> = (0..c.between(0, 3))
            .map(|_| format!("10.9.{index}.{}", c.between(1, 5)))
            .collect();
        out.push(
            json!({"apiVersion": "silverback.rs/v1", "kind": "ResolvedName",
            "metadata": {"name": name}, "addresses": addresses}),
        );
    }
    out
}

fn service(c: &mut Choices, ns: &str, name: &str) -> Value {
    let app = c.of(&[
        "",
        "",
        "",
        "http",
        "https",
        "kubernetes.io/h2c",
        "kubernetes.io/ws",
        "kubernetes.io/wss",
        "grpc",
        "grpcs",
        "example.com/unknown",
    ]);
    let mut first = json!({"name": "http", "port": 80, "targetPort": 8080});
    if !app.is_empty() {
        first["appProtocol"] = app.into();
    }
    let mut ports = vec![first];
    if name != "s0" {
        ports.push(json!({"name": "alt", "port": 81, "targetPort": 8081}));
    }
    let mut annotations = json!({});
    let mut put = |c: &mut Choices, name: &str, values: &[&str]| {
        if c.one_in(8) {
            annotations[format!("konghq.com/{name}")] = c.of(values).into();
        }
    };
    put(c, "protocol", &["http", "https", "grpc", "grpcs"]);
    put(c, "path", &["/svc", "/svc/", "/", "/s/v"]);
    put(c, "host-header", &["up.example", "other.example"]);
    put(c, "connect-timeout", &["1000", "70000"]);
    put(c, "read-timeout", &["2000"]);
    put(c, "write-timeout", &["3000"]);
    put(c, "retries", &["0", "1", "9"]);
    json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": ns, "name": name, "annotations": annotations},
        "spec": {"ports": ports}})
}

fn slice(c: &mut Choices, ns: &str, name: &str, slice: usize, net: &str) -> Value {
    let v6 = slice == 1 && c.one_in(3);
    let endpoints: Vec<Value> = (0..c.between(1, 4))
        .map(|_| {
            let last = c.between(1, 5);
            let address = if v6 {
                format!("fd00::{last}")
            } else {
                format!("{net}.{last}")
            };
            let mut endpoint = json!({"addresses": [address]});
            match c.below(8) {
                0 => endpoint["conditions"] = json!({"ready": false}),
                1 => {
                    endpoint["conditions"] =
                        json!({"ready": false, "serving": true, "terminating": true});
                }
                2 => {
                    endpoint["conditions"] =
                        json!({"ready": false, "serving": false, "terminating": true});
                }
                3..=5 => endpoint["conditions"] = json!({"ready": true}),
                _ => {}
            }
            endpoint
        })
        .collect();
    let number = c.of(&["8080", "80", "443"]).parse::<u16>().expect("a port");
    let mut ports = vec![json!({"name": "http", "port": number})];
    if !c.one_in(3) {
        ports.push(json!({"name": "alt", "port": 8081}));
    }
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"namespace": ns, "name": format!("{name}-{slice}"),
            "labels": {"kubernetes.io/service-name": name}},
        "addressType": if v6 { "IPv6" } else { "IPv4" },
        "ports": ports, "endpoints": endpoints})
}
