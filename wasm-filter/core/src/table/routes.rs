//! The routes of one host: paths, their matches, and what happens then.
//!
//! ```text
//! payload  u8 depth | u8 form | u16 lengths | u32 paths | u32 slots | u32 patterns
//!          slots x u32: offset of a path
//!          patterns x index entry                                       [regex]
//!          lengths x u32: lengths of text prefixes, longest first
//!          patterns, objects, rules, paths
//! path     varint (length << 2 | kind) | text | varint matches | match*      best match first
//!          kind 3: varint 3 | u32 pattern | varint size | varint matches | match*
//! match    varint index | u32 rule | varint length | condition*        [condition]
//! rule                                                                  [rule], [filters]
//! ```
//! Offsets count from the start of the payload. Form 0: the slots list all paths, best rank first
//! (up to [`LIST`] paths, where comparing is cheaper than hashing). Form 1: the slots are a hash
//! table of the paths that are no patterns. A lookup asks for the whole path, then merges, longest
//! first, the prefixes that end at a `/` (none with more slashes than `depth`), the text prefixes
//! of each length that there is, and the patterns in the order of their index.

mod condition;
mod encode;
mod filters;
mod prefixes;
mod regex;
mod rule;

pub use condition::{Condition, Conditions, Names, Texts, Value};
pub use encode::encode;
pub use filters::{
    Change, Changes, CorsEntry, MirrorEntry, PathEntryEdit, PieceEntry, RedirectEntry,
    RewriteEntry, Template,
};
use prefixes::Prefixes;
pub use regex::RegexEntry;
use regex::{INDEX_ENTRY, IndexEntry};
pub use rule::{BackendEntry, Extra, RetryEntry, RuleEntry};

use super::bytes::{Cursor, offset, same, u32_at};
use super::hash::Fast;
use super::segment::Broken;
use crate::regex::Cache;
use crate::route::rank::PathRank;

/// The largest number of paths that are listed instead of hashed.
pub const LIST: usize = 4;

const HEADER: usize = 16;
const FORM_LIST: u8 = 0;
const FORM_HASH: u8 = 1;

/// How the text of a path is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum PathKind {
    /// This path and everything below it, by segment.
    Prefix = 0,
    /// The whole path.
    Exact = 1,
    /// Every path that begins with the text.
    Text = 2,
    /// Every path that the pattern matches.
    Regex = 3,
}

/// The hash of a path in form 1; each kind has its own.
#[inline]
#[must_use]
pub fn path_hash(kind: PathKind, path: u64) -> u64 {
    match kind {
        PathKind::Prefix => path,
        PathKind::Exact => path ^ 0x5bd1_e995_a5a5_a5a5,
        PathKind::Text | PathKind::Regex => path ^ 0x2545_f491_4f6c_dd1d,
    }
}

/// The routes of one host being read.
#[derive(Debug, Clone, Copy)]
pub struct HostRoutes<'a> {
    bytes: &'a [u8],
    depth: u8,
    form: u8,
    slots: usize,
    patterns: &'a [[u8; INDEX_ENTRY]],
    lengths: &'a [[u8; 4]],
}

/// One path with its matches. Small, because a lookup hands it up through several calls.
#[derive(Debug, Clone, Copy)]
pub struct PathEntry<'a> {
    bytes: &'a [u8],
    /// How the text is compared.
    pub kind: PathKind,
    /// The text: a prefix has no trailing slash; of a pattern it is the pattern.
    pub text: &'a [u8],
    /// Offset of the pattern, where it is one.
    regex: u32,
    /// Offset of the number of matches.
    matches: u32,
}

/// One match.
#[derive(Debug, Clone, Copy)]
pub struct MatchEntry<'a> {
    /// Position in its rule.
    pub index: u16,
    bytes: &'a [u8],
    conditions: &'a [u8],
    rule: u32,
}

// === impl HostRoutes ===

impl<'a> HostRoutes<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Broken`].
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Self, Broken> {
        Self::read(bytes).ok_or(Broken)
    }

    #[inline]
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<HEADER>()?;
        let [depth, form, lengths_low, lengths_high, ..] = *head;
        let slots = u32_at(head, 8)? as usize;
        let patterns = u32_at(head, 12)? as usize;
        let lengths = usize::from(u16::from_le_bytes([lengths_low, lengths_high]));
        let form_ok = form == FORM_LIST || (form == FORM_HASH && slots.is_power_of_two());
        let rest = rest.get(slots.checked_mul(4)?..).filter(|_| form_ok)?;
        let mut routes = Self {
            bytes,
            depth,
            form,
            slots,
            patterns: &[],
            lengths: &[],
        };
        if patterns | lengths != 0 {
            let (patterns, rest) = rest.split_at_checked(patterns.checked_mul(INDEX_ENTRY)?)?;
            (routes.patterns, _) = patterns.as_chunks();
            (routes.lengths, _) = rest.get(..lengths * 4)?.as_chunks();
        }
        Some(routes)
    }

    #[inline]
    fn slot(&self, slot: usize) -> Result<Option<PathEntry<'a>>, Broken> {
        match u32_at(self.bytes, HEADER + slot * 4).ok_or(Broken)? {
            0 => Ok(None),
            at => PathEntry::at(self.bytes, at).map(Some),
        }
    }

    /// Every path: those in the slots, then the patterns of form 1.
    pub fn paths(&self) -> impl Iterator<Item = Result<PathEntry<'a>, Broken>> + '_ {
        let slots = (0..self.slots).filter_map(|slot| self.slot(slot).transpose());
        let patterns = self.patterns.iter().map(|entry| {
            let entry = IndexEntry::from_bytes(entry).ok_or(Broken)?;
            PathEntry::at(self.bytes, entry.path)
        });
        slots.chain(patterns)
    }

    /// Calls `visit` with every path that fits `path`, best rank first, until it gives `true`;
    /// gives whether it did.
    ///
    /// # Errors
    /// [`Broken`], from here or from `visit`.
    #[inline]
    pub fn candidates(
        &self,
        path: &[u8],
        cache: &Cache,
        mut visit: impl FnMut(PathEntry<'a>) -> Result<bool, Broken>,
    ) -> Result<bool, Broken> {
        if self.form == FORM_LIST {
            for slot in 0..self.slots {
                let entry = self.slot(slot)?.ok_or(Broken)?;
                if entry.fits(path, cache)? && visit(entry)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let mut prefixes = Prefixes::new(path, self.depth);
        if let Some(entry) = self.probe(PathKind::Exact, prefixes.whole, path)?
            && visit(entry)?
        {
            return Ok(true);
        }
        if !self.patterns.is_empty() || !self.lengths.is_empty() {
            return self.merge(path, cache, prefixes, visit);
        }
        while let Some((prefix, hash)) = prefixes.next_longest() {
            if let Some(entry) = self.probe(PathKind::Prefix, hash, prefix)?
                && visit(entry)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Prefixes, text prefixes and patterns in the order of their ranks.
    fn merge(
        &self,
        path: &[u8],
        cache: &Cache,
        mut prefixes: Prefixes<'_>,
        mut visit: impl FnMut(PathEntry<'a>) -> Result<bool, Broken>,
    ) -> Result<bool, Broken> {
        let mut patterns = self
            .patterns
            .iter()
            .map(|entry| IndexEntry::from_bytes(entry).ok_or(Broken));
        let mut texts = self
            .lengths
            .iter()
            .filter_map(|length| path.get(..u32::from_le_bytes(*length) as usize));
        let mut pattern = patterns.next().transpose()?;
        let mut text = texts.next();
        let mut prefix = prefixes.next_longest();
        loop {
            let of_pattern = pattern.map(|entry| PathRank::sized(entry.size, PathKind::Regex));
            let of_text = text.map(|text| PathRank::of_text(text.len(), PathKind::Text));
            let of_prefix = prefix.map(|(text, _)| PathRank::of_text(text.len(), PathKind::Prefix));
            let Some(best) = [of_pattern, of_text, of_prefix].into_iter().flatten().min() else {
                return Ok(false);
            };
            let found = if of_pattern == Some(best) {
                let entry = pattern.filter(|entry| entry.may_fit(path));
                pattern = patterns.next().transpose()?;
                match entry {
                    Some(entry) => {
                        let entry = PathEntry::at(self.bytes, entry.path)?;
                        entry.fits(path, cache)?.then_some(entry)
                    }
                    None => None,
                }
            } else if of_text == Some(best) {
                let current = text.unwrap_or_default();
                text = texts.next();
                self.probe(PathKind::Text, Fast::of(0, current), current)?
            } else {
                let (current, hash) = prefix.unwrap_or_default();
                prefix = prefixes.next_longest();
                self.probe(PathKind::Prefix, hash, current)?
            };
            if let Some(entry) = found
                && visit(entry)?
            {
                return Ok(true);
            }
        }
    }

    #[inline]
    fn probe(
        &self,
        kind: PathKind,
        hash: u64,
        text: &[u8],
    ) -> Result<Option<PathEntry<'a>>, Broken> {
        let mut slot = path_hash(kind, hash) as usize & (self.slots - 1);
        for _ in 0..self.slots {
            let Some(entry) = self.slot(slot)? else {
                return Ok(None);
            };
            if entry.kind == kind && same(entry.text, text) {
                return Ok(Some(entry));
            }
            slot = (slot + 1) & (self.slots - 1);
        }
        Ok(None)
    }
}

// === impl PathEntry ===

impl<'a> PathEntry<'a> {
    #[inline]
    fn at(bytes: &'a [u8], at: u32) -> Result<Self, Broken> {
        Self::read(bytes, at).ok_or(Broken)
    }

    #[inline]
    fn read(bytes: &'a [u8], at: u32) -> Option<Self> {
        let mut cursor = Cursor::at(bytes, at)?;
        let head = cursor.varint()?;
        let kind = match head & 3 {
            0 => PathKind::Prefix,
            1 => PathKind::Exact,
            2 => PathKind::Text,
            _ => PathKind::Regex,
        };
        let mut text = cursor.take((head >> 2) as usize)?;
        let mut regex = 0;
        if kind == PathKind::Regex {
            regex = cursor.u32()?;
            text = RegexEntry::at(bytes, regex)?.pattern.as_bytes();
        }
        Some(Self {
            bytes,
            kind,
            text,
            regex,
            matches: offset(bytes.len() - cursor.rest().len()),
        })
    }

    /// The pattern, where it is one.
    #[must_use]
    pub fn regex(&self) -> Option<RegexEntry<'a>> {
        (self.kind == PathKind::Regex)
            .then(|| RegexEntry::at(self.bytes, self.regex))
            .flatten()
    }

    /// Its precedence among the paths of its host.
    #[must_use]
    pub fn rank(&self) -> PathRank {
        match self.kind {
            PathKind::Exact => PathRank::Exact,
            PathKind::Prefix | PathKind::Text => PathRank::of_text(self.text.len(), self.kind),
            PathKind::Regex => {
                let size = Cursor::at(self.bytes, self.matches).and_then(|mut c| c.varint());
                PathRank::sized(size.unwrap_or_default(), self.kind)
            }
        }
    }

    /// Does `path` fit?
    ///
    /// # Errors
    /// [`Broken`] for a pattern that is none.
    #[inline]
    pub fn fits(&self, path: &[u8], cache: &Cache) -> Result<bool, Broken> {
        Ok(match self.kind {
            PathKind::Exact => same(path, self.text),
            PathKind::Prefix => match path.split_at_checked(self.text.len()) {
                Some((head, rest)) => {
                    matches!(rest.first(), None | Some(b'/')) && same(head, self.text)
                }
                None => false,
            },
            PathKind::Text => path.starts_with(self.text),
            PathKind::Regex => match self.regex() {
                Some(regex) => regex.is_match(cache, path)?,
                None => return Err(Broken),
            },
        })
    }

    /// The matches, best rank first.
    #[inline]
    pub fn matches(&self) -> impl Iterator<Item = Result<MatchEntry<'a>, Broken>> + use<'a> {
        let bytes = self.bytes;
        let mut cursor = Cursor::at(bytes, self.matches).unwrap_or(Cursor::new(&[]));
        if self.kind == PathKind::Regex {
            let _size = cursor.varint();
        }
        // Without a number there is one match, and it cannot be read.
        let count = cursor.varint().unwrap_or(1);
        (0..count).map(move |_| MatchEntry::read(bytes, &mut cursor).ok_or(Broken))
    }
}

// === impl MatchEntry ===

impl<'a> MatchEntry<'a> {
    #[inline]
    fn read(bytes: &'a [u8], cursor: &mut Cursor<'a>) -> Option<Self> {
        Some(Self {
            index: u16::try_from(cursor.varint()?).ok()?,
            rule: cursor.u32()?,
            conditions: cursor.prefixed()?,
            bytes,
        })
    }

    /// Does it ask for nothing beyond the path?
    #[inline]
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.conditions.is_empty()
    }

    /// What it asks for beyond the path, the cheap first.
    #[inline]
    pub fn conditions(&self) -> Conditions<'a> {
        Conditions::new(self.bytes, self.conditions)
    }

    /// What happens then.
    ///
    /// # Errors
    /// [`Broken`].
    #[inline]
    pub fn rule(&self) -> Result<RuleEntry<'a>, Broken> {
        RuleEntry::at(self.bytes, self.rule).ok_or(Broken)
    }
}
