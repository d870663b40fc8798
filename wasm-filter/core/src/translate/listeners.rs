//! Listeners of all Gateways by port and hostname.
//!
//! Gateways may share a port and hostname: their routes are reachable there together. It speaks
//! TLS if one of them says so, because a certificate must never be left out in silence.

use std::collections::BTreeMap;

use super::gateway::GatewayState;
use crate::object::Id;
use crate::table::model::{Listener, ListenerKey};

/// Listeners that are programmed: by key, source and TLS.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    sources: BTreeMap<ListenerKey, BTreeMap<Box<str>, bool>>,
}

// === impl Listeners ===

impl Listeners {
    /// Adds the listeners of a Gateway; gives their keys.
    pub(crate) fn add(&mut self, id: &Id, state: &GatewayState) -> Vec<ListenerKey> {
        each(id, state, |key, source, tls| {
            self.sources.entry(key).or_default().insert(source, tls);
        })
    }

    /// Removes the listeners of a Gateway; gives their keys.
    pub(crate) fn remove(&mut self, id: &Id, state: &GatewayState) -> Vec<ListenerKey> {
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
        Some(Listener {
            tls: sources.values().any(|tls| *tls),
            sources: sources.keys().cloned().collect(),
            certificates: Vec::new(),
        })
    }
}

fn each(
    id: &Id,
    state: &GatewayState,
    mut f: impl FnMut(ListenerKey, Box<str>, bool),
) -> Vec<ListenerKey> {
    let mut keys = Vec::new();
    for listener in &state.listeners {
        if let Some(key) = listener.surface.key() {
            let source = format!("{}/{}/{}", id.namespace, id.name, listener.surface.name);
            keys.push(key.clone());
            f(key, source.into(), listener.tls);
        }
    }
    keys
}
