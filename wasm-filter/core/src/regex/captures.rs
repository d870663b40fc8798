//! What the groups of a path's pattern matched, for templates.
//!
//! The engine is regex-lite, which is small and has no tables of Unicode. A pattern is compiled
//! when a request first needs its groups and kept. (Not by the id of its automaton: `(a)b` and `a(b)`
//! have the same automaton and different groups.)

use std::collections::BTreeMap;
use std::rc::Rc;

use regex_lite::{Regex, RegexBuilder};

/// Patterns that a worker keeps. When more are needed it starts over.
const MAX_KEPT: usize = 1024;
/// The largest program of a pattern in bytes.
const MAX_SIZE: usize = 256 * 1024;

/// The patterns that were needed so far; `None` for one that this engine does not take.
#[derive(Debug, Default)]
pub struct Captures {
    kept: core::cell::RefCell<BTreeMap<Box<str>, Option<Rc<Regex>>>>,
}

/// The groups of one match.
#[derive(Debug)]
pub struct Groups<'t>(regex_lite::Captures<'t>);

/// Compiles a pattern for captures; `None`: this engine does not take it.
#[must_use]
pub fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(&format!("\\A(?:{pattern})"))
        .size_limit(MAX_SIZE)
        .build()
        .ok()
}

// === impl Captures ===

impl Captures {
    /// The groups of the match of `pattern` at the start of `text`; `None`: there is no match, or
    /// none that can be had.
    pub fn of<'t>(&self, pattern: &str, text: &'t str) -> Option<Groups<'t>> {
        self.get(pattern)?.captures(text).map(Groups)
    }

    fn get(&self, pattern: &str) -> Option<Rc<Regex>> {
        // Borrowed only here, and nothing in here calls back.
        let mut kept = self.kept.try_borrow_mut().ok()?;
        if let Some(regex) = kept.get(pattern) {
            return regex.clone();
        }
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        let regex = compile(pattern).map(Rc::new);
        kept.insert(pattern.into(), regex.clone());
        regex
    }
}

// === impl Groups ===

impl<'t> Groups<'t> {
    /// What group `number` matched; empty if it took no part.
    #[must_use]
    pub fn get(&self, number: u8) -> &'t str {
        self.0
            .get(usize::from(number))
            .map_or("", |group| group.as_str())
    }

    /// What a group matched, by its name or number; `None` if there is no such group, or it took no
    /// part.
    #[must_use]
    pub fn named(&self, group: &str) -> Option<&'t str> {
        let found = match group.parse() {
            Ok(number) => self.0.get(number),
            Err(_) => self.0.name(group),
        };
        found.map(|group| group.as_str())
    }
}
