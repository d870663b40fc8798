//! `gateway.networking.k8s.io` Gateway.
//!
//! A listener that can be named is kept even if it is broken: its status must say so.

use std::collections::BTreeMap;

use super::field::{Field, Read, Reported, Sink, quote};
use super::host;
use crate::object::GATEWAY_GROUP;
use crate::problem::Code;
use crate::table::model::HostPattern;

/// What is read of a Gateway.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gateway {
    pub(crate) class: Option<Box<str>>,
    pub(crate) listeners: Box<[ListenerSpec]>,
    /// `spec.infrastructure.parametersRef` is given.
    pub(crate) parameters: bool,
}

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Https,
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

/// Namespaces whose routes may attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    Same,
    All,
    Selector(Selector),
    /// Cannot be read.
    None,
}

/// A label selector: all must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) requirements: Box<[Requirement]>,
}

/// One requirement of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) key: Box<str>,
    pub(crate) operator: Operator,
    pub(crate) values: Box<[Box<str>]>,
}

/// How a label must relate to the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// A kind of route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupKind {
    pub(crate) group: Box<str>,
    pub(crate) kind: Box<str>,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> Gateway {
    let spec = root.key("spec");
    let _ = spec.required_object(sink);
    let class = if spec.is_absent() {
        None
    } else {
        spec.key("gatewayClassName").required_name(sink).ok()
    };
    let addresses = spec.key("addresses");
    if !addresses.is_empty() {
        sink.push(addresses.warning(
            Code::UnsupportedField,
            "is not supported; the addresses are those of the data plane",
        ));
    }
    let infrastructure = spec.key("infrastructure");
    let parameters = infrastructure.key("parametersRef");
    if !parameters.is_absent() {
        sink.push(parameters.error(
            Code::InvalidParameters,
            "parameters are not supported; the Gateway is not accepted",
        ));
    }
    let listeners = spec.key("listeners");
    let mut out: Vec<ListenerSpec> = Vec::new();
    for (index, listener) in listeners.items(sink).unwrap_or_default() {
        let Ok(spec) = read_listener(index, &listener, sink) else {
            continue;
        };
        if out.iter().any(|other| other.name == spec.name) {
            sink.push(listener.key("name").error(
                Code::DuplicateName,
                format!("a listener is called {} already", quote(&spec.name)),
            ));
        } else {
            out.push(spec);
        }
    }
    Gateway {
        class: class.map(Into::into),
        listeners: out.into(),
        parameters: !parameters.is_absent(),
    }
}

fn read_listener(index: u16, listener: &Field<'_, '_>, sink: &mut Sink) -> Read<ListenerSpec> {
    listener.required_object(sink)?;
    let name = listener.key("name").required_name(sink)?;
    let allowed = listener.key("allowedRoutes");
    let kinds = allowed.key("kinds");
    let (namespaces, kinds) = if allowed.object(sink).is_err() {
        (From::None, None)
    } else {
        let from = read_from(&allowed.key("namespaces"), sink).unwrap_or(From::None);
        let kinds = (!kinds.is_empty()).then(|| read_kinds(&kinds, sink));
        (from, kinds)
    };
    Ok(ListenerSpec {
        index,
        name: name.into(),
        hostname: read_hostname(&listener.key("hostname"), sink).ok(),
        port: listener.key("port").required_port(sink).ok(),
        protocol: read_protocol(&listener.key("protocol"), sink),
        tls: read_tls(&listener.key("tls"), sink),
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

fn read_tls(tls: &Field<'_, '_>, sink: &mut Sink) -> TlsSpec {
    let mut broken = tls.object(sink).is_err();
    let mode = tls.key("mode");
    let terminate = match mode.text(sink) {
        Ok(None | Some("Terminate")) => true,
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
    let group = entry.key("group").text(sink)?.unwrap_or_default();
    let kind = entry.key("kind").text(sink)?.unwrap_or("Secret");
    Ok(CertificateRef {
        index,
        secret: group.is_empty() && kind == "Secret",
        namespace: entry.key("namespace").name(sink)?.map(Into::into),
        name: entry.key("name").required_name(sink)?.into(),
    })
}

fn read_from(namespaces: &Field<'_, '_>, sink: &mut Sink) -> Read<From> {
    namespaces.object(sink)?;
    let from = namespaces.key("from");
    match from.text(sink)?.unwrap_or("Same") {
        "Same" => Ok(From::Same),
        "All" => Ok(From::All),
        "Selector" => {
            let selector = namespaces.key("selector");
            selector.required_object(sink)?;
            Ok(From::Selector(read_selector(&selector, sink)?))
        }
        other => {
            sink.push(from.error(
                Code::InvalidValue,
                format!(
                    "{} is none of Same, All, Selector; no route attaches",
                    quote(other)
                ),
            ));
            Err(Reported)
        }
    }
}

/// A requirement that cannot be read makes the selector select nothing: without it, it would
/// select too much.
fn read_selector(selector: &Field<'_, '_>, sink: &mut Sink) -> Read<Selector> {
    let labels = selector.key("matchLabels");
    let mut requirements = BTreeMap::new();
    for (key, _) in labels.members(sink)? {
        let value = labels.key(key).text(sink)?.unwrap_or_default();
        requirements.insert(key, value);
    }
    let mut requirements: Vec<_> = requirements
        .into_iter()
        .map(|(key, value)| Requirement {
            key: key.into(),
            operator: Operator::In,
            values: Box::new([value.into()]),
        })
        .collect();
    let expressions = selector.key("matchExpressions");
    for (_, expression) in expressions.items(sink)? {
        expression.required_object(sink)?;
        let operator = expression.key("operator");
        let values = expression.key("values");
        let mut texts = Vec::new();
        for (_, value) in values.items(sink)? {
            texts.push(value.text(sink)?.unwrap_or_default().into());
        }
        requirements.push(Requirement {
            key: expression.key("key").required_text(sink)?.into(),
            operator: read_operator(&operator, sink)?,
            values: texts.into(),
        });
    }
    Ok(Selector {
        requirements: requirements.into(),
    })
}

fn read_operator(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Operator> {
    match field.required_text(sink)? {
        "In" => Ok(Operator::In),
        "NotIn" => Ok(Operator::NotIn),
        "Exists" => Ok(Operator::Exists),
        "DoesNotExist" => Ok(Operator::DoesNotExist),
        other => {
            sink.push(field.error(
                Code::InvalidValue,
                format!("{} is no operator of a label selector", quote(other)),
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
    Ok(GroupKind {
        group: entry
            .key("group")
            .text(sink)?
            .unwrap_or(GATEWAY_GROUP)
            .into(),
        kind: entry.key("kind").required_text(sink)?.into(),
    })
}

// === impl Selector ===

impl Selector {
    /// Does it select an object with these labels?
    pub(crate) fn selects(&self, labels: &BTreeMap<Box<str>, Box<str>>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            let listed = value.is_some_and(|value| requirement.values.contains(value));
            match requirement.operator {
                Operator::In => listed,
                // "NotIn" holds for objects without the label too (apimachinery labels).
                Operator::NotIn => !listed,
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }
}
