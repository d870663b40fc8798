//! `spec.tls.frontend` of a Gateway: which clients must show a certificate, and whose
//! (Gateway API `GatewayTLSConfig`, `FrontendTLSValidation`).

use super::field::{Field, Read, Sink, quote};
use super::unknown;
use crate::problem::Code;

/// What is asked of clients of HTTPS listeners.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct ClientValidation {
    pub(crate) default: Validation,
    pub(crate) ports: Box<[(u16, Validation)]>,
}

/// What is asked of clients of one port.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) enum Validation {
    /// Nothing.
    #[default]
    None,
    /// It cannot be read, so that nobody may pass.
    Broken,
    Certificates(Demand),
}

/// Certificates of these authorities.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// The field that demands it.
    pub(crate) field: Box<str>,
    /// Clients without a valid one are served too.
    pub(crate) fallback: bool,
    pub(crate) authorities: Box<[AuthorityRef]>,
}

/// One set of certificates of authorities.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AuthorityRef {
    /// Position in `caCertificateRefs`.
    pub(crate) index: u16,
    /// Is it a core ConfigMap?
    pub(crate) config_map: bool,
    /// `None`: the Gateway's.
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) name: Box<str>,
}

/// Reads `frontend`. What cannot be read lets nobody pass.
pub(crate) fn read(frontend: &Field<'_, '_>, sink: &mut Sink) -> ClientValidation {
    let read = read_frontend(frontend, sink);
    read.unwrap_or_else(|_| ClientValidation::nobody())
}

fn read_frontend(frontend: &Field<'_, '_>, sink: &mut Sink) -> Read<ClientValidation> {
    frontend.object(sink)?;
    unknown::warn(frontend, &["default", "perPort"], sink);
    let default = read_tls(&frontend.key("default"), sink);
    let ports = frontend.key("perPort");
    let mut out = Vec::new();
    for (_, entry) in ports.items(sink)? {
        entry.required_object(sink)?;
        unknown::warn(&entry, &["port", "tls"], sink);
        let port = entry.key("port").required_port(sink)?;
        out.push((port, read_tls(&entry.key("tls"), sink)));
    }
    Ok(ClientValidation {
        default,
        ports: out.into(),
    })
}

fn read_tls(tls: &Field<'_, '_>, sink: &mut Sink) -> Validation {
    read_validation(tls, sink).unwrap_or(Validation::Broken)
}

fn read_validation(tls: &Field<'_, '_>, sink: &mut Sink) -> Read<Validation> {
    tls.object(sink)?;
    unknown::warn(tls, &["validation"], sink);
    let validation = tls.key("validation");
    validation.object(sink)?;
    if validation.is_absent() {
        return Ok(Validation::None);
    }
    unknown::warn(&validation, &["caCertificateRefs", "mode"], sink);
    let mode = validation.key("mode");
    let fallback = match mode.text(sink)? {
        None | Some("" | "AllowValidOnly") => false,
        Some("AllowInsecureFallback") => true,
        Some(other) => {
            sink.push(mode.error(
                Code::InvalidValue,
                format!(
                    "{} is neither AllowValidOnly nor AllowInsecureFallback",
                    quote(other)
                ),
            ));
            return Ok(Validation::Broken);
        }
    };
    let mut authorities = Vec::new();
    for (index, entry) in validation.key("caCertificateRefs").items(sink)? {
        entry.required_object(sink)?;
        unknown::warn(&entry, &["group", "kind", "namespace", "name"], sink);
        // Both are required: "group is the group of the referent", "kind is the kind".
        let group = entry.key("group").text(sink)?.unwrap_or_default();
        let kind = entry.key("kind").required_text(sink)?;
        authorities.push(AuthorityRef {
            index,
            config_map: group.is_empty() && kind == "ConfigMap",
            namespace: entry.key("namespace").name(sink)?.map(Into::into),
            name: entry.key("name").required_name(sink)?.into(),
        });
    }
    Ok(Validation::Certificates(Demand {
        field: validation.path().into(),
        fallback,
        authorities: authorities.into(),
    }))
}

// === impl ClientValidation ===

impl ClientValidation {
    /// Nobody may pass.
    pub(crate) fn nobody() -> Self {
        Self {
            default: Validation::Broken,
            ports: Box::default(),
        }
    }
}
