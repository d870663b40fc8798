//! The body of `POST /silverback/v1/pull`.
//!
//! ```text
//! u32 magic "SBPL" | u16 version = 1 | u16 table format | u32 wait | u64 epoch | digest root
//! u32 count | count x digest
//! ```

use crate::node::PROTOCOL;
use crate::node::commit::CommitError;
use crate::table::bytes::Cursor;
use crate::table::hash::{DIGEST_LEN, Digest};
use crate::table::layout::SEGMENTS;
use crate::table::segment::FORMAT;

/// First bytes of a request: "SBPL".
pub const MAGIC: u32 = u32::from_le_bytes(*b"SBPL");

/// The longest that a publisher may be asked to hold an answer, milliseconds.
pub const MAX_WAIT: u32 = 60_000;

/// Bytes before the digests.
const HEADER: usize = 40;

/// The longest request.
pub const MAX_REQUEST: usize = HEADER + SEGMENTS as usize * DIGEST_LEN;

/// What a node has, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PullRequest {
    /// How long the answer may be held until there is something new, milliseconds.
    pub wait: u32,
    /// The node's epoch; 0 without a table.
    pub epoch: u64,
    /// Digest of its logical root; zeros without a table.
    pub root: Digest,
    /// Segments that the last answer named and did not bring. Then the answer is not held.
    pub wanted: Vec<Digest>,
}

// === impl PullRequest ===

impl PullRequest {
    /// The request as a body. Of more segments than there are, the first are named.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut wanted = &*self.wanted;
        wanted = wanted.get(..SEGMENTS as usize).unwrap_or(wanted);
        let mut out = Vec::with_capacity(HEADER + wanted.len() * DIGEST_LEN);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&PROTOCOL.to_le_bytes());
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&self.wait.to_le_bytes());
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.root);
        out.extend_from_slice(&(wanted.len() as u32).to_le_bytes());
        for digest in wanted {
            out.extend_from_slice(digest);
        }
        out
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`CommitError`]: the errors of a commit, which this is the question for.
    pub fn decode(body: &[u8]) -> Result<Self, CommitError> {
        let bad = CommitError::Malformed;
        if body.len() > MAX_REQUEST {
            return Err(CommitError::TooLarge(body.len()));
        }
        let mut cursor = Cursor::new(body);
        if cursor.u32().ok_or(bad("magic"))? != MAGIC {
            return Err(bad("magic"));
        }
        if cursor.u16().ok_or(bad("version"))? != PROTOCOL {
            return Err(bad("version"));
        }
        // What the node reads, it gets: there is one format so far.
        let format = cursor.u16().ok_or(bad("table format"))?;
        if format != FORMAT {
            return Err(CommitError::Format(format));
        }
        let wait = cursor.u32().filter(|wait| *wait <= MAX_WAIT);
        let wait = wait.ok_or(bad("wait"))?;
        let epoch = cursor.u64().filter(|epoch| *epoch < 1 << 53);
        let epoch = epoch.ok_or(bad("epoch"))?;
        let root = cursor.array().ok_or(bad("root"))?;
        let count = cursor.u32().filter(|count| *count <= SEGMENTS);
        let mut wanted = Vec::new();
        for _ in 0..count.ok_or(bad("wanted"))? {
            wanted.push(cursor.array().ok_or(bad("wanted"))?);
        }
        if !cursor.is_empty() {
            return Err(bad("end"));
        }
        Ok(Self {
            wait,
            epoch,
            root,
            wanted,
        })
    }
}
