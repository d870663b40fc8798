//! Listeners of all Gateways by port and hostname.
//!
//! Gateways may share a port and hostname: their routes are reachable there together, which is told.
//! It speaks TLS if one of them says so, because a certificate must never be left out in silence.

use std::collections::{BTreeMap, BTreeSet};

use super::gateway::GatewayState;
use super::listener::ListenerState;
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::table::model::{Listener, ListenerKey};

/// Listeners that are programmed.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    sources: BTreeMap<ListenerKey, BTreeMap<Source, Served>>,
}

/// A listener: its Gateway, and what it is called in the table.
type Source = (Id, Box<str>);

/// How it is served.
#[derive(Debug)]
struct Served {
    tls: bool,
    certificates: Box<[Box<str>]>,
}

// === impl Listeners ===

impl Listeners {
    /// Adds the listeners of a Gateway and its ListenerSets; gives their keys.
    pub(crate) fn add(&mut self, id: &Id, state: &GatewayState) -> BTreeSet<ListenerKey> {
        each(id, state, |key, source, listener| {
            let served = Served {
                tls: listener.tls,
                certificates: listener.certificates.clone(),
            };
            self.sources.entry(key).or_default().insert(source, served);
        })
    }

    /// Removes the listeners of a Gateway and its ListenerSets; gives their keys.
    pub(crate) fn remove(&mut self, id: &Id, state: &GatewayState) -> BTreeSet<ListenerKey> {
        each(id, state, |key, source, _| {
            if let Some(sources) = self.sources.get_mut(&key) {
                sources.remove(&source);
                if sources.is_empty() {
                    self.sources.remove(&key);
                }
            }
        })
    }

    pub(crate) fn get(&self, key: &ListenerKey) -> Option<Listener> {
        let sources = self.sources.get(key)?;
        let certificates: BTreeSet<_> = sources
            .values()
            .flat_map(|served| served.certificates.iter().cloned())
            .collect();
        let mut names: Vec<_> = sources.keys().map(|(_, name)| name.clone()).collect();
        names.sort();
        Some(Listener {
            tls: sources.values().any(|served| served.tls),
            sources: names,
            certificates: certificates.into_iter().collect(),
        })
    }

    /// The Gateways that have a listener with this key.
    pub(crate) fn gateways(&self, key: &ListenerKey) -> impl Iterator<Item = &Id> {
        let sources = self.sources.get(key).into_iter();
        sources.flat_map(|sources| sources.keys().map(|(id, _)| id))
    }

    /// What a Gateway shares with others.
    pub(crate) fn shared(&self, id: &Id, state: &GatewayState) -> Vec<Finding> {
        let mut findings = Vec::new();
        for key in each(id, state, |_, _, _| {}) {
            let Some(other) = self.gateways(&key).find(|other| *other != id) else {
                continue;
            };
            let place = format!("port {} and hostname {}", key.port, key.hostname);
            let served = |ours: bool| {
                let sources = self.sources.get(&key).into_iter().flatten();
                let mut own = sources.filter(move |((gateway, _), _)| (gateway == id) == ours);
                own.any(|(_, served)| served.tls)
            };
            findings.push(if served(true) == served(false) {
                Finding::info(
                    Code::ListenersShared,
                    "spec.listeners",
                    format!("{other} has {place} too; routes of both are reachable there"),
                )
            } else {
                Finding::error(
                    Code::ListenersShared,
                    "spec.listeners",
                    format!(
                        "{other} has {place} with another protocol; only HTTPS is served there"
                    ),
                )
            });
        }
        findings
    }
}

/// What a listener is called in the table; `owner` is the object that it is written in.
pub(crate) fn source(owner: &Id, listener: &ListenerState) -> Box<str> {
    let (namespace, name) = (&owner.namespace, &owner.name);
    let of_set = match owner.kind {
        Kind::ListenerSet => " (ListenerSet)",
        _ => "",
    };
    format!("{namespace}/{name}/{}{of_set}", listener.surface.name).into()
}

fn each(
    id: &Id,
    state: &GatewayState,
    mut f: impl FnMut(ListenerKey, Source, &ListenerState),
) -> BTreeSet<ListenerKey> {
    let mut keys = BTreeSet::new();
    for (owner, listener) in state.all_listeners(id) {
        if let Some(key) = listener.surface.key() {
            keys.insert(key.clone());
            f(key, (id.clone(), source(owner, listener)), listener);
        }
    }
    keys
}
