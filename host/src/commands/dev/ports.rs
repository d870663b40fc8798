//! Which ports the gateway listens at, and what the filter is told about them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::certificates::Served;
use super::config::Config;
use crate::dump::{Dump, Listener};
use crate::gateway::{HostPattern, ListenError, ListenerSpec};

/// Below this, a port is for the system's own.
const PRIVILEGED: u16 = 1024;

/// A port of the machine and what it serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Port {
    /// Serves Ingress objects.
    pub(super) ingress: bool,
    /// Port of the Gateway listeners that it serves.
    pub(super) listener: Option<u16>,
    /// Whose they are.
    pub(super) gateways: Vec<String>,
    /// Speaks TLS.
    pub(super) tls: bool,
    /// Which Secrets serve which hosts of its listeners.
    pub(super) served: Vec<Served>,
    /// Hostnames of its listeners that speak TLS.
    pub(super) hostnames: Vec<HostPattern>,
}

/// All ports by number.
pub(super) type Ports = BTreeMap<u16, Port>;

/// The ports that a table needs.
pub(super) fn ports(config: &Config, dump: &Dump) -> Ports {
    let mut ports = Ports::new();
    ports.entry(config.ingress_port).or_default().ingress = true;
    for listener in &dump.listeners {
        let number = local(config, listener.port);
        let port = ports.entry(number).or_default();
        port.listener = Some(listener.port);
        if listener.protocol == "HTTPS" {
            port.tls = true;
            port.served.extend(of_listener(listener));
            port.hostnames.push(hostname(listener));
        }
        for gateway in &listener.gateways {
            if !port.gateways.contains(gateway) {
                port.gateways.push(gateway.clone());
            }
        }
    }
    let number = config.ingress_tls_port;
    // A Gateway's plain listener has the port for itself.
    if number != 0 && ports.get(&number).is_none_or(|port| port.tls) {
        let port = ports.entry(number).or_default();
        port.ingress = true;
        port.tls = true;
        port.served.extend(of_ingress(dump));
    }
    ports
}

fn hostname(listener: &Listener) -> HostPattern {
    HostPattern::parse(listener.hostname.as_deref().unwrap_or_default())
}

/// All Secrets that serve hosts, whatever the port.
pub(super) fn served(dump: &Dump) -> Vec<Served> {
    let https = |listener: &&Listener| listener.protocol == "HTTPS";
    let listeners = dump.listeners.iter().filter(https);
    listeners
        .flat_map(of_listener)
        .chain(of_ingress(dump))
        .collect()
}

/// Which Secrets serve the hostname of a listener.
fn of_listener(listener: &Listener) -> impl Iterator<Item = Served> {
    let secrets = listener.rest.get("certificates").and_then(Value::as_array);
    secrets.into_iter().flatten().filter_map(|secret| {
        let (namespace, name) = secret.as_str()?.split_once('/')?;
        Some(Served {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            hosts: vec![hostname(listener)],
            required: true,
        })
    })
}

/// Which Secrets serve which hosts of Ingress objects. As in Kong a certificate belongs to a server
/// name and not to a port, so those of listeners are among them.
fn of_ingress(dump: &Dump) -> impl Iterator<Item = Served> {
    let entities = dump.rest.get("entities").and_then(Value::as_array);
    entities.into_iter().flatten().filter_map(|entity| {
        if entity.get("type")?.as_str()? != "certificate" {
            return None;
        }
        let (namespace, name) = entity.get("secret")?.as_str()?.split_once('/')?;
        let hosts = entity.get("snis")?.as_array()?.iter();
        Some(Served {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            hosts: hosts
                .filter_map(Value::as_str)
                .map(HostPattern::parse)
                .collect(),
            required: false,
        })
    })
}

/// Whether all that a port does is serve Ingress over TLS.
pub(super) fn only_ingress_over_tls(ports: &Ports, number: u16) -> bool {
    let port = ports.get(&number);
    port.is_some_and(|port| port.tls && port.listener.is_none())
}

/// The port here that stands for one of a Gateway.
pub(super) fn local(config: &Config, port: u16) -> u16 {
    if port < PRIVILEGED {
        port.saturating_add(config.port_offset)
    } else {
        port
    }
}

/// The filter's configuration (silverback.meta.json describes it).
pub(super) fn filter_configuration(ports: &Ports) -> Vec<u8> {
    let ports: Vec<Value> = ports
        .iter()
        .map(|(number, port)| match port.listener {
            Some(listener) => {
                json!({"port": number, "ingress": port.ingress, "listener": listener})
            }
            None => json!({"port": number, "ingress": port.ingress}),
        })
        .collect();
    json!({ "ports": ports }).to_string().into_bytes()
}

/// What the gateway is to listen at.
pub(super) fn listeners(bind: IpAddr, ports: &Ports) -> Vec<ListenerSpec> {
    ports
        .iter()
        .map(|(number, port)| ListenerSpec {
            tls: port.tls,
            ..ListenerSpec::http(SocketAddr::new(bind, *number))
        })
        .collect()
}

/// Why a port cannot be listened at, and which flag chooses another.
pub(super) fn explain(config: &Config, ports: &Ports, error: &ListenError) -> String {
    let number = error.addr.port();
    let what = if error.in_use() {
        format!("port {number} is in use")
    } else {
        error.to_string()
    };
    let ingress = number == config.ingress_port;
    let admin = config.admin.is_some_and(|admin| admin.port() == number);
    let hint = match ports.get(&number).and_then(|port| port.listener) {
        _ if error.not_here() => "--bind takes an address of this machine".to_owned(),
        _ if admin => "it is the admin port; --admin-port PORT takes another".to_owned(),
        _ if ingress => "--ingress-port PORT takes another".to_owned(),
        None => "--ingress-tls-port PORT takes another, 0 none".to_owned(),
        Some(listener) if listener != number => format!(
            "it stands for port {listener} of a Gateway; --port-offset N takes port {listener} + N"
        ),
        _ => "it is the port of a Gateway's listener; stop what uses it, or change the Gateway"
            .to_owned(),
    };
    format!("{what} (hint: {hint})")
}
