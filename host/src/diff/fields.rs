//! Compares two values field by field.

use serde_json::Value;

use super::identity::{ListRule, UNKNOWN};
use super::{FieldChange, Op, field, pair};
use crate::render::brief;

/// The names of the fields of both, those of the old one first.
pub(super) fn names<'a>(old: &'a Value, new: &'a Value) -> Vec<&'a str> {
    let fields = |value: &'a Value| value.as_object().into_iter().flat_map(|map| map.keys());
    let of_new = fields(new).filter(|name| old.get(name.as_str()).is_none());
    fields(old).chain(of_new).map(String::as_str).collect()
}

/// Finds what differs below a path. `null`, an empty list and no field at all are the same.
pub(super) fn compare(
    path: &str,
    old: &Value,
    new: &Value,
    skipped: &[&str],
    found: &mut Vec<FieldChange>,
) {
    if skipped.contains(&path) || old == new || (nothing(old) && nothing(new)) {
        return;
    }
    match (old, new) {
        (Value::Object(_), Value::Object(_)) => {
            for name in names(old, new) {
                let path = match path {
                    "" => name.to_owned(),
                    path => format!("{path}.{name}"),
                };
                compare(&path, field(old, name), field(new, name), skipped, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => list(path, a, b, skipped, found),
        // A list that was not there was empty.
        (Value::Array(a), _) if nothing(new) => list(path, a, &[], skipped, found),
        (_, Value::Array(b)) if nothing(old) => list(path, &[], b, skipped, found),
        _ => found.push(one(path, old, new)),
    }
}

/// Whether a value says no more than that there is none.
pub(super) fn nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn one(path: &str, old: &Value, new: &Value) -> FieldChange {
    let value = |value: &Value| (!value.is_null()).then(|| value.clone());
    let (old, new) = (value(old), value(new));
    FieldChange {
        op: match (&old, &new) {
            (None, _) => Op::Add,
            (_, None) => Op::Remove,
            _ => Op::Change,
        },
        path: path.to_owned(),
        old,
        new,
    }
}

fn list(path: &str, old: &[Value], new: &[Value], skipped: &[&str], found: &mut Vec<FieldChange>) {
    let before = found.len();
    let scalar = |item: &Value| !item.is_object() && !item.is_array();
    let rule = match old.iter().chain(new).all(scalar) {
        // Scalars are what they are, or they are others.
        true => ListRule {
            keys: &[],
            ..ListRule::unknown("")
        },
        false => ListRule::unknown(""),
    };
    let pairs = pair::pair(&rule, old, new);
    for item in &pairs {
        match (item.old.map(|i| &old[i]), item.new.map(|i| &new[i])) {
            (Some(a), Some(b)) => {
                let path = format!("{path}[{}]", label(b, item.new));
                compare(&path, a, b, skipped, found);
            }
            (a, b) => found.push(one(
                path,
                a.unwrap_or(&Value::Null),
                b.unwrap_or(&Value::Null),
            )),
        }
    }
    // Nobody knows whether the order of an unknown list means something; it is said rather than
    // kept silent about.
    let in_order = pairs.iter().filter_map(|item| item.old).is_sorted();
    if found.len() == before && !in_order {
        found.push(one(
            path,
            &Value::Array(old.to_vec()),
            &Value::Array(new.to_vec()),
        ));
    }
}

/// What names an item of a list: what it has of the usual names, else its position.
fn label(item: &Value, index: Option<usize>) -> String {
    let mut named = serde_json::Map::new();
    for pointer in UNKNOWN {
        let name = pointer.trim_start_matches('/');
        if let Some(value) = item.get(name).filter(|value| !value.is_null()) {
            named.insert(name.to_owned(), value.clone());
        }
    }
    match index {
        Some(index) if named.is_empty() => index.to_string(),
        _ => brief(&Value::Object(named)),
    }
}
