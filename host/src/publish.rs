//! Puts what the translator changed into effect on a node.
//!
//! A node is anything with shared data. What is sent but did not get into effect (a full zone, a
//! node that is away) waits and goes with the next push, so that a change is never lost and the
//! table before stays in effect whole.

#[cfg(feature = "dev")]
mod emulator;

use std::collections::BTreeMap;

use silverback_core::table::root::Root;
use silverback_core::table::store::publish::{PublishError, Published, Publisher};
use silverback_core::table::store::{SharedData, StoreError};

use crate::translator::Changes;

#[cfg(feature = "dev")]
pub use emulator::EmulatorStore;

/// How often a push starts over because another publisher was faster.
const RACES: usize = 8;

/// Why a push did not get into effect.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The root is of another format: translator.wasm and the host are of different releases.
    #[error(
        "the translator's root cannot be read (hint: rebuild host and translator.wasm together)"
    )]
    Root,
    /// The node lacks segments that were pushed before: it was started anew.
    #[error("the node lacks {0} segments of the table (hint: push everything again)")]
    Lost(usize),
    /// The node did not take it.
    #[error("{0}")]
    Node(PublishError),
}

/// One node and what is on its way there.
pub struct Node<S> {
    store: S,
    publisher: Publisher,
    waiting: BTreeMap<u32, Vec<u8>>,
    root: Option<Root>,
}

// === impl PushError ===

impl PushError {
    /// Whether pushing the whole table may help.
    pub fn wants_everything(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

// === impl Node ===

impl<S: SharedData> Node<S> {
    /// Takes over a node whose zone has room for so many pages.
    pub fn open(store: S, pages: u16) -> Result<Self, PushError> {
        let publisher = Publisher::open(&store, pages).map_err(PushError::Node)?;
        Ok(Self {
            store,
            publisher,
            waiting: BTreeMap::new(),
            root: None,
        })
    }

    /// Puts changes into effect, together with any that are waiting. Without anything to do it
    /// does nothing.
    pub fn push(&mut self, changes: &Changes) -> Result<Option<Published>, PushError> {
        for segment in &changes.segments {
            self.waiting.insert(segment.index, segment.bytes.clone());
        }
        if let Some(root) = &changes.root {
            self.root = Some(Root::decode(root).ok_or(PushError::Root)?);
        }
        let Some(root) = &self.root else {
            return Ok(None);
        };
        let mut races = 0;
        let published = loop {
            let content = |segment| self.waiting.get(&segment).map(Vec::as_slice);
            match self.publisher.publish(&self.store, root, content) {
                Ok(published) => break published,
                Err(PublishError::Raced | PublishError::Store(StoreError::CasMismatch))
                    if races < RACES =>
                {
                    races += 1
                }
                Err(PublishError::Missing(segments)) => {
                    return Err(PushError::Lost(segments.len()));
                }
                Err(error) => return Err(PushError::Node(error)),
            }
        };
        self.waiting.clear();
        self.root = None;
        Ok(Some(published))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translator::Segment;
    use silverback_core::table::root::SegmentId;
    use silverback_core::table::store::MemoryStore;

    fn changes(segments: &[(u32, &[u8])], root: &Root) -> Changes {
        Changes {
            segments: segments
                .iter()
                .map(|(index, bytes)| Segment {
                    index: *index,
                    digest: Vec::new(),
                    bytes: bytes.to_vec(),
                })
                .collect(),
            root: Some(root.encode()),
            ..Changes::default()
        }
    }

    #[test]
    fn changes_get_into_effect() {
        let mut node = Node::open(MemoryStore::default(), 16).expect("a node");
        let mut root = Root::default();
        root.set(1, SegmentId::of(b"one"));
        let published = node.push(&changes(&[(1, b"one")], &root)).expect("pushed");
        assert_eq!(published.map(|published| published.epoch), Some(1));
        assert_eq!(node.push(&Changes::default()).expect("nothing"), None);
    }

    #[test]
    fn what_did_not_fit_goes_with_the_next_push() {
        let mut node = Node::open(MemoryStore::default(), 2).expect("a node");
        let mut root = Root::default();
        let big = vec![7; 200_000];
        root.set(1, SegmentId::of(&big));
        root.set(2, SegmentId::of(b"two"));
        let error = node
            .push(&changes(&[(1, &big), (2, b"two")], &root))
            .expect_err("too big");
        assert!(matches!(
            error,
            PushError::Node(PublishError::ZoneFull { .. })
        ));

        root.set(1, SegmentId::default());
        let published = node.push(&changes(&[], &root)).expect("pushed");
        assert_eq!(published.map(|published| published.segments), Some(1));
    }

    #[test]
    fn segments_that_the_node_lacks_are_asked_for() {
        let mut node = Node::open(MemoryStore::default(), 4).expect("a node");
        let mut root = Root::default();
        root.set(1, SegmentId::of(b"one"));
        let error = node.push(&changes(&[], &root)).expect_err("missing");
        assert!(error.wants_everything());
        node.push(&changes(&[(1, b"one")], &root)).expect("pushed");
    }
}
