//! The later stages of a commit: Services, certificates, plugins, and the entities of all.

use super::Work;
use crate::object::{Id, Kind};
use crate::resources::View;
use crate::translate::certificates::Settled;
use crate::translate::endpoints::{self, Context};
use crate::translate::globals::Globals;
use crate::translate::status::{self, Condition};
use crate::translate::{Translator, classes, entities};

/// The most ancestors of a policy's status (Gateway API `PolicyStatus.ancestors`).
const MAX_ANCESTORS: usize = 16;

// === impl Translator ===

impl Translator {
    /// What the class says of all Services.
    pub(super) fn read_class(&mut self, work: &mut Work) {
        if !work.class {
            return;
        }
        let store = &self.store;
        let get = |id: Id| store.get(&id).map(|object| &**object);
        let parameters = classes::parameters(&self.options, get);
        if self.service_upstream != parameters.service_upstream {
            self.service_upstream = parameters.service_upstream;
            for port in self.named.iter() {
                work.services.insert(port.clone());
                let service = Id::new(Kind::Service, &port.namespace, &port.name);
                work.problems.insert(service);
            }
        }
        let class = Id::new(Kind::IngressClass, "", &self.options.ingress_class);
        work.problems.insert(class);
        // Global plugins without a class are those of the default class.
        work.global_plugins = true;
    }

    pub(super) fn settle_certificates(&mut self, work: &mut Work) {
        let mut settled = Settled::default();
        for name in core::mem::take(&mut work.names) {
            self.certificates.settle(&name, &mut settled);
        }
        for secret in settled.secrets {
            let id = entities::certificate_id(&secret);
            let names = self.certificates.names(&secret);
            let json = names.map(|names| entities::certificate(&id, &secret, names));
            self.set_entity(id, json);
        }
        work.problems.extend(settled.objects);
    }

    pub(super) fn list_plugins(&mut self, work: &mut Work) {
        for set in core::mem::take(&mut work.plugin_sets) {
            let id = entities::plugin_set_id(set);
            let known = self.plugin_sets.get(set);
            let json = known.map(|set| entities::plugin_set(&id, set, &self.store));
            self.set_entity(id, json);
        }
        if !work.global_plugins {
            return;
        }
        let globals = Globals::of(&self.store, &self.options);
        let before = core::mem::replace(&mut self.globals, globals);
        let names: Vec<_> = before
            .names()
            .chain(self.globals.names())
            .cloned()
            .collect();
        for name in names {
            let id = entities::global_plugin_id(&name);
            let json = self
                .globals
                .in_effect(&name)
                .then(|| entities::global_plugin(&id, &name, &self.store))
                .flatten();
            self.set_entity(id, json);
            work.problems
                .insert(Id::new(Kind::KongClusterPlugin, "", &name));
        }
    }

    pub(super) fn fill_services(&mut self, work: &mut Work) {
        let context = self.context();
        for port in core::mem::take(&mut work.services) {
            let found = self
                .named
                .contains(&port)
                .then(|| endpoints::of(&self.store, &port, context));
            let external = found
                .as_ref()
                .and_then(|found| found.settings.external.as_ref());
            for name in self
                .names
                .set(&port, external.map(|external| &*external.name))
            {
                let id = entities::name_id(&name);
                let json = self.names.entity(&id, &name);
                self.set_entity(id, json);
            }
            let policy = found
                .as_ref()
                .and_then(|_| endpoints::tls_policy(&self.store, &port));
            for policy in self.tls_policies.set(&port, policy) {
                let id = entities::tls_policy_id(policy);
                let known = self.tls_policies.get(policy);
                let json = known.map(|known| entities::tls_policy(&id, policy, known));
                self.set_entity(id, json);
            }
            self.table.set_service(&port, found.as_ref());
        }
    }

    pub(in crate::translate) fn context(&self) -> Context {
        Context {
            allow_local: self.options.allow_local_addresses,
            service_upstream: self.service_upstream,
        }
    }

    pub(super) fn set_entity(&mut self, id: Box<str>, json: Option<String>) {
        self.entities.set(&id, json);
        self.outbox.entity(id);
    }

    /// The status of a KongUpstreamPolicy: which Services it is in effect for, oldest first.
    pub(super) fn policy_status(&self, id: &Id) -> Option<String> {
        let object = self.store.get(id)?;
        let View::KongUpstreamPolicy(_) = &object.view else {
            return None;
        };
        let mut services: Vec<_> = self
            .store
            .referrers(id)
            .filter(|service| self.is_named(&service.namespace, &service.name))
            .map(|service| {
                let created = self.store.get(service).and_then(|object| object.created);
                ((created.is_none(), created), service)
            })
            .collect();
        services.sort();
        services.truncate(MAX_ANCESTORS);
        let conditions = [
            Condition::yes("Accepted", "Accepted"),
            Condition::yes("Programmed", "Programmed"),
        ];
        let services = services.into_iter().map(|(_, service)| service);
        let name = &self.options.controller_name;
        (services.len() > 0).then(|| status::policy(services, name, &conditions, object.generation))
    }
}
