//! The logical root: what every segment of one table is.
//!
//! ```text
//! u32 magic "SBRT" | u16 format | u16 0 | u32 route segments | u32 endpoint segments
//! segments x (u32 length | 16 bytes digest)
//! ```
//! Its digest names the whole table. A node adds to it where the pages of each segment are
//! (`store::physical`).

use super::bytes::{Cursor, offset};
use super::hash::{DIGEST_LEN, Digest, digest128};
use super::layout::{ENDPOINT_SEGMENTS, ROUTE_SEGMENTS, SEGMENTS};
use super::segment::FORMAT;

/// First bytes of a logical root: "SBRT".
pub const MAGIC: u32 = u32::from_le_bytes(*b"SBRT");

/// Length of a logical root in bytes.
pub const ROOT_LEN: usize = 16 + SEGMENTS as usize * (4 + DIGEST_LEN);

/// Length and digest of one segment. No bytes, no digest: the segment without blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentId {
    /// Bytes of the segment.
    pub len: u32,
    /// Digest of the bytes; zero if there are none.
    pub digest: Digest,
}

/// All segments of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    segments: Vec<SegmentId>,
}

impl SegmentId {
    /// The id of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        Self {
            len: offset(bytes.len()),
            digest: digest128(bytes),
        }
    }
}

impl Default for Root {
    fn default() -> Self {
        Self {
            segments: vec![SegmentId::default(); SEGMENTS as usize],
        }
    }
}

impl Root {
    /// The id of a segment; the empty id for an index that does not exist.
    #[must_use]
    pub fn get(&self, segment: u32) -> SegmentId {
        self.segments
            .get(segment as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Sets the id of a segment; an index that does not exist is ignored.
    pub fn set(&mut self, segment: u32, id: SegmentId) {
        if let Some(slot) = self.segments.get_mut(segment as usize) {
            *slot = id;
        }
    }

    /// Every segment's index and id.
    pub fn iter(&self) -> impl Iterator<Item = (u32, SegmentId)> + '_ {
        (0..).zip(self.segments.iter().copied())
    }

    /// Bytes of all segments together.
    #[must_use]
    pub fn table_bytes(&self) -> u64 {
        self.segments.iter().map(|s| u64::from(s.len)).sum()
    }

    /// The root as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ROOT_LEN);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&ROUTE_SEGMENTS.to_le_bytes());
        out.extend_from_slice(&ENDPOINT_SEGMENTS.to_le_bytes());
        for id in &self.segments {
            out.extend_from_slice(&id.len.to_le_bytes());
            out.extend_from_slice(&id.digest);
        }
        out
    }

    /// Reads a root. `None`: other magic, format, numbers of segments or length.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != ROOT_LEN {
            return None;
        }
        let mut cursor = Cursor::new(bytes);
        let ok = cursor.u32()? == MAGIC
            && cursor.u16()? == FORMAT
            && cursor.u16()? == 0
            && cursor.u32()? == ROUTE_SEGMENTS
            && cursor.u32()? == ENDPOINT_SEGMENTS;
        if !ok {
            return None;
        }
        let mut segments = Vec::with_capacity(SEGMENTS as usize);
        for _ in 0..SEGMENTS {
            segments.push(SegmentId {
                len: cursor.u32()?,
                digest: cursor.array()?,
            });
        }
        Some(Self { segments })
    }

    /// Names the whole table.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest128(&self.encode())
    }
}
