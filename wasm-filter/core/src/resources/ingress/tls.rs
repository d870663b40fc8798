//! `spec.tls` of Ingress: Secrets and the hosts that their certificates are for.

use std::collections::BTreeSet;

use crate::problem::Code;
use crate::resources::field::{Field, Read, Sink};
use crate::resources::host;
use crate::resources::unknown;
use crate::table::model::HostPattern;

/// One entry of `spec.tls` that names a Secret and hosts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IngressTls {
    /// Position in `spec.tls`.
    pub(crate) index: u16,
    /// Of the Ingress's namespace.
    pub(crate) secret: Box<str>,
    /// Each once, in the order of the list.
    pub(crate) hosts: Box<[(u16, HostPattern)]>,
}

pub(super) fn read(tls: &Field<'_, '_>, sink: &mut Sink) -> Box<[IngressTls]> {
    let mut out = Vec::new();
    for (index, entry) in tls.items(sink).unwrap_or_default() {
        if let Ok(Some(entry)) = read_entry(index, &entry, sink) {
            out.push(entry);
        }
    }
    out.into()
}

fn read_entry(index: u16, entry: &Field<'_, '_>, sink: &mut Sink) -> Read<Option<IngressTls>> {
    entry.required_object(sink)?;
    unknown::warn(entry, &["hosts", "secretName"], sink);
    let field = entry.key("hosts");
    let mut hosts: Vec<(u16, HostPattern)> = Vec::new();
    let mut seen = BTreeSet::new();
    for (position, host) in field.items(sink)? {
        let Ok(text) = host.required_text(sink) else {
            continue;
        };
        match host::parse(text) {
            Ok(pattern) => {
                if seen.insert(pattern.clone()) {
                    hosts.push((position, pattern));
                }
            }
            Err(message) => sink.push(host.error(Code::InvalidHost, message)),
        }
    }
    if field.is_empty() {
        // "If left unspecified, it defaults to the wildcard host setting for the loadbalancer
        // controller fulfilling this Ingress": there is none, as in KIC.
        sink.push(field.warning(
            Code::MissingField,
            "is empty; the certificate is served for no host",
        ));
    }
    let name = entry.key("secretName");
    let Some(secret) = name.name(sink)? else {
        // "This field is left optional to allow TLS routing based on SNI hostname alone."
        sink.push(name.warning(Code::MissingField, "is empty; no certificate is served"));
        return Ok(None);
    };
    Ok((!hosts.is_empty()).then(|| IngressTls {
        index,
        secret: secret.into(),
        hosts: hosts.into(),
    }))
}
