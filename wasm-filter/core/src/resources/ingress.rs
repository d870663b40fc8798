//! `networking.k8s.io/v1` Ingress.
//!
//! What a broken part costs: a rule with an invalid host is not programmed; a path whose match
//! cannot be read is not programmed; a path whose backend cannot be read is answered 500, so that
//! its requests do not fall through to a less specific path. A rule without `http` sends all
//! requests of its host to the default backend, as if it were not there.

pub(crate) mod differs;
pub(crate) mod paths;
pub(crate) mod tls;

use self::paths::{IngressPathMatch, RegexPrefix};
use self::tls::IngressTls;
use super::annotations::route::{self, Owner, RouteAnnotations};
use super::field::{Field, Read, Reported, Sink};
use super::host;
use super::unknown;
use crate::problem::{Code, Finding};
use crate::table::model::HostPattern;

/// What is read of an Ingress.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ingress {
    /// Annotation `kubernetes.io/ingress.class`, not empty.
    pub(crate) class_annotation: Option<Box<str>>,
    /// `spec.ingressClassName`, not empty.
    pub(crate) class_name: Option<Box<str>>,
    pub(crate) default_backend: Option<IngressBackend>,
    pub(crate) paths: Box<[IngressPath]>,
    pub(crate) tls: Box<[IngressTls]>,
    /// `None`: there are none that say anything.
    pub(crate) annotations: Option<Box<RouteAnnotations>>,
}

/// One path of one rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IngressPath {
    /// Position of the rule.
    pub(crate) rule: u16,
    /// Position of the path in the rule.
    pub(crate) index: u16,
    pub(crate) host: HostPattern,
    pub(crate) path: IngressPathMatch,
    pub(crate) backend: IngressBackend,
}

/// Where the requests of a path go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IngressBackend {
    Service {
        name: Box<str>,
        port: BackendPort,
    },
    /// Could not be read, which has been told: requests are answered 500.
    Broken,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BackendPort {
    Number(u16),
    Name(Box<str>),
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> Ingress {
    let metadata = root.key("metadata");
    let annotations = metadata.key("annotations");
    let class = annotations.key("kubernetes.io/ingress.class");
    let class_annotation = non_empty(class.text(sink));
    let prefix = RegexPrefix::read(&annotations);
    let annotations = route::read(&metadata, Owner::Ingress, sink);
    let spec = root.key("spec");
    let _ = spec.required_object(sink);
    unknown::warn(
        &spec,
        &["ingressClassName", "defaultBackend", "tls", "rules"],
        sink,
    );
    let class_name = non_empty(spec.key("ingressClassName").text(sink));
    let tls = tls::read(&spec.key("tls"), sink);
    let default = spec.key("defaultBackend");
    let default_backend = (!default.is_absent()).then(|| read_backend(&default, sink));
    let mut paths = Vec::new();
    let rules = spec.key("rules");
    for (index, rule) in rules.items(sink).unwrap_or_default() {
        let _ = read_rule(index, &rule, &prefix, &mut paths, sink);
    }
    differs::tell(&paths, sink);
    Ingress {
        class_annotation,
        class_name,
        default_backend,
        paths: paths.into(),
        tls,
        annotations,
    }
}

fn non_empty(text: Read<Option<&str>>) -> Option<Box<str>> {
    text.ok()
        .flatten()
        .filter(|text| !text.is_empty())
        .map(Into::into)
}

fn read_rule(
    index: u16,
    rule: &Field<'_, '_>,
    prefix: &RegexPrefix,
    out: &mut Vec<IngressPath>,
    sink: &mut Sink,
) -> Read<()> {
    rule.required_object(sink)?;
    unknown::warn(rule, &["host", "http"], sink);
    let field = rule.key("host");
    let host = match field.text(sink)? {
        None | Some("") => HostPattern::Any,
        Some(text) => host::parse(text).map_err(|message| {
            sink.push(field.error(Code::InvalidHost, message));
            Reported
        })?,
    };
    let http = rule.key("http");
    http.object(sink)?;
    if http.is_absent() {
        return Ok(());
    }
    unknown::warn(&http, &["paths"], sink);
    let paths = http.key("paths");
    if paths.is_absent() {
        return Err(paths.missing(sink));
    }
    for (position, entry) in paths.items(sink)? {
        if let Ok(path) = paths::read(&entry, prefix, sink) {
            out.push(IngressPath {
                rule: index,
                index: position,
                host: host.clone(),
                path,
                backend: read_backend(&entry.key("backend"), sink),
            });
        }
    }
    Ok(())
}

fn read_backend(backend: &Field<'_, '_>, sink: &mut Sink) -> IngressBackend {
    read_service(backend, sink).unwrap_or(IngressBackend::Broken)
}

fn read_service(backend: &Field<'_, '_>, sink: &mut Sink) -> Read<IngressBackend> {
    backend.required_object(sink)?;
    unknown::warn(backend, &["service", "resource"], sink);
    let resource = backend.key("resource");
    if !resource.is_absent() {
        sink.push(resource.error(
            Code::UnsupportedField,
            "is not supported; requests are answered 500",
        ));
        return Err(Reported);
    }
    let service = backend.key("service");
    service.required_object(sink)?;
    unknown::warn(&service, &["name", "port"], sink);
    let name = service.key("name").required_name(sink)?;
    let port = service.key("port");
    port.required_object(sink)?;
    unknown::warn(&port, &["name", "number"], sink);
    let (number, port_name) = (port.key("number"), port.key("name"));
    let number = number.port(sink)?;
    let port_name = port_name.text(sink)?.filter(|name| !name.is_empty());
    let port = match (number, port_name) {
        (Some(number), None) => BackendPort::Number(number),
        (None, Some(name)) => BackendPort::Name(name.into()),
        (None, None) => return Err(port.missing(sink)),
        (Some(_), Some(_)) => {
            sink.push(Finding::error(
                Code::InvalidPort,
                port.path(),
                "has a name and a number; only one is allowed",
            ));
            return Err(Reported);
        }
    };
    Ok(IngressBackend::Service {
        name: name.into(),
        port,
    })
}
