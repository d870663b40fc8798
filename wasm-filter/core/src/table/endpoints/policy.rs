//! A KongUpstreamPolicy as bytes.
//!
//! ```text
//! policy   u8 algorithm | input hash on | input fallback | passive?
//! input    u8 kind | text name | text path
//! passive  u8 tcp failures | u8 timeouts | u8 http failures | u8 successes | u16 code*
//! ```

use crate::table::bytes::{Cursor, put_prefixed};
use crate::table::model::{Algorithm, HashInput, PassiveChecks, UpstreamPolicy};

/// [`UpstreamPolicy`] being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyEntry<'a> {
    /// How an endpoint is chosen.
    pub algorithm: Algorithm,
    /// What consistent hashing hashes.
    pub hash_on: InputEntry<'a>,
    /// What it hashes where the request has no such value.
    pub fallback: InputEntry<'a>,
    /// When an endpoint is taken out for a while.
    pub passive: Option<PassiveEntry<'a>>,
}

/// [`HashInput`] being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputEntry<'a> {
    /// No value.
    None,
    /// The client's address.
    Ip,
    /// The path.
    Path,
    /// The consumer.
    Consumer,
    /// The header of this lower-case name.
    Header(&'a str),
    /// The cookie of this name, and the path for which one is made.
    Cookie(&'a str, &'a str),
    /// The query parameter of this name.
    Query(&'a str),
    /// The group of this name or number of the path's pattern.
    Capture(&'a str),
}

/// [`PassiveChecks`] being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassiveEntry<'a> {
    /// Failed connections; 0 = never, as in the others.
    pub tcp_failures: u8,
    /// Timeouts.
    pub timeouts: u8,
    /// Responses with one of the codes.
    pub http_failures: u8,
    /// Successes after which an endpoint counts as healthy again.
    pub successes: u8,
    codes: &'a [[u8; 2]],
}

pub(super) fn encode(policy: &UpstreamPolicy) -> Vec<u8> {
    let mut out = vec![policy.algorithm as u8];
    for input in [&policy.hash_on, &policy.fallback] {
        let (kind, name, path): (u8, &str, &str) = match input {
            HashInput::None => (0, "", ""),
            HashInput::Ip => (1, "", ""),
            HashInput::Path => (2, "", ""),
            HashInput::Consumer => (3, "", ""),
            HashInput::Header(name) => (4, name, ""),
            HashInput::Cookie(name, path) => (5, name, path),
            HashInput::Query(name) => (6, name, ""),
            HashInput::Capture(name) => (7, name, ""),
        };
        out.push(kind);
        put_prefixed(&mut out, name.as_bytes());
        put_prefixed(&mut out, path.as_bytes());
    }
    if let Some(passive) = &policy.passive {
        out.extend_from_slice(&[
            passive.tcp_failures,
            passive.timeouts,
            passive.http_failures,
            passive.successes,
        ]);
        out.extend(passive.codes.iter().flat_map(|code| code.to_le_bytes()));
    }
    out
}

// === impl PolicyEntry ===

impl<'a> PolicyEntry<'a> {
    /// `None`: bytes that this build cannot read.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        Some(Self {
            algorithm: Algorithm::from_byte(cursor.u8()?)?,
            hash_on: InputEntry::read(&mut cursor)?,
            fallback: InputEntry::read(&mut cursor)?,
            passive: if cursor.is_empty() {
                None
            } else {
                Some(PassiveEntry {
                    tcp_failures: cursor.u8()?,
                    timeouts: cursor.u8()?,
                    http_failures: cursor.u8()?,
                    successes: cursor.u8()?,
                    codes: cursor.rest().as_chunks().0,
                })
            },
        })
    }

    /// The policy as the model holds it.
    #[must_use]
    pub fn to_model(&self) -> UpstreamPolicy {
        UpstreamPolicy {
            algorithm: self.algorithm,
            hash_on: self.hash_on.to_model(),
            fallback: self.fallback.to_model(),
            passive: self.passive.map(|passive| PassiveChecks {
                tcp_failures: passive.tcp_failures,
                timeouts: passive.timeouts,
                http_failures: passive.http_failures,
                codes: passive.codes().collect(),
                successes: passive.successes,
            }),
        }
    }
}

// === impl InputEntry ===

impl<'a> InputEntry<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let kind = cursor.u8()?;
        let (name, path) = (cursor.text()?, cursor.text()?);
        Some(match kind {
            0 => Self::None,
            1 => Self::Ip,
            2 => Self::Path,
            3 => Self::Consumer,
            4 => Self::Header(name),
            5 => Self::Cookie(name, path),
            6 => Self::Query(name),
            7 => Self::Capture(name),
            _ => return None,
        })
    }

    fn to_model(self) -> HashInput {
        match self {
            Self::None => HashInput::None,
            Self::Ip => HashInput::Ip,
            Self::Path => HashInput::Path,
            Self::Consumer => HashInput::Consumer,
            Self::Header(name) => HashInput::Header(name.into()),
            Self::Cookie(name, path) => HashInput::Cookie(name.into(), path.into()),
            Self::Query(name) => HashInput::Query(name.into()),
            Self::Capture(name) => HashInput::Capture(name.into()),
        }
    }
}

// === impl PassiveEntry ===

impl PassiveEntry<'_> {
    /// Status codes that count as failures.
    pub fn codes(&self) -> impl Iterator<Item = u16> + '_ {
        self.codes.iter().map(|code| u16::from_le_bytes(*code))
    }
}
