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

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bytes::{Cursor, offset, patch_u32, put_prefixed, put_varint, same, u32_at};
use super::hash::Fast;
use super::model::{BackendTarget, PathMatch, RouteKind, RouteMatch, RouteObject, Rule};
use super::segment::Broken;
use crate::route::rank::{PathRank, Rank};

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

// === encoding ===

/// Writes the routes of one host. The order of `matches` does not count.
#[must_use]
pub fn encode(mut matches: Vec<RouteMatch>) -> Box<[u8]> {
    matches.sort_by(|a, b| Rank::of(a).cmp(&Rank::of(b)));
    let mut paths: BTreeMap<(PathRank, &str), Vec<&RouteMatch>> = BTreeMap::new();
    for m in &matches {
        let text: &str = match &m.path {
            PathMatch::Exact(text) | PathMatch::Prefix(text) => text,
        };
        paths
            .entry((PathRank::of(&m.path), text))
            .or_default()
            .push(m);
    }
    let listed = paths.len() <= LIST;
    let slots = if listed {
        paths.len()
    } else {
        (paths.len().saturating_mul(4) / 3).next_power_of_two()
    };
    let depth = paths
        .keys()
        .filter(|(rank, _)| *rank != PathRank::Exact)
        .map(|(_, text)| slashes(text))
        .max()
        .unwrap_or(0);

    let mut out = Vec::with_capacity(HEADER + slots * 4 + matches.len() * 48);
    out.push(u8::try_from(depth).unwrap_or(u8::MAX));
    out.push(if listed { FORM_LIST } else { FORM_HASH });
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&offset(paths.len()).to_le_bytes());
    out.extend_from_slice(&offset(slots).to_le_bytes());
    out.resize(HEADER + slots * 4, 0);

    let mut shared = Shared::default();
    for m in &matches {
        shared.put(&mut out, &m.rule);
    }
    for (i, ((rank, text), matches)) in paths.iter().enumerate() {
        let exact = *rank == PathRank::Exact;
        let slot = if listed {
            i
        } else {
            let hash = path_hash(exact, Fast::of(0, text.as_bytes()));
            let mut slot = hash as usize & (slots - 1);
            while u32_at(&out, HEADER + slot * 4).is_some_and(|taken| taken != 0) {
                slot = (slot + 1) & (slots - 1);
            }
            slot
        };
        let start = offset(out.len());
        patch_u32(&mut out, HEADER + slot * 4, start);
        put_varint(&mut out, offset(text.len()) << 1 | u32::from(exact));
        out.extend_from_slice(text.as_bytes());
        put_varint(&mut out, offset(matches.len()));
        for m in matches {
            put_match(&mut out, m, &shared);
        }
    }
    out.into_boxed_slice()
}

fn slashes(text: &str) -> usize {
    text.bytes().filter(|b| *b == b'/').count()
}

/// Rules and objects that are written once and named by offset. A rule is known by all that it
/// says, not by its position: the paths of one Ingress rule share the position and differ in
/// their backends. Sorted maps: the bytes must not depend on where a rule lies in memory.
#[derive(Default)]
struct Shared<'m> {
    objects: BTreeMap<&'m RouteObject, u32>,
    rules: BTreeMap<&'m Rule, u32>,
}

impl<'m> Shared<'m> {
    fn put(&mut self, out: &mut Vec<u8>, rule: &'m Arc<Rule>) {
        let object: &RouteObject = &rule.object;
        if self.rules.contains_key(&**rule) {
            return;
        }
        let object_at = *self.objects.entry(object).or_insert_with(|| {
            let at = offset(out.len());
            out.push(object.kind as u8);
            put_prefixed(out, object.namespace.as_bytes());
            put_prefixed(out, object.name.as_bytes());
            at
        });
        self.rules.insert(rule, offset(out.len()));
        out.extend_from_slice(&object_at.to_le_bytes());
        put_varint(out, u32::from(rule.index));
        put_varint(out, offset(rule.backends.len()));
        for backend in &rule.backends {
            match &backend.target {
                BackendTarget::Service(service) => {
                    put_varint(out, backend.weight << 1);
                    out.extend_from_slice(&service.id().to_le_bytes());
                }
                BackendTarget::Invalid => put_varint(out, backend.weight << 1 | 1),
            }
        }
        // Filters, timeouts and policies come here.
        put_varint(out, 0);
    }

    fn rule(&self, rule: &'m Rule) -> u32 {
        self.rules.get(rule).copied().unwrap_or(u32::MAX)
    }
}

fn put_match<'m>(out: &mut Vec<u8>, m: &'m RouteMatch, shared: &Shared<'m>) {
    let mut conditions = 0;
    if m.method.is_some() {
        conditions |= condition::METHOD;
    }
    if !m.headers.is_empty() {
        conditions |= condition::HEADERS;
    }
    out.push(conditions);
    put_varint(out, u32::from(m.index));
    out.extend_from_slice(&shared.rule(&m.rule).to_le_bytes());
    if let Some(method) = &m.method {
        put_prefixed(out, method.as_bytes());
    }
    if !m.headers.is_empty() {
        put_varint(out, offset(m.headers.len()));
        for header in &m.headers {
            put_prefixed(out, header.name.as_bytes());
            put_prefixed(out, header.value.as_bytes());
        }
    }
}

// === reading ===

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

// === prefixes of a request path ===

/// How many boundaries are hashed in the one pass; deeper ones are hashed again when asked for.
const KEPT: usize = 8;

/// Hash of a path and of its prefixes that end at a `/`, with at most `depth` slashes.
struct Prefixes<'p> {
    path: &'p [u8],
    /// Hash of the whole path.
    whole: u64,
    /// Ends and hashes of the first [`KEPT`] prefixes, shortest first. Few, because zeroing a
    /// larger array is a call in wasm.
    ends: [u32; KEPT],
    hashes: [u64; KEPT],
    count: usize,
    /// Prefixes beyond `kept`: where to look for the next `/` backwards, exclusive.
    beyond: Option<usize>,
}

impl<'p> Prefixes<'p> {
    #[inline]
    fn new(path: &'p [u8], depth: u8) -> Self {
        let mut prefixes = Self {
            path,
            whole: 0,
            ends: [0; KEPT],
            hashes: [0; KEPT],
            count: 0,
            beyond: None,
        };
        let mut slashes = 0u32;
        let limit = if depth == u8::MAX {
            u32::MAX
        } else {
            u32::from(depth)
        };
        let mut run = Fast::new(0);
        let (chunks, tail) = path.as_chunks::<8>();
        let mut at = 0;
        for chunk in chunks {
            if slashes <= limit {
                prefixes.boundaries(chunk, at, run, &mut slashes, limit);
            }
            run = run.step(*chunk);
            at += 8;
        }
        if slashes <= limit {
            prefixes.boundaries(tail, at, run, &mut slashes, limit);
        }
        prefixes.whole = run.finish(tail);
        // The whole path is a prefix too, if it is not too deep.
        if slashes <= limit {
            prefixes.keep(path.len(), prefixes.whole);
        }
        prefixes
    }

    /// Keeps the prefixes that end within `bytes`, which begin at `at` of the path.
    #[inline]
    fn boundaries(&mut self, bytes: &[u8], at: usize, run: Fast, slashes: &mut u32, limit: u32) {
        for (i, byte) in bytes.iter().enumerate() {
            if *byte == b'/' {
                // The prefix that ends before this slash has `slashes` of them.
                if *slashes <= limit {
                    let tail = bytes.get(..i).unwrap_or_default();
                    self.keep(at + i, run.finish(tail));
                }
                *slashes += 1;
            }
        }
    }

    #[inline]
    fn keep(&mut self, end: usize, hash: u64) {
        match (
            self.ends.get_mut(self.count),
            self.hashes.get_mut(self.count),
            u32::try_from(end),
        ) {
            (Some(end_slot), Some(hash_slot), Ok(end32)) => {
                *end_slot = end32;
                *hash_slot = hash;
                self.count += 1;
            }
            _ => self.beyond = Some(end),
        }
    }

    /// The next shorter prefix and its hash.
    #[inline]
    fn next_longest(&mut self) -> Option<(&'p [u8], u64)> {
        if let Some(end) = self.beyond {
            let prefix = self.path.get(..end)?;
            let first_kept = self.ends.last().map_or(0, |end| *end as usize);
            self.beyond = prefix
                .iter()
                .rposition(|b| *b == b'/')
                .filter(|shorter| *shorter > first_kept);
            return Some((prefix, Fast::of(0, prefix)));
        }
        self.count = self.count.checked_sub(1)?;
        let end = *self.ends.get(self.count)?;
        let hash = *self.hashes.get(self.count)?;
        Some((self.path.get(..end as usize)?, hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(path: &str, depth: u8) -> Vec<String> {
        let mut prefixes = Prefixes::new(path.as_bytes(), depth);
        let mut all = Vec::new();
        while let Some((prefix, hash)) = prefixes.next_longest() {
            assert_eq!(hash, Fast::of(0, prefix));
            all.push(String::from_utf8_lossy(prefix).into_owned());
        }
        all
    }

    #[test]
    fn prefixes_end_at_slashes_longest_first() {
        assert_eq!(ends("/a/bb/ccc", 9), ["/a/bb/ccc", "/a/bb", "/a", ""]);
        assert_eq!(ends("/", 9), ["/", ""]);
        assert_eq!(ends("/a/", 9), ["/a/", "/a", ""]);
    }

    #[test]
    fn prefixes_deeper_than_the_table_are_not_asked_for() {
        assert_eq!(ends("/a/bb/ccc", 1), ["/a", ""]);
        assert_eq!(ends("/a/bb/ccc", 0), [""]);
        assert_eq!(ends("/a", 1), ["/a", ""]);
    }

    #[test]
    fn paths_with_more_segments_than_are_kept_are_whole() {
        for segments in 14..40 {
            let path: String = (0..segments).map(|i| format!("/s{i}")).collect();
            let all = ends(&path, u8::MAX);
            assert_eq!(all.len(), segments + 1, "{path}");
            assert!(all.windows(2).all(|w| w[0].len() > w[1].len()));
        }
    }
}
