//! The root that a commit leads to.

use super::commit::{Commit, RootChange};
use super::error::NodeError;
use crate::table::hash::Digest;
use crate::table::root::Root;
use crate::table::store::publish::StoreState;

/// Why a commit leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoot {
    /// The delta's base is neither the current nor the previous root.
    UnknownBase,
    /// The root has another digest than the commit says.
    Digest(Digest),
    /// A segment without bytes has a digest, or one with bytes has none.
    Malformed,
}

// === impl NoRoot ===

impl NoRoot {
    /// As a node answers it.
    pub(super) fn told(self, state: &StoreState) -> NodeError {
        match self {
            Self::UnknownBase => NodeError::unknown_base(state.epoch, state.digest),
            Self::Digest(digest) => NodeError::digest_mismatch(digest),
            Self::Malformed => NodeError::malformed("root"),
        }
    }
}

// === impl Commit ===

impl Commit<'_> {
    /// The root that this commit describes, checked against its digest.
    pub(super) fn new_root(&self, state: &StoreState) -> Result<Root, NoRoot> {
        let root = match &self.root {
            RootChange::Whole(root) => root.clone(),
            RootChange::Delta { base, changes } => {
                let known = [&state.root, &state.previous].into_iter().flatten();
                let mut root = known
                    .into_iter()
                    .find(|root| root.digest() == *base)
                    .ok_or(NoRoot::UnknownBase)?
                    .clone();
                for (segment, id) in changes {
                    root.set(*segment, *id);
                }
                root
            }
        };
        if root.digest() != self.digest {
            return Err(NoRoot::Digest(self.digest));
        }
        for (_, id) in root.iter() {
            // The segment without bytes has no digest; anything else could never be found.
            if (id.len == 0) != (id.digest == Digest::default()) {
                return Err(NoRoot::Malformed);
            }
        }
        Ok(root)
    }
}
