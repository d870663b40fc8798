//! What HTTPS listeners of a Gateway ask of their clients (Gateway API `FrontendTLSValidation`).
//!
//! Whoever cannot be checked must not pass: a listener without any usable authority is not
//! accepted.

use std::collections::{BTreeMap, BTreeSet};

use super::deps::Reads;
use super::grants;
use super::listener::Fault;
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::View;
use crate::resources::clients::{AuthorityRef, ClientValidation, Demand, Validation};

/// What is asked at each port.
#[derive(Debug)]
pub(crate) struct Clients {
    default: Asked,
    ports: Vec<(u16, Asked)>,
}

/// What is asked at one port.
#[derive(Debug)]
pub(crate) enum Asked {
    Nothing,
    /// Certificates that nobody could check.
    Impossible(Fault),
    Certificates {
        check: Check,
        /// Why one of several authorities is missing.
        fault: Option<Fault>,
    },
}

/// How the certificates of clients are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    /// Clients without a valid one are served too.
    pub(crate) fallback: bool,
    /// `namespace/name` of the ConfigMaps with certificates of authorities, sorted.
    pub(crate) authorities: Box<[Box<str>]>,
}

/// How clients are checked at each port of a Gateway, and the listeners that do.
pub(crate) type Checks = BTreeMap<u16, (Check, BTreeSet<Box<str>>)>;

// === impl Clients ===

impl Clients {
    pub(crate) fn of(
        gateway: &Id,
        validation: &ClientValidation,
        reads: &mut Reads<'_>,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let default = Asked::of(gateway, &validation.default, reads, findings);
        let ports = validation.ports.iter();
        let ports = ports
            .map(|(port, validation)| (*port, Asked::of(gateway, validation, reads, findings)));
        Self {
            ports: ports.collect(),
            default,
        }
    }

    /// What is asked at a port: "perPort" comes before "default".
    pub(crate) fn at(&self, port: u16) -> &Asked {
        let own = self.ports.iter().find(|(other, _)| *other == port);
        own.map_or(&self.default, |(_, asked)| asked)
    }

    /// Are there clients that are served although their certificates are not valid?
    pub(crate) fn insecure(&self) -> bool {
        let mut all = self
            .ports
            .iter()
            .map(|(_, asked)| asked)
            .chain([&self.default]);
        all.any(|asked| matches!(asked, Asked::Certificates { check, .. } if check.fallback))
    }
}

// === impl Asked ===

impl Asked {
    fn of(
        gateway: &Id,
        validation: &Validation,
        reads: &mut Reads<'_>,
        findings: &mut Vec<Finding>,
    ) -> Self {
        match validation {
            Validation::None => Self::Nothing,
            // What cannot be read is told where it was read.
            Validation::Broken => Self::Impossible((
                "InvalidCACertificateRef",
                "what is asked of clients cannot be read".into(),
            )),
            Validation::Certificates(demand) => Self::demand(gateway, demand, reads, findings),
        }
    }

    fn demand(
        gateway: &Id,
        demand: &Demand,
        reads: &mut Reads<'_>,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let refs = format!("{}.caCertificateRefs", demand.field);
        let (mut authorities, mut fault) = (Vec::new(), None);
        let mut fail = |reason, code, field: String, message: String| {
            fault.get_or_insert((reason, message.clone().into()));
            findings.push(Finding::error(code, field, message));
        };
        if demand.authorities.is_empty() {
            let message = "names no certificates of authorities".to_owned();
            let code = Code::InvalidCaCertificateRef;
            fail("InvalidCACertificateRef", code, refs.clone(), message);
        }
        for authority in &demand.authorities {
            match resolve(gateway, authority, reads) {
                Ok(name) => authorities.push(name),
                Err((reason, code, part, message)) => {
                    let field = format!("{refs}[{}].{part}", authority.index);
                    fail(reason, code, field, message);
                }
            }
        }
        authorities.sort();
        authorities.dedup();
        match fault {
            Some(fault) if authorities.is_empty() => Self::Impossible(fault),
            fault => Self::Certificates {
                check: Check {
                    fallback: demand.fallback,
                    authorities: authorities.into(),
                },
                fault,
            },
        }
    }

    /// The reason and message of condition `ResolvedRefs`, if it does not hold.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Nothing => None,
            Self::Impossible(fault) => Some(fault.clone()),
            Self::Certificates { fault, .. } => fault.clone(),
        }
    }

    pub(crate) fn check(&self) -> Option<&Check> {
        match self {
            Self::Certificates { check, .. } => Some(check),
            Self::Nothing | Self::Impossible(_) => None,
        }
    }
}

/// `namespace/name` of a ConfigMap with certificates; or reason, code, part of the reference and
/// message.
fn resolve(
    gateway: &Id,
    authority: &AuthorityRef,
    reads: &mut Reads<'_>,
) -> Result<Box<str>, (&'static str, Code, &'static str, String)> {
    if !authority.config_map {
        return Err((
            "InvalidCACertificateKind",
            Code::InvalidCaCertificateRef,
            "kind",
            "only ConfigMaps can hold certificates of authorities".to_owned(),
        ));
    }
    let namespace = authority.namespace.as_deref().unwrap_or(&gateway.namespace);
    let id = Id::new(Kind::ConfigMap, namespace, &authority.name);
    if !grants::permits(reads, gateway, &id) {
        return Err((
            "RefNotPermitted",
            Code::RefNotPermitted,
            "namespace",
            format!("no ReferenceGrant in {namespace} permits {gateway} to refer to {id}"),
        ));
    }
    let message = match reads.object(id.clone()).map(|object| &object.view) {
        Some(View::ConfigMap(map)) if map.authorities => {
            return Ok(format!("{namespace}/{}", authority.name).into());
        }
        Some(_) => format!("{id} has no certificate in PEM as ca.crt"),
        None => format!("{id} does not exist"),
    };
    let code = Code::InvalidCaCertificateRef;
    Err(("InvalidCACertificateRef", code, "name", message))
}
