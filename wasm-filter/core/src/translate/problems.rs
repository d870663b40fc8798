//! The problems of an object: those of reading it, of compiling it, and of what others take from
//! it. Objects that are not ours have none.

use core::net::IpAddr;
use std::collections::BTreeSet;

use super::Translator;
use super::classes;
use super::deps::Dep;
use super::endpoints::{self, address::is_local, slices};
use super::store::{gateway_of, service_of};
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding, Problem};
use crate::resources::View;
use crate::resources::field::Sink;
use crate::resources::service::{Service, Source};

// === impl Translator ===

impl Translator {
    /// Collects the problems of an object anew.
    pub(super) fn assemble(&mut self, id: &Id) {
        let key = id.key();
        let problems: Vec<Problem> = self.findings(id).iter().map(|f| f.on(&key)).collect();
        if problems.is_empty() {
            self.problems.remove(&key);
        } else {
            self.problems.insert(key.clone(), problems);
        }
        self.outbox.problems(key);
    }

    fn findings(&self, id: &Id) -> Box<[Finding]> {
        let Some(object) = self.store.get(id) else {
            return Box::default();
        };
        let mut sink = Sink::default();
        let ours = match id.kind {
            Kind::Ingress | Kind::HttpRoute | Kind::GrpcRoute => {
                self.routes.get(id).is_some_and(|c| c.ours)
            }
            // One without Gateway is nobody's; who else should tell it?
            Kind::ListenerSet => gateway_of(id, object)
                .and_then(|gateway| self.gateways.get(&gateway))
                .is_none_or(|state| state.ours),
            Kind::Gateway => self.gateways.get(id).is_some_and(|state| state.ours),
            Kind::GatewayClass => match &object.view {
                View::GatewayClass(class) => classes::is_ours(&self.options, class),
                _ => false,
            },
            Kind::IngressClass => *id.name == *self.options.ingress_class,
            // The cluster is full of Services that are nobody's business here.
            Kind::Service => self.deps.is_read(&Dep::Object(id.clone())),
            Kind::EndpointSlice => {
                service_of(object).is_some_and(|service| self.is_named(&id.namespace, service))
            }
            Kind::IngressClassParameters => self.class_parameters() == Some(id.clone()),
            Kind::KongUpstreamPolicy => self
                .store
                .referrers(id)
                .any(|service| self.is_named(&service.namespace, &service.name)),
            Kind::ReferenceGrant
            | Kind::Namespace
            | Kind::Secret
            | Kind::ConfigMap
            | Kind::KongPlugin
            | Kind::KongClusterPlugin
            | Kind::ResolvedName => true,
        };
        if ours {
            object.findings.iter().cloned().for_each(|f| sink.push(f));
        }
        match &object.view {
            View::GatewayClass(class) if ours && class.parameters => sink.push(Finding::error(
                Code::InvalidParameters,
                "spec.parametersRef",
                "parameters are not supported; the GatewayClass is not accepted",
            )),
            View::IngressClass(_) if ours => {
                let missing = self
                    .class_parameters()
                    .filter(|id| self.store.get(id).is_none());
                if let Some(id) = missing {
                    sink.push(Finding::error(
                        Code::InvalidParameters,
                        "spec.parameters",
                        format!("{id} does not exist; KIC's defaults hold"),
                    ));
                }
            }
            View::KongPlugin(_) if id.kind == Kind::KongClusterPlugin => {
                self.globals
                    .lost_by(&id.name)
                    .into_iter()
                    .for_each(|f| sink.push(f));
            }
            View::Service(service) if ours => self.of_service(id, service, &mut sink),
            View::EndpointSlice(slice) => {
                if ours {
                    let addresses = slice.ready.iter().chain(&slice.terminating);
                    self.local_addresses(addresses, "endpoints", &mut sink);
                }
                if let Some(found) = slices::astray(&self.store, &id.namespace, slice) {
                    sink.push(found);
                }
            }
            View::ResolvedName(name) => {
                self.local_addresses(name.addresses.iter(), "addresses", &mut sink);
            }
            View::Gateway(_) => {
                // Also that its class is missing, which makes it nobody's.
                let state = self.gateways.get(id);
                let found = state.into_iter().flat_map(|state| &state.findings);
                found.cloned().for_each(|f| sink.push(f));
                let shared = state.map(|state| self.listeners.shared(id, state));
                shared.into_iter().flatten().for_each(|f| sink.push(f));
            }
            View::ListenerSet(set) => {
                let found = self.set(id).into_iter().flat_map(|state| &state.findings);
                found.cloned().for_each(|f| sink.push(f));
                let gateway = set.parent(&id.namespace);
                if let Some(gateway) = gateway.filter(|id| !self.gateways.contains_key(id)) {
                    sink.push(Finding::warning(
                        Code::ParentNotFound,
                        "spec.parentRef",
                        format!("{gateway} does not exist"),
                    ));
                }
            }
            View::Ingress(_) | View::HttpRoute(_) | View::GrpcRoute(_) if ours => {
                let compiled = self.routes.get(id).into_iter();
                let found = compiled.flat_map(|compiled| &compiled.findings);
                found.cloned().for_each(|f| sink.push(f));
                let mut seen = BTreeSet::new();
                for lost in self.hosts.lost_by(id) {
                    if seen.insert((&lost.field, &lost.message)) {
                        sink.push(lost.clone());
                    }
                }
            }
            _ => {}
        }
        for lost in self.certificates.lost_by(id).filter(|_| ours) {
            sink.push(lost.clone());
        }
        sink.into_findings()
    }

    /// The parameters that our class refers to.
    fn class_parameters(&self) -> Option<Id> {
        let class = Id::new(Kind::IngressClass, "", &self.options.ingress_class);
        let View::IngressClass(class) = &self.store.get(&class)?.view else {
            return None;
        };
        let (namespace, name) = class.parameters.as_ref()?;
        Some(Id::new(Kind::IngressClassParameters, namespace, name))
    }

    fn of_service(&self, id: &Id, service: &Service, sink: &mut Sink) {
        let annotations = service.annotations.as_ref();
        if let Some(name) = annotations.and_then(|annotations| annotations.policy.as_ref())
            && endpoints::policy(&self.store, &id.namespace, name).is_none()
        {
            sink.push(Finding::error(
                Code::UpstreamPolicyNotFound,
                "metadata.annotations[\"konghq.com/upstream-policy\"]",
                format!(
                    "KongUpstreamPolicy {}/{name} does not exist; requests are spread evenly",
                    id.namespace
                ),
            ));
        }
        let mut named = self.named.of_service(&id.namespace, &id.name).peekable();
        if named.peek().is_none() {
            return;
        }
        if endpoints::is_upstream(service, self.context()) {
            self.local_addresses(service.cluster_ips.iter(), "spec.clusterIPs", sink);
        } else if service.source == Source::Slices {
            slices::unserved(&self.store, id, service, named, sink);
        }
    }

    /// Tells the first address that is not used because of what it is.
    fn local_addresses<'a>(
        &self,
        mut addresses: impl Iterator<Item = &'a IpAddr>,
        field: &str,
        sink: &mut Sink,
    ) {
        if self.options.allow_local_addresses {
            return;
        }
        if let Some(ip) = addresses.find(|ip| is_local(**ip)) {
            sink.push(Finding::error(
                Code::LocalAddress,
                field,
                format!(
                    "{ip} leads to the gateway itself or its node; such addresses are not used"
                ),
            ));
        }
    }

    pub(super) fn is_named(&self, namespace: &str, service: &str) -> bool {
        self.named.of_service(namespace, service).next().is_some()
    }
}
