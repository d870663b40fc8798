//! Segments that were put and that no commit has used yet.

use super::MAX_BODY;
use super::answer::Stored;
use super::error::NodeError;
use super::hex::HexDigest;
use crate::table::hash::{Digest, digest128};
use crate::table::root::SegmentId;
use crate::table::store::MAX_PAGES;
use crate::table::store::page::PAGE_USED;

/// The longest segment that a node could ever hold.
pub(crate) const MAX_SEGMENT: usize = MAX_PAGES as usize * PAGE_USED;

/// Which piece of which segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) digest: Digest,
    /// Bytes of the whole segment.
    pub(crate) length: usize,
    /// Where the piece begins.
    pub(crate) offset: usize,
}

/// Segments on their way, bounded.
#[derive(Debug, Default)]
pub(crate) struct Staging {
    /// Sorted by digest. A map would be 10 KB more of the filter.
    segments: Vec<Staged>,
    bytes: usize,
}

/// Why a piece is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotStaged {
    /// Another piece said that the segment has another length.
    Length,
    /// No room.
    Full,
    /// The segment is complete and has another digest.
    Digest,
}

#[derive(Debug)]
struct Staged {
    digest: Digest,
    bytes: Vec<u8>,
    pieces: Vec<bool>,
    complete: bool,
}

// === impl Piece ===

impl Piece {
    /// The segment that it is of.
    pub(crate) fn id(&self) -> SegmentId {
        SegmentId {
            len: u32::try_from(self.length).unwrap_or(u32::MAX),
            digest: self.digest,
        }
    }

    /// Reads the query (`length=L&offset=O`) for a body of so many bytes. The piece must be
    /// exactly what belongs at its offset.
    pub(crate) fn parse(digest: Digest, query: &str, body: usize) -> Result<Self, NodeError> {
        let (mut length, mut offset) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (slot, name) = match name {
                "length" => (&mut length, "length"),
                "offset" => (&mut offset, "offset"),
                _ => continue,
            };
            let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
            let number = digits.then(|| value.parse().ok()).flatten();
            *slot = Some(number.ok_or_else(|| NodeError::malformed(name))?);
        }
        let piece = Self {
            digest,
            length: length.unwrap_or(body),
            offset: offset.unwrap_or(0),
        };
        if piece.length == 0 || piece.length > MAX_SEGMENT {
            return Err(NodeError::malformed("length"));
        }
        if !piece.offset.is_multiple_of(MAX_BODY) || piece.offset >= piece.length {
            return Err(NodeError::malformed("offset"));
        }
        if (piece.length - piece.offset).min(MAX_BODY) != body {
            return Err(NodeError::malformed("body"));
        }
        Ok(piece)
    }
}

// === impl NotStaged ===

impl NotStaged {
    /// As a node answers it.
    pub(crate) fn told(self, digest: Digest) -> NodeError {
        match self {
            Self::Length => NodeError::malformed("length"),
            Self::Full => NodeError::staging_full(),
            Self::Digest => NodeError::digest_mismatch(digest),
        }
    }
}

// === impl Staging ===

impl Staging {
    /// A segment that is here whole.
    pub(crate) fn get(&self, digest: &Digest) -> Option<&[u8]> {
        let staged = self.find(digest).ok();
        let staged = staged.and_then(|at| self.segments.get(at));
        Some(&staged.filter(|staged| staged.complete)?.bytes)
    }

    /// Forgets everything: the commit that needed it is done.
    pub(crate) fn clear(&mut self) {
        self.segments.clear();
        self.bytes = 0;
    }

    /// Forgets what is not wanted any more.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&Digest) -> bool) {
        self.segments.retain(|staged| wanted(&staged.digest));
        let all = self.segments.iter();
        self.bytes = all.map(|staged| staged.bytes.len()).sum();
    }

    /// Where the next piece of a segment begins; 0 if nothing of it is here.
    pub(crate) fn next_piece(&self, digest: &Digest) -> usize {
        let staged = self.find(digest).ok();
        let staged = staged.and_then(|at| self.segments.get(at));
        let pieces = staged.map_or(&[][..], |staged| &staged.pieces);
        let here = pieces.iter().take_while(|here| **here).count();
        here.saturating_mul(MAX_BODY)
    }

    /// Where the segment is, or would be.
    fn find(&self, digest: &Digest) -> Result<usize, usize> {
        self.segments
            .binary_search_by(|staged| staged.digest.cmp(digest))
    }

    /// Takes a piece in.
    pub(crate) fn put(&mut self, piece: Piece, body: &[u8]) -> Result<Stored, NotStaged> {
        let at = match self.find(&piece.digest) {
            Ok(at) => at,
            Err(at) => {
                // One segment always fits, or nothing above the limit could ever be put.
                if self.bytes > 0 && self.bytes.saturating_add(piece.length) > MAX_SEGMENT {
                    return Err(NotStaged::Full);
                }
                self.bytes = self.bytes.saturating_add(piece.length);
                let staged = Staged {
                    digest: piece.digest,
                    bytes: vec![0; piece.length],
                    pieces: vec![false; piece.length.div_ceil(MAX_BODY)],
                    complete: false,
                };
                self.segments.insert(at, staged);
                at
            }
        };
        let staged = self.segments.get_mut(at).ok_or(NotStaged::Full)?;
        if staged.bytes.len() != piece.length {
            return Err(NotStaged::Length);
        }
        let known = staged.complete;
        if !known {
            let end = piece.offset.saturating_add(body.len());
            if let Some(place) = staged.bytes.get_mut(piece.offset..end) {
                place.copy_from_slice(body);
            }
            if let Some(here) = staged.pieces.get_mut(piece.offset / MAX_BODY) {
                *here = true;
            }
            staged.complete = staged.pieces.iter().all(|here| *here);
            if staged.complete && digest128(&staged.bytes) != piece.digest {
                self.segments.remove(at);
                self.bytes = self.bytes.saturating_sub(piece.length);
                return Err(NotStaged::Digest);
            }
        }
        Ok(Stored {
            schema_version: 1,
            digest: HexDigest(piece.digest),
            length: piece.length,
            received: received(staged),
            complete: staged.complete,
            known,
        })
    }
}

fn received(staged: &Staged) -> usize {
    let pieces = (0..).zip(&staged.pieces).filter(|(_, here)| **here);
    let left = |at: usize| staged.bytes.len().saturating_sub(at * MAX_BODY);
    pieces.map(|(at, _)| left(at).min(MAX_BODY)).sum()
}
