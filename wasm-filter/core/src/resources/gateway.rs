//! `gateway.networking.k8s.io` Gateway.

use super::field::{Field, Read, Reported, Sink, quote};
use super::listener::{self, From, ListenerSpec};
use super::route::warn_unknown;
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

/// Which HTTPS listeners must refuse clients without a valid certificate (`spec.tls.frontend`).
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct ClientValidation {
    default: bool,
    ports: Box<[(u16, bool)]>,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> Gateway {
    let spec = root.key("spec");
    let _ = spec.required_object(sink);
    let class = if spec.is_absent() {
        None
    } else {
        spec.key("gatewayClassName").required_name(sink).ok()
    };
    warn_unknown(
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
    warn_unknown(
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

/// `spec.tls`: client certificates cannot be checked, and none is shown to backends.
fn read_tls(tls: &Field<'_, '_>, sink: &mut Sink) -> ClientValidation {
    let everywhere = ClientValidation {
        default: true,
        ports: Box::default(),
    };
    if tls.object(sink).is_err() {
        return everywhere;
    }
    warn_unknown(tls, &["frontend", "backend"], sink);
    let backend = tls.key("backend");
    if !backend.is_empty() {
        sink.push(backend.warning(
            Code::UnsupportedField,
            "is not supported; backends are shown no certificate",
        ));
    }
    read_frontend(&tls.key("frontend"), sink).unwrap_or(everywhere)
}

fn read_frontend(frontend: &Field<'_, '_>, sink: &mut Sink) -> Read<ClientValidation> {
    frontend.object(sink)?;
    warn_unknown(frontend, &["default", "perPort"], sink);
    let default = read_validation(&frontend.key("default"), sink)?;
    let ports = frontend.key("perPort");
    let mut out = Vec::new();
    for (_, entry) in ports.items(sink)? {
        entry.required_object(sink)?;
        let port = entry.key("port").required_port(sink)?;
        out.push((port, read_validation(&entry.key("tls"), sink)?));
    }
    Ok(ClientValidation {
        default,
        ports: out.into(),
    })
}

/// Must clients have a valid certificate?
fn read_validation(tls: &Field<'_, '_>, sink: &mut Sink) -> Read<bool> {
    tls.object(sink)?;
    let validation = tls.key("validation");
    validation.object(sink)?;
    if validation.is_absent() {
        return Ok(false);
    }
    if validation.key("mode").text(sink)? == Some("AllowInsecureFallback") {
        sink.push(validation.warning(
            Code::UnsupportedField,
            "is not supported; clients are not asked for certificates",
        ));
        return Ok(false);
    }
    sink.push(validation.error(
        Code::UnsupportedField,
        "is not supported; HTTPS listeners are not programmed rather than without it",
    ));
    Ok(true)
}

// === impl ClientValidation ===

impl ClientValidation {
    /// Must HTTPS clients of this port have a valid certificate? "perPort" comes before "default".
    pub(crate) fn required(&self, port: u16) -> bool {
        let own = self.ports.iter().find(|(other, _)| *other == port);
        own.map_or(self.default, |(_, required)| *required)
    }
}
