//! A listener in the base segment.
//!
//! ```text
//! payload  u64 scope | u8 tls | varint n | n x (varint length | "namespace/gateway/section")
//!          varint n | n x (varint length | "namespace/name" of a Secret)
//! ```

use super::bytes::{Cursor, offset, put_prefixed, put_varint};
use super::layout::HostKind;
use super::model::{Listener, ListenerKey, Scope};
use super::segment::{Broken, SegmentView};

/// Writes a listener.
#[must_use]
pub fn encode(key: &ListenerKey, listener: &Listener) -> Box<[u8]> {
    let scope = Scope::Listener {
        port: key.port,
        hostname: key.hostname.clone(),
    };
    let mut out = Vec::new();
    out.extend_from_slice(&scope.id().to_le_bytes());
    out.push(u8::from(listener.tls));
    for list in [&listener.sources, &listener.certificates] {
        put_varint(&mut out, offset(list.len()));
        for text in list {
            put_prefixed(&mut out, text.as_bytes());
        }
    }
    out.into_boxed_slice()
}

/// A listener being read.
#[derive(Debug, Clone, Copy)]
pub struct ListenerEntry<'a> {
    /// Scope of its routes.
    pub scope: u64,
    /// Is TLS terminated here?
    pub tls: bool,
    sources: Cursor<'a>,
}

/// A listener without hostname, as a request asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlainListener {
    /// Its port.
    pub port: u16,
    /// Is TLS terminated here?
    pub tls: bool,
    /// Scope of its routes.
    pub scope: u64,
}

/// The most listeners that are kept apart: more are faster found by hash.
const MAX_PLAIN: usize = 8;

/// The listeners of a base segment that have no hostname. What cannot be read is left out: a request
/// that needs it finds it broken.
pub(super) fn plain(base: &SegmentView<'_>) -> Box<[PlainListener]> {
    let blocks = base.blocks().map_while(Result::ok);
    let plain = blocks.filter_map(|(_, key, payload)| {
        let mut key = Cursor::new(key);
        let (port, kind) = (key.u64()?, key.u8()?);
        if kind != HostKind::ListenerAny as u8 || !key.is_empty() {
            return None;
        }
        let entry = ListenerEntry::new(payload).ok()?;
        Some(PlainListener {
            port: u16::try_from(port).ok()?,
            tls: entry.tls,
            scope: entry.scope,
        })
    });
    plain.take(MAX_PLAIN).collect()
}

impl<'a> ListenerEntry<'a> {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Broken`].
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Self, Broken> {
        let read = || {
            let mut cursor = Cursor::new(bytes);
            Some(Self {
                scope: cursor.u64()?,
                tls: cursor.u8()? == 1,
                sources: cursor,
            })
        };
        read().ok_or(Broken)
    }

    /// `namespace/gateway/section` of each Gateway listener.
    pub fn sources(&self) -> impl Iterator<Item = Result<&'a str, Broken>> + use<'a> {
        let mut cursor = self.sources;
        // Without a number there is one, and it cannot be read.
        let count = cursor.varint().unwrap_or(1);
        (0..count).map(move |_| cursor.text().ok_or(Broken))
    }

    /// `namespace/name` of each Secret whose certificate is served.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn certificates(&self) -> Result<Vec<&'a str>, Broken> {
        let mut cursor = self.sources;
        for _ in 0..cursor.varint().ok_or(Broken)? {
            cursor.text().ok_or(Broken)?;
        }
        let count = cursor.varint().ok_or(Broken)?;
        (0..count).map(|_| cursor.text().ok_or(Broken)).collect()
    }
}
