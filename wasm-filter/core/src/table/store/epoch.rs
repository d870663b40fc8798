//! The epoch record: the one small value that every request reads.
//!
//! ```text
//! u32 magic "SBEP" | u16 format | u8 root place | u8 0 | u64 epoch | u32 page length | u32 pages
//! 16 bytes digest of the physical root | u64 writers | u64 claim | u64 checksum
//! ```
//! Even 64 bytes can be read torn (Kong facts 4.3), so the record carries a checksum.

use crate::table::bytes::Cursor;
use crate::table::hash::{Digest, Fast};
use crate::table::segment::FORMAT;

/// First bytes of an epoch record: "SBEP".
pub const MAGIC: u32 = u32::from_le_bytes(*b"SBEP");

/// Length of an epoch record.
pub const EPOCH_LEN: usize = 64;

const CHECKED: usize = EPOCH_LEN - 8;

/// Which root is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochRecord {
    /// Counts the tables that this store has had, from 1; 0 = no table yet.
    pub epoch: u64,
    /// Place of the current root, 0 or 1.
    pub slot: u8,
    /// Length of every page in bytes.
    pub page_len: u32,
    /// Number of pages in the pool.
    pub pages: u32,
    /// Digest of the physical root.
    pub root: Digest,
    /// Publishers that have opened the store so far; the next one is this number plus 1.
    pub writers: u64,
    /// The publisher that last began to publish; 0 = none yet. Says nothing to readers.
    pub claim: u64,
}

impl EpochRecord {
    /// Does the other record name the same table, whoever is publishing?
    #[inline]
    #[must_use]
    pub fn same_table(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.slot == other.slot && self.root == other.root
    }

    /// The record as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(EPOCH_LEN);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.push(self.slot);
        out.push(0);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.page_len.to_le_bytes());
        out.extend_from_slice(&self.pages.to_le_bytes());
        out.extend_from_slice(&self.root);
        out.extend_from_slice(&self.writers.to_le_bytes());
        out.extend_from_slice(&self.claim.to_le_bytes());
        let checksum = Fast::of(u64::from(MAGIC), &out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads a record. `None`: torn, of another format, or something else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (checked, checksum) = bytes.split_at_checked(CHECKED)?;
        let checksum: [u8; 8] = checksum.try_into().ok()?;
        if u64::from_le_bytes(checksum) != Fast::of(u64::from(MAGIC), checked) {
            return None;
        }
        let mut cursor = Cursor::new(checked);
        if cursor.u32()? != MAGIC || cursor.u16()? != FORMAT {
            return None;
        }
        let slot = cursor.u8().filter(|slot| *slot < 2)?;
        cursor.u8()?;
        Some(Self {
            slot,
            epoch: cursor.u64()?,
            page_len: cursor.u32()?,
            pages: cursor.u32()?,
            root: cursor.array()?,
            writers: cursor.u64()?,
            claim: cursor.u64()?,
        })
    }
}
