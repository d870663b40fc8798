//! Listeners of Gateways and ListenerSets.
//!
//! A listener that can be named is kept even if it is broken: its status must say so.

use std::collections::BTreeSet;

use super::field::{Field, Read, Reported, Sink, quote};
use super::host;
use super::selector::{self, Selector};
use super::unknown;
use crate::object::GATEWAY_GROUP;
use crate::problem::Code;
use crate::table::model::HostPattern;

/// One listener.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListenerSpec {
    /// Position in `spec.listeners`.
    pub(crate) index: u16,
    pub(crate) name: Box<str>,
    /// `None`: cannot be read.
    pub(crate) hostname: Option<HostPattern>,
    /// `None`: cannot be read.
    pub(crate) port: Option<u16>,
    pub(crate) protocol: Protocol,
    pub(crate) tls: TlsSpec,
    pub(crate) namespaces: From,
    /// `None`: all that the protocol allows.
    pub(crate) kinds: Option<Box<[GroupKind]>>,
}

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    Http,
    Https,
    /// TLS, TCP, UDP or one of another implementation.
    Unsupported,
    /// Cannot be read.
    Broken,
}

/// How a listener terminates TLS.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TlsSpec {
    /// `mode` is absent or `Terminate`.
    pub(crate) terminate: bool,
    pub(crate) certificates: Box<[CertificateRef]>,
    /// A certificate reference could not be read.
    pub(crate) broken: bool,
}

/// One certificate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CertificateRef {
    /// Position in `tls.certificateRefs`.
    pub(crate) index: u16,
    /// Is it a core Secret?
    pub(crate) secret: bool,
    /// `None`: the Gateway's.
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) name: Box<str>,
}

/// Namespaces whose routes or ListenerSets may attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    Same,
    All,
    Selector(Selector),
    /// No namespace, or what cannot be read.
    None,
}

/// A kind of route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupKind {
    pub(crate) group: Box<str>,
    pub(crate) kind: Box<str>,
}

/// Reads `listeners`.
pub(crate) fn read(listeners: &Field<'_, '_>, sink: &mut Sink) -> Box<[ListenerSpec]> {
    let mut out = Vec::new();
    let mut names = BTreeSet::new();
    for (index, listener) in listeners.items(sink).unwrap_or_default() {
        let Ok(spec) = read_listener(index, &listener, sink) else {
            continue;
        };
        if names.insert(spec.name.clone()) {
            out.push(spec);
        } else {
            sink.push(listener.key("name").error(
                Code::DuplicateName,
                format!("a listener is called {} already", quote(&spec.name)),
            ));
        }
    }
    out.into()
}

fn read_listener(index: u16, listener: &Field<'_, '_>, sink: &mut Sink) -> Read<ListenerSpec> {
    listener.required_object(sink)?;
    let name = listener.key("name").required_name(sink)?;
    unknown::warn(
        listener,
        &[
            "name",
            "hostname",
            "port",
            "protocol",
            "tls",
            "allowedRoutes",
        ],
        sink,
    );
    let allowed = listener.key("allowedRoutes");
    unknown::warn(&allowed, &["namespaces", "kinds"], sink);
    let kinds = allowed.key("kinds");
    let (namespaces, kinds) = if allowed.object(sink).is_err() {
        (From::None, None)
    } else {
        let from = read_from(&allowed.key("namespaces"), From::Same, sink);
        let kinds = (!kinds.is_empty()).then(|| read_kinds(&kinds, sink));
        (from.unwrap_or(From::None), kinds)
    };
    let protocol = read_protocol(&listener.key("protocol"), sink);
    let tls = listener.key("tls");
    if protocol == Protocol::Http && !tls.is_absent() {
        sink.push(tls.warning(Code::InvalidValue, "has no effect with protocol HTTP"));
    }
    Ok(ListenerSpec {
        index,
        name: name.into(),
        hostname: read_hostname(&listener.key("hostname"), sink).ok(),
        port: listener.key("port").required_port(sink).ok(),
        protocol,
        tls: read_tls(&tls, protocol, sink),
        namespaces,
        kinds,
    })
}

fn read_hostname(field: &Field<'_, '_>, sink: &mut Sink) -> Read<HostPattern> {
    match field.text(sink)? {
        None | Some("") => Ok(HostPattern::Any),
        Some(text) => host::parse(text).map_err(|message| {
            sink.push(field.error(Code::InvalidHost, message));
            Reported
        }),
    }
}

fn read_protocol(field: &Field<'_, '_>, sink: &mut Sink) -> Protocol {
    match field.required_text(sink) {
        Err(Reported) => Protocol::Broken,
        Ok("HTTP") => Protocol::Http,
        Ok("HTTPS") => Protocol::Https,
        Ok(other) => {
            sink.push(field.error(
                Code::UnsupportedProtocol,
                format!(
                    "{} is not supported; the listener is not programmed",
                    quote(other)
                ),
            ));
            Protocol::Unsupported
        }
    }
}

fn read_tls(tls: &Field<'_, '_>, protocol: Protocol, sink: &mut Sink) -> TlsSpec {
    let mut broken = tls.object(sink).is_err();
    if protocol == Protocol::Https {
        let options = tls.key("options");
        if !options.is_empty() {
            sink.push(options.warning(Code::UnsupportedField, "has no effect: no option is known"));
        }
        unknown::warn(tls, &["mode", "certificateRefs", "options"], sink);
    }
    let mode = tls.key("mode");
    let terminate = match mode.text(sink) {
        Ok(None | Some("" | "Terminate")) => true,
        // Only HTTPS is said to terminate; the others are not served at all.
        Ok(Some(_)) if protocol != Protocol::Https => false,
        Ok(Some(other)) => {
            sink.push(mode.error(
                Code::InvalidValue,
                format!("{} is not possible with HTTPS", quote(other)),
            ));
            false
        }
        Err(Reported) => false,
    };
    let refs = tls.key("certificateRefs");
    let mut certificates = Vec::new();
    match refs.items(sink) {
        Err(Reported) => broken = true,
        Ok(items) => {
            for (index, entry) in items {
                match read_certificate(index, &entry, sink) {
                    Ok(certificate) => certificates.push(certificate),
                    Err(Reported) => broken = true,
                }
            }
        }
    }
    TlsSpec {
        terminate,
        certificates: certificates.into(),
        broken,
    }
}

fn read_certificate(index: u16, entry: &Field<'_, '_>, sink: &mut Sink) -> Read<CertificateRef> {
    entry.required_object(sink)?;
    unknown::warn(entry, &["group", "kind", "namespace", "name"], sink);
    let group = entry.key("group").text(sink)?.unwrap_or_default();
    let kind = entry.key("kind").text(sink)?.unwrap_or("Secret");
    Ok(CertificateRef {
        index,
        secret: group.is_empty() && kind == "Secret",
        namespace: entry.key("namespace").name(sink)?.map(Into::into),
        name: entry.key("name").required_name(sink)?.into(),
    })
}

/// `namespaces` of `allowedRoutes` or `allowedListeners`; `None` is one of the latter only.
pub(crate) fn read_from(namespaces: &Field<'_, '_>, default: From, sink: &mut Sink) -> Read<From> {
    namespaces.object(sink)?;
    unknown::warn(namespaces, &["from", "selector"], sink);
    let from = namespaces.key("from");
    match from.text(sink)? {
        None => Ok(default),
        Some("Same") => Ok(From::Same),
        Some("All") => Ok(From::All),
        Some("None") if default == From::None => Ok(From::None),
        Some("Selector") => {
            let selector = namespaces.key("selector");
            selector.required_object(sink)?;
            Ok(From::Selector(selector::read(&selector, sink)?))
        }
        Some(other) => {
            sink.push(from.error(
                Code::InvalidValue,
                format!(
                    "{} is none of Same, All, Selector; nothing attaches",
                    quote(other)
                ),
            ));
            Err(Reported)
        }
    }
}

/// A kind that cannot be read is kept as one that no listener serves.
fn read_kinds(kinds: &Field<'_, '_>, sink: &mut Sink) -> Box<[GroupKind]> {
    let mut out = Vec::new();
    for (_, entry) in kinds.items(sink).unwrap_or_default() {
        out.push(read_kind(&entry, sink).unwrap_or(GroupKind {
            group: "".into(),
            kind: "".into(),
        }));
    }
    out.into()
}

fn read_kind(entry: &Field<'_, '_>, sink: &mut Sink) -> Read<GroupKind> {
    entry.required_object(sink)?;
    unknown::warn(entry, &["group", "kind"], sink);
    Ok(GroupKind {
        group: entry
            .key("group")
            .text(sink)?
            .unwrap_or(GATEWAY_GROUP)
            .into(),
        kind: entry.key("kind").required_text(sink)?.into(),
    })
}
