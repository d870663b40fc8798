//! Service ports that rules name -> endpoints.
//!
//! Only Service ports that some rule names are in the table; they are counted by objects.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use super::store::Store;
use crate::table::model::{ServiceEndpoints, ServicePort, ServiceSettings};

/// How many objects name each Service port.
#[derive(Debug, Default)]
pub(crate) struct Named {
    counts: BTreeMap<ServicePort, u32>,
}

// === impl Named ===

impl Named {
    /// Another object names it. Is it the first?
    pub(crate) fn add(&mut self, port: &ServicePort) -> bool {
        match self.counts.get_mut(port) {
            Some(count) => {
                *count += 1;
                false
            }
            None => {
                self.counts.insert(port.clone(), 1);
                true
            }
        }
    }

    /// An object names it no more. Was it the last?
    pub(crate) fn remove(&mut self, port: &ServicePort) -> bool {
        let Some(count) = self.counts.get_mut(port) else {
            return false;
        };
        *count = count.saturating_sub(1);
        let last = *count == 0;
        if last {
            self.counts.remove(port);
        }
        last
    }

    pub(crate) fn contains(&self, port: &ServicePort) -> bool {
        self.counts.contains_key(port)
    }

    /// The ports of a Service that are named.
    pub(crate) fn of_service(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Iterator<Item = &ServicePort> {
        let port = |port| ServicePort {
            namespace: namespace.into(),
            name: name.into(),
            port,
        };
        self.counts.range(port(0)..=port(u16::MAX)).map(|(p, _)| p)
    }
}

/// The ready endpoints of a Service port: those of all its slices, on the slice's port that has
/// the Service port's name. Both address families; the table removes duplicates.
pub(crate) fn of(store: &Store, port: &ServicePort) -> ServiceEndpoints {
    let mut endpoints = Vec::new();
    let service = store.service(&port.namespace, &port.name);
    let spec = service
        .filter(|service| !service.external_name)
        .and_then(|service| service.by_number(port.port));
    if let Some(spec) = spec {
        for (_, slice) in store.slices(&port.namespace, &port.name) {
            for slice_port in slice.ports.iter().filter(|p| p.name == spec.name) {
                endpoints.extend(
                    slice
                        .addresses
                        .iter()
                        .map(|ip| SocketAddr::new(*ip, slice_port.port)),
                );
            }
        }
    }
    ServiceEndpoints {
        endpoints,
        settings: ServiceSettings::default(),
    }
}
