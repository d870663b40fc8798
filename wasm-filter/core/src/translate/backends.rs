//! References of routes to backends (Gateway API `HTTPBackendRef`, `HTTPRequestMirrorFilter`).
//!
//! "When a backendRef is invalid, 500 status codes MUST be returned for requests that would have
//! otherwise been routed to an invalid backend": an invalid one keeps its weight. An invalid mirror
//! is dropped.

use super::deps::Reads;
use super::grants;
use super::ingress::refused;
use super::status::Condition;
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::field::quote;
use crate::resources::route::Fault;
use crate::resources::route::backends::{BackendRef, RefTarget};
use crate::resources::route::filters::FilterSpec;
use crate::table::model::{Backend, BackendTarget, Filters, Mirror, ServicePort};

/// What resolving references of a route finds.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) findings: Vec<Finding>,
    /// `ResolvedRefs` of the first reference that fails.
    pub(crate) unresolved: Option<Condition>,
}

/// Why a reference cannot be used: the condition's reason, and a finding if none was told yet.
struct Failure {
    reason: &'static str,
    finding: Option<Finding>,
}

// === impl Resolved ===

impl Resolved {
    /// The backend of a backendRef of rule `rule`.
    pub(crate) fn backend(
        &mut self,
        route: &Id,
        rule: u16,
        backend: &BackendRef,
        reads: &mut Reads<'_>,
    ) -> Backend {
        let field = format!("spec.rules[{rule}].backendRefs[{}]", backend.index);
        let cost = "its share of the requests is answered 500";
        let target = self.target(route, &field, cost, &backend.target, reads);
        let filters = self.filters(route, &field, backend.filters.as_deref(), reads);
        if target.is_none() || backend.fault().is_some() {
            return Backend::new(backend.weight, BackendTarget::Invalid);
        }
        let target = target.map_or(BackendTarget::Invalid, BackendTarget::Service);
        Backend {
            filters: filters.into(),
            ..Backend::new(backend.weight, target)
        }
    }

    /// Filters with their mirrors.
    pub(crate) fn filters(
        &mut self,
        route: &Id,
        field: &str,
        spec: Option<&FilterSpec>,
        reads: &mut Reads<'_>,
    ) -> Filters {
        let Some(spec) = spec else {
            return Filters::default();
        };
        if spec.fault == Some(Fault::Reference) {
            self.unresolved(
                "InvalidKind",
                format!("an extensionRef of {field} names something that cannot be a filter"),
            );
        }
        let mut filters = spec.filters.clone();
        for mirror in &spec.mirrors {
            let cost = "nothing is mirrored there";
            let target = self.target(route, &mirror.field, cost, &mirror.target, reads);
            let target = self.unprotected(&mirror.field, target, reads);
            filters.mirrors.extend(target.map(|service| Mirror {
                service,
                numerator: mirror.numerator,
                denominator: mirror.denominator,
            }));
        }
        filters
    }

    /// Mirrors have no TLS policy (docs/contract.md): one that needs it is dropped.
    fn unprotected(
        &mut self,
        field: &str,
        target: Option<ServicePort>,
        reads: &mut Reads<'_>,
    ) -> Option<ServicePort> {
        let port = target?;
        let service = reads.service(&port.namespace, &port.name)?;
        if service.annotations.as_ref().is_none_or(|a| a.tls.is_none()) {
            return Some(port);
        }
        let message = "mirrors are sent without verification and client certificate, which the \
                       annotations of the Service ask for; nothing is mirrored there";
        self.findings.push(Finding::error(
            Code::UnsupportedField,
            format!("{field}.name"),
            message,
        ));
        self.unresolved("UnsupportedValue", message);
        None
    }

    fn target(
        &mut self,
        route: &Id,
        field: &str,
        cost: &str,
        target: &RefTarget,
        reads: &mut Reads<'_>,
    ) -> Option<ServicePort> {
        match resolve(route, field, cost, target, reads) {
            Ok(port) => Some(port),
            Err(Failure { reason, finding }) => {
                let message = finding.as_ref().map_or_else(
                    || format!("{field} is invalid").into(),
                    |finding| finding.message.clone(),
                );
                self.unresolved(reason, message);
                self.findings.extend(finding);
                None
            }
        }
    }

    /// `ResolvedRefs` is not so, unless it was told before why.
    pub(crate) fn unresolved(&mut self, reason: &'static str, message: impl Into<Box<str>>) {
        self.unresolved
            .get_or_insert_with(|| Condition::no("ResolvedRefs", reason, message));
    }
}

fn resolve(
    route: &Id,
    field: &str,
    cost: &str,
    target: &RefTarget,
    reads: &mut Reads<'_>,
) -> Result<ServicePort, Failure> {
    let fail = |reason, code, part: &str, message: String| {
        let message = format!("{message}; {cost}");
        let finding = Some(Finding::error(code, format!("{field}{part}"), message));
        Err(Failure { reason, finding })
    };
    let (namespace, name, port) = match target {
        RefTarget::Broken => {
            return Err(Failure {
                reason: "UnsupportedValue",
                finding: None,
            });
        }
        RefTarget::OtherKind { group, kind } => {
            return fail(
                "InvalidKind",
                Code::InvalidKind,
                ".kind",
                format!(
                    "{} of group {} cannot be a backend",
                    quote(kind),
                    quote(group)
                ),
            );
        }
        RefTarget::Service {
            namespace,
            name,
            port,
        } => (
            namespace.as_deref().unwrap_or(&route.namespace),
            name,
            *port,
        ),
    };
    let id = Id::new(Kind::Service, namespace, name);
    if !grants::permits(reads, route, &id) {
        return fail(
            "RefNotPermitted",
            Code::RefNotPermitted,
            ".namespace",
            format!("no ReferenceGrant in {namespace} permits this route to refer to {id}"),
        );
    }
    let Some(service) = reads.service(namespace, name) else {
        return fail(
            "BackendNotFound",
            Code::BackendNotFound,
            ".name",
            format!("{id} does not exist"),
        );
    };
    if !service.serves(port) {
        return fail(
            "BackendNotFound",
            Code::BackendNotFound,
            ".port",
            format!("{id} has no TCP port {port}"),
        );
    }
    if !service.speaks(port, route.kind == Kind::GrpcRoute) {
        return fail(
            "UnsupportedProtocol",
            Code::UnsupportedProtocol,
            ".port",
            format!("the appProtocol of {id}:{port} is none that this route can be sent in"),
        );
    }
    if service.refused() {
        return Err(Failure {
            reason: "UnsupportedValue",
            finding: Some(refused(format!("{field}.name"), (namespace, name), service)),
        });
    }
    Ok(ServicePort {
        namespace: namespace.into(),
        name: name.clone(),
        port,
    })
}
