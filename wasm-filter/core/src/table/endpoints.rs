//! The endpoints of one Service port.
//!
//! ```text
//! payload  varint n4 | varint n6 | n4 x (4 bytes address, u16 port) | n6 x (16 bytes, u16 port)
//!          varint length | settings                                    [settings]
//! ```
//! Sorted by address, then port, IPv4 first: every worker and node sees one order.

mod policy;
mod settings;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::bytes::{Cursor, offset, put_prefixed, put_varint};
use super::hash::Fast;
use super::model::ServiceEndpoints;
use super::segment::Broken;

pub use self::policy::{InputEntry, PassiveEntry, PolicyEntry};
pub use self::settings::Settings;

const V4: usize = 6;
const V6: usize = 18;

/// Writes endpoints; sorts them and removes duplicates.
#[must_use]
pub fn encode(endpoints: &ServiceEndpoints) -> Box<[u8]> {
    let mut v4 = Vec::new();
    let mut v6 = Vec::new();
    for endpoint in &endpoints.endpoints {
        match endpoint.ip() {
            IpAddr::V4(ip) => v4.push((ip, endpoint.port())),
            IpAddr::V6(ip) => v6.push((ip, endpoint.port())),
        }
    }
    v4.sort_unstable();
    v4.dedup();
    v6.sort_unstable();
    v6.dedup();
    let mut out = Vec::with_capacity(v4.len() * V4 + v6.len() * V6 + 11);
    put_varint(&mut out, offset(v4.len()));
    put_varint(&mut out, offset(v6.len()));
    for (ip, port) in v4 {
        out.extend_from_slice(&ip.octets());
        out.extend_from_slice(&port.to_le_bytes());
    }
    for (ip, port) in v6 {
        out.extend_from_slice(&ip.octets());
        out.extend_from_slice(&port.to_le_bytes());
    }
    put_prefixed(&mut out, &settings::encode(&endpoints.settings));
    out.into_boxed_slice()
}

/// Endpoints being read.
#[derive(Debug, Clone, Copy)]
pub struct Endpoints<'a> {
    v4: &'a [[u8; V4]],
    v6: &'a [[u8; V6]],
    settings: &'a [u8],
}

impl<'a> Endpoints<'a> {
    /// No endpoints.
    pub const NONE: Endpoints<'static> = Endpoints {
        v4: &[],
        v6: &[],
        settings: &[],
    };

    /// Reads a payload.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, Broken> {
        Self::read(bytes).ok_or(Broken)
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let n4 = cursor.varint()? as usize;
        let n6 = cursor.varint()? as usize;
        let (v4, _) = cursor.take(n4.checked_mul(V4)?)?.as_chunks();
        let (v6, _) = cursor.take(n6.checked_mul(V6)?)?.as_chunks();
        let settings = cursor.prefixed()?;
        Some(Self { v4, v6, settings })
    }

    /// How they are spoken to.
    ///
    /// # Errors
    /// [`Broken`].
    #[inline]
    pub fn settings(&self) -> Result<Settings<'a>, Broken> {
        if self.settings.is_empty() {
            return Ok(Settings::default());
        }
        Settings::read(self.settings).ok_or(Broken)
    }

    /// Number of endpoints.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The endpoint at a position below [`Self::len`].
    #[must_use]
    pub fn get(&self, at: usize) -> Option<SocketAddr> {
        if let Some([a, b, c, d, lo, hi]) = self.v4.get(at) {
            return Some(SocketAddr::new(
                IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d)),
                u16::from_le_bytes([*lo, *hi]),
            ));
        }
        let record = self.v6.get(at.checked_sub(self.v4.len())?)?;
        let (ip, port) = record.split_first_chunk::<16>()?;
        Some(SocketAddr::new(
            IpAddr::V6(Ipv6Addr::from(*ip)),
            port.first_chunk().copied().map(u16::from_le_bytes)?,
        ))
    }

    /// A hash of endpoints and settings, to see whether they have changed.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let v4 = Fast::of(0, self.v4.as_flattened());
        let v6 = Fast::of(v4, self.v6.as_flattened());
        Fast::of(v6, self.settings)
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

/// `namespace/name:port` of a Service port's key.
///
/// # Errors
/// [`Broken`].
pub fn names(key: &[u8]) -> Result<(&str, &str, u16), Broken> {
    let parse = || {
        let text = core::str::from_utf8(key).ok()?;
        let (namespace, rest) = text.split_once('/')?;
        let (name, port) = rest.rsplit_once(':')?;
        Some((namespace, name, port.parse().ok()?))
    };
    parse().ok_or(Broken)
}
