//! Backends of Ingress -> Service ports.

use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::field::quote;
use crate::resources::ingress::{BackendPort, IngressBackend};
use crate::resources::service::Service;
use crate::table::model::{BackendTarget, ServicePort};
use crate::translate::deps::Reads;
use crate::translate::plugins::Plugins;

/// Where a backend's requests go; adds the plugins of its Service.
pub(super) fn target(
    ingress: &Id,
    backend: &IngressBackend,
    plugins: &mut Plugins,
    reads: &mut Reads<'_>,
    findings: &mut Vec<Finding>,
    field: impl Fn() -> String,
) -> BackendTarget {
    let IngressBackend::Service { name, port } = backend else {
        return BackendTarget::Invalid;
    };
    let namespace = &ingress.namespace;
    let service = reads.service(namespace, name);
    let number = match (service, port) {
        (_, BackendPort::Number(number)) => Some(*number),
        (None, BackendPort::Name(_)) => None,
        (Some(service), BackendPort::Name(name)) => service.by_name(name),
    };
    let answer = if number.is_some() { 503 } else { 500 };
    let mut not_found = |part: &str, what: String| {
        findings.push(Finding::error(
            Code::BackendNotFound,
            format!("{}.service.{part}", field()),
            format!("Service {namespace}/{name} {what}; requests are answered {answer}"),
        ));
    };
    match (service, port) {
        (None, _) => not_found("name", "does not exist".to_owned()),
        (Some(service), BackendPort::Number(number)) if !service.serves(*number) => {
            not_found("port.number", format!("has no TCP port {number}"));
        }
        (Some(_), BackendPort::Name(port)) if number.is_none() => {
            not_found(
                "port.name",
                format!("has no TCP port called {}", quote(port)),
            );
        }
        _ => {}
    }
    if let Some(service) = service {
        let name_field = || format!("{}.service.name", field());
        if service.refused() {
            findings.push(refused(name_field(), (namespace, name), service));
            return BackendTarget::Invalid;
        }
        let id = Id::new(Kind::Service, namespace, name);
        plugins.add_service(&id, service, name_field, reads, findings);
    }
    match number {
        Some(port) => BackendTarget::Service(ServicePort {
            namespace: (&**namespace).into(),
            name: name.clone(),
            port,
        }),
        None => BackendTarget::Invalid,
    }
}

/// The finding about a Service whose annotations must not be ignored.
pub(crate) fn refused(
    field: String,
    (namespace, name): (&str, &str),
    service: &Service,
) -> Finding {
    let annotations = service.annotations.as_ref();
    let culprit = annotations.and_then(|annotations| annotations.culprit.as_deref());
    let what = match culprit {
        Some(culprit) => format!("the annotation {culprit}, which"),
        None => "an annotation that".to_owned(),
    };
    Finding::error(
        Code::UnsupportedField,
        field,
        format!(
            "Service {namespace}/{name} has {what} is not supported and must not be ignored; \
             requests are answered 500"
        ),
    )
}
