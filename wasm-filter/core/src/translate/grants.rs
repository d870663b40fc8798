//! References into other namespaces (Gateway API `ReferenceGrant`).

use super::deps::Reads;
use crate::object::{Id, Kind};

/// May `from` refer to `to`? Within a namespace always.
pub(crate) fn permits(reads: &mut Reads<'_>, from: &Id, to: &Id) -> bool {
    from.namespace == to.namespace
        || reads.grants(&to.namespace).any(|grant| {
            grant.from.iter().any(|entry| {
                is(from.kind, &entry.group, &entry.kind) && *entry.namespace == *from.namespace
            }) && grant.to.iter().any(|entry| {
                is(to.kind, &entry.group, &entry.kind)
                    && entry.name.as_ref().is_none_or(|name| **name == *to.name)
            })
        })
}

fn is(kind: Kind, group: &str, name: &str) -> bool {
    kind.group() == group && kind.as_str() == name
}
