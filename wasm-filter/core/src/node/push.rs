//! The publisher's side: what goes into the commit and what must be put before it.

use super::MAX_BODY;
use super::commit::Commit;
use super::hex::to_hex;
use crate::table::hash::Digest;

/// A segment, or a piece of one, to put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put<'a> {
    /// Digest of the segment.
    pub digest: Digest,
    /// Bytes of the segment.
    pub length: usize,
    /// Where the piece begins.
    pub offset: usize,
    /// The piece: the body.
    pub bytes: &'a [u8],
}

impl Put<'_> {
    /// Path behind [`super::PREFIX`], with the query.
    #[must_use]
    pub fn path(&self) -> String {
        format!(
            "segments/{}?length={}&offset={}",
            to_hex(&self.digest),
            self.length,
            self.offset
        )
    }
}

/// The pieces of a segment.
pub fn pieces(digest: Digest, bytes: &[u8]) -> impl Iterator<Item = Put<'_>> {
    let chunks = (0..).zip(bytes.chunks(MAX_BODY));
    chunks.map(move |(at, piece)| Put {
        digest,
        length: bytes.len(),
        offset: at * MAX_BODY,
        bytes: piece,
    })
}

impl<'a> Commit<'a> {
    /// Leaves as many segments in the commit as a body may have; gives the others as pieces to put
    /// before it.
    #[must_use]
    pub fn fit(mut self) -> (Vec<Put<'a>>, Self) {
        let segments = core::mem::take(&mut self.segments);
        let mut puts = Vec::new();
        let mut len = self.encoded_len();
        for (digest, bytes) in segments {
            let longer = len
                .saturating_add(super::commit::SEGMENT_HEADER)
                .saturating_add(bytes.len());
            if longer <= MAX_BODY {
                len = longer;
                self.segments.push((digest, bytes));
            } else {
                puts.extend(pieces(digest, bytes));
            }
        }
        (puts, self)
    }
}
