//! The patterns of one host's routes, each written once.
//!
//! ```text
//! regex   u64 id | u8 anchor | u8 ignore case | u8 captures | text pattern | text dfa
//! index   count x 20 bytes: u32 path | u32 size | u32 literal length | 8 bytes literal end
//! ```
//! The index lists the paths that are patterns, best rank first. Most patterns begin with a
//! literal; comparing its last 8 bytes rules nearly all of them out before any automaton runs.

use crate::regex::Cache;
use crate::table::bytes::{Cursor, offset, put_prefixed};
use crate::table::model::{Anchor, Regex};
use crate::table::segment::Broken;

/// Bytes of an entry of the index.
pub(super) const INDEX_ENTRY: usize = 20;

/// One pattern.
#[derive(Debug, Clone, Copy)]
pub struct RegexEntry<'a> {
    /// Names its automaton.
    pub id: u64,
    /// Where it must match.
    pub anchor: Anchor,
    /// Does case not count?
    pub ignore_case: bool,
    /// Number of groups.
    pub captures: u8,
    /// As it was written, UTF-8.
    pub pattern: &'a [u8],
    dfa: &'a [u8],
}

/// An entry of the index.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexEntry {
    /// Offset of the path.
    pub(super) path: u32,
    /// What it is ranked by.
    pub(super) size: u32,
    literal_len: u32,
    literal_end: [u8; 8],
}

/// Writes a pattern.
pub(super) fn put(out: &mut Vec<u8>, regex: &Regex) {
    out.extend_from_slice(&regex.id.to_le_bytes());
    out.push(regex.anchor as u8);
    out.push(u8::from(regex.ignore_case));
    out.push(regex.captures);
    put_prefixed(out, regex.pattern.as_bytes());
    put_prefixed(out, &regex.dfa);
}

// === impl RegexEntry ===

impl<'a> RegexEntry<'a> {
    pub(super) fn at(bytes: &'a [u8], at: u32) -> Option<Self> {
        let mut cursor = Cursor::at(bytes, at)?;
        Some(Self {
            id: cursor.u64()?,
            anchor: match cursor.u8()? {
                0 => Anchor::Start,
                1 => Anchor::Whole,
                2 => Anchor::Anywhere,
                _ => return None,
            },
            ignore_case: cursor.u8()? == 1,
            captures: cursor.u8()?,
            pattern: cursor.prefixed()?,
            dfa: cursor.prefixed()?,
        })
    }

    /// As it was written. Not checked when the entry is read: few requests need it, and it took a
    /// third of the time of a pattern that does not match.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn pattern(&self) -> Result<&'a str, Broken> {
        core::str::from_utf8(self.pattern).map_err(|_| Broken)
    }

    /// Does it match?
    ///
    /// # Errors
    /// [`Broken`] for bytes that are no automaton.
    pub fn is_match(&self, cache: &Cache, text: &[u8]) -> Result<bool, Broken> {
        cache.is_match(self.id, self.dfa, text)
    }

    /// Where its match, which begins at the start, ends.
    ///
    /// # Errors
    /// [`Broken`] for bytes that are no automaton.
    pub fn end(&self, cache: &Cache, text: &[u8]) -> Result<Option<usize>, Broken> {
        cache.end(self.id, self.dfa, text)
    }
}

// === impl IndexEntry ===

impl IndexEntry {
    pub(super) fn new(path: usize, size: u32, regex: &Regex) -> Self {
        let mut literal_end = [0; 8];
        let end = regex.literal.len();
        let tail = regex
            .literal
            .get(end.saturating_sub(8)..)
            .unwrap_or_default();
        for (to, from) in literal_end.iter_mut().zip(tail) {
            *to = *from;
        }
        Self {
            path: offset(path),
            size,
            literal_len: offset(end),
            literal_end,
        }
    }

    pub(super) fn to_bytes(self) -> [u8; INDEX_ENTRY] {
        let mut out = [0; INDEX_ENTRY];
        let numbers = [self.path, self.size, self.literal_len];
        let bytes = numbers
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .chain(self.literal_end);
        for (to, from) in out.iter_mut().zip(bytes) {
            *to = from;
        }
        out
    }

    #[inline]
    pub(super) fn from_bytes(bytes: &[u8; INDEX_ENTRY]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        Some(Self {
            path: cursor.u32()?,
            size: cursor.u32()?,
            literal_len: cursor.u32()?,
            literal_end: cursor.array()?,
        })
    }

    /// May the pattern match `path`, by its literal?
    #[inline]
    pub(super) fn may_fit(&self, path: &[u8]) -> bool {
        let len = self.literal_len as usize;
        if len >= 8 {
            let end = path.get(len - 8..).and_then(|rest| rest.first_chunk::<8>());
            return end.is_some_and(|end| *end == self.literal_end);
        }
        let head = self.literal_end.get(..len);
        head.is_some_and(|head| path.starts_with(head))
    }
}
