//! Writes the routes of one host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::prefixes::{LONGEST, length_bit};
use super::regex::{INDEX_ENTRY, IndexEntry};
use super::{
    FORM_BITS, LAST_MATCH, LIST, LISTED_CONDITIONS, PathKind, RULE_FOLLOWS, condition, form,
    header, path_hash, regex, rule, tags,
};
use crate::route::rank::{PathRank, Rank};
use crate::table::bytes::{offset, patch_u32, put_prefixed, put_varint};
use crate::table::hash::Fast;
use crate::table::model::{PathMatch, Regex, RouteMatch, RouteObject, Rule, ValueMatch};
use crate::table::slots;

/// Writes the routes of one host. The order of `matches` does not count.
#[must_use]
pub fn encode(mut matches: Vec<RouteMatch>) -> Box<[u8]> {
    matches.sort_by(|a, b| Rank::of(a).cmp(&Rank::of(b)));
    let paths = paths(&matches);
    let patterns = paths.keys().filter(|key| is_regex(key.2)).count();
    let found = paths.len() - patterns;
    let index = if let [m] = &*matches
        && !has_patterns(m)
    {
        Index::Single
    } else if paths.len() <= LIST {
        Index::List(paths.len())
    } else if let Some(len) = tags::len(found) {
        Index::Tags { paths: found, len }
    } else {
        Index::hash(found)
    };
    write(&paths, index)
        .or_else(|| write(&paths, Index::hash(found)))
        .unwrap_or_default()
        .into_boxed_slice()
}

/// How paths are found.
#[derive(Clone, Copy)]
enum Index {
    /// It is the only one.
    Single,
    /// This many, one after the other.
    List(usize),
    /// This many by tag.
    Tags { paths: usize, len: usize },
    /// In this many slots by hash.
    Hash(usize),
}

impl Index {
    fn hash(paths: usize) -> Self {
        Self::Hash((paths.max(1).saturating_mul(4) / 3).next_power_of_two())
    }

    /// The number in the header and the length in bytes.
    fn size(self) -> (usize, usize) {
        match self {
            Self::Single => (1, 0),
            Self::List(slots) | Self::Hash(slots) => (slots, slots * 4),
            Self::Tags { paths, len } => (paths, len),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Single => form::SINGLE,
            Self::List(_) => 0,
            Self::Tags { .. } => form::HASH | form::TAGS,
            Self::Hash(_) => form::HASH,
        }
    }
}

/// `None`: paths lie farther away than this index reaches.
fn write(paths: &Paths<'_>, index: Index) -> Option<Vec<u8>> {
    let patterns = match index {
        Index::Single | Index::List(_) => 0,
        _ => paths.keys().filter(|key| is_regex(key.2)).count(),
    };
    let lengths = match index {
        Index::Single | Index::List(_) => BTreeSet::new(),
        _ => text_lengths(paths.keys().map(|key| key.2)),
    };
    let mut bits = index.bits();
    if paths.keys().any(|key| matches!(key.2, PathMatch::Exact(_))) {
        bits |= form::EXACT;
    }
    let prefixes = prefix_lengths(paths.keys().map(|key| key.2));
    let long = prefixes >> LONGEST != 0 && bits & form::HASH != 0;
    let merge = patterns != 0 || !lengths.is_empty() || long;
    if merge {
        bits |= form::MERGE;
    }
    let (slots, index_len) = index.size();
    let matches: usize = paths.values().map(Vec::len).sum();
    let header = header(bits);
    let mut out = Vec::with_capacity(header + index_len + matches * 48);
    let slots = offset(slots).min(u32::MAX >> FORM_BITS);
    out.extend_from_slice(&(slots << FORM_BITS | u32::from(bits)).to_le_bytes());
    if bits & form::HASH != 0 {
        out.extend_from_slice(&prefixes.to_le_bytes());
    }
    out.resize(header + index_len, 0);
    let mut pattern = out.len() + 8;
    if merge {
        out.extend_from_slice(&offset(patterns).to_le_bytes());
        out.extend_from_slice(&offset(lengths.len()).to_le_bytes());
        out.resize(pattern + patterns * INDEX_ENTRY, 0);
        for length in lengths.iter().rev() {
            out.extend_from_slice(&offset(*length).to_le_bytes());
        }
    }

    let mut shared = Shared::default();
    let mut tagged = Vec::new();
    for (i, ((rank, _, path), matches)) in paths.iter().enumerate() {
        for m in matches {
            shared.put_patterns(&mut out, m);
        }
        let start = out.len();
        let (kind, text) = hashed(path);
        match (path, index) {
            (PathMatch::Regex(regex), Index::Tags { .. } | Index::Hash(_)) => {
                let entry = IndexEntry::new(start, rank.size(), regex);
                if let Some(place) = out.get_mut(pattern..pattern + INDEX_ENTRY) {
                    place.copy_from_slice(&entry.to_bytes());
                }
                pattern += INDEX_ENTRY;
            }
            (_, Index::Single) => {}
            (_, Index::List(_)) => slots::set(&mut out, header, i, start),
            (_, Index::Tags { .. }) => tagged.push((kind, text, start)),
            (_, Index::Hash(slots)) => {
                let hash = path_hash(kind, Fast::of(0, text.as_bytes()));
                slots::put(&mut out, header, slots, hash, start);
            }
        }
        shared.put_path(&mut out, path, *rank);
        shared.put_matches(&mut out, matches);
    }
    shared.put_objects(&mut out);
    if let Index::Tags { len, .. } = index {
        tags::write(out.get_mut(header..header + len)?, &tagged)?;
    }
    Some(out)
}

/// Paths with their matches, best first.
type Paths<'m> = BTreeMap<PathKey<'m>, Vec<&'m RouteMatch>>;

/// Rank of a path, its place among the patterns of that rank, and the path.
type PathKey<'m> = (PathRank, usize, &'m PathMatch);

/// The matches by path, best first. Several patterns of one rank can fit a request, and then the
/// ranks of their matches decide: such a pattern stands as often as its matches are interrupted by
/// those of another. Of all other paths of one rank a request fits one at most.
fn paths(sorted: &[RouteMatch]) -> Paths<'_> {
    let mut paths = Paths::new();
    let (mut place, mut last) = (0, None);
    for m in sorted {
        let rank = PathRank::of(m.rule.object.kind, &m.path);
        if is_regex(&m.path) && last != Some(&m.path) {
            place += 1;
            last = Some(&m.path);
        }
        let place = if is_regex(&m.path) { place } else { 0 };
        paths.entry((rank, place, &m.path)).or_default().push(m);
    }
    paths
}

fn is_regex(path: &PathMatch) -> bool {
    matches!(path, PathMatch::Regex(_))
}

/// Are there patterns that are written before the path?
fn has_patterns(m: &RouteMatch) -> bool {
    let headers = m.headers.iter().map(|header| &header.value);
    let queries = m.queries.iter().map(|query| &query.value);
    let mut values = headers.chain(queries);
    is_regex(&m.path) || values.any(|value| matches!(value, ValueMatch::Regex(_)))
}

/// Kind and text of a path that is found by its hash.
fn hashed(path: &PathMatch) -> (PathKind, &str) {
    match path {
        PathMatch::Exact(text) => (PathKind::Exact, text),
        PathMatch::Prefix(text) => (PathKind::Prefix, text),
        PathMatch::Text(text) => (PathKind::Text, text),
        PathMatch::Regex(regex) => (PathKind::Regex, &regex.pattern),
    }
}

/// Bit n: there is a prefix of n bytes.
fn prefix_lengths<'m>(paths: impl Iterator<Item = &'m PathMatch>) -> u64 {
    paths
        .filter_map(|path| match path {
            PathMatch::Prefix(text) => Some(length_bit(text.len())),
            _ => None,
        })
        .fold(0, |lengths, bit| lengths | bit)
}

fn text_lengths<'m>(paths: impl Iterator<Item = &'m PathMatch>) -> BTreeSet<usize> {
    paths
        .filter_map(|path| match path {
            PathMatch::Text(text) => Some(text.len()),
            _ => None,
        })
        .collect()
}

/// Rules, objects and patterns that are written once and named by offset. A rule is known by all
/// that it says, not by its position: the paths of one Ingress rule share the position and differ
/// in their backends. Sorted maps: the bytes must not depend on where a rule lies in memory.
#[derive(Default)]
struct Shared<'m> {
    /// Objects with the offsets of their rules.
    objects: BTreeMap<&'m RouteObject, Vec<u32>>,
    rules: BTreeMap<&'m Rule, u32>,
    patterns: BTreeMap<&'m Regex, u32>,
}

impl<'m> Shared<'m> {
    fn put_patterns(&mut self, out: &mut Vec<u8>, m: &'m RouteMatch) {
        let headers = m.headers.iter().map(|header| &header.value);
        let queries = m.queries.iter().map(|query| &query.value);
        for value in headers.chain(queries) {
            if let ValueMatch::Regex(regex) = value {
                self.put_regex(out, regex);
            }
        }
        if let PathMatch::Regex(regex) = &m.path {
            self.put_regex(out, regex);
        }
    }

    fn put_regex(&mut self, out: &mut Vec<u8>, regex: &'m Arc<Regex>) {
        self.patterns.entry(regex).or_insert_with(|| {
            let at = offset(out.len());
            regex::put(out, regex);
            at
        });
    }

    fn put_rule(&mut self, out: &mut Vec<u8>, rule: &'m Arc<Rule>) {
        if self.rules.contains_key(&**rule) {
            return;
        }
        let at = offset(out.len());
        self.objects.entry(&rule.object).or_default().push(at);
        self.rules.insert(rule, at);
        rule::put(out, rule);
    }

    /// Writes the matches of a path and behind them those of their rules that were not written yet:
    /// first the last match's, so that a lookup reads on where it is.
    fn put_matches(&mut self, out: &mut Vec<u8>, matches: &[&'m RouteMatch]) {
        let mut unknown = Vec::new();
        for (left, m) in (0..matches.len()).rev().zip(matches) {
            let known = self.rules.get(&*m.rule).copied();
            let follows = left == 0 && known.is_none();
            let place = self.put_match(out, m, left == 0, follows);
            if follows {
                self.put_rule(out, &m.rule);
            } else {
                match known {
                    Some(rule) => patch_u32(out, place, rule),
                    None => unknown.push((place, m)),
                }
            }
        }
        for (place, m) in unknown {
            self.put_rule(out, &m.rule);
            patch_u32(out, place, self.rule(&m.rule));
        }
    }

    /// Writes a match; gives where the offset of its rule belongs, if that does not follow.
    fn put_match(&self, out: &mut Vec<u8>, m: &RouteMatch, last: bool, follows: bool) -> usize {
        let mut conditions = Vec::new();
        condition::put(&mut conditions, m, |value| match value {
            ValueMatch::Regex(regex) => self.regex(regex),
            ValueMatch::OneOf(_) => u32::MAX,
        });
        let mut head = 0;
        for (bit, set) in [
            (LAST_MATCH, last),
            (LISTED_CONDITIONS, !conditions.is_empty()),
            (RULE_FOLLOWS, follows),
        ] {
            head |= if set { bit } else { 0 };
        }
        out.push(head);
        out.extend_from_slice(&m.index.to_le_bytes());
        let place = out.len();
        if !follows {
            out.extend_from_slice(&[0; 4]);
        }
        if !conditions.is_empty() {
            put_prefixed(out, &conditions);
        }
        place
    }

    /// Writes the objects, behind all that a lookup reads, and tells the rules where they are.
    fn put_objects(&self, out: &mut Vec<u8>) {
        for (object, rules) in &self.objects {
            let at = offset(out.len());
            rule::put_object(out, object);
            for rule in rules {
                patch_u32(out, *rule as usize, at);
            }
        }
    }

    fn put_path(&self, out: &mut Vec<u8>, path: &PathMatch, rank: PathRank) {
        let (kind, text) = hashed(path);
        if let PathMatch::Regex(regex) = path {
            put_varint(out, kind as u32);
            out.extend_from_slice(&self.regex(regex).to_le_bytes());
            out.extend_from_slice(&rank.size().to_le_bytes());
        } else {
            put_varint(out, offset(text.len()) << 2 | kind as u32);
            out.extend_from_slice(text.as_bytes());
        }
    }

    fn rule(&self, rule: &Rule) -> u32 {
        self.rules.get(rule).copied().unwrap_or(u32::MAX)
    }

    fn regex(&self, regex: &Regex) -> u32 {
        self.patterns.get(regex).copied().unwrap_or(u32::MAX)
    }
}
