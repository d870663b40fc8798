//! The objects as they are now, and who belongs to whom by label.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::object::{Id, Kind};
use crate::resources::endpoint_slice::EndpointSlice;
use crate::resources::listener_set::ListenerSet;
use crate::resources::reference_grant::ReferenceGrant;
use crate::resources::service::{Service, Source};
use crate::resources::{Object, View};

/// All objects, and EndpointSlices by Service.
#[derive(Debug, Default)]
pub(crate) struct Store {
    objects: BTreeMap<Id, Arc<Object>>,
    /// Namespace, Service, slice.
    slices: BTreeSet<(Arc<str>, Arc<str>, Arc<str>)>,
    /// Gateway, ListenerSet.
    sets: BTreeSet<(Id, Id)>,
    /// What Services refer to, and the Service.
    referrers: BTreeSet<(Id, Id)>,
}

// === impl Store ===

impl Store {
    /// An object with its own copy of the id.
    pub(crate) fn entry(&self, id: &Id) -> Option<(&Id, &Arc<Object>)> {
        self.objects.get_key_value(id)
    }

    pub(crate) fn get(&self, id: &Id) -> Option<&Arc<Object>> {
        self.objects.get(id)
    }

    /// Stores an object; gives the one that it replaces.
    pub(crate) fn insert(&mut self, id: &Id, object: Object) -> Option<Arc<Object>> {
        let old = self.remove(id);
        if let Some(service) = service_of(&object) {
            self.slices
                .insert((id.namespace.clone(), service.into(), id.name.clone()));
        }
        if let Some(gateway) = gateway_of(id, &object) {
            self.sets.insert((gateway, id.clone()));
        }
        for target in references(id, &object) {
            self.referrers.insert((target, id.clone()));
        }
        self.objects.insert(id.clone(), Arc::new(object));
        old
    }

    pub(crate) fn remove(&mut self, id: &Id) -> Option<Arc<Object>> {
        let old = self.objects.remove(id)?;
        if let Some(service) = service_of(&old) {
            self.slices
                .remove(&(id.namespace.clone(), service.into(), id.name.clone()));
        }
        if let Some(gateway) = gateway_of(id, &old) {
            self.sets.remove(&(gateway, id.clone()));
        }
        for target in references(id, &old) {
            self.referrers.remove(&(target, id.clone()));
        }
        Some(old)
    }

    /// The ListenerSets that name a Gateway, by name.
    pub(crate) fn sets<'s>(
        &'s self,
        gateway: &Id,
    ) -> impl Iterator<Item = (Id, &'s Object, &'s ListenerSet)> + use<'s> {
        let gateway = gateway.clone();
        let first = Id {
            kind: Kind::ListenerSet,
            namespace: "".into(),
            name: "".into(),
        };
        self.sets
            .range((gateway.clone(), first)..)
            .take_while(move |(other, _)| *other == gateway)
            .filter_map(|(_, id)| {
                let object = self.get(id)?;
                match &object.view {
                    View::ListenerSet(set) => Some((id.clone(), &**object, set)),
                    _ => None,
                }
            })
    }

    pub(crate) fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        match &self.get(&Id::new(Kind::Service, namespace, name))?.view {
            View::Service(service) => Some(service),
            _ => None,
        }
    }

    /// The grants of a namespace.
    pub(crate) fn grants(&self, namespace: &str) -> impl Iterator<Item = &ReferenceGrant> {
        let grants = self.of_kind(Kind::ReferenceGrant, namespace);
        grants.filter_map(|(_, object)| match &object.view {
            View::ReferenceGrant(grant) => Some(grant),
            _ => None,
        })
    }

    /// The objects of a kind in a namespace.
    pub(crate) fn of_kind(
        &self,
        kind: Kind,
        namespace: &str,
    ) -> impl Iterator<Item = (&Id, &Arc<Object>)> {
        let first = Id {
            kind,
            namespace: namespace.into(),
            name: "".into(),
        };
        self.objects
            .range(first.clone()..)
            .take_while(move |(id, _)| id.kind == kind && id.namespace == first.namespace)
    }

    /// The Services that refer to an object by annotation or DNS name.
    pub(crate) fn referrers(&self, target: &Id) -> impl Iterator<Item = &Id> {
        let first = Id {
            kind: Kind::IngressClass,
            namespace: "".into(),
            name: "".into(),
        };
        let target = target.clone();
        self.referrers
            .range((target.clone(), first)..)
            .take_while(move |(other, _)| *other == target)
            .map(|(_, id)| id)
    }

    /// The slices of a Service.
    pub(crate) fn slices(
        &self,
        namespace: &str,
        service: &str,
    ) -> impl Iterator<Item = (Id, &EndpointSlice)> {
        let (namespace, service) = (Arc::<str>::from(namespace), Arc::<str>::from(service));
        let first = (namespace.clone(), service.clone(), Arc::<str>::from(""));
        self.slices
            .range(first..)
            .take_while(move |(ns, name, _)| *ns == namespace && *name == service)
            .filter_map(|(namespace, _, name)| {
                let id = Id {
                    kind: Kind::EndpointSlice,
                    namespace: namespace.clone(),
                    name: name.clone(),
                };
                match &self.get(&id)?.view {
                    View::EndpointSlice(slice) => Some((id, slice)),
                    _ => None,
                }
            })
    }
}

/// The Gateway that a ListenerSet belongs to.
pub(crate) fn gateway_of(id: &Id, object: &Object) -> Option<Id> {
    match &object.view {
        View::ListenerSet(set) => set.parent(&id.namespace),
        _ => None,
    }
}

/// The Service that a slice belongs to.
pub(crate) fn service_of(object: &Object) -> Option<&str> {
    match &object.view {
        View::EndpointSlice(slice) => slice.service.as_deref(),
        _ => None,
    }
}

/// What a Service refers to beside its slices: a policy and a DNS name.
pub(crate) fn references(id: &Id, object: &Object) -> impl Iterator<Item = Id> {
    let (mut policy, mut name) = (None, None);
    if let View::Service(service) = &object.view {
        let annotations = service.annotations.as_ref();
        policy = annotations
            .and_then(|annotations| annotations.policy.as_ref())
            .map(|policy| Id::new(Kind::KongUpstreamPolicy, &id.namespace, policy));
        name = match &service.source {
            Source::Name(name) => Some(Id::new(Kind::ResolvedName, "", name)),
            _ => None,
        };
    }
    policy.into_iter().chain(name)
}
