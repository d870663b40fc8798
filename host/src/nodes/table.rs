//! One table as it shall be on every node.

use std::sync::Arc;

use silverback_core::node::pull::answer::Source;
use silverback_core::table::build::TableBuilder;
use silverback_core::table::hash::Digest;
use silverback_core::table::layout::SEGMENTS;
use silverback_core::table::root::{Root, SegmentId};

use crate::translator::Changes;

/// A whole table. A new one shares the segments that did not change.
#[derive(Clone, Debug)]
pub struct Table {
    root: Root,
    digest: Digest,
    segments: Vec<Arc<[u8]>>,
}

/// Changes that do not lead to the table that they name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The root is of another format.
    #[error(
        "the translator's root cannot be read (hint: rebuild host and translator.wasm together)"
    )]
    Root,
    /// A segment is not the one that the root names.
    #[error("segment {0} is not the one that the root names")]
    Segment(u32),
}

// === impl Table ===

impl Default for Table {
    fn default() -> Self {
        let root = Root::default();
        Self {
            digest: root.digest(),
            root,
            segments: vec![Arc::from([]); SEGMENTS as usize],
        }
    }
}

impl From<&TableBuilder> for Table {
    fn from(builder: &TableBuilder) -> Self {
        let bytes = |index| builder.segment(index).map_or(&[][..], |s| &s.bytes);
        Self {
            root: builder.root().clone(),
            digest: builder.root_digest(),
            segments: (0..SEGMENTS).map(|index| Arc::from(bytes(index))).collect(),
        }
    }
}

impl Table {
    /// The table after these changes; `None` if the table is the same.
    pub fn with(&self, changes: &Changes) -> Result<Option<Self>, TableError> {
        let Some(root) = &changes.root else {
            return Ok(None);
        };
        let root = Root::decode(root).ok_or(TableError::Root)?;
        let mut segments = self.segments.clone();
        for segment in &changes.segments {
            let slot = segments.get_mut(segment.index as usize);
            *slot.ok_or(TableError::Segment(segment.index))? = Arc::from(&*segment.bytes);
        }
        for (index, id) in root.iter() {
            // A segment that became empty is not among the changes.
            if id.len == 0
                && let Some(slot) = segments.get_mut(index as usize)
            {
                *slot = Arc::from([]);
            }
            // Only what can differ is hashed.
            let same = self.root.get(index) == id
                && !(changes.segments.iter()).any(|segment| segment.index == index);
            let bytes = segments.get(index as usize).map_or(&[][..], |b| b);
            if !same && SegmentId::of(bytes) != id {
                return Err(TableError::Segment(index));
            }
        }
        Ok(Some(Self {
            digest: root.digest(),
            root,
            segments,
        }))
    }

    /// The logical root.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Names the table.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Bytes of a segment; empty where there are no blocks.
    pub fn segment(&self, index: u32) -> &[u8] {
        self.segments.get(index as usize).map_or(&[], |bytes| bytes)
    }
}

impl Source for Table {
    fn root(&self) -> &Root {
        self.root()
    }

    fn digest(&self) -> Digest {
        self.digest()
    }

    fn segment(&self, index: u32) -> &[u8] {
        self.segment(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translator::Segment;

    fn changes(segments: &[(u32, &[u8])], root: &Root) -> Changes {
        let segment = |(index, bytes): &(u32, &[u8])| Segment {
            index: *index,
            digest: SegmentId::of(bytes).digest.to_vec(),
            bytes: bytes.to_vec(),
        };
        Changes {
            segments: segments.iter().map(segment).collect(),
            root: Some(root.encode()),
            ..Changes::default()
        }
    }

    #[test]
    fn a_segment_that_became_empty_is_empty_though_no_change_names_it() {
        let mut root = Root::default();
        root.set(1, SegmentId::of(b"one"));
        root.set(2, SegmentId::of(b"two"));
        let table = Table::default().with(&changes(&[(1, b"one"), (2, b"two")], &root));
        let table = table.expect("a table").expect("another one");
        root.set(2, SegmentId::default());
        let table = table.with(&changes(&[], &root));
        let table = table.expect("a table").expect("another one");
        assert_eq!(
            (table.segment(1), table.segment(2)),
            (&b"one"[..], &b""[..])
        );
        assert_eq!(table.digest(), root.digest());
    }
}
