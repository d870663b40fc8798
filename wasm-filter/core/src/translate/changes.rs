//! What commits changed and nobody has taken yet.
//!
//! Something is given only if it differs from what was given last; only digests of that are kept.

use std::collections::{BTreeMap, BTreeSet};

use super::entities::Entities;
use crate::object::{Id, ObjectKey};
use crate::problem::Problem;
use crate::table::build::TableBuilder;
use crate::table::hash::{Digest, digest128};

/// One segment of the table, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentChange {
    /// Its index.
    pub index: u32,
    /// Digest of `bytes`.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// One piece of what changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Segments with new bytes. One that became empty is not here: the root says so.
    pub segments: Vec<SegmentChange>,
    /// The new root; with the last piece, if the table changed.
    pub root: Option<Vec<u8>>,
    /// Problems by object, replacing those given before; empty = none left.
    pub problems: Vec<(ObjectKey, Vec<Problem>)>,
    /// Statuses by object as JSON, replacing those given before; empty = none any more.
    pub statuses: Vec<(ObjectKey, String)>,
    /// Entities by id as JSON ([`Translator::entities`](super::Translator::entities)), replacing
    /// those given before; empty = none any more.
    pub entities: Vec<(Box<str>, String)>,
    /// More pieces follow.
    pub more: bool,
}

/// What is to be given.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    segments: Channel<u32>,
    problems: Channel<ObjectKey>,
    statuses: Channel<Id>,
    entities: Channel<Box<str>>,
    root: Option<Digest>,
    committed: bool,
}

/// What of one sort may have changed, and what was given last.
#[derive(Debug)]
struct Channel<K> {
    pending: BTreeSet<K>,
    given: BTreeMap<K, Digest>,
}

/// How much of a piece is used.
#[derive(Debug)]
struct Budget {
    used: usize,
    max: usize,
}

// === impl Outbox ===

impl Outbox {
    pub(crate) fn segment(&mut self, index: u32) {
        self.segments.pending.insert(index);
    }

    pub(crate) fn problems(&mut self, key: ObjectKey) {
        self.problems.pending.insert(key);
    }

    pub(crate) fn status(&mut self, id: Id) {
        self.statuses.pending.insert(id);
    }

    pub(crate) fn entity(&mut self, id: Box<str>) {
        self.entities.pending.insert(id);
    }

    pub(crate) fn committed(&mut self) {
        self.committed = true;
    }

    /// As if nothing had been given yet; the caller marks everything there is.
    pub(crate) fn rewind(&mut self) {
        *self = Self {
            committed: self.committed,
            ..Self::default()
        };
    }

    /// The next piece.
    pub(crate) fn take(
        &mut self,
        max_bytes: usize,
        table: &TableBuilder,
        problems: &BTreeMap<ObjectKey, Vec<Problem>>,
        entities: &Entities,
        status: impl Fn(&Id) -> String,
    ) -> Changes {
        let mut out = Changes::default();
        let mut budget = Budget {
            used: 0,
            max: max_bytes,
        };
        while let Some(index) = self.segments.pending.first().copied() {
            let Some(segment) = table.segment(index) else {
                self.segments.done(&index, None);
                continue;
            };
            if !budget.fits(segment.bytes.len()) {
                break;
            }
            if self.segments.done(&index, Some(segment.digest)) {
                budget.used += segment.bytes.len();
                out.segments.push(SegmentChange {
                    index,
                    digest: segment.digest,
                    bytes: segment.bytes.clone(),
                });
            }
        }
        while let Some(key) = self.problems.pending.first().cloned() {
            let list = problems.get(&key).cloned().unwrap_or_default();
            // A list of texts always can be written.
            let bytes = serde_json::to_vec(&list).unwrap_or_default();
            if !budget.fits(bytes.len()) {
                break;
            }
            let digest = (!list.is_empty()).then(|| digest128(&bytes));
            if self.problems.done(&key, digest) {
                budget.used += bytes.len();
                out.problems.push((key, list));
            }
        }
        while let Some(id) = self.statuses.pending.first().cloned() {
            let json = status(&id);
            if !budget.fits(json.len()) {
                break;
            }
            let digest = (!json.is_empty()).then(|| digest128(json.as_bytes()));
            if self.statuses.done(&id, digest) {
                budget.used += json.len();
                out.statuses.push((id.key(), json));
            }
        }
        while let Some(id) = self.entities.pending.first().cloned() {
            let json = entities.get(&id).cloned().unwrap_or_default();
            if !budget.fits(json.len()) {
                break;
            }
            let digest = (!json.is_empty()).then(|| digest128(json.as_bytes()));
            if self.entities.done(&id, digest) {
                budget.used += json.len();
                out.entities.push((id, json));
            }
        }
        out.more = !(self.segments.pending.is_empty()
            && self.problems.pending.is_empty()
            && self.statuses.pending.is_empty()
            && self.entities.pending.is_empty());
        if !out.more && self.committed {
            let digest = table.root_digest();
            if self.root.replace(digest) != Some(digest) {
                out.root = Some(table.root_bytes());
            }
        }
        out
    }
}

// === impl Channel ===

impl<K: Ord + Clone> Channel<K> {
    /// `key` is dealt with; its content is named by `digest`, none if it is gone. Is that news?
    fn done(&mut self, key: &K, digest: Option<Digest>) -> bool {
        self.pending.remove(key);
        match digest {
            Some(digest) => self.given.insert(key.clone(), digest) != Some(digest),
            None => self.given.remove(key).is_some(),
        }
    }
}

impl<K> Default for Channel<K> {
    fn default() -> Self {
        Self {
            pending: BTreeSet::new(),
            given: BTreeMap::new(),
        }
    }
}

// === impl Budget ===

impl Budget {
    /// Is there room? The first of a piece always has.
    fn fits(&self, len: usize) -> bool {
        self.used == 0 || self.used.saturating_add(len) <= self.max
    }
}
