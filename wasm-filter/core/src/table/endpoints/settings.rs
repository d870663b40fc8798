//! How a Service's endpoints are spoken to, as bytes.
//!
//! ```text
//! settings (u8 tag | varint length | payload)*
//! ```
//! A tag below 128 must not be passed over by a reader that does not know it.

use super::policy::{self, PolicyEntry};
use crate::table::bytes::{Cursor, put_prefixed};
use crate::table::model::{NameToResolve, ServiceSettings, UpstreamProtocol};

mod tag {
    pub(super) const PROTOCOL: u8 = 1;
    pub(super) const PATH: u8 = 2;
    pub(super) const HOST_HEADER: u8 = 3;
    pub(super) const TIMEOUTS: u8 = 4;
    pub(super) const RETRIES: u8 = 5;
    pub(super) const TLS_POLICY: u8 = 6;
    pub(super) const FIRST_HINT: u8 = 128;
    pub(super) const EXTERNAL: u8 = 128;
    /// A reader that does not know it spreads evenly.
    pub(super) const POLICY: u8 = 129;
}

/// [`ServiceSettings`] being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings<'a> {
    /// What the endpoints speak.
    pub protocol: UpstreamProtocol,
    /// Put before the request's path.
    pub path: Option<&'a [u8]>,
    /// Host header where the client's is not preserved.
    pub host_header: Option<&'a [u8]>,
    /// Milliseconds; `None` = not given.
    pub connect_timeout: Option<u32>,
    /// Milliseconds; `None` = not given.
    pub write_timeout: Option<u32>,
    /// Milliseconds; `None` = not given.
    pub read_timeout: Option<u32>,
    /// Tries after the first.
    pub retries: Option<u8>,
    /// DNS name and port that the endpoints come from.
    pub external: Option<(&'a str, u16)>,
    pub(crate) policy: Option<&'a [u8]>,
    /// Id of the TLS policy; 0 = nothing is verified.
    pub tls_policy: u64,
}

pub(super) fn encode(settings: &ServiceSettings) -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |tag: u8, payload: &[u8]| {
        out.push(tag);
        put_prefixed(&mut out, payload);
    };
    if settings.protocol != UpstreamProtocol::Http {
        put(tag::PROTOCOL, &[settings.protocol as u8]);
    }
    if let Some(path) = &settings.path {
        put(tag::PATH, path.as_bytes());
    }
    if let Some(host) = &settings.host_header {
        put(tag::HOST_HEADER, host.as_bytes());
    }
    let timeouts = [
        settings.connect_timeout,
        settings.write_timeout,
        settings.read_timeout,
    ];
    if timeouts.iter().any(Option::is_some) {
        let bytes = timeouts.map(|limit| limit.unwrap_or(0).to_le_bytes());
        put(tag::TIMEOUTS, bytes.as_flattened());
    }
    if let Some(retries) = settings.retries {
        put(tag::RETRIES, &[retries]);
    }
    if settings.tls_policy != 0 {
        put(tag::TLS_POLICY, &settings.tls_policy.to_le_bytes());
    }
    if let Some(external) = &settings.external {
        let mut payload = Vec::new();
        put_prefixed(&mut payload, external.name.as_bytes());
        payload.extend_from_slice(&external.port.to_le_bytes());
        put(tag::EXTERNAL, &payload);
    }
    if let Some(policy) = &settings.policy {
        put(tag::POLICY, &policy::encode(policy));
    }
    out
}

// === impl Settings ===

impl<'a> Settings<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut settings = Self::default();
        let mut cursor = Cursor::new(bytes);
        while !cursor.is_empty() {
            let tag = cursor.u8()?;
            let payload = cursor.prefixed()?;
            let mut fields = Cursor::new(payload);
            match tag {
                tag::PROTOCOL => settings.protocol = UpstreamProtocol::from_byte(fields.u8()?)?,
                tag::PATH => settings.path = Some(payload),
                tag::HOST_HEADER => settings.host_header = Some(payload),
                tag::TIMEOUTS => {
                    let mut limit = || Some(Some(fields.u32()?).filter(|limit| *limit != 0));
                    settings.connect_timeout = limit()?;
                    settings.write_timeout = limit()?;
                    settings.read_timeout = limit()?;
                }
                tag::RETRIES => settings.retries = Some(fields.u8()?),
                tag::TLS_POLICY => settings.tls_policy = fields.u64()?,
                tag::EXTERNAL => settings.external = Some((fields.text()?, fields.u16()?)),
                tag::POLICY => settings.policy = Some(payload),
                hint if hint >= tag::FIRST_HINT => {}
                _ => return None,
            }
        }
        Some(settings)
    }

    /// How an endpoint is chosen; `None`: evenly, or a policy that this build cannot read.
    #[inline]
    #[must_use]
    pub fn policy(&self) -> Option<PolicyEntry<'a>> {
        PolicyEntry::read(self.policy?)
    }

    /// The settings as the model holds them.
    #[must_use]
    pub fn to_model(&self) -> ServiceSettings {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into();
        ServiceSettings {
            protocol: self.protocol,
            path: self.path.map(text),
            host_header: self.host_header.map(text),
            connect_timeout: self.connect_timeout,
            write_timeout: self.write_timeout,
            read_timeout: self.read_timeout,
            retries: self.retries,
            external: self.external.map(|(name, port)| NameToResolve {
                name: name.into(),
                port,
            }),
            policy: self.policy().map(|policy| policy.to_model()),
            tls_policy: self.tls_policy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::model::{Algorithm, HashInput, PassiveChecks, UpstreamPolicy};

    #[test]
    fn settings_are_read_as_they_were_written() {
        let policy = UpstreamPolicy {
            algorithm: Algorithm::ConsistentHashing,
            hash_on: HashInput::Header("x-user".into()),
            fallback: HashInput::Cookie("id".into(), "/".into()),
            passive: Some(PassiveChecks {
                tcp_failures: 1,
                timeouts: 2,
                http_failures: 3,
                codes: vec![500, 503],
                successes: 4,
            }),
        };
        let full = ServiceSettings {
            protocol: UpstreamProtocol::Grpcs,
            path: Some("/base".into()),
            host_header: Some("a.example".into()),
            connect_timeout: Some(1),
            write_timeout: None,
            read_timeout: Some(3),
            retries: Some(0),
            external: Some(NameToResolve {
                name: "b.example".into(),
                port: 443,
            }),
            policy: Some(policy),
            tls_policy: 7,
        };
        for settings in [ServiceSettings::default(), full] {
            let bytes = encode(&settings);
            let read = Settings::read(&bytes).map(|read| read.to_model());
            assert_eq!(read, Some(settings));
            for end in 0..bytes.len() {
                let _ = Settings::read(&bytes[..end]).map(|read| read.policy());
            }
        }
    }

    #[test]
    fn unknown_settings_are_refused_and_unknown_hints_passed_over() {
        assert_eq!(Settings::read(&[100, 1, 0]), None);
        assert_eq!(Settings::read(&[200, 1, 0]), Some(Settings::default()));
    }
}
