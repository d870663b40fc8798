//! `gateway.networking.k8s.io` GRPCRoute: its matches; the rest is in [`route`](super::route).
//!
//! A gRPC request is a POST to `/service/method`, so a method match is a match of the path: service
//! and method exactly, a service as prefix, a method alone as the pattern `/[^/]+/method` (see
//! [`ANY_SERVICE`]).

use super::field::{Field, Read, Reported, Sink, quote};
use super::http_route::known;
use super::route::conditions::{read_headers, read_pattern};
use super::route::filters::Context;
use super::route::{self, MatchSpec, Reader, Route};
use crate::problem::Code;
use crate::route::rank::ANY_SERVICE;
use crate::table::model::{Anchor, PathMatch};

const READER: Reader = Reader {
    context: Context {
        grpc: true,
        backend: false,
    },
    known: &[
        "name",
        "matches",
        "filters",
        "backendRefs",
        "sessionPersistence",
    ],
    // Unlike HTTPRoute, its schema has no default.
    default_rule: false,
    // "If no matches are specified, the implementation MUST match every gRPC request."
    everything: |index| MatchSpec {
        index,
        path: PathMatch::Prefix("".into()),
        method: None,
        headers: Box::default(),
        queries: Box::default(),
    },
    read_match,
};

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> Route {
    route::read(root, &READER, sink)
}

fn read_match(index: u16, entry: &Field<'_, '_>, sink: &mut Sink) -> Read<MatchSpec> {
    entry.required_object(sink)?;
    let path = read_method(&entry.key("method"), sink);
    let headers = read_headers(&entry.key("headers"), true, sink);
    known(entry, &["method", "headers"], sink)?;
    Ok(MatchSpec {
        index,
        path: path?,
        method: None,
        headers: headers?,
        queries: Box::default(),
    })
}

/// Gateway API `GRPCMethodMatch`.
fn read_method(field: &Field<'_, '_>, sink: &mut Sink) -> Read<PathMatch> {
    if field.is_absent() {
        return Ok(PathMatch::Prefix("".into()));
    }
    field.object(sink)?;
    known(field, &["type", "service", "method"], sink)?;
    let kind = field.key("type");
    let (service, method) = (field.key("service"), field.key("method"));
    let service_text = service.text(sink)?.filter(|text| !text.is_empty());
    let method_text = method.text(sink)?.filter(|text| !text.is_empty());
    if service_text.is_none() && method_text.is_none() {
        sink.push(field.error(
            Code::MissingField,
            "one or both of service and method must be given; the match is not programmed",
        ));
        return Err(Reported);
    }
    match kind.text(sink)?.unwrap_or("Exact") {
        "Exact" => {
            if let Some(text) = service_text {
                name(&service, text, is_service(text), sink)?;
            }
            if let Some(text) = method_text {
                name(&method, text, is_identifier(text), sink)?;
            }
            match (service_text, method_text) {
                (Some(service), Some(method)) => {
                    Ok(PathMatch::Exact(format!("/{service}/{method}").into()))
                }
                (Some(service), None) => Ok(PathMatch::Prefix(format!("/{service}").into())),
                // An identifier has no operators.
                (None, name) => {
                    let pattern = format!("{ANY_SERVICE}{}$", name.unwrap_or_default());
                    read_pattern(&method, &pattern, Anchor::Start, sink).map(PathMatch::Regex)
                }
            }
        }
        "RegularExpression" => {
            // Each on its own first: together they could be an expression that neither is.
            for (field, text) in [(&service, service_text), (&method, method_text)] {
                if let Some(text) = text {
                    read_pattern(field, text, Anchor::Whole, sink)?;
                }
            }
            let service = match service_text {
                Some(text) => format!("/(?:{text})/"),
                None => ANY_SERVICE.to_owned(),
            };
            let pattern = match method_text {
                Some(method) => format!("{service}(?:{method})$"),
                // Shorter, and so behind the same service with whatever method.
                None => format!("{service}."),
            };
            read_pattern(field, &pattern, Anchor::Start, sink).map(PathMatch::Regex)
        }
        other => {
            sink.push(kind.error(
                Code::UnsupportedPathType,
                format!(
                    "{} is not supported; the match is not programmed",
                    quote(other)
                ),
            ));
            Err(Reported)
        }
    }
}

fn name(field: &Field<'_, '_>, text: &str, valid: bool, sink: &mut Sink) -> Read<()> {
    if valid {
        return Ok(());
    }
    sink.push(field.error(
        Code::InvalidPath,
        format!(
            "{} is no name in gRPC; the match is not programmed",
            quote(text)
        ),
    ));
    Err(Reported)
}

/// `^(?i)\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$`
fn is_service(text: &str) -> bool {
    let text = text.strip_prefix('.').unwrap_or(text);
    text.split('.').all(is_identifier)
}

/// `^[A-Za-z_][A-Za-z_0-9]*$`
fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
