//! Regular expressions as the table carries them: compiled.

/// Where a pattern must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Anchor {
    /// From the start; what follows the match is free. Paths, as in Kong.
    Start = 0,
    /// The whole value. Headers and query parameters of routes.
    Whole = 1,
    /// Anywhere. Headers of the annotation `konghq.com/headers.*`, as in Kong.
    Anywhere = 2,
}

/// A pattern and its automaton; made by [`crate::regex::compile()`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Regex {
    /// The pattern as written, without Kong's `~`.
    pub pattern: Box<str>,
    /// Where it must match.
    pub anchor: Anchor,
    /// Does case not count?
    pub ignore_case: bool,
    /// Bytes that every text begins with that it matches; may be empty.
    pub literal: Box<[u8]>,
    /// Number of capture groups, the whole match not counted.
    pub captures: u8,
    /// Names the automaton: a digest of `dfa`.
    pub id: u64,
    /// A sparse DFA of the crate regex-automata 0.4, little-endian, anchored.
    pub dfa: Box<[u8]>,
}
