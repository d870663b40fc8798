//! Which compiled object depends on what.
//!
//! Compiling an object reads others through [`Reads`], which writes down every question, also
//! those about objects that do not exist: a Service that appears later makes the route dirty that
//! asked for it in vain. What is only looked up at the end (endpoints) is no dependency of a route.
//!
//! ```text
//! GatewayClass <- Gateway with ListenerSets <- HTTPRoute, GRPCRoute -> Service, Namespace
//!       Secret <-                        \_________\_ ReferenceGrants of a namespace
//!                 Ingress -> Service, IngressClass, Secret
//!                 every route -> KongPlugin
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::gateway::GatewayState;
use super::listener::ListenerState;
use super::store::Store;
use crate::object::{Id, Kind};
use crate::resources::listener_set::ListenerSet;
use crate::resources::reference_grant::ReferenceGrant;
use crate::resources::service::Service;
use crate::resources::{Object, View};

/// Something that can be read, whether it exists or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dep {
    Object(Id),
    /// All ReferenceGrants of a namespace.
    Grants(Arc<str>),
}

/// Who read what.
#[derive(Debug, Default)]
pub(crate) struct Deps {
    readers: BTreeSet<(Dep, Id)>,
}

/// What a route's parent is.
#[derive(Debug)]
pub(crate) enum Parent<'a> {
    /// Nobody's, for this reason.
    Missing(&'static str),
    /// Of another controller.
    Others,
    /// Ours, with these listeners.
    Ours(&'a [ListenerState]),
}

/// The objects as a compilation sees them; notes what it reads.
#[derive(Debug)]
pub(crate) struct Reads<'a> {
    store: &'a Store,
    gateways: &'a BTreeMap<Id, GatewayState>,
    deps: BTreeSet<Dep>,
}

// === impl Deps ===

impl Deps {
    /// Replaces what `reader` depends on.
    pub(crate) fn replace(&mut self, reader: &Id, old: &[Dep], new: &[Dep]) {
        if old == new {
            return;
        }
        for dep in old {
            self.readers.remove(&(dep.clone(), reader.clone()));
        }
        for dep in new {
            self.readers.insert((dep.clone(), reader.clone()));
        }
    }

    /// Has anybody read it?
    pub(crate) fn is_read(&self, dep: &Dep) -> bool {
        self.of(dep).next().is_some()
    }

    /// Adds the readers of `dep` to `out`.
    pub(crate) fn readers(&self, dep: &Dep, out: &mut BTreeSet<Id>) {
        out.extend(self.of(dep).cloned());
    }

    fn of<'s>(&'s self, dep: &'s Dep) -> impl Iterator<Item = &'s Id> {
        let first = Id {
            kind: Kind::IngressClass,
            namespace: "".into(),
            name: "".into(),
        };
        self.readers
            .range((dep.clone(), first)..)
            .take_while(move |(other, _)| other == dep)
            .map(|(_, id)| id)
    }
}

// === impl Reads ===

impl<'a> Reads<'a> {
    pub(crate) fn new(store: &'a Store, gateways: &'a BTreeMap<Id, GatewayState>) -> Self {
        Self {
            store,
            gateways,
            deps: BTreeSet::new(),
        }
    }

    pub(crate) fn into_deps(self) -> Box<[Dep]> {
        self.deps.into_iter().collect()
    }

    pub(crate) fn object(&mut self, id: Id) -> Option<&'a Object> {
        let found = self.store.get(&id);
        self.deps.insert(Dep::Object(id));
        found.map(|object| &**object)
    }

    pub(crate) fn service(&mut self, namespace: &str, name: &str) -> Option<&'a Service> {
        match &self.object(Id::new(Kind::Service, namespace, name))?.view {
            View::Service(service) => Some(service),
            _ => None,
        }
    }

    /// What was made of a Gateway or ListenerSet. Of the latter's Gateway nothing has to be noted:
    /// it is compiled together with its ListenerSets, and a change of one makes its readers dirty.
    pub(crate) fn parent(&mut self, id: &Id) -> Parent<'a> {
        self.deps.insert(Dep::Object(id.clone()));
        if id.kind == Kind::Gateway {
            return match self.gateways.get(id) {
                None => Parent::Missing("does not exist"),
                Some(gateway) if !gateway.ours => Parent::Others,
                Some(gateway) => Parent::Ours(&gateway.listeners),
            };
        }
        let Some(View::ListenerSet(set)) = self.store.get(id).map(|object| &object.view) else {
            return Parent::Missing("does not exist");
        };
        let gateway = set.parent(&id.namespace);
        match gateway.and_then(|gateway| self.gateways.get(&gateway)) {
            None => Parent::Missing("belongs to no Gateway"),
            Some(gateway) if !gateway.ours => Parent::Others,
            Some(gateway) => Parent::Ours(gateway.listeners_of(id)),
        }
    }

    /// The ListenerSets that name a Gateway. Nothing has to be noted: each makes it dirty.
    pub(crate) fn sets(
        &self,
        gateway: &Id,
    ) -> impl Iterator<Item = (Id, &'a Object, &'a ListenerSet)> + use<'a> {
        self.store.sets(gateway)
    }

    pub(crate) fn grants(&mut self, namespace: &str) -> impl Iterator<Item = &'a ReferenceGrant> {
        self.deps.insert(Dep::Grants(namespace.into()));
        self.store.grants(namespace)
    }
}
