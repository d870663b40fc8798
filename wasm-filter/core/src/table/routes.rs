//! The routes of one host: paths, their matches, and what happens then.
//!
//! ```text
//! payload  u32 (slots << 4 | form)
//!          form bit 0: u64 lengths
//!          form bit 3: slots are tags and offsets                       [tags]
//!          else: slots x u32: offset of a path                          [slots]
//!          form bit 2: u32 patterns | u32 lengths
//!                      patterns x index entry                           [regex]
//!                      lengths x u32: lengths of text prefixes, longest first
//!          paths, each behind those patterns and before those rules that are its first; objects
//! path     varint (length << 2 | kind) | text | match*                  best match first
//!          kind 3: varint 3 | u32 pattern | u32 size | match*
//! match    u8 (rule follows << 2 | conditions << 1 | last) | u16 index
//!          | u32 rule, if none follows | conditions: varint length | condition*
//! rule                                                                  [rule], [filters]
//! ```
//! Offsets count from the start of the payload. Form bit 0 clear: the slots list all paths, best
//! rank first (up to [`LIST`] paths, where comparing is cheaper than hashing); with bit 3 there is one
//! path, without a slot, behind the first word. Set: the paths that are
//! no patterns are found by hash, few of them by tag; bit 1: there are exact ones. A lookup asks for the
//! whole path, then merges, longest first, the prefixes that end at a `/` (bit n of `lengths`: there
//! is one of n bytes; bit 63: of 63 or more), the text prefixes of each length that there is, and the
//! patterns in the order of their index.

mod condition;
mod encode;
mod filters;
mod prefixes;
mod regex;
mod rule;
mod search;
mod tags;

pub use condition::{Condition, Conditions, Names, Texts, Value};
pub use encode::encode;
pub use filters::{
    Change, Changes, CorsEntry, MirrorEntry, PathEntryEdit, PieceEntry, RedirectEntry,
    RewriteEntry, Template,
};
pub use regex::RegexEntry;
use regex::{INDEX_ENTRY, IndexEntry};
pub use rule::{BackendEntry, Extra, ObjectEntry, RetryEntry, RuleEntry};
pub use search::Search;
use tags::Tags;

use super::bytes::{Cursor, offset, same, u32_at};
use super::hash::Fast;
use super::segment::Broken;
use super::slots::Slots;
use crate::regex::Cache;
use crate::route::rank::PathRank;

/// The largest number of paths that are listed instead of hashed.
pub const LIST: usize = 4;

/// Bits of the form in the first word.
const FORM_BITS: u32 = 4;

/// Bits of a match.
const LAST_MATCH: u8 = 1;
const LISTED_CONDITIONS: u8 = 2;
const RULE_FOLLOWS: u8 = 4;

mod form {
    /// Paths are found by hash.
    pub(super) const HASH: u8 = 1;
    /// It has exact paths.
    pub(super) const EXACT: u8 = 2;
    /// There are patterns, text prefixes or prefixes of 63 bytes and more.
    pub(super) const MERGE: u8 = 4;
    /// Paths are found by tag.
    pub(super) const TAGS: u8 = 8;
    /// The same bit of a list: it has one path, which lies behind the first word.
    pub(super) const SINGLE: u8 = 8;
}

/// Where the path of a list of one lies.
const SINGLE: u32 = 4;

/// Bytes before the slots.
fn header(form: u8) -> usize {
    if form & form::HASH == 0 { 4 } else { 12 }
}

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
    /// Slots, or tags and offsets.
    index: &'a [u8],
    slots: u32,
    form: u8,
    lengths: u64,
}

/// One path with its matches. Small, because a lookup hands it up through several calls.
#[derive(Debug, Clone, Copy)]
pub struct PathEntry<'a> {
    bytes: &'a [u8],
    /// How the text is compared.
    pub kind: PathKind,
    /// The text: a prefix has no trailing slash; of a pattern it is the pattern.
    pub text: &'a [u8],
    /// Offset of what follows the text.
    rest: u32,
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

/// The matches of a path, best rank first.
#[derive(Debug, Clone, Copy)]
pub struct Matches<'a> {
    bytes: &'a [u8],
    /// `None` after the last.
    rest: Option<Cursor<'a>>,
}

/// What has to be merged with the prefixes.
#[derive(Debug, Clone, Copy, Default)]
struct Merge<'a> {
    patterns: &'a [[u8; INDEX_ENTRY]],
    lengths: &'a [[u8; 4]],
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
        let (head, rest) = bytes.split_first_chunk()?;
        let head = u32::from_le_bytes(*head);
        let (form, slots) = (head as u8 & ((1 << FORM_BITS) - 1), head >> FORM_BITS);
        let (lengths, rest) = match form & form::HASH {
            0 => (0, rest),
            _ => {
                let (lengths, rest) = rest.split_first_chunk()?;
                (u64::from_le_bytes(*lengths), rest)
            }
        };
        let len = match form & (form::HASH | form::TAGS) {
            0 | form::HASH => (slots as usize).checked_mul(4)?,
            form::SINGLE => 0,
            _ => tags::len(slots as usize)?,
        };
        Some(Self {
            bytes,
            index: rest.get(..len)?,
            slots,
            form,
            lengths,
        })
    }

    /// Patterns and text prefixes.
    fn to_merge(self) -> Option<Merge<'a>> {
        if self.form & form::MERGE == 0 {
            return Some(Merge::default());
        }
        let mut cursor = Cursor::new(self.bytes.get(header(self.form) + self.index.len()..)?);
        let patterns = cursor.u32()? as usize;
        let lengths = cursor.u32()? as usize;
        let (patterns, rest) = cursor
            .rest()
            .split_at_checked(patterns.checked_mul(INDEX_ENTRY)?)?;
        Some(Merge {
            patterns: patterns.as_chunks().0,
            lengths: rest.as_chunks().0.get(..lengths)?,
        })
    }

    /// Every path: those in the slots, then the patterns of form 1.
    pub fn paths(&self) -> impl Iterator<Item = Result<PathEntry<'a>, Broken>> + use<'a> {
        let routes = *self;
        let bytes = self.bytes;
        let (patterns, broken) = match self.to_merge() {
            Some(merge) => (merge.patterns, None),
            None => (&[][..], Some(Err(Broken))),
        };
        let tags = match self.form & form::HASH {
            0 => None,
            _ => self.tags(),
        };
        let (slots, tags) = match tags {
            Some(tags) => (None, Some(tags.iter())),
            None => (
                Some((0..self.slots).map_while(move |slot| routes.listed(slot))),
                None,
            ),
        };
        let slots = slots.into_iter().flatten().filter(|at| *at != 0);
        let slots = slots.chain(tags.into_iter().flatten());
        let slots = slots.map(move |at| PathEntry::at(bytes, at));
        let patterns = patterns.iter().map(move |entry| {
            let entry = IndexEntry::from_bytes(entry).ok_or(Broken)?;
            PathEntry::at(bytes, entry.path)
        });
        slots.chain(patterns).chain(broken)
    }

    /// The paths that fit `path`.
    #[inline]
    #[must_use]
    pub fn search<'p>(&self, path: &'p [u8]) -> Search<'a, 'p> {
        Search::new(*self, path)
    }

    #[inline(always)]
    fn slots(&self) -> Slots<'a> {
        Slots::new(self.index, self.slots)
    }

    /// The offset of a path of a list.
    #[inline(always)]
    fn listed(&self, slot: u32) -> Option<u32> {
        if self.form & form::SINGLE != 0 {
            // Nothing has to be read, so nothing waits for it.
            return (slot == 0).then_some(SINGLE);
        }
        self.slots().get(slot)
    }

    #[inline(always)]
    fn tags(&self) -> Option<Tags<'a>> {
        if self.form & form::TAGS == 0 {
            return None;
        }
        Tags::new(self.index)
    }

    #[inline(always)]
    fn probe(&self, kind: PathKind, text: &[u8]) -> Result<Option<PathEntry<'a>>, Broken> {
        match self.tags() {
            Some(tags) => self.first(tags.find(kind, text), kind, text),
            None => {
                let slots = self.slots().find(path_hash(kind, Fast::of(0, text)));
                self.first(slots, kind, text)
            }
        }
    }

    /// The first of the paths at these offsets that is this one.
    #[inline(always)]
    fn first(
        &self,
        offsets: impl Iterator<Item = u32>,
        kind: PathKind,
        text: &[u8],
    ) -> Result<Option<PathEntry<'a>>, Broken> {
        for at in offsets {
            let entry = PathEntry::at(self.bytes, at)?;
            if entry.kind == kind && same(entry.text, text) {
                return Ok(Some(entry));
            }
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
        let text = if kind == PathKind::Regex {
            pattern_at(bytes, cursor)?.pattern
        } else {
            cursor.take((head >> 2) as usize)?
        };
        Some(Self {
            bytes,
            kind,
            text,
            rest: offset(bytes.len() - cursor.rest().len()),
        })
    }

    /// The pattern of the path at this offset, before anything else of it is read.
    #[inline]
    fn pattern_of(bytes: &'a [u8], at: u32) -> Option<RegexEntry<'a>> {
        let mut cursor = Cursor::at(bytes, at)?;
        if cursor.varint()? != PathKind::Regex as u32 {
            return None;
        }
        pattern_at(bytes, cursor)
    }

    /// What follows the text.
    #[inline]
    fn rest(&self) -> Cursor<'a> {
        Cursor::at(self.bytes, self.rest).unwrap_or(Cursor::new(&[]))
    }

    /// The pattern, where it is one.
    #[must_use]
    pub fn regex(&self) -> Option<RegexEntry<'a>> {
        if self.kind != PathKind::Regex {
            return None;
        }
        pattern_at(self.bytes, self.rest())
    }

    /// Its precedence among the paths of its host.
    #[must_use]
    pub fn rank(&self) -> PathRank {
        match self.kind {
            PathKind::Exact => PathRank::Exact,
            PathKind::Prefix | PathKind::Text => PathRank::of_text(self.text.len(), self.kind),
            PathKind::Regex => {
                let size = u32_at(self.rest().rest(), 4);
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
    #[must_use]
    pub fn matches(&self) -> Matches<'a> {
        let mut rest = self.rest();
        if self.kind == PathKind::Regex {
            // Pattern and size. Without them the first match cannot be read either.
            let _ = rest.u64();
        }
        Matches {
            bytes: self.bytes,
            rest: Some(rest),
        }
    }
}

/// The pattern whose offset is at the cursor.
#[inline(never)]
fn pattern_at<'a>(bytes: &'a [u8], mut cursor: Cursor<'a>) -> Option<RegexEntry<'a>> {
    RegexEntry::at(bytes, cursor.u32()?)
}

// === impl Matches ===

impl<'a> Matches<'a> {
    #[inline]
    fn read(&mut self, mut cursor: Cursor<'a>) -> Option<MatchEntry<'a>> {
        let [head, low, high] = cursor.array()?;
        let named = match head & RULE_FOLLOWS {
            0 => Some(cursor.u32()?),
            _ => None,
        };
        let conditions = match head & LISTED_CONDITIONS {
            0 => &[],
            _ => cursor.prefixed()?,
        };
        self.rest = (head & LAST_MATCH == 0).then_some(cursor);
        Some(MatchEntry {
            index: u16::from_le_bytes([low, high]),
            bytes: self.bytes,
            conditions,
            rule: match named {
                Some(rule) => rule,
                None => offset(self.bytes.len() - cursor.rest().len()),
            },
        })
    }
}

impl<'a> Iterator for Matches<'a> {
    type Item = Result<MatchEntry<'a>, Broken>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let cursor = self.rest.take()?;
        Some(self.read(cursor).ok_or(Broken))
    }
}

// === impl MatchEntry ===

impl<'a> MatchEntry<'a> {
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
