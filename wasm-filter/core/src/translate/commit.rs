//! One commit: from objects that were touched to the pieces of the table that they change.
//!
//! ```text
//! touched -> gateways -> routes -> hosts, service ports, listeners -> segments
//!                  \________\_____ statuses, problems
//! ```
//! Each stage marks what the next must do; nothing walks over all objects.

mod services;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::compiled::Compiled;
use super::deps::{Dep, Reads};
use super::gateway::{GatewayState, same_listeners};
use super::listener_set::SetState;
use super::status::{self, Condition};
use super::store::{gateway_of, references, service_of};
use super::{Commit, Translator, classes, entities, gateway, ingress, routes};
use crate::object::{Id, Kind};
use crate::resources::View;
use crate::table::model::{HostKey, HostPattern, ListenerKey, PluginRef, ServicePort};

/// What is still to be done in this commit.
#[derive(Debug, Default)]
struct Work {
    gateways: BTreeSet<Id>,
    routes: BTreeSet<Id>,
    hosts: BTreeSet<Arc<HostKey>>,
    services: BTreeSet<ServicePort>,
    listeners: BTreeSet<ListenerKey>,
    /// Server names whose certificate may have changed.
    names: BTreeSet<HostPattern>,
    /// Plugin sets that came, went or changed.
    plugin_sets: BTreeSet<u64>,
    /// The IngressClass that is ours, or its parameters, changed.
    class: bool,
    /// A KongClusterPlugin changed, or which of them are ours.
    global_plugins: bool,
    /// Gateways, ListenerSets, GatewayClasses and KongUpstreamPolicies whose status may have changed.
    statuses: BTreeSet<Id>,
    /// Objects whose problems may have changed.
    problems: BTreeSet<Id>,
}

// === impl Work ===

impl Work {
    /// Policies that a Service refers to: who refers to them is in their status.
    fn policies(&mut self, references: impl Iterator<Item = Id>) {
        for id in references.filter(|id| id.kind == Kind::KongUpstreamPolicy) {
            self.statuses.insert(id.clone());
            self.problems.insert(id);
        }
    }

    fn mark(&mut self, readers: BTreeSet<Id>) {
        for id in readers {
            if id.kind == Kind::Gateway {
                self.gateways.insert(id);
            } else {
                self.routes.insert(id);
            }
        }
    }
}

// === impl Translator ===

impl Translator {
    /// Brings the table up to date with what was applied and deleted.
    pub fn commit(&mut self) -> Commit {
        let mut work = Work::default();
        let objects = self.touch(&mut work);
        self.read_class(&mut work);
        self.compile_gateways(&mut work);
        self.compile_routes(&mut work);
        self.settle_certificates(&mut work);
        self.list_plugins(&mut work);
        for key in core::mem::take(&mut work.hosts) {
            let matches = self.hosts.gather(&key, &self.routes, &mut work.problems);
            self.table.set_host(&key, matches);
        }
        self.fill_services(&mut work);
        for key in core::mem::take(&mut work.listeners) {
            self.table
                .set_listener(&key, self.listeners.get(&key).as_ref());
        }
        let segments = self.table.commit();
        for index in &segments {
            self.outbox.segment(*index);
        }
        for id in &work.statuses {
            self.render(id);
        }
        for id in &work.problems {
            self.assemble(id);
        }
        self.outbox.committed();
        Commit {
            objects,
            segments: u32::try_from(segments.len()).unwrap_or(u32::MAX),
        }
    }

    /// From the objects to their readers.
    fn touch(&mut self, work: &mut Work) -> u32 {
        let touched = core::mem::take(&mut self.touched);
        let count = u32::try_from(touched.len()).unwrap_or(u32::MAX);
        for (id, old) in touched {
            let new = self.store.get(&id);
            if old.as_ref() == new {
                continue;
            }
            let mut readers = BTreeSet::new();
            match id.kind {
                Kind::Ingress | Kind::HttpRoute | Kind::GrpcRoute | Kind::Gateway => {
                    readers.insert(id.clone());
                }
                Kind::ListenerSet => {
                    for object in [old.as_ref(), new].into_iter().flatten() {
                        readers.extend(gateway_of(&id, object));
                    }
                    self.deps.readers(&Dep::Object(id.clone()), &mut readers);
                    work.statuses.insert(id.clone());
                }
                Kind::ReferenceGrant => {
                    let dep = Dep::Grants(id.namespace.clone());
                    self.deps.readers(&dep, &mut readers);
                }
                Kind::EndpointSlice => {
                    for object in [old.as_ref(), new].into_iter().flatten() {
                        if let Some(service) = service_of(object) {
                            let ports = self.named.of_service(&id.namespace, service);
                            let mut ports = ports.cloned().peekable();
                            // Whether its ports have endpoints is told to the Service.
                            if ports.peek().is_some() {
                                let service = Id::new(Kind::Service, &id.namespace, service);
                                work.problems.insert(service);
                            }
                            work.services.extend(ports);
                        }
                    }
                }
                Kind::KongUpstreamPolicy | Kind::ResolvedName => {
                    for service in self.store.referrers(&id) {
                        let ports = self.named.of_service(&service.namespace, &service.name);
                        work.services.extend(ports.cloned());
                        work.problems.insert(service.clone());
                    }
                }
                Kind::IngressClass
                | Kind::GatewayClass
                | Kind::Service
                | Kind::Namespace
                | Kind::Secret
                | Kind::ConfigMap
                | Kind::IngressClassParameters
                | Kind::KongPlugin
                | Kind::KongClusterPlugin => {
                    self.deps.readers(&Dep::Object(id.clone()), &mut readers);
                }
            }
            match id.kind {
                Kind::Service => {
                    let ports = self.named.of_service(&id.namespace, &id.name);
                    work.services.extend(ports.cloned());
                    for object in [old.as_ref(), new].into_iter().flatten() {
                        work.policies(references(&id, object));
                    }
                    if old.is_some() != new.is_some() {
                        // They say that there is none.
                        let slices = self.store.slices(&id.namespace, &id.name);
                        work.problems.extend(slices.map(|(slice, _)| slice));
                    }
                }
                Kind::KongUpstreamPolicy => {
                    work.statuses.insert(id.clone());
                }
                Kind::KongPlugin | Kind::KongClusterPlugin => {
                    work.global_plugins |= id.kind == Kind::KongClusterPlugin;
                    let plugin = PluginRef {
                        namespace: (&*id.namespace).into(),
                        name: (&*id.name).into(),
                    };
                    work.plugin_sets.extend(self.plugin_sets.with(&plugin));
                }
                Kind::IngressClass | Kind::IngressClassParameters => work.class = true,
                _ => {}
            }
            if id.kind == Kind::GatewayClass {
                work.statuses.insert(id.clone());
            }
            work.mark(readers);
            work.problems.insert(id);
        }
        count
    }

    fn compile_gateways(&mut self, work: &mut Work) {
        for id in core::mem::take(&mut work.gateways) {
            let old = self.gateways.remove(&id);
            let new = self.store.get(&id).and_then(|object| {
                let View::Gateway(view) = &object.view else {
                    return None;
                };
                let reads = Reads::new(&self.store, &self.gateways);
                Some(gateway::compile(&id, object, view, reads, &self.options))
            });
            let deps = |state: &Option<gateway::GatewayState>| {
                state
                    .as_ref()
                    .map(|state| state.deps.clone())
                    .unwrap_or_default()
            };
            self.deps.replace(&id, &deps(&old), &deps(&new));
            let claims = |state: &Option<gateway::GatewayState>| {
                state
                    .as_ref()
                    .map(|state| state.claims.clone())
                    .unwrap_or_default()
            };
            self.certificates
                .replace(&id, &claims(&old), &claims(&new), &mut work.names);
            let checks = |state: &Option<gateway::GatewayState>| {
                let checks = state.as_ref().map(|state| state.checks(&id));
                checks.unwrap_or_default()
            };
            let (before, now) = (checks(&old), checks(&new));
            if before != now {
                let entity = entities::client_validation_id(&id);
                let json = entities::client_validation(&entity, &id, &now);
                self.set_entity(entity, json);
            }
            let same = match (&old, &new) {
                (Some(old), Some(new)) => old.same_surface(new),
                (old, new) => old.is_none() && new.is_none(),
            };
            if !same {
                let mut readers = BTreeSet::new();
                self.deps.readers(&Dep::Object(id.clone()), &mut readers);
                work.mark(readers);
            }
            let mut keys = BTreeSet::new();
            if let Some(old) = &old {
                keys.extend(self.listeners.remove(&id, old));
            }
            if let Some(new) = new {
                keys.extend(self.listeners.add(&id, &new));
                self.gateways.insert(id.clone(), new);
            }
            for key in keys {
                // What they share is told to all.
                work.problems.extend(self.listeners.gateways(&key).cloned());
                work.listeners.insert(key);
            }
            self.mark_sets(&id, old.as_ref(), work);
            work.statuses.insert(id.clone());
            work.problems.insert(id);
        }
    }

    /// The ListenerSets of a Gateway that was compiled, and the routes of those that they see.
    fn mark_sets(&self, id: &Id, old: Option<&GatewayState>, work: &mut Work) {
        let new = self.gateways.get(id);
        let named = self.store.sets(id).map(|(set, _, _)| set);
        let before = old.into_iter().flat_map(|state| state.sets.keys());
        let sets: BTreeSet<Id> = named.chain(before.cloned()).collect();
        for set in sets {
            let same = match (old, new) {
                (Some(old), Some(new)) => {
                    let (was, is) = (old.listeners_of(&set), new.listeners_of(&set));
                    old.ours == new.ours && same_listeners(was, is)
                }
                (old, new) => old.is_none() && new.is_none(),
            };
            if !same {
                let mut readers = BTreeSet::new();
                self.deps.readers(&Dep::Object(set.clone()), &mut readers);
                work.mark(readers);
            }
            work.statuses.insert(set.clone());
            work.problems.insert(set);
        }
    }

    fn compile_routes(&mut self, work: &mut Work) {
        for id in core::mem::take(&mut work.routes) {
            let reads = Reads::new(&self.store, &self.gateways);
            let new = self.store.get(&id).and_then(|object| match &object.view {
                View::Ingress(view) => {
                    Some(ingress::compile(&id, object, view, reads, &self.options))
                }
                View::HttpRoute(view) | View::GrpcRoute(view) => {
                    Some(routes::compile(&id, object, view, reads))
                }
                _ => None,
            });
            let old = self.routes.remove(&id);
            self.replace(&id, old.as_ref(), new.as_ref(), work);
            if let Some(new) = new {
                self.routes.insert(id.clone(), new);
            }
            self.outbox.status(id.clone());
            work.problems.insert(id);
        }
    }

    /// Takes what an object contributed out of the indexes and puts what it contributes now in.
    fn replace(
        &mut self,
        id: &Id,
        old: Option<&Compiled>,
        new: Option<&Compiled>,
        work: &mut Work,
    ) {
        let none = Compiled::default();
        let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
        self.deps.replace(id, &old.deps, &new.deps);
        for (key, matches) in &new.hosts {
            let before = old.of_host(key);
            if before.is_none() {
                self.hosts.add(key, id);
            }
            if before != Some(matches) {
                work.hosts.insert(key.clone());
            }
        }
        let keys = old.hosts.iter().map(|(key, _)| key);
        for key in keys.filter(|key| new.of_host(key).is_none()) {
            self.hosts.remove(key, id);
            work.hosts.insert(key.clone());
        }
        // Services are told what is wrong with them while somebody reads them.
        for dep in old.deps.iter().chain(&new.deps) {
            if let Dep::Object(service) = dep
                && service.kind == Kind::Service
                && old.deps.binary_search(dep).is_ok() != new.deps.binary_search(dep).is_ok()
            {
                work.problems.insert(service.clone());
            }
        }
        self.certificates
            .replace(id, &old.claims, &new.claims, &mut work.names);
        let (sets_before, sets_now) = (old.plugin_sets(), new.plugin_sets());
        for set in sets_now.difference(&sets_before) {
            if self.plugin_sets.add(set) {
                work.plugin_sets.insert(set.id());
            }
        }
        for set in sets_before.difference(&sets_now) {
            if self.plugin_sets.remove(set) {
                work.plugin_sets.insert(set.id());
            }
        }
        let (named_before, named_now) = (old.services(), new.services());
        for port in named_now.difference(&named_before) {
            if self.named.add(port) {
                self.service_named(port, work);
            }
        }
        for port in named_before.difference(&named_now) {
            if self.named.remove(port) {
                self.service_named(port, work);
            }
        }
        for listener in &new.attached {
            *self.attached.entry(listener.clone()).or_default() += 1;
        }
        for listener in &old.attached {
            if let Some(count) = self.attached.get_mut(listener) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.attached.remove(listener);
                }
            }
        }
        if old.attached != new.attached {
            let listeners = old.attached.iter().chain(&new.attached);
            work.statuses.extend(listeners.map(|(id, _)| id.clone()));
        }
    }

    /// What was made of a ListenerSet.
    pub(super) fn set(&self, id: &Id) -> Option<&SetState> {
        let gateway = gateway_of(id, self.store.get(id)?)?;
        self.gateways.get(&gateway)?.set(id)
    }

    /// A Service port is named now, or no more: its endpoints come or go, and so do the problems
    /// of the objects behind it.
    fn service_named(&self, port: &ServicePort, work: &mut Work) {
        work.services.insert(port.clone());
        let service = Id::new(Kind::Service, &port.namespace, &port.name);
        if let Some(object) = self.store.get(&service) {
            work.policies(references(&service, object));
        }
        work.problems.insert(service);
        let slices = self.store.slices(&port.namespace, &port.name);
        work.problems.extend(slices.map(|(id, _)| id));
    }

    /// Writes the status of a Gateway, ListenerSet, GatewayClass or KongUpstreamPolicy.
    fn render(&mut self, id: &Id) {
        let count = |name: &str| {
            let key = (id.clone(), Box::from(name));
            self.attached.get(&key).copied().unwrap_or(0)
        };
        let json = match id.kind {
            Kind::Gateway => self
                .gateways
                .get(id)
                .filter(|state| state.ours)
                .map(|state| status::gateway(state, count)),
            Kind::ListenerSet => self.set(id).map(|state| status::listener_set(state, count)),
            Kind::KongUpstreamPolicy => self.policy_status(id),
            _ => self.store.get(id).and_then(|object| match &object.view {
                View::GatewayClass(class) if classes::is_ours(&self.options, class) => {
                    let condition = if class.parameters {
                        let message = "parameters are not supported";
                        Condition::no("Accepted", "InvalidParameters", message)
                    } else {
                        Condition::yes("Accepted", "Accepted")
                    };
                    Some(status::gateway_class(&condition, object.generation))
                }
                _ => None,
            }),
        };
        match json {
            Some(json) => self.statuses.insert(id.clone(), json),
            None => self.statuses.remove(id),
        };
        self.outbox.status(id.clone());
    }
}
