//! backendRefs of routes (Gateway API `HTTPBackendRef`).
//!
//! "When a backendRef is invalid, 500 status codes MUST be returned for requests that would have
//! otherwise been routed to an invalid backend": an invalid one keeps its weight.

use super::deps::Reads;
use super::grants;
use super::ingress::refused;
use super::status::Condition;
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::http_route::{BackendRef, RefTarget};
use crate::table::model::{Backend, BackendTarget, ServicePort};

/// Resolves the backendRef of rule `rule`; `unresolved` gets the reason of the first that fails.
pub(crate) fn resolve(
    route: &Id,
    rule: u16,
    backend: &BackendRef,
    reads: &mut Reads<'_>,
    findings: &mut Vec<Finding>,
    unresolved: &mut Option<Condition>,
) -> Backend {
    let target = match target(route, rule, backend, reads) {
        Ok(port) => BackendTarget::Service(port),
        Err((reason, finding)) => {
            let message = finding.as_ref().map_or_else(
                || {
                    format!(
                        "spec.rules[{rule}].backendRefs[{}] is invalid",
                        backend.index
                    )
                    .into()
                },
                |finding| finding.message.clone(),
            );
            unresolved.get_or_insert(Condition::no("ResolvedRefs", reason, message));
            findings.extend(finding);
            BackendTarget::Invalid
        }
    };
    Backend::new(backend.weight, target)
}

/// A Service port, or the condition's reason and a finding if none was told yet.
fn target(
    route: &Id,
    rule: u16,
    backend: &BackendRef,
    reads: &mut Reads<'_>,
) -> Result<ServicePort, (&'static str, Option<Finding>)> {
    let field = |part: &str| format!("spec.rules[{rule}].backendRefs[{}]{part}", backend.index);
    let fail = |reason, code, part: &str, message: String| {
        let message = format!("{message}; its share of the requests is answered 500");
        Err((reason, Some(Finding::error(code, field(part), message))))
    };
    let (namespace, name, port) = match &backend.target {
        RefTarget::Broken => return Err(("UnsupportedValue", None)),
        RefTarget::OtherKind { group, kind } => {
            return fail(
                "InvalidKind",
                Code::InvalidKind,
                ".kind",
                format!("{kind} of group \"{group}\" cannot be a backend"),
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
    if service.by_number(port).is_none() {
        return fail(
            "BackendNotFound",
            Code::BackendNotFound,
            ".port",
            format!("{id} has no TCP port {port}"),
        );
    }
    if service.refused {
        let finding = refused(field(".name"), namespace, name);
        return Err(("UnsupportedValue", Some(finding)));
    }
    Ok(ServicePort {
        namespace: namespace.into(),
        name: name.clone(),
        port,
    })
}
