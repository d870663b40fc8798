//! The routes of one host: paths, their matches, and what happens then.
//!
//! ```text
//! payload  u8 depth | u8 form | u16 0 | u32 paths | u32 slots
//!          slots x u32: offset of a path
//!          objects, rules, paths
//! path     varint (length << 1 | exact) | text | varint matches | match*        best match first
//! match    u8 conditions | varint index | u32 rule
//!          [u8 length | method] [varint n | n x (varint length | name | varint length | value)]
//! rule     u32 object | varint index | varint backends | backend* | varint extra length | extra
//! backend  varint (weight << 1 | invalid) | [u64 service id]
//! object   u8 kind | varint length | namespace | varint length | name
//! ```
//! Offsets count from the start of the payload. Form 0: the slots list all paths, best rank first
//! (up to [`LIST`] paths, where comparing is cheaper than hashing). Form 1: the slots are a hash
//! table of the paths, and a lookup asks for the whole path, then for every prefix of it that ends
//! at a `/`, longest first, but none with more slashes than `depth`.

mod encode;
mod prefixes;

pub use encode::encode;
use prefixes::Prefixes;

use super::bytes::{Cursor, same, u32_at};
use super::hash::Fast;
use super::model::RouteKind;
use super::segment::Broken;

/// The largest number of paths that are listed instead of hashed.
pub const LIST: usize = 4;

const HEADER: usize = 12;
const FORM_LIST: u8 = 0;
const FORM_HASH: u8 = 1;

/// Conditions of a match beyond its path.
mod condition {
    pub(super) const METHOD: u8 = 1;
    pub(super) const HEADERS: u8 = 2;
}

/// Tells an exact path's hash from that of the prefix with the same text.
const EXACT_TWIST: u64 = 0x5bd1_e995_a5a5_a5a5;

/// The hash of a path in form 1.
#[inline]
#[must_use]
pub fn path_hash(exact: bool, path: u64) -> u64 {
    if exact { path ^ EXACT_TWIST } else { path }
}

/// The routes of one host being read.
#[derive(Debug, Clone, Copy)]
pub struct HostRoutes<'a> {
    bytes: &'a [u8],
    depth: u8,
    form: u8,
    slots: usize,
}

/// One path with its matches.
#[derive(Debug, Clone, Copy)]
pub struct PathEntry<'a> {
    bytes: &'a [u8],
    /// Exact, or else a prefix by segment.
    pub exact: bool,
    /// The text; a prefix has no trailing slash.
    pub text: &'a [u8],
    count: u32,
    matches: Cursor<'a>,
}

/// One match.
#[derive(Debug, Clone, Copy)]
pub struct MatchEntry<'a> {
    /// Position in its rule.
    pub index: u16,
    /// The method, if it asks for one.
    pub method: Option<&'a [u8]>,
    header_count: u32,
    headers: Cursor<'a>,
    bytes: &'a [u8],
    rule: u32,
}

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct RuleEntry<'a> {
    /// Kind of its object.
    pub kind: RouteKind,
    /// Namespace of its object, ASCII.
    pub namespace: &'a [u8],
    /// Name of its object, ASCII.
    pub name: &'a [u8],
    /// Position in its object.
    pub index: u16,
    count: u32,
    backends: Cursor<'a>,
}

/// One backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackendEntry {
    /// Its weight.
    pub weight: u32,
    /// Id of the Service port; `None` = invalid.
    pub service: Option<u64>,
}

impl<'a> HostRoutes<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Broken`].
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Result<Self, Broken> {
        let head = bytes.first_chunk::<HEADER>().ok_or(Broken)?;
        let [depth, form, ..] = *head;
        let slots = u32_at(head, 8).ok_or(Broken)? as usize;
        let fits = slots
            .checked_mul(4)
            .and_then(|len| len.checked_add(HEADER))
            .is_some_and(|end| end <= bytes.len());
        let form_ok = form == FORM_LIST || (form == FORM_HASH && slots.is_power_of_two());
        if !fits || !form_ok {
            return Err(Broken);
        }
        Ok(Self {
            bytes,
            depth,
            form,
            slots,
        })
    }

    #[inline]
    fn slot(&self, slot: usize) -> Result<Option<PathEntry<'a>>, Broken> {
        match u32_at(self.bytes, HEADER + slot * 4).ok_or(Broken)? {
            0 => Ok(None),
            at => PathEntry::at(self.bytes, at).map(Some),
        }
    }

    /// Every path in the order in which they lie in the slots.
    pub fn paths(&self) -> impl Iterator<Item = Result<PathEntry<'a>, Broken>> + '_ {
        (0..self.slots).filter_map(|slot| self.slot(slot).transpose())
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
        mut visit: impl FnMut(PathEntry<'a>) -> Result<bool, Broken>,
    ) -> Result<bool, Broken> {
        if self.form == FORM_LIST {
            for slot in 0..self.slots {
                let entry = self.slot(slot)?.ok_or(Broken)?;
                if entry.fits(path) && visit(entry)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let mut prefixes = Prefixes::new(path, self.depth);
        if let Some(entry) = self.probe(true, prefixes.whole, path)?
            && visit(entry)?
        {
            return Ok(true);
        }
        while let Some((prefix, hash)) = prefixes.next_longest() {
            if let Some(entry) = self.probe(false, hash, prefix)?
                && visit(entry)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[inline]
    fn probe(&self, exact: bool, hash: u64, text: &[u8]) -> Result<Option<PathEntry<'a>>, Broken> {
        let mut slot = path_hash(exact, hash) as usize & (self.slots - 1);
        for _ in 0..self.slots {
            let Some(entry) = self.slot(slot)? else {
                return Ok(None);
            };
            if entry.exact == exact && same(entry.text, text) {
                return Ok(Some(entry));
            }
            slot = (slot + 1) & (self.slots - 1);
        }
        Ok(None)
    }
}

impl<'a> PathEntry<'a> {
    #[inline]
    fn at(bytes: &'a [u8], at: u32) -> Result<Self, Broken> {
        let mut cursor = Cursor::at(bytes, at).ok_or(Broken)?;
        let head = cursor.varint().ok_or(Broken)?;
        let text = cursor.take((head >> 1) as usize).ok_or(Broken)?;
        Ok(Self {
            bytes,
            exact: head & 1 == 1,
            text,
            count: cursor.varint().ok_or(Broken)?,
            matches: cursor,
        })
    }

    /// Does `path` fit?
    #[inline]
    #[must_use]
    pub fn fits(&self, path: &[u8]) -> bool {
        if self.exact {
            return same(path, self.text);
        }
        match path.split_at_checked(self.text.len()) {
            Some((head, rest)) => {
                matches!(rest.first(), None | Some(b'/')) && same(head, self.text)
            }
            None => false,
        }
    }

    /// The matches, best rank first.
    pub fn matches(&self) -> impl Iterator<Item = Result<MatchEntry<'a>, Broken>> + use<'a> {
        let mut cursor = self.matches;
        let bytes = self.bytes;
        (0..self.count).map(move |_| MatchEntry::read(bytes, &mut cursor).ok_or(Broken))
    }
}

impl<'a> MatchEntry<'a> {
    #[inline]
    fn read(bytes: &'a [u8], cursor: &mut Cursor<'a>) -> Option<Self> {
        let conditions = cursor.u8()?;
        let index = u16::try_from(cursor.varint()?).ok()?;
        let rule = cursor.u32()?;
        if conditions == 0 {
            return Some(Self {
                index,
                method: None,
                header_count: 0,
                headers: *cursor,
                bytes,
                rule,
            });
        }
        // A condition that this build does not know must not be passed over.
        if conditions & !(condition::METHOD | condition::HEADERS) != 0 {
            return None;
        }
        let method = if conditions & condition::METHOD != 0 {
            Some(cursor.prefixed()?)
        } else {
            None
        };
        let mut header_count = 0;
        let mut headers = *cursor;
        if conditions & condition::HEADERS != 0 {
            header_count = cursor.varint()?;
            headers = *cursor;
            for _ in 0..header_count {
                cursor.prefixed()?;
                cursor.prefixed()?;
            }
        }
        Some(Self {
            index,
            method,
            header_count,
            headers,
            bytes,
            rule,
        })
    }

    /// The headers that it asks for: lower-case name and exact value.
    pub fn headers(&self) -> impl Iterator<Item = Result<(&'a str, &'a [u8]), Broken>> + use<'a> {
        let mut cursor = self.headers;
        (0..self.header_count).map(move |_| {
            let name = cursor.text().ok_or(Broken)?;
            let value = cursor.prefixed().ok_or(Broken)?;
            Ok((name, value))
        })
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

impl<'a> RuleEntry<'a> {
    #[inline]
    fn at(bytes: &'a [u8], at: u32) -> Option<Self> {
        let mut cursor = Cursor::at(bytes, at)?;
        let mut object = Cursor::at(bytes, cursor.u32()?)?;
        let index = u16::try_from(cursor.varint()?).ok()?;
        Some(Self {
            kind: RouteKind::from_byte(object.u8()?)?,
            namespace: object.prefixed()?,
            name: object.prefixed()?,
            index,
            count: cursor.varint()?,
            backends: cursor,
        })
    }

    /// The rule's stable id: a hash of its object's kind and names and its position.
    #[must_use]
    pub fn id(&self) -> u64 {
        let seed = Fast::of(self.kind as u64, self.namespace);
        Fast::of(seed ^ u64::from(self.index), self.name)
    }

    /// The weighted backends.
    pub fn backends(&self) -> impl Iterator<Item = Result<BackendEntry, Broken>> + use<'a> {
        let mut cursor = self.backends;
        (0..self.count).map(move |_| {
            let head = cursor.varint().ok_or(Broken)?;
            let service = if head & 1 == 0 {
                Some(cursor.u64().ok_or(Broken)?)
            } else {
                None
            };
            Ok(BackendEntry {
                weight: head >> 1,
                service,
            })
        })
    }
}
