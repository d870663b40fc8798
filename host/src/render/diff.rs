//! What changes in the routing table, for people.

use std::io::{self, Write};

use anstyle::Style;
use serde_json::{Map, Value};

use super::value::{brief, cut, visible};
use super::{plural, routes, style};
use crate::diff::{self, Change, Counts, FieldChange, Op};
use crate::dump::Match;

/// A value in a line of its own is cut here.
const LONGEST: usize = 300;

/// Writes the changes and how many there are.
pub fn diff(out: &mut dyn Write, changes: &[Change]) -> io::Result<()> {
    for change in changes {
        self::change(out, change, 0)?;
    }
    if changes.is_empty() {
        let good = style::GOOD;
        return writeln!(out, "{good}no differences{good:#}");
    }
    writeln!(out)?;
    for (kind, counts) in diff::counts(changes) {
        writeln!(out, "{}", summary(kind, counts))?;
    }
    Ok(())
}

/// `2 matches: 1 added, 1 removed`.
fn summary(kind: &str, counts: Counts) -> String {
    let Counts {
        added,
        changed,
        removed,
    } = counts;
    let parts: Vec<_> = [
        (added, "added", Op::Add),
        (changed, "changed", Op::Change),
        (removed, "removed", Op::Remove),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, what, op)| {
        let style = mark(op).1;
        format!("{style}{count} {what}{style:#}")
    })
    .collect();
    format!(
        "{}: {}",
        plural(added + changed + removed, kind),
        parts.join(", ")
    )
}

fn mark(op: Op) -> (char, Style) {
    match op {
        Op::Add => ('+', style::ADDED),
        Op::Remove => ('-', style::REMOVED),
        Op::Change => ('~', style::CHANGED),
    }
}

fn change(out: &mut dyn Write, change: &Change, indent: usize) -> io::Result<()> {
    let (sign, style) = mark(change.op);
    let space = " ".repeat(indent);
    let title = cut(&title(change), LONGEST);
    writeln!(out, "{space}{style}{sign} {title}{style:#}")?;
    match change.op {
        // What a new or a lost thing is like.
        Op::Add | Op::Remove => {
            let value = change.new.as_ref().or(change.old.as_ref());
            let fields = value.and_then(Value::as_object);
            for (name, value) in fields.into_iter().flatten() {
                let named = change.id.contains_key(name) && name != "route";
                if !named && !super::value::empty(value) {
                    let (name, value) = (visible(name), brief(value));
                    writeln!(out, "{space}    {style}{name}: {value}{style:#}")?;
                }
            }
        }
        Op::Change => {
            if let Some(moved) = change.moved {
                writeln!(
                    out,
                    "{space}    {style}order: {} -> {}{style:#}",
                    moved.from, moved.to
                )?;
            }
            for field in &change.fields {
                self::field(out, field, &space)?;
            }
        }
    }
    for inner in &change.changes {
        self::change(out, inner, indent + 2)?;
    }
    Ok(())
}

fn field(out: &mut dyn Write, field: &FieldChange, space: &str) -> io::Result<()> {
    let (sign, style) = mark(field.op);
    let value = |value: &Option<Value>| value.as_ref().map_or_else(String::new, brief);
    let (old, new) = (value(&field.old), value(&field.new));
    let path = visible(&field.path);
    let text = match field.op {
        Op::Add => format!("{path}: {new}"),
        Op::Remove => format!("{path}: {old}"),
        Op::Change => format!("{path}: {old} -> {new}"),
    };
    writeln!(out, "{space}  {style}{sign} {text}{style:#}")
}

fn title(change: &Change) -> String {
    let id = &change.id;
    let text = |name: &str| id.get(name).and_then(Value::as_str);
    match &*change.kind {
        "host" => format!(
            "host {} ({})",
            visible(text("host").unwrap_or("*")),
            routes::scope(text("scope").unwrap_or_default()),
        ),
        "match" => matched(id),
        "listener" => format!(
            "listener {} port {} host {}",
            visible(text("protocol").unwrap_or_default()),
            id.get("port").map(brief).unwrap_or_default(),
            visible(text("hostname").unwrap_or("*")),
        ),
        "table" => format!("table {}", visible(text("field").unwrap_or_default())),
        kind => format!("{kind} {}", diff_label(id)),
    }
}

fn diff_label(id: &Map<String, Value>) -> String {
    brief(&Value::Object(id.clone()))
}

/// What a match matches; what this program does not know by name is said too.
fn matched(id: &Map<String, Value>) -> String {
    let value = Value::Object(id.clone());
    let Ok(known) = serde_json::from_value::<Match>(value) else {
        return diff_label(id);
    };
    let mut text = visible(&routes::path(&known));
    for (name, value) in known
        .rest
        .iter()
        .filter(|(_, value)| !super::value::empty(value))
    {
        text += &format!(" [{}: {}]", visible(name), brief(value));
    }
    text
}
