//! `v1` Namespace: its labels, by which listeners select it.

use std::collections::BTreeMap;

use super::field::{Field, Sink};

/// What is read of a Namespace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Namespace {
    pub(crate) labels: BTreeMap<Box<str>, Box<str>>,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> Namespace {
    let metadata = root.key("metadata");
    let labels = metadata.key("labels");
    let mut out = BTreeMap::new();
    for (key, _) in labels.members(sink).unwrap_or_default() {
        if let Ok(Some(value)) = labels.key(key).text(sink) {
            out.insert(key.into(), value.into());
        }
    }
    Namespace { labels: out }
}
