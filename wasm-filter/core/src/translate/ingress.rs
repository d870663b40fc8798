//! Ingress -> matches.
//!
//! A path whose Service does not exist stays and goes to that Service without endpoints (503), so
//! that its requests do not fall through to a less specific path; so does a port number that the
//! Service does not have. A port name that cannot be resolved has no Service port to stand for it
//! and is answered 500. `spec.defaultBackend` is a match of its own scope, asked last of all; the
//! oldest one of the cluster wins by the rank of matches.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Options;
use super::classes;
use super::compiled::{Compiled, route_object};
use super::deps::Reads;
use crate::object::Id;
use crate::problem::{Code, Finding};
use crate::resources::Object;
use crate::resources::annotations::Cost;
use crate::resources::field::quote;
use crate::resources::ingress::{BackendPort, Ingress, IngressBackend};
use crate::table::model::{
    Backend, BackendTarget, HostKey, HostPattern, PathMatch, RouteKind, RouteMatch, RouteObject,
    Rule, Scope, ServicePort,
};

pub(crate) fn compile(
    id: &Id,
    object: &Object,
    ingress: &Ingress,
    mut reads: Reads<'_>,
    options: &Options,
) -> Compiled {
    let mut out = Compiled {
        ours: classes::accepts_ingress(&mut reads, options, ingress),
        ..Compiled::default()
    };
    if out.ours && ingress.cost != Cost::Drop {
        let mut hosts: BTreeMap<Arc<HostKey>, Vec<RouteMatch>> = BTreeMap::new();
        matches(
            id,
            object,
            ingress,
            &mut reads,
            &mut out.findings,
            &mut hosts,
        );
        out.hosts = hosts
            .into_iter()
            .map(|(key, matches)| (key, matches.into()))
            .collect();
    }
    out.deps = reads.into_deps();
    out
}

fn matches(
    id: &Id,
    object: &Object,
    ingress: &Ingress,
    reads: &mut Reads<'_>,
    findings: &mut Vec<Finding>,
    hosts: &mut BTreeMap<Arc<HostKey>, Vec<RouteMatch>>,
) {
    let named = route_object(RouteKind::Ingress, id, object);
    let mut last: Option<(&IngressBackend, Arc<Rule>)> = None;
    for path in &ingress.paths {
        let field = || {
            format!(
                "spec.rules[{}].http.paths[{}].backend",
                path.rule, path.index
            )
        };
        let rule = match last {
            // Paths of one rule that go to the same backend share it.
            Some((backend, ref rule)) if *backend == path.backend && rule.index == path.rule => {
                rule.clone()
            }
            _ => rule(
                &named,
                path.rule,
                target(id, ingress, &path.backend, reads, findings, field),
            ),
        };
        last = Some((&path.backend, rule.clone()));
        let key = HostKey {
            scope: Scope::Ingress,
            host: path.host.clone(),
        };
        let matches = hosts.entry(Arc::new(key)).or_default();
        matches.push(RouteMatch::new(path.path.clone(), path.index, rule));
    }
    if let Some(backend) = &ingress.default_backend {
        let field = || "spec.defaultBackend".to_owned();
        let target = target(id, ingress, backend, reads, findings, field);
        let key = HostKey {
            scope: Scope::IngressDefault,
            host: HostPattern::Any,
        };
        let matches = hosts.entry(Arc::new(key)).or_default();
        let everything = PathMatch::Prefix("".into());
        matches.push(RouteMatch::new(everything, 0, rule(&named, 0, target)));
    }
}

fn rule(object: &Arc<RouteObject>, index: u16, target: BackendTarget) -> Arc<Rule> {
    Arc::new(Rule {
        backends: vec![Backend::new(1, target)],
        ..Rule::new(object.clone(), index)
    })
}

fn target(
    id: &Id,
    ingress: &Ingress,
    backend: &IngressBackend,
    reads: &mut Reads<'_>,
    findings: &mut Vec<Finding>,
    field: impl Fn() -> String,
) -> BackendTarget {
    let IngressBackend::Service { name, port } = backend else {
        return BackendTarget::Invalid;
    };
    let service = reads.service(&id.namespace, name);
    let found = match (service, port) {
        (None, _) => None,
        (Some(service), BackendPort::Number(number)) => service.by_number(*number),
        (Some(service), BackendPort::Name(name)) => service.by_name(name),
    };
    let number = match (found, port) {
        (Some(found), _) => Some(found.port),
        (None, BackendPort::Number(number)) => Some(*number),
        (None, BackendPort::Name(_)) => None,
    };
    let answer = if number.is_some() { 503 } else { 500 };
    match (service, found, port) {
        (None, _, _) => findings.push(Finding::error(
            Code::BackendNotFound,
            format!("{}.service.name", field()),
            format!(
                "Service {}/{name} does not exist; requests are answered {answer}",
                id.namespace
            ),
        )),
        (Some(_), None, BackendPort::Number(number)) => findings.push(Finding::error(
            Code::BackendNotFound,
            format!("{}.service.port.number", field()),
            format!(
                "Service {}/{name} has no TCP port {number}; requests are answered {answer}",
                id.namespace
            ),
        )),
        (Some(_), None, BackendPort::Name(port)) => findings.push(Finding::error(
            Code::BackendNotFound,
            format!("{}.service.port.name", field()),
            format!(
                "Service {}/{name} has no TCP port called {}; requests are answered {answer}",
                id.namespace,
                quote(port)
            ),
        )),
        (Some(service), Some(_), _) if service.refused => findings.push(refused(
            format!("{}.service.name", field()),
            &id.namespace,
            name,
        )),
        _ => {}
    }
    let refused = ingress.cost == Cost::Refuse || service.is_some_and(|service| service.refused);
    match number {
        Some(port) if !refused => BackendTarget::Service(ServicePort {
            namespace: (&*id.namespace).into(),
            name: name.clone(),
            port,
        }),
        _ => BackendTarget::Invalid,
    }
}

/// The finding about a Service whose annotations must not be ignored.
pub(crate) fn refused(field: String, namespace: &str, name: &str) -> Finding {
    Finding::error(
        Code::UnsupportedField,
        field,
        format!(
            "Service {namespace}/{name} has an annotation that is not supported and must not be \
             ignored; requests are answered 500"
        ),
    )
}
