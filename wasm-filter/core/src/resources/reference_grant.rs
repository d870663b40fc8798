//! `gateway.networking.k8s.io` ReferenceGrant: who may refer to what in its namespace.

use super::field::{Field, Read, Sink};
use super::unknown;

/// What is read of a ReferenceGrant. An entry that cannot be read grants nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReferenceGrant {
    pub(crate) from: Box<[GrantFrom]>,
    pub(crate) to: Box<[GrantTo]>,
}

/// Objects that may refer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GrantFrom {
    pub(crate) group: Box<str>,
    pub(crate) kind: Box<str>,
    pub(crate) namespace: Box<str>,
}

/// Objects that may be referred to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GrantTo {
    pub(crate) group: Box<str>,
    pub(crate) kind: Box<str>,
    /// `None` = all of the kind.
    pub(crate) name: Option<Box<str>>,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> ReferenceGrant {
    let spec = root.key("spec");
    // A spec that is missing or no object grants nothing and says so once.
    let _ = spec.required_object(sink);
    unknown::warn(&spec, &["from", "to"], sink);
    let list = |name| spec.key(name);
    let (from, to) = (list("from"), list("to"));
    let from = from.items(sink).unwrap_or_default();
    let to = to.items(sink).unwrap_or_default();
    ReferenceGrant {
        from: from
            .iter()
            .filter_map(|(_, entry)| read_from(entry, sink).ok())
            .collect(),
        to: to
            .iter()
            .filter_map(|(_, entry)| read_to(entry, sink).ok())
            .collect(),
    }
}

fn read_from(entry: &Field<'_, '_>, sink: &mut Sink) -> Read<GrantFrom> {
    entry.required_object(sink)?;
    unknown::warn(entry, &["group", "kind", "namespace"], sink);
    Ok(GrantFrom {
        group: entry.key("group").text(sink)?.unwrap_or_default().into(),
        kind: entry.key("kind").required_text(sink)?.into(),
        namespace: entry.key("namespace").required_name(sink)?.into(),
    })
}

fn read_to(entry: &Field<'_, '_>, sink: &mut Sink) -> Read<GrantTo> {
    entry.required_object(sink)?;
    unknown::warn(entry, &["group", "kind", "name"], sink);
    Ok(GrantTo {
        group: entry.key("group").text(sink)?.unwrap_or_default().into(),
        kind: entry.key("kind").required_text(sink)?.into(),
        name: entry.key("name").name(sink)?.map(Into::into),
    })
}
