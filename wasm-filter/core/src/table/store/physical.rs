//! The physical root: the logical root plus where the pages of each segment are on this node.
//!
//! ```text
//! u32 magic "SBPR" | u16 format | u16 0 | u64 epoch | u32 page numbers
//! logical root
//! page numbers x u16: the pages of segment 0, then of segment 1, ...
//! zeros up to PHYSICAL_LEN
//! ```
//! How many pages a segment has follows from its length.

use super::MAX_PAGES;
use super::page::pages_for;
use crate::table::bytes::Cursor;
use crate::table::hash::{Digest, digest128};
use crate::table::root::{ROOT_LEN, Root};
use crate::table::segment::FORMAT;

/// First bytes of a physical root: "SBPR".
pub const MAGIC: u32 = u32::from_le_bytes(*b"SBPR");

const HEADER: usize = 20;

/// Length of a physical root: room for every page of the largest pool.
pub const PHYSICAL_LEN: usize = HEADER + ROOT_LEN + MAX_PAGES as usize * 2;

/// A root with its pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhysicalRoot {
    /// Its epoch.
    pub epoch: u64,
    /// What the segments are.
    pub root: Root,
    /// The pages of each segment, in the order of the segments.
    pages: Vec<u16>,
    /// Where in `pages` each segment's begin; one more than there are segments.
    starts: Vec<u32>,
}

impl PhysicalRoot {
    /// Joins a root with the pages of its segments. `None` if a segment has not the number of
    /// pages that its length asks for.
    #[must_use]
    pub fn new(epoch: u64, root: Root, pages: Vec<u16>) -> Option<Self> {
        let mut starts = Vec::new();
        let mut total = 0usize;
        for (_, id) in root.iter() {
            starts.push(u32::try_from(total).ok()?);
            total = total.checked_add(pages_for(id.len))?;
        }
        starts.push(u32::try_from(total).ok()?);
        (total == pages.len()).then_some(Self {
            epoch,
            root,
            pages,
            starts,
        })
    }

    /// The pages of a segment.
    #[must_use]
    pub fn pages(&self, segment: u32) -> &[u16] {
        let start = self.starts.get(segment as usize);
        let end = self.starts.get(segment as usize + 1);
        match (start, end) {
            (Some(start), Some(end)) => self
                .pages
                .get(*start as usize..*end as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }

    /// All pages.
    #[must_use]
    pub fn all_pages(&self) -> &[u16] {
        &self.pages
    }

    /// The root as bytes of [`PHYSICAL_LEN`], and its digest. `None`: more pages than fit.
    #[must_use]
    pub fn encode(&self) -> Option<(Vec<u8>, Digest)> {
        if self.pages.len() > usize::from(MAX_PAGES) {
            return None;
        }
        let mut out = Vec::with_capacity(PHYSICAL_LEN);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.pages.len()).ok()?.to_le_bytes());
        out.extend_from_slice(&self.root.encode());
        for page in &self.pages {
            out.extend_from_slice(&page.to_le_bytes());
        }
        let digest = digest128(&out);
        out.resize(PHYSICAL_LEN, 0);
        Some((out, digest))
    }

    /// Reads a root and gives the digest of its used bytes too. `None`: of another format or
    /// broken.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<(Self, Digest)> {
        if bytes.len() != PHYSICAL_LEN {
            return None;
        }
        let mut cursor = Cursor::new(bytes);
        if cursor.u32()? != MAGIC || cursor.u16()? != FORMAT || cursor.u16()? != 0 {
            return None;
        }
        let epoch = cursor.u64()?;
        let count = cursor.u32()? as usize;
        let root = Root::decode(cursor.take(ROOT_LEN)?)?;
        let (pages, _) = cursor.take(count.checked_mul(2)?)?.as_chunks::<2>();
        let pages = pages.iter().map(|page| u16::from_le_bytes(*page)).collect();
        let used = bytes.get(..HEADER + ROOT_LEN + count * 2)?;
        Some((Self::new(epoch, root, pages)?, digest128(used)))
    }
}
