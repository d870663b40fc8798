//! Files and places in them.

use std::ops::Range;
use std::sync::Arc;

use crate::problem::Source;

/// How the text of a file is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML, which nearly all JSON is too.
    Yaml,
    /// JSON by its name, or by its first character on the standard input.
    Json,
}

/// A file as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// As the user named it, or below what the user named.
    pub name: String,
    /// How to read it.
    pub format: Format,
    /// All of it.
    pub text: String,
}

/// Where an object is: the document, and for an item of a list the way to it.
///
/// Fields are looked up when somebody asks (see [`Locator`](super::Locator)): a problem is rare,
/// and positions of everything would be several times as big as the objects.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceFile>,
    /// The document's part of the text.
    pub range: Range<usize>,
    /// Line of the file that the document starts on, from 1.
    pub first_line: u32,
    /// Index in `items`, for an object in a list.
    pub item: Option<usize>,
    /// Line of the file that the object starts on, from 1.
    pub line: u32,
}

// === impl SourceFile ===

impl SourceFile {
    /// A place in this file.
    pub fn at(self: &Arc<Self>, line: u32, column: u32) -> Source {
        Source {
            file: self.name.clone(),
            line,
            column,
            text: Some(Arc::clone(self)),
        }
    }
}

// === impl Place ===

impl Place {
    /// The document's text.
    pub(super) fn text(&self) -> &str {
        self.file.text.get(self.range.clone()).unwrap_or_default()
    }

    /// Where the object starts.
    pub fn start(&self) -> Source {
        let column = match self.line == self.first_line && self.item.is_none() {
            true => self.start_column(),
            false => 1,
        };
        self.file.at(self.line, column)
    }

    /// Column of the file that the document starts at, from 1.
    pub(super) fn start_column(&self) -> u32 {
        let before = self.file.text.get(..self.range.start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        let line = line.trim_start_matches('\u{feff}');
        u32::try_from(line.chars().count() + 1).unwrap_or(u32::MAX)
    }
}
