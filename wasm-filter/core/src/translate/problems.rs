//! The problems of an object: those of reading it, of compiling it, and of what others take from
//! it. Objects that are not ours have none.

use std::collections::BTreeSet;

use super::Translator;
use super::classes;
use super::store::{gateway_of, service_of};
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding, Problem};
use crate::resources::View;
use crate::resources::field::Sink;

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
            Kind::Service => self.is_named(&id.namespace, &id.name),
            Kind::EndpointSlice => {
                service_of(object).is_some_and(|service| self.is_named(&id.namespace, service))
            }
            Kind::ReferenceGrant | Kind::Namespace | Kind::Secret => true,
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
        sink.into_findings()
    }

    fn is_named(&self, namespace: &str, service: &str) -> bool {
        self.named.of_service(namespace, service).next().is_some()
    }
}
