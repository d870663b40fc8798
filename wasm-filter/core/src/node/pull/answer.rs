//! The publisher's side: what a node that asks is given.

use super::request::PullRequest;
use crate::node::MAX_BODY;
use crate::node::commit::{Commit, CommitError, RootChange};
use crate::table::build::TableBuilder;
use crate::table::hash::Digest;
use crate::table::layout::SEGMENTS;
use crate::table::root::Root;

/// A segment above this never fits a commit with a whole root: it is fetched in pieces.
pub const MAX_IN_COMMIT: usize = MAX_BODY - 16 * 1024;

/// The table that is given out.
pub trait Source {
    /// Its logical root.
    fn root(&self) -> &Root;
    /// The root's digest.
    fn digest(&self) -> Digest;
    /// Bytes of a segment; empty where there are no blocks.
    fn segment(&self, index: u32) -> &[u8];
}

impl Source for TableBuilder {
    fn root(&self) -> &Root {
        self.root()
    }

    fn digest(&self) -> Digest {
        self.root_digest()
    }

    fn segment(&self, index: u32) -> &[u8] {
        self.segment(index).map_or(&[], |segment| &segment.bytes)
    }
}

/// Is there something to answer at once?
#[must_use]
pub fn is_due(request: &PullRequest, table: &impl Source) -> bool {
    request.root != table.digest() || !request.wanted.is_empty()
}

/// The commit that brings the node nearer to `table`, as a body. `base` is the node's root, where the
/// publisher still has it.
///
/// # Errors
/// [`CommitError::TooLarge`] cannot be: what does not fit is left out.
pub fn commit(
    request: &PullRequest,
    table: &impl Source,
    base: Option<&Root>,
) -> Result<Vec<u8>, CommitError> {
    let wanted = |index: &u32| {
        let id = table.root().get(*index);
        let lacks = match base {
            _ if !request.wanted.is_empty() => request.wanted.contains(&id.digest),
            Some(base) => base.get(*index) != id,
            // Of an unknown table much may be the same: the node says what it lacks.
            None => request.root == Digest::default(),
        };
        lacks && id.len > 0 && id.len as usize <= MAX_IN_COMMIT
    };
    let mut segments: Vec<(Digest, &[u8])> = (0..SEGMENTS)
        .filter(wanted)
        .map(|index| (table.root().get(index).digest, table.segment(index)))
        .collect();
    segments.sort_unstable_by_key(|(digest, _)| *digest);
    segments.dedup_by_key(|(digest, _)| *digest);
    let commit = Commit {
        adopt: false,
        publisher: 0,
        expected: (request.epoch, request.root),
        digest: table.digest(),
        root: match base {
            Some(base) => RootChange::between(base, table.root()),
            None => RootChange::Whole(table.root().clone()),
        },
        segments,
    };
    let (_left_out, commit) = commit.fit();
    commit.encode()
}

/// The piece of a segment that begins at `offset`, a multiple of [`MAX_BODY`].
pub fn piece<'t>(table: &'t impl Source, digest: &Digest, offset: usize) -> Option<&'t [u8]> {
    let (index, _) = table
        .root()
        .iter()
        .find(|(_, id)| id.len > 0 && id.digest == *digest)?;
    let rest = table.segment(index).get(offset..)?;
    let is_piece = offset.is_multiple_of(MAX_BODY) && !rest.is_empty();
    is_piece.then(|| rest.get(..MAX_BODY).unwrap_or(rest))
}
