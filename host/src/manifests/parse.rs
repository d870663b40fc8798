//! From the text of one file to its objects.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::document;
use super::json;
use super::node::{self, Kind, Node, SyntaxError};
use super::object::{self, Content, Object};
use super::source::{Format, Place, SourceFile};
use crate::problem::{Problem, Severity};

/// What one file holds.
#[derive(Clone, Debug, Default)]
pub struct FileObjects {
    /// In the order of the text.
    pub objects: Vec<Object>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Reads a file.
pub fn parse(file: &Arc<SourceFile>) -> FileObjects {
    node::with_stack(|| {
        let mut found = FileObjects::default();
        match file.format {
            Format::Yaml => yaml(file, &mut found),
            Format::Json => json(file, &mut found),
        }
        found
    })
}

fn yaml(file: &Arc<SourceFile>, found: &mut FileObjects) {
    for document in document::split(&file.text) {
        let text = &file.text[document.range.clone()];
        let line = |line: u32| document.first_line.saturating_add(line.saturating_sub(1));
        let node = match node::read(text) {
            Ok(node) => node,
            Err(mut error) => {
                error.line = line(error.line);
                found.problems.push(syntax(file, "YAML", error));
                continue;
            }
        };
        if node.kind == Kind::Null {
            continue;
        }
        let start = line(node.line);
        let item_lines = item_lines(&node).into_iter().map(line).collect();
        let base = Base {
            file,
            range: document.range,
            first_line: document.first_line,
            line: start,
            item_lines,
        };
        add(found, node.into_json(), &base);
    }
}

fn json(file: &Arc<SourceFile>, found: &mut FileObjects) {
    let (values, error) = json::read(&file.text);
    for (value, range) in values {
        let before = &file.text[..range.start];
        let newlines = before.bytes().filter(|byte| *byte == b'\n').count();
        let first_line = u32::try_from(newlines + 1).unwrap_or(u32::MAX);
        // JSON is YAML for everything that is asked here. If it is not (a tab too many), the
        // items are placed where the list starts.
        let item_lines = match value.get("items") {
            Some(_) => node::read(&file.text[range.clone()])
                .map(|node| item_lines(&node))
                .unwrap_or_default(),
            None => Vec::new(),
        };
        let base = Base {
            file,
            range,
            first_line,
            line: first_line,
            item_lines: item_lines
                .into_iter()
                .map(|line| first_line.saturating_add(line - 1))
                .collect(),
        };
        add(found, value, &base);
    }
    if let Some(error) = error {
        found.problems.push(syntax(file, "JSON", error));
    }
}

/// What the places of a document's objects have in common.
struct Base<'a> {
    file: &'a Arc<SourceFile>,
    range: Range<usize>,
    first_line: u32,
    line: u32,
    item_lines: Vec<u32>,
}

impl Base<'_> {
    fn place(&self, item: Option<usize>) -> Place {
        let line = item.and_then(|item| self.item_lines.get(item).copied());
        Place {
            file: Arc::clone(self.file),
            range: self.range.clone(),
            first_line: self.first_line,
            item,
            line: line.unwrap_or(self.line),
        }
    }
}

fn add(found: &mut FileObjects, value: Value, base: &Base<'_>) {
    add_at(found, value, base, None);
}

/// A list in a list is taken apart as well; places in it are those of the outer list's item. The
/// parser bounds how deep that can go.
fn add_at(found: &mut FileObjects, value: Value, base: &Base<'_>, item: Option<usize>) {
    match object::content(value) {
        Content::Object(value) => match object::object(value, base.place(item)) {
            Ok(object) => found.objects.push(object),
            Err(problem) => found.problems.push(*problem),
        },
        Content::List(items) => {
            for (index, value) in items.into_iter().enumerate() {
                add_at(found, value, base, item.or(Some(index)));
            }
        }
    }
}

/// Lines of a list's items.
fn item_lines(node: &Node) -> Vec<u32> {
    match node.get("items").map(|items| &items.kind) {
        Some(Kind::Sequence(items)) => items.iter().map(|item| item.line).collect(),
        _ => Vec::new(),
    }
}

fn syntax(file: &Arc<SourceFile>, format: &str, error: SyntaxError) -> Problem {
    let text = error.message;
    let hint = if file.text.contains("{{") && file.text.contains("}}") {
        "this looks like a template: render it first (helm template)"
    } else {
        ""
    };
    Problem::new(
        "Unparsable",
        Severity::Error,
        format!("not valid {format}: {text}"),
    )
    .hint(hint)
    .at(file.at(error.line, error.column))
}
