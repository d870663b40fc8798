//! Service ports that rules name -> endpoints and settings.
//!
//! Only Service ports that some rule names are in the table; they are counted by objects.

pub(crate) mod address;
pub(crate) mod slices;

use core::net::SocketAddr;
use std::collections::BTreeMap;

use super::entities;
use super::store::Store;
use super::tls_policies::TlsPolicy;
use crate::object::{Id, Kind};
use crate::resources::View;
use crate::resources::service::{AppProtocol, Service, ServicePortSpec, Source};
use crate::table::model::{
    NameToResolve, ServiceEndpoints, ServicePort, ServiceSettings, UpstreamPolicy, UpstreamProtocol,
};

/// How many objects name each Service port.
#[derive(Debug, Default)]
pub(crate) struct Named {
    counts: BTreeMap<ServicePort, u32>,
}

/// The DNS names behind Service ports that are named.
#[derive(Debug, Default)]
pub(crate) struct Names {
    of_port: BTreeMap<ServicePort, Box<str>>,
    counts: BTreeMap<Box<str>, u32>,
}

/// What holds for all Services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Context {
    /// Loopback and such addresses may be endpoints.
    pub(crate) allow_local: bool,
    /// Services are their own endpoints.
    pub(crate) service_upstream: bool,
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

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ServicePort> {
        self.counts.keys()
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

// === impl Names ===

impl Names {
    /// Behind this port is this name, or none; gives the names that came or went.
    pub(crate) fn set(&mut self, port: &ServicePort, name: Option<&str>) -> Vec<Box<str>> {
        if self.of_port.get(port).map(|name| &**name) == name {
            return Vec::new();
        }
        let mut changed = Vec::new();
        if let Some(old) = self.of_port.remove(port)
            && let Some(count) = self.counts.get_mut(&old)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&old);
                changed.push(old);
            }
        }
        if let Some(name) = name {
            self.of_port.insert(port.clone(), name.into());
            let count = self.counts.entry(name.into()).or_default();
            *count += 1;
            if *count == 1 {
                changed.push(name.into());
            }
        }
        changed
    }

    /// The entity of a name; `None` if nobody needs it.
    pub(crate) fn entity(&self, id: &str, name: &str) -> Option<String> {
        self.counts
            .contains_key(name)
            .then(|| entities::name(id, name))
    }
}

/// The endpoints of a Service port, and how they are spoken to.
pub(crate) fn of(store: &Store, port: &ServicePort, context: Context) -> ServiceEndpoints {
    let Some(service) = store.service(&port.namespace, &port.name) else {
        return ServiceEndpoints::default();
    };
    let spec = service.by_number(port.port);
    let at = |ip| SocketAddr::new(ip, port.port);
    let mut endpoints = match &service.source {
        Source::Nowhere => Vec::new(),
        Source::Name(name) => {
            let id = Id::new(Kind::ResolvedName, "", name);
            match store.get(&id).map(|object| &object.view) {
                Some(View::ResolvedName(found)) => {
                    found.addresses.iter().copied().map(at).collect()
                }
                _ => Vec::new(),
            }
        }
        Source::Slices => match spec {
            None => Vec::new(),
            Some(_) if is_upstream(service, context) => {
                service.cluster_ips.iter().copied().map(at).collect()
            }
            Some(spec) => of_slices(store, port, spec),
        },
    };
    if !context.allow_local {
        endpoints.retain(|endpoint| !address::is_local(endpoint.ip()));
    }
    ServiceEndpoints {
        endpoints,
        settings: settings(store, port, service, spec),
    }
}

/// Is the Service's own address its endpoint? A headless one has none.
pub(crate) fn is_upstream(service: &Service, context: Context) -> bool {
    let annotations = service.annotations.as_ref();
    let asked = context.service_upstream || annotations.is_some_and(|a| a.service_upstream);
    asked && !service.cluster_ips.is_empty()
}

/// The ready endpoints of all slices, on the slice's port that has the Service port's name; if
/// there is none, those that still serve while they terminate (KEP-1669). Both address families; the
/// table removes duplicates.
fn of_slices(store: &Store, port: &ServicePort, spec: &ServicePortSpec) -> Vec<SocketAddr> {
    let (mut ready, mut terminating) = (Vec::new(), Vec::new());
    for (_, slice) in store.slices(&port.namespace, &port.name) {
        for slice_port in slice.ports.iter().filter(|p| p.name == spec.name) {
            let at = |ip: &_| SocketAddr::new(*ip, slice_port.port);
            ready.extend(slice.ready.iter().map(at));
            terminating.extend(slice.terminating.iter().map(at));
        }
    }
    if ready.is_empty() { terminating } else { ready }
}

fn settings(
    store: &Store,
    port: &ServicePort,
    service: &Service,
    spec: Option<&ServicePortSpec>,
) -> ServiceSettings {
    let mut settings = ServiceSettings {
        protocol: spec
            .and_then(|spec| spec.protocol)
            .map_or_else(UpstreamProtocol::default, AppProtocol::upstream),
        external: match &service.source {
            Source::Name(name) => Some(NameToResolve {
                name: name.clone(),
                port: port.port,
            }),
            _ => None,
        },
        ..ServiceSettings::default()
    };
    settings.tls_policy = tls_policy(store, port).map_or(0, |policy| policy.id());
    if let Some(annotations) = &service.annotations {
        if let Some(protocol) = annotations.protocol {
            settings.protocol = protocol;
        }
        settings.path = annotations.path.clone();
        settings.host_header = annotations.host_header.clone();
        settings.connect_timeout = annotations.connect_timeout;
        settings.write_timeout = annotations.write_timeout;
        settings.read_timeout = annotations.read_timeout;
        settings.retries = annotations.retries;
        settings.policy = annotations
            .policy
            .as_ref()
            .and_then(|name| policy(store, &port.namespace, name))
            .cloned();
    }
    settings
}

/// The TLS policy of a Service port that speaks TLS.
pub(crate) fn tls_policy(store: &Store, port: &ServicePort) -> Option<TlsPolicy> {
    let service = store.service(&port.namespace, &port.name)?;
    let annotations = service.annotations.as_ref()?;
    let settings = annotations.tls.as_deref()?;
    let of_port = || {
        let spec = service.by_number(port.port)?;
        spec.protocol.map(AppProtocol::upstream)
    };
    let protocol = annotations.protocol.or_else(of_port).unwrap_or_default();
    protocol.is_tls().then(|| TlsPolicy {
        namespace: (&*port.namespace).into(),
        settings: settings.clone(),
    })
}

/// A KongUpstreamPolicy.
pub(crate) fn policy<'s>(
    store: &'s Store,
    namespace: &str,
    name: &str,
) -> Option<&'s UpstreamPolicy> {
    let id = Id::new(Kind::KongUpstreamPolicy, namespace, name);
    match &store.get(&id)?.view {
        View::KongUpstreamPolicy(policy) => Some(policy),
        _ => None,
    }
}
