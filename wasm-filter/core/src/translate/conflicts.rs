//! Which listeners of a Gateway and its ListenerSets exclude each other (Gateway API
//! `GatewaySpec.listeners`, `ListenerSetSpec.listeners`).
//!
//! Of one object, "the implementation MUST NOT pick one conflicting Listener as the winner. ALL
//! indistinct Listeners must not be accepted for processing." Between objects there is an order:
//! the Gateway, then ListenerSets by age, then by `{namespace}/{name}`; a listener loses to those
//! of objects before its own that did not lose themselves.

use std::collections::{BTreeMap, BTreeSet};

use crate::problem::Code;
use crate::resources::listener::{ListenerSpec, Protocol};
use crate::table::model::HostPattern;

/// Why a listener is not in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// Another has the same port and hostname.
    Hostname,
    /// Another has the same port and a different protocol.
    Protocol,
}

/// Ports and hostnames that are taken by objects that come before.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    protocols: BTreeMap<u16, BTreeSet<Protocol>>,
    hosts: BTreeSet<(u16, HostPattern)>,
}

// === impl Taken ===

impl Taken {
    /// The conflicts of the listeners of the next object, in their order.
    pub(crate) fn next(&mut self, listeners: &[ListenerSpec]) -> Vec<Option<Conflict>> {
        let before: Vec<_> = listeners.iter().map(|spec| self.conflict(spec)).collect();
        let mut own = Self::default();
        let mut twins: BTreeMap<(u16, &HostPattern), u32> = BTreeMap::new();
        for (spec, _) in listeners.iter().zip(&before).filter(|(_, b)| b.is_none()) {
            own.take(spec);
            if let (true, Some(port), Some(host)) = (serves(spec), spec.port, &spec.hostname) {
                *twins.entry((port, host)).or_default() += 1;
            }
        }
        let conflicts = listeners
            .iter()
            .zip(before)
            .map(|(spec, before)| {
                if before.is_some() || !serves(spec) {
                    return before;
                }
                let port = spec.port?;
                if own.protocols.get(&port).is_some_and(|p| p.len() > 1) {
                    return Some(Conflict::Protocol);
                }
                let count = twins.get(&(port, spec.hostname.as_ref()?));
                (count > Some(&1)).then_some(Conflict::Hostname)
            })
            .collect();
        for (port, protocols) in own.protocols {
            self.protocols.entry(port).or_default().extend(protocols);
        }
        self.hosts.extend(own.hosts);
        conflicts
    }

    fn take(&mut self, spec: &ListenerSpec) {
        if let (true, Some(port)) = (serves(spec), spec.port) {
            self.protocols
                .entry(port)
                .or_default()
                .insert(spec.protocol);
            if let Some(host) = &spec.hostname {
                self.hosts.insert((port, host.clone()));
            }
        }
    }

    fn conflict(&self, spec: &ListenerSpec) -> Option<Conflict> {
        let port = spec.port?;
        let protocols = self.protocols.get(&port)?;
        if spec.protocol != Protocol::Broken && protocols.iter().any(|p| *p != spec.protocol) {
            return Some(Conflict::Protocol);
        }
        let host = spec.hostname.clone()?;
        self.hosts
            .contains(&(port, host))
            .then_some(Conflict::Hostname)
    }
}

/// "If an implementation does not support TCP Protocol Listeners, then the previous rule does not
/// apply": listeners that are not served at all take no port from others.
fn serves(spec: &ListenerSpec) -> bool {
    matches!(spec.protocol, Protocol::Http | Protocol::Https)
}

// === impl Conflict ===

impl Conflict {
    /// The reason of conditions.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Hostname => "HostnameConflict",
            Self::Protocol => "ProtocolConflict",
        }
    }

    pub(crate) fn code(self) -> Code {
        match self {
            Self::Hostname => Code::HostnameConflict,
            Self::Protocol => Code::ProtocolConflict,
        }
    }

    /// Says nothing of the other one: its object may not be the reader's.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Hostname => "another listener of the Gateway has the same port and hostname",
            Self::Protocol => {
                "another listener of the Gateway has the same port and a different protocol"
            }
        }
    }
}
