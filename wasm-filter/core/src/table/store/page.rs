//! A page: a part of one segment, always of the same length.
//!
//! ```text
//! u32 magic "SBPG" | u16 format | u16 page | u32 segment | u32 part | u32 used | u32 0 | u64 epoch
//! used bytes of the segment, then zeros
//! ```

use crate::table::bytes::Cursor;
use crate::table::segment::FORMAT;

/// First bytes of a page: "SBPG".
pub const MAGIC: u32 = u32::from_le_bytes(*b"SBPG");

/// Length of a page: four slab pages of nginx less the node's header, the size that was measured
/// in Kong (Kong shim facts, second round 2).
pub const PAGE_LEN: usize = 16_256;

const HEADER: usize = 32;

/// Bytes of a segment in one page.
pub const PAGE_USED: usize = PAGE_LEN - HEADER;

/// What a page says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageHeader {
    /// Its own number: a page that was found under another key is seen.
    pub page: u16,
    /// The segment that it is part of.
    pub segment: u32,
    /// Which part, from 0.
    pub part: u32,
    /// Epoch in which it was written; 0 = never.
    pub epoch: u64,
}

/// Number of pages for a segment of `len` bytes.
#[must_use]
pub fn pages_for(len: u32) -> usize {
    (len as usize).div_ceil(PAGE_USED)
}

/// Writes a page; `content` is cut at [`PAGE_USED`].
#[must_use]
pub fn encode(header: PageHeader, content: &[u8]) -> Vec<u8> {
    let content = content.get(..PAGE_USED).unwrap_or(content);
    let mut out = Vec::with_capacity(PAGE_LEN);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&header.page.to_le_bytes());
    out.extend_from_slice(&header.segment.to_le_bytes());
    out.extend_from_slice(&header.part.to_le_bytes());
    out.extend_from_slice(&(content.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&header.epoch.to_le_bytes());
    out.extend_from_slice(content);
    out.resize(PAGE_LEN, 0);
    out
}

/// Reads a page. `None`: not a page of this format and length.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(PageHeader, &[u8])> {
    if bytes.len() != PAGE_LEN {
        return None;
    }
    let mut cursor = Cursor::new(bytes);
    if cursor.u32()? != MAGIC || cursor.u16()? != FORMAT {
        return None;
    }
    let page = cursor.u16()?;
    let segment = cursor.u32()?;
    let part = cursor.u32()?;
    let used = cursor.u32()? as usize;
    cursor.u32()?;
    let epoch = cursor.u64()?;
    let header = PageHeader {
        page,
        segment,
        part,
        epoch,
    };
    Some((header, cursor.take(used)?))
}
