//! A listener in the base segment.
//!
//! ```text
//! payload  u64 scope | u8 tls | varint n | n x (varint length | "namespace/gateway/section")
//!          varint n | n x (varint length | "namespace/name" of a Secret)
//! ```

use super::bytes::{Cursor, offset, put_prefixed, put_varint};
use super::model::{Listener, ListenerKey, Scope};
use super::segment::Broken;

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
