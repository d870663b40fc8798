//! Gateway -> listeners, with their conditions (Gateway API `GatewaySpec.listeners`).
//!
//! A Gateway is compiled before the routes. They see only its [`Surface`]s: what does not change
//! one of those (a condition, a generation) makes no route dirty. Of conflicting listeners the
//! first in the list is in effect.

use super::Options;
use super::classes::{self, Class};
use super::deps::{Dep, Reads};
use super::grants;
use super::status::{Condition, http_route_kind};
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::gateway::{From, Gateway, GroupKind, ListenerSpec, Protocol};
use crate::resources::{Object, View};
use crate::table::model::{HostPattern, ListenerKey};

/// What is made of one Gateway.
#[derive(Debug)]
pub(crate) struct GatewayState {
    pub(crate) ours: bool,
    pub(crate) generation: Option<i64>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) listeners: Vec<ListenerState>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) deps: Box<[Dep]>,
}

/// What is made of one listener.
#[derive(Debug)]
pub(crate) struct ListenerState {
    pub(crate) surface: Surface,
    pub(crate) tls: bool,
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

/// Where and how a listener cannot be what it says: reason and message.
type Fault = (&'static str, Box<str>);

pub(crate) fn compile(
    id: &Id,
    object: &Object,
    gateway: &Gateway,
    mut reads: Reads<'_>,
    options: &Options,
) -> GatewayState {
    let mut findings = Vec::new();
    let class = classes::of_gateway(&mut reads, options, gateway.class.as_deref());
    let ours = match class {
        Class::Ours | Class::OursInvalid => true,
        Class::Others => false,
        Class::Missing => {
            if let Some(name) = &gateway.class {
                findings.push(Finding::warning(
                    Code::GatewayClassNotFound,
                    "spec.gatewayClassName",
                    format!("GatewayClass {name} does not exist; the Gateway is nobody's"),
                ));
            }
            false
        }
    };
    let mut listeners = Vec::new();
    let mut conditions = Vec::new();
    if ours {
        let accepted = class == Class::Ours && !gateway.parameters;
        for spec in &gateway.listeners {
            let conflict = conflict(spec, &gateway.listeners);
            let listener = listener(id, spec, accepted, conflict, &mut reads, &mut findings);
            listeners.push(listener);
        }
        conditions = summary(accepted, &listeners);
    }
    GatewayState {
        ours,
        generation: object.generation,
        conditions,
        listeners,
        findings,
        deps: reads.into_deps(),
    }
}

fn summary(accepted: bool, listeners: &[ListenerState]) -> Vec<Condition> {
    if !accepted {
        let message = "parameters are not supported";
        return vec![
            Condition::no("Accepted", "InvalidParameters", message),
            Condition::no("Programmed", "Invalid", message),
        ];
    }
    let programmed = listeners.iter().any(|l| l.surface.programmed);
    let all = listeners.iter().all(|l| l.surface.programmed);
    let some_invalid = "some listeners are not valid";
    vec![
        match (programmed || listeners.is_empty(), all) {
            (true, true) => Condition::yes("Accepted", "Accepted"),
            (true, false) => Condition::yes("Accepted", "ListenersNotValid").with(some_invalid),
            (false, _) => Condition::no("Accepted", "ListenersNotValid", "no listener is valid"),
        },
        if programmed {
            Condition::yes("Programmed", "Programmed")
        } else {
            Condition::no("Programmed", "Invalid", "no listener is programmed")
        },
    ]
}

/// Does an earlier listener take this one's place? "Compatible" are listeners of one port with one
/// protocol and different hostnames.
fn conflict(spec: &ListenerSpec, all: &[ListenerSpec]) -> Option<(Code, Fault)> {
    let port = spec.port?;
    let hostname = spec.hostname.as_ref()?;
    let serves = |l: &ListenerSpec| matches!(l.protocol, Protocol::Http | Protocol::Https);
    let mut earlier = all
        .iter()
        .filter(|other| other.index < spec.index && other.port == Some(port) && serves(other));
    let clash = earlier
        .clone()
        .find(|other| other.protocol != spec.protocol);
    if let Some(other) = clash.filter(|_| serves(spec)) {
        let message = format!(
            "port {port} has another protocol in listener {}",
            other.name
        );
        return Some((Code::ProtocolConflict, ("ProtocolConflict", message.into())));
    }
    let twin = earlier.find(|other| other.hostname.as_ref() == Some(hostname))?;
    let message = format!("listener {} has the same port and hostname", twin.name);
    Some((Code::HostnameConflict, ("HostnameConflict", message.into())))
}

fn listener(
    id: &Id,
    spec: &ListenerSpec,
    gateway_accepted: bool,
    conflict: Option<(Code, Fault)>,
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
    if let Some((code, (_, message))) = &conflict {
        findings.push(Finding::error(
            *code,
            field(""),
            format!("{message}; this listener is not programmed"),
        ));
    }
    let invalid = invalid(spec);
    let certificate = tls
        .then(|| certificate_fault(id, spec, reads, findings))
        .flatten();
    let programmed = gateway_accepted
        && invalid.is_none()
        && conflict.is_none()
        && certificate.is_none()
        && !kinds.is_empty();
    let mut conditions = Vec::new();
    conditions.push(match (&invalid, &conflict) {
        (Some((reason, message)), _) => Condition::no("Accepted", reason, message.clone()),
        (None, Some((_, (reason, message)))) => Condition::no("Accepted", reason, message.clone()),
        (None, None) => Condition::yes("Accepted", "Accepted"),
    });
    conditions.push(match &conflict {
        Some((_, (reason, message))) => Condition {
            holds: true,
            ..Condition::no("Conflicted", reason, message.clone())
        },
        None => Condition::no("Conflicted", "NoConflicts", ""),
    });
    conditions.push(match certificate {
        Some((reason, message)) => Condition::no("ResolvedRefs", reason, message),
        None if bad_kinds => Condition::no(
            "ResolvedRefs",
            "InvalidRouteKinds",
            "allowedRoutes.kinds has kinds that the listener cannot serve",
        ),
        None => Condition::yes("ResolvedRefs", "ResolvedRefs"),
    });
    conditions.push(if programmed {
        Condition::yes("Programmed", "Programmed")
    } else {
        Condition::no("Programmed", "Invalid", "the listener is not valid")
    });
    ListenerState {
        surface: Surface {
            name: spec.name.clone(),
            port: spec.port,
            hostname: spec.hostname.clone(),
            programmed,
            namespaces: spec.namespaces.clone(),
            kinds,
        },
        tls,
        conditions,
    }
}

fn invalid(spec: &ListenerSpec) -> Option<Fault> {
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
    None
}

/// Why an HTTPS listener has no certificate to serve.
fn certificate_fault(
    id: &Id,
    spec: &ListenerSpec,
    reads: &mut Reads<'_>,
    findings: &mut Vec<Finding>,
) -> Option<Fault> {
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
    for certificate in &spec.tls.certificates {
        let field = format!("{refs}[{}]", certificate.index);
        let namespace = certificate.namespace.as_deref().unwrap_or(&id.namespace);
        let secret = Id::new(Kind::Secret, namespace, &certificate.name);
        if !certificate.secret {
            fail(
                "InvalidCertificateRef",
                Code::InvalidCertificateRef,
                format!("{field}.kind"),
                "only Secrets can be certificates".to_owned(),
            );
        } else if !grants::permits(reads, id, &secret) {
            fail(
                "RefNotPermitted",
                Code::RefNotPermitted,
                format!("{field}.namespace"),
                format!(
                    "no ReferenceGrant in {namespace} permits this Gateway to refer to {secret}"
                ),
            );
        } else {
            let message = match reads.object(secret.clone()).map(|object| &object.view) {
                Some(View::Secret(found)) if found.tls => continue,
                Some(_) => format!("{secret} is not of type kubernetes.io/tls"),
                None => format!("{secret} does not exist"),
            };
            fail(
                "InvalidCertificateRef",
                Code::InvalidCertificateRef,
                format!("{field}.name"),
                message,
            );
        }
    }
    first
}

/// The kinds of routes that may attach, and whether others were asked for.
fn supported_kinds(spec: &ListenerSpec) -> (Box<[GroupKind]>, bool) {
    let served: &[GroupKind] = match spec.protocol {
        Protocol::Http | Protocol::Https => &[http_route_kind()],
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

// === impl GatewayState ===

impl GatewayState {
    /// Do routes see the same?
    pub(crate) fn same_surface(&self, other: &Self) -> bool {
        self.ours == other.ours
            && self
                .listeners
                .iter()
                .map(|l| &l.surface)
                .eq(other.listeners.iter().map(|l| &l.surface))
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
