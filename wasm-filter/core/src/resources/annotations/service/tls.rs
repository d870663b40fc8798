//! Annotations about TLS towards the endpoints (kic-map 1.4): what cannot be read closes the Service,
//! since without it endpoints would not be verified, or not know the client.

use crate::object::is_name;
use crate::resources::field::quote;

/// What they are called.
pub(super) const KNOWN: [&str; 5] = [
    "client-cert",
    "tls-verify",
    "tls-verify-depth",
    "ca-certificates-secrets",
    "ca-certificates-configmaps",
];

/// Kong's `tls_verify_depth` ends here.
const MAX_DEPTH: u8 = 64;

/// How TLS is spoken with the endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TlsAnnotations {
    /// Are they verified?
    pub(crate) verify: bool,
    /// The longest chain of certificates; `None`: as the data plane has it.
    pub(crate) depth: Option<u8>,
    /// Secrets of the own namespace with certificates that theirs must be signed by.
    pub(crate) ca_secrets: Box<[Box<str>]>,
    /// The same in ConfigMaps.
    pub(crate) ca_config_maps: Box<[Box<str>]>,
    /// The Secret of the own namespace with the certificate that is shown to them.
    pub(crate) client: Option<Box<str>>,
}

// === impl TlsAnnotations ===

impl TlsAnnotations {
    /// Reads one of [`KNOWN`]; empty is not given. An error says why it cannot be read.
    pub(super) fn read(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            _ if value.is_empty() => {}
            "client-cert" => self.client = Some(object_name(value)?),
            "tls-verify" => self.verify = boolean(value)?,
            "tls-verify-depth" => self.depth = Some(depth(value)?),
            "ca-certificates-secrets" => self.ca_secrets = names(value)?,
            _ => self.ca_config_maps = names(value)?,
        }
        Ok(())
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    if value.eq_ignore_ascii_case("true") {
        return Ok(true);
    }
    match value.eq_ignore_ascii_case("false") {
        true => Ok(false),
        false => Err(format!("{} is neither true nor false", quote(value))),
    }
}

fn depth(value: &str) -> Result<u8, String> {
    let depth = value.parse().ok().filter(|depth| *depth <= MAX_DEPTH);
    depth.ok_or_else(|| format!("{} is no number from 0 to {MAX_DEPTH}", quote(value)))
}

/// Sorted, each once.
fn names(value: &str) -> Result<Box<[Box<str>]>, String> {
    let items = value.split(',').map(str::trim);
    let items = items.filter(|item| !item.is_empty());
    let mut names: Vec<_> = items.map(object_name).collect::<Result<_, _>>()?;
    names.sort();
    names.dedup();
    Ok(names.into())
}

fn object_name(value: &str) -> Result<Box<str>, String> {
    match is_name(value) {
        true => Ok(value.into()),
        false => Err(format!("{} is no name", quote(value))),
    }
}
