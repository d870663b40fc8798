//! Endpoints for Services that have none, because nothing runs pods here.
//!
//! A Service of the files without endpoints gets an EndpointSlice with an address that the
//! gateway's echo answers; one that `--backend` names gets the address of what is running. What
//! becomes of such a slice is the translator's business, as with any other object.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::{Value, json};

use super::config::Backend;
use crate::gateway::{EchoIdentity, EchoRegistry};
use crate::manifests::ManifestSet;
use crate::object::ObjectKey;

/// The label that names a slice's Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// First of the addresses that stand for echoes: 127.64.0.0/10, which no real pod has.
const FIRST: u32 = 0x7f40_0001;
/// How many there are.
const COUNT: u32 = (1 << 22) - 2;

/// Objects by name with their JSON.
pub(super) type Objects = BTreeMap<ObjectKey, Arc<[u8]>>;

/// Namespace and name of a Service.
type ServiceName = (String, String);

/// Something that is not as the files say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Substitution {
    /// The echo answers for a Service.
    Echo { service: String },
    /// Something that is running does.
    Backend { service: String, to: SocketAddr },
    /// A `--backend` names a Service or port that is not in the files.
    Unused { service: String },
}

/// What was added and changed.
#[derive(Debug, Default)]
pub(super) struct Stubs {
    pub(super) substitutions: BTreeSet<Substitution>,
    pub(super) echoes: EchoRegistry,
}

/// Addresses of echoes. A Service keeps its own for as long as `dev` runs, whatever else comes and
/// goes.
#[derive(Debug, Default)]
pub(super) struct Addresses(BTreeMap<ServiceName, Ipv4Addr>);

/// What of a Service matters here.
struct Service {
    /// Name, number.
    ports: Vec<(String, u16)>,
}

/// The objects of the files.
pub(super) fn of(set: &ManifestSet) -> Objects {
    let objects = set.objects().into_iter();
    objects
        .map(|(key, object)| (key, Arc::clone(&object.json)))
        .collect()
}

/// Adds the stubs to the objects of the files.
pub(super) fn add(
    objects: &mut Objects,
    backends: &[Backend],
    echo: bool,
    addresses: &mut Addresses,
) -> Stubs {
    let mut stubs = Stubs::default();
    let services = services(objects);
    for backend in backends {
        let name = format!("{}/{}:{}", backend.namespace, backend.service, backend.port);
        let port = services
            .get(&(backend.namespace.clone(), backend.service.clone()))
            .and_then(|service| service.port(&backend.port));
        let Some((port, number)) = port else {
            let unused = Substitution::Unused { service: name };
            stubs.substitutions.insert(unused);
            continue;
        };
        remove_port(objects, &backend.namespace, &backend.service, port);
        let family = if backend.to.is_ipv4() { "IPv4" } else { "IPv6" };
        let (key, slice) = slice(
            &format!("silverback-backend-{}-{number}", backend.service),
            (&backend.namespace, &backend.service),
            family,
            backend.to.ip(),
            json!([{"name": port, "port": backend.to.port(), "protocol": "TCP"}]),
        );
        objects.insert(key, slice);
        stubs.substitutions.insert(Substitution::Backend {
            service: name,
            to: backend.to,
        });
    }
    if !echo {
        return stubs;
    }

    let served = served(objects);
    for (name, service) in services.iter().filter(|(name, _)| !served.contains(*name)) {
        let address = addresses.of(name);
        let (namespace, service_name) = (&*name.0, &*name.1);
        let mut ports = Vec::new();
        for (port, number) in &service.ports {
            ports.push(json!({"name": port, "port": number, "protocol": "TCP"}));
            let shown = match &**port {
                "" => number.to_string(),
                port => port.to_owned(),
            };
            stubs.echoes.insert(
                SocketAddr::new(address.into(), *number),
                EchoIdentity {
                    service: service_name.to_owned(),
                    namespace: namespace.to_owned(),
                    pod: format!("{service_name}-echo"),
                    port: shown,
                },
            );
        }
        let (key, slice) = slice(
            &format!("silverback-echo-{service_name}"),
            (namespace, service_name),
            "IPv4",
            address.into(),
            Value::Array(ports),
        );
        objects.insert(key, slice);
        stubs.substitutions.insert(Substitution::Echo {
            service: format!("{namespace}/{service_name}"),
        });
    }
    stubs
}

fn slice(
    name: &str,
    service: (&str, &str),
    family: &str,
    address: IpAddr,
    ports: Value,
) -> (ObjectKey, Arc<[u8]>) {
    let key = ObjectKey::new("discovery.k8s.io/v1", "EndpointSlice", service.0, name);
    let object = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": service.0,
            "labels": {
                SERVICE_NAME: service.1,
                "endpointslice.kubernetes.io/managed-by": "silverback.rs/dev",
            },
        },
        "addressType": family,
        "ports": ports,
        "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
    });
    (key, object.to_string().into_bytes().into())
}

/// All Services that can have endpoints.
fn services(objects: &Objects) -> BTreeMap<ServiceName, Service> {
    let mut services = BTreeMap::new();
    for (key, json) in objects {
        if key.kind != "Service" || !key.group.is_empty() {
            continue;
        }
        let Ok(object) = serde_json::from_slice::<Value>(json) else {
            continue;
        };
        let spec = &object["spec"];
        if spec["type"] == "ExternalName" {
            continue;
        }
        let ports: Vec<_> = spec["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|port| {
                let name = port["name"].as_str().unwrap_or_default().to_owned();
                Some((name, u16::try_from(port["port"].as_u64()?).ok()?))
            })
            .collect();
        if !ports.is_empty() {
            services.insert((key.namespace.clone(), key.name.clone()), Service { ports });
        }
    }
    services
}

/// Slices with their Service.
fn slices(objects: &Objects) -> impl Iterator<Item = (&ObjectKey, String, Value)> {
    objects.iter().filter_map(|(key, json)| {
        if key.kind != "EndpointSlice" || key.group != "discovery.k8s.io" {
            return None;
        }
        let object: Value = serde_json::from_slice(json).ok()?;
        let service = object["metadata"]["labels"][SERVICE_NAME]
            .as_str()?
            .to_owned();
        Some((key, service, object))
    })
}

/// Services that have an endpoint, ready or not: what is written down is meant.
fn served(objects: &Objects) -> BTreeSet<ServiceName> {
    slices(objects)
        .filter(|(_, _, slice)| {
            let endpoints = slice["endpoints"].as_array();
            endpoints.into_iter().flatten().any(|endpoint| {
                let addresses = endpoint["addresses"].as_array();
                addresses.is_some_and(|addresses| !addresses.is_empty())
            })
        })
        .map(|(key, service, _)| (key.namespace.clone(), service))
        .collect()
}

/// Takes a port out of all slices of a Service.
fn remove_port(objects: &mut Objects, namespace: &str, service: &str, port: &str) {
    let mut changed = Vec::new();
    for (key, of, mut slice) in slices(objects) {
        if key.namespace != namespace || of != service {
            continue;
        }
        if let Some(ports) = slice["ports"].as_array_mut() {
            let before = ports.len();
            ports.retain(|entry| entry["name"].as_str().unwrap_or_default() != port);
            if ports.len() != before {
                let empty = ports.is_empty();
                changed.push((key.clone(), (!empty).then(|| slice.to_string())));
            }
        }
    }
    for (key, slice) in changed {
        match slice {
            Some(slice) => objects.insert(key, slice.into_bytes().into()),
            None => objects.remove(&key),
        };
    }
}

// === impl Service ===

impl Service {
    /// Name and number of the port that is called so.
    fn port(&self, called: &str) -> Option<(&str, u16)> {
        self.ports
            .iter()
            .find(|(name, number)| name == called || number.to_string() == called)
            .map(|(name, number)| (name.as_str(), *number))
    }
}

// === impl Addresses ===

impl Addresses {
    fn of(&mut self, service: &ServiceName) -> Ipv4Addr {
        let next = FIRST + u32::try_from(self.0.len()).unwrap_or(u32::MAX) % COUNT;
        let next = Ipv4Addr::from_bits(next);
        *self.0.entry(service.clone()).or_insert(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &Value) -> (ObjectKey, Arc<[u8]>) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let key = ObjectKey::new(
            &text(&json["apiVersion"]),
            &text(&json["kind"]),
            &text(&json["metadata"]["namespace"]),
            &text(&json["metadata"]["name"]),
        );
        (key, json.to_string().into_bytes().into())
    }

    fn service(name: &str, ports: &Value) -> (ObjectKey, Arc<[u8]>) {
        object(&json!({"apiVersion":"v1","kind":"Service",
            "metadata":{"name":name,"namespace":"d"},"spec":{"ports":ports}}))
    }

    fn endpoints(service: &str, ports: &Value, addresses: &Value) -> (ObjectKey, Arc<[u8]>) {
        object(
            &json!({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice",
            "metadata":{"name":format!("{service}-1"),"namespace":"d","labels":{SERVICE_NAME:service}},
            "ports":ports,"endpoints":[{"addresses":addresses}]}),
        )
    }

    fn get(objects: &Objects, name: &str) -> Value {
        let found = objects.iter().find(|(key, _)| key.name == name);
        found.map_or(Value::Null, |(_, json)| {
            serde_json::from_slice(json).expect("JSON")
        })
    }

    #[test]
    fn service_without_endpoints_is_echoed() {
        let http = json!([{"name":"http","port":80},{"name":"admin","port":81}]);
        let mut objects = Objects::from([
            service("a", &http),
            service("b", &http),
            endpoints(
                "b",
                &json!([{"name":"http","port":8080}]),
                &json!(["10.0.0.1"]),
            ),
            service("c", &http),
            endpoints("c", &json!([{"name":"http","port":8080}]), &json!([])),
        ]);
        let mut addresses = Addresses::default();
        let stubs = add(&mut objects, &[], true, &mut addresses);
        let echo = |service: &str| Substitution::Echo {
            service: service.to_owned(),
        };
        assert_eq!(
            stubs.substitutions,
            BTreeSet::from([echo("d/a"), echo("d/c")])
        );
        assert_eq!(stubs.echoes.len(), 4);
        let slice = get(&objects, "silverback-echo-a");
        assert_eq!(slice["endpoints"][0]["addresses"], json!(["127.64.0.1"]));
        assert_eq!(
            slice["ports"][1],
            json!({"name":"admin","port":81,"protocol":"TCP"})
        );
        assert_eq!(get(&objects, "silverback-echo-b"), Value::Null);
    }

    #[test]
    fn echo_keeps_its_address() {
        let ports = json!([{"port":80}]);
        let mut addresses = Addresses::default();
        let mut first = Objects::from([service("b", &ports)]);
        add(&mut first, &[], true, &mut addresses);
        let mut second = Objects::from([service("a", &ports), service("b", &ports)]);
        add(&mut second, &[], true, &mut addresses);
        assert_eq!(
            get(&first, "silverback-echo-b"),
            get(&second, "silverback-echo-b")
        );
    }

    #[test]
    fn backend_takes_the_place_of_the_slices_of_its_port() {
        let ports = json!([{"name":"http","port":80},{"name":"admin","port":81}]);
        let mut objects = Objects::from([
            service("a", &ports),
            endpoints("a", &ports, &json!(["10.0.0.1"])),
        ]);
        let backend = Backend {
            namespace: "d".to_owned(),
            service: "a".to_owned(),
            port: "80".to_owned(),
            to: "127.0.0.1:3000".parse().expect("an address"),
        };
        let stubs = add(&mut objects, &[backend], true, &mut Addresses::default());
        assert_eq!(stubs.substitutions.len(), 1);
        assert!(stubs.echoes.is_empty());
        assert_eq!(
            get(&objects, "a-1")["ports"],
            json!([{"name":"admin","port":81}])
        );
        let slice = get(&objects, "silverback-backend-a-80");
        assert_eq!(
            slice["ports"],
            json!([{"name":"http","port":3000,"protocol":"TCP"}])
        );
        assert_eq!(slice["endpoints"][0]["addresses"], json!(["127.0.0.1"]));
    }

    #[test]
    fn backend_for_nothing_is_said() {
        let backend = Backend {
            namespace: "d".to_owned(),
            service: "a".to_owned(),
            port: "80".to_owned(),
            to: "127.0.0.1:3000".parse().expect("an address"),
        };
        let stubs = add(
            &mut Objects::new(),
            &[backend],
            true,
            &mut Addresses::default(),
        );
        assert_eq!(
            stubs.substitutions.first(),
            Some(&Substitution::Unused {
                service: "d/a:80".to_owned()
            })
        );
    }
}
