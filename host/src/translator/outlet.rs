//! What has been handed on, so that only differences are.
//!
//! A new instance, after a trap or with a new translator.wasm, gives everything again. Nobody
//! further on should notice: segments are compared by digest, problems and statuses by value.

use std::collections::{BTreeMap, BTreeSet};

use silverback_core::table::root::Root;

use super::bindings::types;
use crate::object::ObjectKey;
use crate::problem::Problem;

/// One segment of the table, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its place in the root.
    pub index: u32,
    /// Names its bytes.
    pub digest: Vec<u8>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What is new since the last taking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Segments that changed.
    pub segments: Vec<Segment>,
    /// The new logical root, if the table changed.
    pub root: Option<Vec<u8>>,
    /// All problems of each of these objects, replacing what was given before.
    pub problems: BTreeMap<ObjectKey, Vec<Problem>>,
    /// The status of each of these objects as JSON; empty if the object is gone.
    pub statuses: BTreeMap<ObjectKey, String>,
    /// Certificates, plugin sets and names to resolve as JSON by id; empty if it is gone.
    pub entities: BTreeMap<String, String>,
}

/// What the other side has.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    segments: BTreeMap<u32, Vec<u8>>,
    root: Option<Vec<u8>>,
    /// What the guest says of its objects.
    problems: BTreeMap<ObjectKey, Vec<Problem>>,
    statuses: BTreeMap<ObjectKey, String>,
    entities: BTreeMap<String, String>,
    /// The next taking is from an instance that gives everything.
    whole: bool,
}

// === impl Changes ===

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

// === impl Outlet ===

impl Outlet {
    /// From now on comes a new instance.
    pub(super) fn restart(&mut self) {
        self.whole = true;
    }

    /// The other side has lost the table, and wants it all.
    pub(super) fn forget_table(&mut self) {
        self.segments.clear();
        self.root = None;
    }

    /// Takes over what the guest gave, piece by piece, and returns what is different.
    pub(super) fn take(&mut self, pieces: Vec<types::Changes>) -> Changes {
        let mut changes = Changes::default();
        let mut gone: BTreeSet<ObjectKey> = BTreeSet::new();
        let mut stale: BTreeSet<ObjectKey> = BTreeSet::new();
        let mut unnamed: BTreeSet<String> = BTreeSet::new();
        if std::mem::take(&mut self.whole) {
            gone.extend(self.problems.keys().cloned());
            stale.extend(self.statuses.keys().cloned());
            unnamed.extend(self.entities.keys().cloned());
        }
        for piece in pieces {
            for segment in piece.segments {
                let old = self.segments.insert(segment.index, segment.digest.clone());
                if old.as_ref() != Some(&segment.digest) {
                    changes.segments.push(Segment {
                        index: segment.index,
                        digest: segment.digest,
                        bytes: segment.bytes,
                    });
                }
            }
            if let Some(root) = piece.root
                && self.root.as_ref() != Some(&root)
            {
                // A segment that became empty is not among those given: the root says so. When it comes
                // back with the bytes that it had, they are new to the other side.
                if let Some(root) = Root::decode(&root) {
                    self.segments.retain(|index, _| root.get(*index).len > 0);
                }
                self.root = Some(root.clone());
                changes.root = Some(root);
            }
            for of in piece.problems {
                let key = ObjectKey::from(of.object);
                gone.remove(&key);
                let problems: Vec<_> = of.problems.into_iter().map(Problem::from).collect();
                self.problems_of(key, problems, &mut changes);
            }
            for of in piece.statuses {
                let key = ObjectKey::from(of.object);
                stale.remove(&key);
                self.status_of(key, of.status_json, &mut changes);
            }
            for entity in piece.entities {
                unnamed.remove(&entity.id);
                self.entity(entity.id, entity.json, &mut changes);
            }
        }
        for key in gone {
            self.problems_of(key, Vec::new(), &mut changes);
        }
        for key in stale {
            self.status_of(key, String::new(), &mut changes);
        }
        for id in unnamed {
            self.entity(id, String::new(), &mut changes);
        }
        changes
    }

    /// What the guest says of one object.
    pub(super) fn problems(&self, key: &ObjectKey) -> &[Problem] {
        self.problems.get(key).map_or(&[], Vec::as_slice)
    }

    fn problems_of(&mut self, key: ObjectKey, problems: Vec<Problem>, changes: &mut Changes) {
        if self.problems(&key) == problems {
            return;
        }
        if problems.is_empty() {
            self.problems.remove(&key);
        } else {
            self.problems.insert(key.clone(), problems.clone());
        }
        changes.problems.insert(key, problems);
    }

    fn status_of(&mut self, key: ObjectKey, status: String, changes: &mut Changes) {
        let old = self.statuses.get(&key).map_or("", String::as_str);
        if old == status {
            return;
        }
        if status.is_empty() {
            self.statuses.remove(&key);
        } else {
            self.statuses.insert(key.clone(), status.clone());
        }
        changes.statuses.insert(key, status);
    }

    fn entity(&mut self, id: String, json: String, changes: &mut Changes) {
        let old = self.entities.get(&id).map_or("", String::as_str);
        if old == json {
            return;
        }
        if json.is_empty() {
            self.entities.remove(&id);
        } else {
            self.entities.insert(id.clone(), json.clone());
        }
        changes.entities.insert(id, json);
    }
}

#[cfg(test)]
mod tests {
    use silverback_core::table::root::SegmentId;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("v1", "Service", "a", name)
    }

    fn piece(segments: &[(u32, u8)], problems: &[(&str, &str)], more: bool) -> types::Changes {
        types::Changes {
            segments: segments
                .iter()
                .map(|(index, digest)| types::Segment {
                    index: *index,
                    digest: vec![*digest],
                    bytes: vec![*digest; 3],
                })
                .collect(),
            root: (!more).then(|| vec![segments.len() as u8]),
            problems: problems
                .iter()
                .map(|(name, message)| types::ObjectProblems {
                    object: (&key(name)).into(),
                    problems: (!message.is_empty())
                        .then(|| types::Problem {
                            code: "Code".to_owned(),
                            severity: types::Severity::Warning,
                            object: (&key(name)).into(),
                            field: String::new(),
                            message: (*message).to_owned(),
                            hint: String::new(),
                        })
                        .into_iter()
                        .collect(),
                })
                .collect(),
            statuses: Vec::new(),
            entities: Vec::new(),
            more,
        }
    }

    fn indexes(changes: &Changes) -> Vec<u32> {
        changes
            .segments
            .iter()
            .map(|segment| segment.index)
            .collect()
    }

    #[test]
    fn new_instance_hands_on_differences_only() {
        let mut outlet = Outlet::default();
        let first = outlet.take(vec![
            piece(&[(0, 1), (1, 1)], &[("x", "bad")], true),
            piece(&[(2, 1)], &[("y", "bad")], false),
        ]);
        assert_eq!(indexes(&first), [0, 1, 2]);
        assert_eq!(first.problems.len(), 2);

        outlet.restart();
        let again = outlet.take(vec![
            piece(&[(0, 1), (1, 2)], &[("x", "bad")], true),
            piece(&[(2, 1)], &[], false),
        ]);
        assert_eq!(indexes(&again), [1]);
        // The same root bytes as before are no news.
        assert_eq!(again.root, None);
        assert_eq!(again.problems.get(&key("y")), Some(&Vec::new()));
        assert_eq!(again.problems.len(), 1);
    }

    #[test]
    fn segment_that_was_empty_is_handed_on_again_with_the_bytes_that_it_had() {
        let mut outlet = Outlet::default();
        let with_root = |segments: &[(u32, u8)], there: &[u32]| {
            let mut root = Root::default();
            for index in there {
                root.set(*index, SegmentId::of(b"bytes"));
            }
            let mut piece = piece(segments, &[], false);
            piece.root = Some(root.encode());
            vec![piece]
        };
        outlet.take(with_root(&[(0, 1), (1, 1)], &[0, 1]));
        let emptied = outlet.take(with_root(&[], &[0]));
        assert!(emptied.segments.is_empty() && emptied.root.is_some());
        let back = outlet.take(with_root(&[(1, 1)], &[0, 1]));
        assert_eq!(indexes(&back), [1]);
    }

    #[test]
    fn table_that_was_lost_comes_whole() {
        let mut outlet = Outlet::default();
        let all = || vec![piece(&[(0, 1), (1, 1)], &[("x", "bad")], false)];
        outlet.take(all());
        assert!(outlet.take(all()).is_empty());
        outlet.forget_table();
        let changes = outlet.take(all());
        assert_eq!(indexes(&changes), [0, 1]);
        assert!(changes.root.is_some());
        assert!(changes.problems.is_empty());
    }
}
