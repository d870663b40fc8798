//! One listener, with its conditions (Gateway API `Listener`, `ListenerEntry`).

use std::collections::BTreeSet;

use super::certificates;
use super::clients::{Asked, Check, Clients};
use super::conflicts::Conflict;
use super::deps::Reads;
use super::grants;
use super::status::Condition;
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::listener::{From, GroupKind, ListenerSpec, Protocol};
use crate::table::model::{HostPattern, ListenerKey};

/// What is made of one listener.
#[derive(Debug)]
pub(crate) struct ListenerState {
    pub(crate) surface: Surface,
    pub(crate) tls: bool,
    /// `namespace/name` of the Secrets that it serves, sorted.
    pub(crate) certificates: Box<[Box<str>]>,
    /// How the certificates of its clients are checked.
    pub(crate) check: Option<Check>,
    pub(crate) conditions: Vec<Condition>,
}

/// What routes see of a listener.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Surface {
    pub(crate) name: Box<str>,
    pub(crate) port: Option<u16>,
    pub(crate) hostname: Option<HostPattern>,
    /// Serves requests.
    pub(crate) programmed: bool,
    pub(crate) namespaces: From,
    /// Kinds of routes that may attach.
    pub(crate) kinds: Box<[GroupKind]>,
}

/// What a listener must know of its surroundings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The Gateway or ListenerSet that it is written in.
    pub(crate) owner: &'a Id,
    /// Gateway and owner are accepted.
    pub(crate) accepted: bool,
    /// What the Gateway asks of clients.
    pub(crate) clients: &'a Clients,
}

/// Where and how a listener cannot be what it says: reason and message.
pub(crate) type Fault = (&'static str, Box<str>);

pub(crate) fn compile(
    context: &Context<'_>,
    spec: &ListenerSpec,
    conflict: Option<Conflict>,
    reads: &mut Reads<'_>,
    findings: &mut Vec<Finding>,
) -> ListenerState {
    let field = |part: &str| format!("spec.listeners[{}]{part}", spec.index);
    let tls = spec.protocol == Protocol::Https;
    let (kinds, bad_kinds) = supported_kinds(spec);
    if bad_kinds {
        findings.push(Finding::error(
            Code::InvalidRouteKinds,
            field(".allowedRoutes.kinds"),
            "allows kinds of routes that the listener cannot serve",
        ));
    }
    if let Some(conflict) = conflict {
        findings.push(Finding::error(
            conflict.code(),
            field(""),
            format!("{}; this one is not programmed", conflict.message()),
        ));
    }
    let asked = match spec.port {
        Some(port) if tls => context.clients.at(port),
        _ => &Asked::Nothing,
    };
    let invalid = invalid(spec, asked);
    let (certificates, fault) = if tls {
        certificates_of(context.owner, spec, reads, findings)
    } else {
        (Box::default(), None)
    };
    // One certificate of several that is missing costs its own names only.
    let programmed = context.accepted
        && invalid.is_none()
        && conflict.is_none()
        && tls != certificates.is_empty()
        && !kinds.is_empty();
    ListenerState {
        conditions: conditions(
            invalid,
            conflict,
            fault.or_else(|| asked.fault()),
            bad_kinds,
            programmed,
        ),
        check: asked.check().filter(|_| programmed).cloned(),
        surface: Surface {
            name: spec.name.clone(),
            port: spec.port,
            hostname: spec.hostname.clone(),
            programmed,
            namespaces: spec.namespaces.clone(),
            kinds,
        },
        tls,
        certificates,
    }
}

fn conditions(
    invalid: Option<Fault>,
    conflict: Option<Conflict>,
    reference: Option<Fault>,
    bad_kinds: bool,
    programmed: bool,
) -> Vec<Condition> {
    let accepted = match (conflict, invalid) {
        (Some(conflict), _) => Condition::no("Accepted", conflict.reason(), conflict.message()),
        (None, Some((reason, message))) => Condition::no("Accepted", reason, message),
        (None, None) => Condition::yes("Accepted", "Accepted"),
    };
    let conflicted = match conflict {
        Some(conflict) => Condition::yes("Conflicted", conflict.reason()).with(conflict.message()),
        None => Condition::no("Conflicted", "NoConflicts", ""),
    };
    let resolved = match reference {
        Some((reason, message)) => Condition::no("ResolvedRefs", reason, message),
        None if bad_kinds => Condition::no(
            "ResolvedRefs",
            "InvalidRouteKinds",
            "allowedRoutes.kinds has kinds that the listener cannot serve",
        ),
        None => Condition::yes("ResolvedRefs", "ResolvedRefs"),
    };
    let programmed = match conflict {
        _ if programmed => Condition::yes("Programmed", "Programmed"),
        Some(conflict) => Condition::no("Programmed", conflict.reason(), conflict.message()),
        None => Condition::no("Programmed", "Invalid", "the listener is not valid"),
    };
    vec![accepted, conflicted, resolved, programmed]
}

/// Why a listener cannot be what it says, apart from others.
fn invalid(spec: &ListenerSpec, asked: &Asked) -> Option<Fault> {
    let fault = |reason, message: &str| Some((reason, message.into()));
    match spec.protocol {
        Protocol::Unsupported => {
            return fault("UnsupportedProtocol", "only HTTP and HTTPS are supported");
        }
        Protocol::Broken => return fault("Invalid", "the protocol cannot be read"),
        Protocol::Http | Protocol::Https => {}
    }
    if spec.port.is_none() {
        return fault("Invalid", "the port is invalid");
    }
    if spec.hostname.is_none() {
        return fault("Invalid", "the hostname is invalid");
    }
    if spec.protocol == Protocol::Https && !spec.tls.terminate {
        return fault("Invalid", "HTTPS listeners terminate TLS");
    }
    if let Asked::Impossible((_, message)) = asked {
        return fault("NoValidCACertificate", message);
    }
    None
}

/// The Secrets that an HTTPS listener serves, and why it lacks one.
fn certificates_of(
    owner: &Id,
    spec: &ListenerSpec,
    reads: &mut Reads<'_>,
    findings: &mut Vec<Finding>,
) -> (Box<[Box<str>]>, Option<Fault>) {
    let refs = format!("spec.listeners[{}].tls.certificateRefs", spec.index);
    let mut first: Option<Fault> = None;
    let mut fail = |reason, code, field: String, message: String| {
        first.get_or_insert((reason, message.clone().into()));
        findings.push(Finding::error(code, field, message));
    };
    if spec.tls.broken {
        fail(
            "InvalidCertificateRef",
            Code::InvalidCertificateRef,
            refs.clone(),
            "a certificate reference cannot be read".to_owned(),
        );
    } else if spec.tls.certificates.is_empty() {
        fail(
            "InvalidCertificateRef",
            Code::InvalidCertificateRef,
            refs.clone(),
            "an HTTPS listener needs a certificate".to_owned(),
        );
    }
    let mut found = BTreeSet::new();
    for certificate in &spec.tls.certificates {
        let field = format!("{refs}[{}]", certificate.index);
        let namespace = certificate.namespace.as_deref().unwrap_or(&owner.namespace);
        let secret = Id::new(Kind::Secret, namespace, &certificate.name);
        if !certificate.secret {
            fail(
                "InvalidCertificateRef",
                Code::InvalidCertificateRef,
                format!("{field}.kind"),
                "only Secrets can be certificates".to_owned(),
            );
        } else if !grants::permits(reads, owner, &secret) {
            fail(
                "RefNotPermitted",
                Code::RefNotPermitted,
                format!("{field}.namespace"),
                format!("no ReferenceGrant in {namespace} permits {owner} to refer to {secret}"),
            );
        } else {
            let message = match certificates::secret(reads, namespace, &certificate.name) {
                Ok((namespace, name)) => {
                    found.insert(format!("{namespace}/{name}").into());
                    continue;
                }
                Err(message) => message,
            };
            fail(
                "InvalidCertificateRef",
                Code::InvalidCertificateRef,
                format!("{field}.name"),
                message,
            );
        }
    }
    (found.into_iter().collect(), first)
}

/// The kinds of routes that may attach, and whether others were asked for.
fn supported_kinds(spec: &ListenerSpec) -> (Box<[GroupKind]>, bool) {
    let served: &[GroupKind] = match spec.protocol {
        Protocol::Http | Protocol::Https => {
            &[route_kind(Kind::HttpRoute), route_kind(Kind::GrpcRoute)]
        }
        Protocol::Unsupported | Protocol::Broken => &[],
    };
    match &spec.kinds {
        None => (served.into(), false),
        Some(asked) => {
            let kinds: Box<[_]> = served
                .iter()
                .filter(|kind| asked.contains(kind))
                .cloned()
                .collect();
            let bad = asked.iter().any(|kind| !served.contains(kind));
            (kinds, bad)
        }
    }
}

fn route_kind(kind: Kind) -> GroupKind {
    GroupKind {
        group: kind.group().into(),
        kind: kind.as_str().into(),
    }
}

// === impl Surface ===

impl Surface {
    /// The key of a listener that serves requests.
    pub(crate) fn key(&self) -> Option<ListenerKey> {
        if !self.programmed {
            return None;
        }
        Some(ListenerKey {
            port: self.port?,
            hostname: self.hostname.clone()?,
        })
    }
}
