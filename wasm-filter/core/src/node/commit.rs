//! The body of `POST /silverback/v1/commit`.
//!
//! ```text
//! u32 magic "SBCM" | u16 version = 1 | u16 table format | u8 flags | u8 root kind | u16 0
//! u64 publisher | u64 expected epoch | digest expected root | digest new root
//! root kind 0: logical root | 1: digest base root | u32 count | count x (u32 segment | u32 length | digest)
//! u32 count | count x (digest | u32 length | bytes)
//! ```

use super::{MAX_BODY, PROTOCOL, TABLE_FORMATS};
use crate::table::bytes::Cursor;
use crate::table::hash::Digest;
use crate::table::layout::SEGMENTS;
use crate::table::root::{ROOT_LEN, Root, SegmentId};
use crate::table::segment::FORMAT;

/// First bytes of a commit: "SBCM".
pub const MAGIC: u32 = u32::from_le_bytes(*b"SBCM");

/// Bytes before the root.
const HEADER: usize = 60;
/// Bytes of one entry of a delta.
const ENTRY: usize = 24;
/// Bytes before the content of a segment.
pub(super) const SEGMENT_HEADER: usize = 20;
const ADOPT: u8 = 1;
const WHOLE: u8 = 0;
const DELTA: u8 = 1;

/// A table that shall get into effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit<'a> {
    /// Replaces whatever table is there.
    pub adopt: bool,
    /// The installation that publishes; 0 = says nothing.
    pub publisher: u64,
    /// Epoch and digest of the logical root that must be in effect.
    pub expected: (u64, Digest),
    /// Digest of the new logical root.
    pub digest: Digest,
    /// The new root, or how it differs.
    pub root: RootChange,
    /// Segments that the node may not have.
    pub segments: Vec<(Digest, &'a [u8])>,
}

/// The new root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootChange {
    /// All of it.
    Whole(Root),
    /// A root that the node knows, with some segments changed.
    Delta {
        /// Digest of the root that is changed.
        base: Digest,
        /// Index and id of each segment that differs, in ascending order.
        changes: Vec<(u32, SegmentId)>,
    },
}

/// Why bytes are no commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitError {
    /// The named part is missing, cut short, or has a value that it cannot have.
    Malformed(&'static str),
    /// More than [`MAX_BODY`] bytes.
    TooLarge(usize),
    /// A table format that this node does not know.
    Format(u16),
}

// === impl RootChange ===

impl RootChange {
    /// What differs between two roots; the whole new one if that is shorter.
    #[must_use]
    pub fn between(base: &Root, new: &Root) -> Self {
        let changes: Vec<_> = new
            .iter()
            .filter(|(segment, id)| base.get(*segment) != *id)
            .collect();
        if changes.len().saturating_mul(ENTRY) >= ROOT_LEN {
            return Self::Whole(new.clone());
        }
        Self::Delta {
            base: base.digest(),
            changes,
        }
    }
}

// === impl Commit ===

impl<'a> Commit<'a> {
    /// Bytes of the encoded commit.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let root = match &self.root {
            RootChange::Whole(_) => ROOT_LEN,
            RootChange::Delta { changes, .. } => 20 + changes.len() * ENTRY,
        };
        let segments = self.segments.iter();
        let segments: usize = segments
            .map(|(_, bytes)| SEGMENT_HEADER + bytes.len())
            .sum();
        HEADER + root + 4 + segments
    }

    /// The commit as a body.
    ///
    /// # Errors
    /// [`CommitError::TooLarge`]: some segments must be put before.
    pub fn encode(&self) -> Result<Vec<u8>, CommitError> {
        let len = self.encoded_len();
        if len > MAX_BODY {
            return Err(CommitError::TooLarge(len));
        }
        let mut out = Vec::with_capacity(len);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&PROTOCOL.to_le_bytes());
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.push(if self.adopt { ADOPT } else { 0 });
        out.push(match self.root {
            RootChange::Whole(_) => WHOLE,
            RootChange::Delta { .. } => DELTA,
        });
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&self.publisher.to_le_bytes());
        out.extend_from_slice(&self.expected.0.to_le_bytes());
        out.extend_from_slice(&self.expected.1);
        out.extend_from_slice(&self.digest);
        match &self.root {
            RootChange::Whole(root) => out.extend_from_slice(&root.encode()),
            RootChange::Delta { base, changes } => {
                out.extend_from_slice(base);
                put_u32(&mut out, changes.len());
                for (segment, id) in changes {
                    out.extend_from_slice(&segment.to_le_bytes());
                    out.extend_from_slice(&id.len.to_le_bytes());
                    out.extend_from_slice(&id.digest);
                }
            }
        }
        put_u32(&mut out, self.segments.len());
        for (digest, bytes) in &self.segments {
            out.extend_from_slice(digest);
            put_u32(&mut out, bytes.len());
            out.extend_from_slice(bytes);
        }
        Ok(out)
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn decode(body: &'a [u8]) -> Result<Self, CommitError> {
        if body.len() > MAX_BODY {
            return Err(CommitError::TooLarge(body.len()));
        }
        let bad = CommitError::Malformed;
        let mut cursor = Cursor::new(body);
        if cursor.u32().ok_or(bad("magic"))? != MAGIC {
            return Err(bad("magic"));
        }
        if cursor.u16().ok_or(bad("version"))? != PROTOCOL {
            return Err(bad("version"));
        }
        let format = cursor.u16().ok_or(bad("table format"))?;
        if !TABLE_FORMATS.contains(&format) {
            return Err(CommitError::Format(format));
        }
        let flags = cursor.u8().ok_or(bad("flags"))?;
        if flags & !ADOPT != 0 {
            return Err(bad("flags"));
        }
        let kind = cursor.u8().ok_or(bad("root kind"))?;
        if cursor.u16().ok_or(bad("reserved"))? != 0 {
            return Err(bad("reserved"));
        }
        Ok(Self {
            adopt: flags & ADOPT != 0,
            publisher: cursor.u64().ok_or(bad("publisher"))?,
            expected: (
                read_epoch(&mut cursor)?,
                cursor.array().ok_or(bad("expected root"))?,
            ),
            digest: cursor.array().ok_or(bad("new root"))?,
            root: match kind {
                WHOLE => RootChange::Whole(
                    cursor
                        .take(ROOT_LEN)
                        .and_then(Root::decode)
                        .ok_or(bad("root"))?,
                ),
                DELTA => read_delta(&mut cursor)?,
                _ => return Err(bad("root kind")),
            },
            segments: read_segments(&mut cursor)?,
        })
    }
}

/// An epoch beyond 2^53 is no count of commits, and Lua and JSON could not hold it.
fn read_epoch(cursor: &mut Cursor<'_>) -> Result<u64, CommitError> {
    let epoch = cursor.u64().filter(|epoch| *epoch < 1 << 53);
    epoch.ok_or(CommitError::Malformed("expected epoch"))
}

fn read_delta(cursor: &mut Cursor<'_>) -> Result<RootChange, CommitError> {
    let bad = CommitError::Malformed("delta");
    let base = cursor.array().ok_or(bad)?;
    let count = cursor.u32().ok_or(bad)?;
    if count > SEGMENTS {
        return Err(bad);
    }
    let mut changes: Vec<(u32, SegmentId)> = Vec::new();
    for _ in 0..count {
        let segment = cursor.u32().ok_or(bad)?;
        let id = SegmentId {
            len: cursor.u32().ok_or(bad)?,
            digest: cursor.array().ok_or(bad)?,
        };
        let ascends = changes.last().is_none_or(|(last, _)| *last < segment);
        if segment >= SEGMENTS || !ascends {
            return Err(bad);
        }
        changes.push((segment, id));
    }
    Ok(RootChange::Delta { base, changes })
}

fn read_segments<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<(Digest, &'a [u8])>, CommitError> {
    let bad = CommitError::Malformed("segments");
    let count = cursor.u32().ok_or(bad)?;
    if count > SEGMENTS {
        return Err(bad);
    }
    let mut segments = Vec::new();
    for _ in 0..count {
        let digest = cursor.array().ok_or(bad)?;
        let len = cursor.u32().ok_or(bad)?;
        segments.push((digest, cursor.take(len as usize).ok_or(bad)?));
    }
    match cursor.u8() {
        None => Ok(segments),
        Some(_) => Err(CommitError::Malformed("end")),
    }
}

/// A count or length that [`MAX_BODY`] bounds.
fn put_u32(out: &mut Vec<u8>, value: usize) {
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    out.extend_from_slice(&value.to_le_bytes());
}
