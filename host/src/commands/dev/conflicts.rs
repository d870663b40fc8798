//! Ports that are wanted for more than one thing, of which they can do one only.

use std::collections::{BTreeMap, BTreeSet};

use super::config::Config;
use super::ports::local;
use crate::dump::Dump;

/// What the listeners of Gateways want of one port of the machine.
#[derive(Debug, Default)]
struct Wanted<'a> {
    /// Ports of the Gateways.
    listeners: BTreeSet<u16>,
    plain: BTreeSet<&'a str>,
    tls: BTreeSet<&'a str>,
}

/// What is not served because its port has another protocol or stands for another port, each with
/// what to do about it. What is served instead is [`super::ports::ports`]' to say.
pub(super) fn conflicts(config: &Config, dump: &Dump) -> BTreeSet<String> {
    let mut ports: BTreeMap<u16, Wanted<'_>> = BTreeMap::new();
    for listener in &dump.listeners {
        let wanted = ports.entry(local(config, listener.port)).or_default();
        wanted.listeners.insert(listener.port);
        let gateways = match &*listener.protocol {
            "HTTPS" => &mut wanted.tls,
            _ => &mut wanted.plain,
        };
        gateways.extend(listener.gateways.iter().map(String::as_str));
    }
    let mut conflicts = BTreeSet::new();
    for (&number, wanted) in &ports {
        if let [first, second, ..] = wanted.listeners.iter().collect::<Vec<_>>()[..] {
            conflicts.insert(format!(
                "ports {first} and {second} of Gateways are both {number} here: only the second is \
                 served (hint: --port-offset N takes port {first} + N for the first)"
            ));
        }
        let (plain, tls) = (names(&wanted.plain), names(&wanted.tls));
        if !plain.is_empty() && !tls.is_empty() {
            conflicts.insert(format!(
                "port {number} has listeners for HTTP ({plain}) and HTTPS ({tls}): it serves HTTPS \
                 only (hint: give one of them another port)"
            ));
        }
        if number == config.ingress_port && !tls.is_empty() {
            conflicts.insert(format!(
                "port {number} is that of HTTPS listeners ({tls}): Ingress is not served there \
                 without TLS (hint: --ingress-port PORT takes another)"
            ));
        }
        if number == config.ingress_tls_port && tls.is_empty() {
            conflicts.insert(format!(
                "port {number} is that of HTTP listeners ({plain}): Ingress is not served there over \
                 TLS (hint: --ingress-tls-port PORT takes another)"
            ));
        }
    }
    conflicts
}

fn names(gateways: &BTreeSet<&str>) -> String {
    let gateways: Vec<_> = gateways.iter().copied().collect();
    gateways.join(", ")
}
