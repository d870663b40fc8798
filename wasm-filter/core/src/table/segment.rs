//! A segment: blocks found by hash.
//!
//! ```text
//! header   u32 magic "SBSG" | u8 format | u8 kind | u16 flags | u32 count | u32 slots
//! slots    slots x u32: offset of a block                                  [slots]
//! block    u64 hash | u32 key length | u32 payload length | key | payload
//! ```
//!
//! The container knows nothing of hosts or Services: a block is a key with its hash and a payload. (But
//! the listeners that every request asks for are read once, when a base segment is loaded.)
//! Blocks lie in order of (hash, key), so the same set of blocks is the same bytes. Whoever looks for
//! a key knows its length, so a processor fetches the payload while the head is still on its way.

use super::bytes::{Cursor, offset, same, u32_at};
use super::listeners::{self, PlainListener};
use super::slots::{self, Slots};
use std::collections::BTreeMap;
use std::rc::Rc;

/// First bytes of a segment: "SBSG".
pub const MAGIC: u32 = u32::from_le_bytes(*b"SBSG");
/// Version of everything below the root: segments, blocks and payloads.
pub const FORMAT: u16 = 2;

const HEADER: usize = 16;
/// Of one size, so that one check is enough for all of it.
const BLOCK_HEAD: usize = 16;
/// Bytes of a [`KeyHead`].
const KEY_HEAD: usize = 9;

/// What the blocks of a segment are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum SegmentKind {
    /// Listeners, and the routes of wildcard hosts and of no host. Every request may need it.
    Base = 0,
    /// Routes of exact hosts.
    Routes = 1,
    /// Endpoints of Service ports.
    Endpoints = 2,
}

/// One block as the encoder holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Bits that are or-ed into the segment's flags.
    pub flags: u16,
    /// The payload.
    pub payload: Box<[u8]>,
}

/// Blocks in the order in which they are written.
pub type Blocks = BTreeMap<(u64, Box<[u8]>), Block>;

/// Writes a segment. No blocks at all give no bytes.
#[must_use]
pub fn encode(kind: SegmentKind, blocks: &Blocks) -> Vec<u8> {
    if blocks.is_empty() {
        return Vec::new();
    }
    // At most two thirds full, so that a probe for something unknown ends soon.
    let slots = blocks
        .len()
        .saturating_mul(3)
        .div_ceil(2)
        .next_power_of_two();
    let size: usize = blocks
        .iter()
        .map(|((_, key), block)| key.len() + block.payload.len() + BLOCK_HEAD)
        .sum();
    let mut out = Vec::with_capacity(HEADER + slots * 4 + size);
    let flags = blocks.values().fold(0, |flags, block| flags | block.flags);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    // One byte here: the flags need two.
    out.push(FORMAT as u8);
    out.push(kind as u8);
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&offset(blocks.len()).to_le_bytes());
    out.extend_from_slice(&offset(slots).to_le_bytes());
    out.resize(HEADER + slots * 4, 0);
    for ((hash, key), block) in blocks {
        let start = out.len();
        out.extend_from_slice(&hash.to_le_bytes());
        out.extend_from_slice(&offset(key.len()).to_le_bytes());
        out.extend_from_slice(&offset(block.payload.len()).to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(&block.payload);
        slots::put(&mut out, HEADER, slots, *hash, start);
    }
    out
}

/// The first 9 bytes of a key, little-endian.
pub type KeyHead = (u64, u8);

/// Key and payload of a block.
pub type KeyAndPayload<'a> = (&'a [u8], &'a [u8]);

/// A segment being read. An empty slice is the segment without blocks.
#[derive(Debug, Clone, Copy)]
pub struct SegmentView<'a> {
    bytes: &'a [u8],
    slots: u32,
    flags: u16,
    listeners: &'a [PlainListener],
}

/// The bytes of a segment whose header was checked, once.
#[derive(Debug, Clone)]
pub struct Segment {
    bytes: Rc<[u8]>,
    slots: u32,
    flags: u16,
    /// See [`SegmentView::listeners`].
    listeners: Box<[PlainListener]>,
}

/// Hash, key and payload of the block at the start of a cursor.
#[inline(always)]
fn block<'a>(cursor: &mut Cursor<'a>) -> Option<(u64, &'a [u8], &'a [u8])> {
    let head = cursor.array::<BLOCK_HEAD>()?;
    let (hash, lengths) = head.split_first_chunk()?;
    let (key, payload) = lengths.split_first_chunk()?;
    let key = cursor.take(u32::from_le_bytes(*key) as usize)?;
    let payload = cursor.take(u32_at(payload, 0)? as usize)?;
    Some((u64::from_le_bytes(*hash), key, payload))
}

/// A block's head.
struct Head {
    hash: u64,
    key: usize,
    payload: usize,
}

/// The head of the block at an offset, the first bytes of its key, and what follows them: one check
/// for all of it.
#[inline(always)]
fn joined(bytes: &[u8], at: u32) -> Option<(Head, KeyHead, &[u8])> {
    const ALL: usize = BLOCK_HEAD + KEY_HEAD;
    let (all, rest) = bytes.get(at as usize..)?.split_first_chunk::<ALL>()?;
    let (head, key) = all.split_first_chunk::<BLOCK_HEAD>()?;
    let (hash, lengths) = head.split_first_chunk()?;
    let head = Head {
        hash: u64::from_le_bytes(*hash),
        key: u32_at(lengths, 0)? as usize,
        payload: u32_at(lengths, 4)? as usize,
    };
    let (first, [last, ..]) = key.split_first_chunk()? else {
        return None;
    };
    Some((head, (u64::from_le_bytes(*first), *last), rest))
}

// === impl Segment ===

impl Segment {
    /// Reads the header. `None`: not a segment of this kind and format.
    #[must_use]
    pub fn new(kind: SegmentKind, bytes: Rc<[u8]>) -> Option<Self> {
        let view = SegmentView::new(kind, &bytes)?;
        let (slots, flags) = (view.slots, view.flags);
        let listeners = match kind {
            SegmentKind::Base => listeners::plain(&view),
            _ => Box::default(),
        };
        Some(Self {
            bytes,
            slots,
            flags,
            listeners,
        })
    }

    /// Its blocks.
    #[inline]
    #[must_use]
    pub fn view(&self) -> SegmentView<'_> {
        SegmentView {
            bytes: &self.bytes,
            slots: self.slots,
            flags: self.flags,
            listeners: &self.listeners,
        }
    }
}

// === impl SegmentView ===

impl<'a> SegmentView<'a> {
    /// Reads the header. `None`: not a segment of this kind and format.
    #[must_use]
    pub fn new(kind: SegmentKind, bytes: &'a [u8]) -> Option<Self> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
            return bytes.is_empty().then_some(Self {
                bytes,
                slots: 0,
                flags: 0,
                listeners: &[],
            });
        };
        // In one word: magic, format, kind and flags.
        let first = u64::from_le_bytes(*header.first_chunk()?);
        let expected = u64::from(MAGIC) | (u64::from(FORMAT) << 32) | ((kind as u64) << 40);
        let slots = u32_at(header, 12)?;
        rest.as_chunks::<4>().0.get(..slots as usize)?;
        Some(Self {
            bytes,
            slots,
            flags: (first >> 48) as u16,
            listeners: &[],
        })
        .filter(|_| first << 16 == expected << 16 && slots.is_power_of_two())
    }

    /// Number of blocks.
    #[must_use]
    pub fn len(&self) -> usize {
        u32_at(self.bytes, 8).unwrap_or(0) as usize
    }

    /// Are there no blocks?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The or-ed flags of all blocks.
    #[inline]
    #[must_use]
    pub fn flags(&self) -> u16 {
        self.flags
    }

    /// Listeners of this segment that need not be looked for in its blocks: of the base segment, as
    /// long as it is kept as a [`Segment`], those without hostname.
    #[inline]
    #[must_use]
    pub fn listeners(&self) -> &'a [PlainListener] {
        self.listeners
    }

    /// The payload of the block with this hash and key; `Ok(None)` if there is none.
    ///
    /// # Errors
    /// [`Broken`] for bytes that are no segment.
    #[inline]
    pub fn find(
        &self,
        hash: u64,
        is_key: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<&'a [u8]>, Broken> {
        Ok(self.probe(hash, is_key)?.map(|(_, payload)| payload))
    }

    /// Key and payload of the block whose hash is its whole identity.
    ///
    /// # Errors
    /// [`Broken`] for bytes that are no segment.
    #[inline]
    pub fn find_with_key(&self, id: u64) -> Result<Option<KeyAndPayload<'a>>, Broken> {
        self.probe(id, |_| true)
    }

    /// The payload of the block with this hash whose key is `head` and `tail`.
    ///
    /// # Errors
    /// [`Broken`] for bytes that are no segment, or with a key shorter than `head`.
    #[inline(always)]
    pub fn find_joined(
        &self,
        hash: u64,
        head: KeyHead,
        tail: &[u8],
    ) -> Result<Option<&'a [u8]>, Broken> {
        for at in self.slots().find(hash) {
            let (found, key, rest) = joined(self.bytes, at).ok_or(Broken)?;
            if found.hash != hash || key != head || found.key != KEY_HEAD + tail.len() {
                continue;
            }
            let (key, rest) = rest.split_at_checked(tail.len()).ok_or(Broken)?;
            if same(key, tail) {
                return rest.get(..found.payload).ok_or(Broken).map(Some);
            }
        }
        Ok(None)
    }

    #[inline(always)]
    fn slots(&self) -> Slots<'a> {
        Slots::new(self.bytes.get(HEADER..).unwrap_or_default(), self.slots)
    }

    #[inline]
    fn probe(
        &self,
        hash: u64,
        is_key: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<KeyAndPayload<'a>>, Broken> {
        for at in self.slots().find(hash) {
            let mut cursor = Cursor::at(self.bytes, at).ok_or(Broken)?;
            let (found, key, payload) = block(&mut cursor).ok_or(Broken)?;
            if found == hash && is_key(key) {
                return Ok(Some((key, payload)));
            }
        }
        Ok(None)
    }

    /// Every block as (hash, key, payload), in the order in which they lie.
    pub fn blocks(
        &self,
    ) -> impl Iterator<Item = Result<(u64, &'a [u8], &'a [u8]), Broken>> + use<'a> {
        let start = HEADER + self.slots as usize * 4;
        let mut cursor = Cursor::new(self.bytes.get(start..).unwrap_or_default());
        (0..self.len()).map(move |_| block(&mut cursor).ok_or(Broken))
    }
}

/// Table bytes that do not say what they should: written by another format, or by a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl core::fmt::Display for Broken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("broken table segment")
    }
}

impl core::error::Error for Broken {}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(keys: &[(u64, &str, &str)]) -> Blocks {
        keys.iter()
            .map(|(hash, key, payload)| {
                (
                    (*hash, key.as_bytes().into()),
                    Block {
                        flags: 0,
                        payload: payload.as_bytes().into(),
                    },
                )
            })
            .collect()
    }

    #[test]
    fn blocks_with_one_hash_are_told_apart_by_key() {
        let bytes = encode(
            SegmentKind::Routes,
            &blocks(&[(7, "a", "A"), (7, "b", "B"), (15, "c", "C")]),
        );
        let view = SegmentView::new(SegmentKind::Routes, &bytes).expect("segment");
        assert_eq!(view.find(7, |k| k == b"b"), Ok(Some(&b"B"[..])));
        assert_eq!(view.find(15, |k| k == b"c"), Ok(Some(&b"C"[..])));
        assert_eq!(view.find(7, |k| k == b"x"), Ok(None));
        assert_eq!(view.find(8, |_| true), Ok(None));
        assert_eq!(view.blocks().count(), 3);
    }

    #[test]
    fn another_kind_or_format_is_no_segment() {
        let mut bytes = encode(SegmentKind::Routes, &blocks(&[(7, "a", "A")]));
        assert!(SegmentView::new(SegmentKind::Base, &bytes).is_none());
        bytes[4] = 9;
        assert!(SegmentView::new(SegmentKind::Routes, &bytes).is_none());
    }

    #[test]
    fn every_flipped_or_missing_byte_is_survived() {
        let good = encode(
            SegmentKind::Routes,
            &blocks(&[(7, "a", "A"), (7, "b", "B"), (15, "c", "C")]),
        );
        for at in 0..good.len() {
            for flip in [1u8, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                if let Some(view) = SegmentView::new(SegmentKind::Routes, &bad) {
                    let _ = view.find(7, |k| k == b"b");
                    for block in view.blocks().take(8) {
                        let _ = block;
                    }
                }
            }
            if let Some(view) = SegmentView::new(SegmentKind::Routes, &good[..at]) {
                let _ = view.find(7, |k| k == b"b");
            }
        }
    }
}
