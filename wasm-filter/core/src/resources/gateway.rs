//! `gateway.networking.k8s.io` Gateway.

use super::clients::{self, ClientValidation};
use super::field::{Field, Reported, Sink, quote};
use super::listener::{self, From, ListenerSpec};
use super::unknown;
use crate::problem::Code;

/// What is read of a Gateway.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gateway {
    pub(crate) class: Option<Box<str>>,
    pub(crate) listeners: Box<[ListenerSpec]>,
    /// Namespaces whose ListenerSets may attach.
    pub(crate) sets: From,
    /// `spec.infrastructure.parametersRef` is given.
    pub(crate) parameters: bool,
    /// `spec.addresses` has one of a type that no data plane can have.
    pub(crate) foreign_address: bool,
    pub(crate) clients: ClientValidation,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> Gateway {
    let spec = root.key("spec");
    let _ = spec.required_object(sink);
    let class = if spec.is_absent() {
        None
    } else {
        spec.key("gatewayClassName").required_name(sink).ok()
    };
    unknown::warn(
        &spec,
        &[
            "gatewayClassName",
            "listeners",
            "addresses",
            "infrastructure",
            "allowedListeners",
            "tls",
            "defaultScope",
        ],
        sink,
    );
    let scope = spec.key("defaultScope");
    if !matches!(scope.text(sink), Ok(None | Some("" | "None"))) {
        sink.push(scope.warning(
            Code::UnsupportedField,
            "is experimental and not supported; only routes that name the Gateway attach",
        ));
    }
    let allowed = spec.key("allowedListeners");
    unknown::warn(&allowed, &["namespaces"], sink);
    let sets = match allowed.object(sink) {
        Ok(()) => listener::read_from(&allowed.key("namespaces"), From::None, sink),
        Err(Reported) => Err(Reported),
    };
    Gateway {
        class: class.map(Into::into),
        foreign_address: read_addresses(&spec.key("addresses"), sink),
        parameters: read_infrastructure(&spec.key("infrastructure"), sink),
        clients: read_tls(&spec.key("tls"), sink),
        sets: sets.unwrap_or(From::None),
        listeners: listener::read(&spec.key("listeners"), sink),
    }
}

/// Tells addresses; is there one that no data plane can have?
fn read_addresses(addresses: &Field<'_, '_>, sink: &mut Sink) -> bool {
    let mut foreign = false;
    for (_, address) in addresses.items(sink).unwrap_or_default() {
        unknown::warn(&address, &["type", "value"], sink);
        let kind = address.key("type");
        let Ok(text) = kind.text(sink) else {
            foreign = true;
            continue;
        };
        if let Some(other) = text.filter(|kind| !matches!(*kind, "IPAddress" | "Hostname")) {
            foreign = true;
            sink.push(kind.error(
                Code::UnsupportedAddressType,
                format!("{} is neither IPAddress nor Hostname", quote(other)),
            ));
        }
    }
    if !addresses.is_empty() {
        sink.push(addresses.warning(
            Code::UnsupportedField,
            "is not supported; the addresses are those of the data plane",
        ));
    }
    foreign
}

/// Tells what of `infrastructure` has no effect; are there parameters?
fn read_infrastructure(infrastructure: &Field<'_, '_>, sink: &mut Sink) -> bool {
    let _ = infrastructure.object(sink);
    for key in ["labels", "annotations"] {
        let field = infrastructure.key(key);
        if !field.is_empty() {
            sink.push(field.warning(
                Code::UnsupportedField,
                "has no effect: no objects are created for a Gateway",
            ));
        }
    }
    unknown::warn(
        infrastructure,
        &["labels", "annotations", "parametersRef"],
        sink,
    );
    let parameters = infrastructure.key("parametersRef");
    if !parameters.is_absent() {
        sink.push(parameters.error(
            Code::InvalidParameters,
            "parameters are not supported; the Gateway is not accepted",
        ));
    }
    !parameters.is_absent()
}

/// `spec.tls`: what is asked of clients. Backends are shown no certificate.
fn read_tls(tls: &Field<'_, '_>, sink: &mut Sink) -> ClientValidation {
    if tls.object(sink).is_err() {
        return ClientValidation::nobody();
    }
    unknown::warn(tls, &["frontend", "backend"], sink);
    let backend = tls.key("backend");
    if !backend.is_empty() {
        sink.push(backend.warning(
            Code::UnsupportedField,
            "is not supported; backends are shown no certificate",
        ));
    }
    clients::read(&tls.key("frontend"), sink)
}
