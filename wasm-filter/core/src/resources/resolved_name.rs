//! `silverback.rs/v1` ResolvedName: the addresses of a DNS name, as the host resolved it.
//!
//! The object's name is the DNS name, lower case and without trailing dot. The host writes it for
//! each name that the translator's entities list; without it the name has no endpoints.

use core::net::IpAddr;

use super::field::{Field, Sink, quote};
use crate::problem::Code;

/// What is read of a ResolvedName.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ResolvedName {
    /// In the order of the answer.
    pub(crate) addresses: Box<[IpAddr]>,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> ResolvedName {
    let mut out = Vec::new();
    let addresses = root.key("addresses");
    for (_, address) in addresses.items(sink).unwrap_or_default() {
        let Ok(text) = address.required_text(sink) else {
            continue;
        };
        match text.parse::<IpAddr>() {
            Ok(ip) => out.push(ip),
            Err(_) => sink.push(address.error(
                Code::InvalidAddress,
                format!("{} is no IP address", quote(text)),
            )),
        }
    }
    ResolvedName {
        addresses: out.into(),
    }
}
