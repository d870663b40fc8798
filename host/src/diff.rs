//! What changes from one routing table to another, computed from their dumps (`silverback_core`'s
//! `table::dump`) as plain JSON: a field or a list that the core adds to the dump is compared
//! without a change in here.
//!
//! ```text
//! list of the dump -> items paired by identity (identity.rs, pair.rs) -> fields of each pair (fields.rs)
//! ```

mod contents;
mod fields;
mod identity;
mod pair;

use serde::Serialize;
use serde_json::{Map, Value};

pub use contents::Contents;
use identity::{ENCODING, LISTS, ListRule};

/// What happened to a thing or to a field of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Only in the new table.
    Add,
    /// Only in the old table.
    Remove,
    /// In both, and different.
    Change,
}

/// A thing that is not the same in both tables: a host, a match, a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// What happened to it.
    pub op: Op,
    /// What it is: `host`, `match`, `service`.
    pub kind: String,
    /// The fields that name it among its like.
    pub id: Map<String, Value>,
    /// The old one, without the lists that are compared item by item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// The new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
    /// It is tried earlier or later than others that did not change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
    /// What of it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// What changed in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// Positions in an ordered list, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// In the old list.
    pub from: usize,
    /// In the new list.
    pub to: usize,
}

/// A field that is not the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// What happened to it.
    pub op: Op,
    /// Way to it, an item of a list by its name: `backends[default/cart:80].weight`.
    pub path: String,
    /// The old value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// The new value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// How many things of a kind changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Only in the new table.
    pub added: usize,
    /// In both, and different.
    pub changed: usize,
    /// Only in the old table.
    pub removed: usize,
}

/// Compares two dumps.
pub fn diff(old: &Value, new: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    for name in fields::names(old, new) {
        if ENCODING.contains(&name) {
            continue;
        }
        let (a, b) = (field(old, name), field(new, name));
        match (items(a), items(b)) {
            (Some(a), Some(b)) => {
                let rule = LISTS.iter().find(|rule| rule.list == name);
                let rule = rule.copied().unwrap_or(ListRule::unknown(name));
                list(&rule, a, b, &mut changes);
            }
            // Not a list: the table itself has changed.
            _ => table(name, a, b, &mut changes),
        }
    }
    changes
}

/// What changed of each kind, in the order in which the kinds come.
pub fn counts(changes: &[Change]) -> Vec<(&str, Counts)> {
    let mut all = Vec::new();
    for change in changes {
        count(change, &mut all);
    }
    all
}

fn count<'a>(change: &'a Change, all: &mut Vec<(&'a str, Counts)>) {
    // A host of which only matches changed is the same host.
    let itself = change.op != Op::Change || !change.fields.is_empty() || change.moved.is_some();
    if itself {
        let index = all.iter().position(|(kind, _)| *kind == change.kind);
        let index = index.unwrap_or_else(|| {
            all.push((&change.kind, Counts::default()));
            all.len() - 1
        });
        let counts = &mut all[index].1;
        match change.op {
            Op::Add => counts.added += 1,
            Op::Remove => counts.removed += 1,
            Op::Change => counts.changed += 1,
        }
    }
    for inner in &change.changes {
        count(inner, all);
    }
}

/// A missing list is an empty one.
fn items(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Null => Some(&[]),
        Value::Array(items) => Some(items),
        _ => None,
    }
}

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn table(name: &str, old: &Value, new: &Value, changes: &mut Vec<Change>) {
    let mut found = Vec::new();
    fields::compare(name, old, new, &[], &mut found);
    if !found.is_empty() {
        changes.push(Change {
            op: Op::Change,
            kind: "table".to_owned(),
            id: Map::from_iter([("field".to_owned(), name.into())]),
            old: Some(old.clone()),
            new: Some(new.clone()),
            moved: None,
            fields: found,
            changes: Vec::new(),
        });
    }
}

/// Compares two lists of things.
fn list(rule: &ListRule, old: &[Value], new: &[Value], changes: &mut Vec<Change>) {
    for item in pair::pair(rule, old, new) {
        let change = match (item.old.map(|i| &old[i]), item.new.map(|i| &new[i])) {
            (Some(a), Some(b)) => changed(rule, a, b, item.moved),
            (Some(a), None) => Some(whole(rule, Op::Remove, a)),
            (None, Some(b)) => Some(whole(rule, Op::Add, b)),
            (None, None) => None,
        };
        changes.extend(change);
    }
}

fn changed(rule: &ListRule, old: &Value, new: &Value, moved: Option<Moved>) -> Option<Change> {
    let mut found = Vec::new();
    let nested: Vec<_> = rule.nested.iter().map(|rule| rule.list).collect();
    let skipped = [&nested[..], rule.position].concat();
    fields::compare("", old, new, &skipped, &mut found);
    let mut changes = Vec::new();
    for inner in rule.nested {
        let (a, b) = (field(old, inner.list), field(new, inner.list));
        list(
            inner,
            items(a).unwrap_or(&[]),
            items(b).unwrap_or(&[]),
            &mut changes,
        );
    }
    let itself = !found.is_empty() || moved.is_some();
    (itself || !changes.is_empty()).then(|| Change {
        op: Op::Change,
        kind: rule.item_name(),
        id: rule.id(new),
        old: itself.then(|| rule.without_nested(old)),
        new: itself.then(|| rule.without_nested(new)),
        moved,
        fields: found,
        changes,
    })
}

fn whole(rule: &ListRule, op: Op, value: &Value) -> Change {
    let mut changes = Vec::new();
    for inner in rule.nested {
        let items = items(field(value, inner.list)).unwrap_or(&[]);
        changes.extend(items.iter().map(|item| whole(inner, op, item)));
    }
    let own = rule.without_nested(value);
    let (old, new) = match op {
        Op::Add => (None, Some(own)),
        _ => (Some(own), None),
    };
    Change {
        op,
        kind: rule.item_name(),
        id: rule.id(value),
        old,
        new,
        moved: None,
        fields: Vec::new(),
        changes,
    }
}

// === impl Counts ===

impl Counts {
    /// All kinds together.
    pub fn total<'a>(counts: impl IntoIterator<Item = &'a Self>) -> Self {
        counts.into_iter().fold(Self::default(), |sum, one| Self {
            added: sum.added + one.added,
            changed: sum.changed + one.changed,
            removed: sum.removed + one.removed,
        })
    }
}

#[cfg(test)]
mod tests;
