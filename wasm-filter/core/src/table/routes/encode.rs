//! Writes the routes of one host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::prefixes::DEEPEST;
use super::regex::{INDEX_ENTRY, IndexEntry};
use super::{
    HEADER, LAST_MATCH, LIST, LISTED_CONDITIONS, MATCH_BITS, PathKind, condition, form, path_hash,
    regex, rule,
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
    let listed = paths.len() <= LIST;
    let patterns = match listed {
        true => 0,
        false => paths.keys().filter(|key| is_regex(key.2)).count(),
    };
    let slots = if listed {
        paths.len()
    } else {
        ((paths.len() - patterns).max(1).saturating_mul(4) / 3).next_power_of_two()
    };
    let lengths = if listed {
        BTreeSet::new()
    } else {
        text_lengths(paths.keys().map(|key| key.2))
    };
    let mut bits = 0;
    if !listed {
        bits |= form::HASH;
    }
    if paths.keys().any(|key| matches!(key.2, PathMatch::Exact(_))) {
        bits |= form::EXACT;
    }
    let merge = patterns != 0 || !lengths.is_empty();
    if merge {
        bits |= form::MERGE;
    }
    let mut out = Vec::with_capacity(HEADER + slots * 4 + matches.len() * 48);
    out.extend_from_slice(&[bits, 0]);
    out.extend_from_slice(&depths(paths.keys().map(|key| key.2)).to_le_bytes());
    out.extend_from_slice(&offset(slots).to_le_bytes());
    out.resize(HEADER + slots * 4, 0);
    let mut index = out.len() + 8;
    if merge {
        out.extend_from_slice(&offset(patterns).to_le_bytes());
        out.extend_from_slice(&offset(lengths.len()).to_le_bytes());
        out.resize(index + patterns * INDEX_ENTRY, 0);
        for length in lengths.iter().rev() {
            out.extend_from_slice(&offset(*length).to_le_bytes());
        }
    }

    let mut shared = Shared::default();
    for (i, ((rank, _, path), matches)) in paths.iter().enumerate() {
        // Directly before the path, so that a lookup touches few cache lines.
        for m in matches {
            shared.put(&mut out, m);
        }
        let start = out.len();
        match path {
            PathMatch::Regex(regex) if !listed => {
                let entry = IndexEntry::new(start, rank.size(), regex);
                if let Some(place) = out.get_mut(index..index + INDEX_ENTRY) {
                    place.copy_from_slice(&entry.to_bytes());
                }
                index += INDEX_ENTRY;
            }
            _ if listed => slots::set(&mut out, HEADER, i, start),
            _ => {
                let (kind, text) = hashed(path);
                let hash = path_hash(kind, Fast::of(0, text.as_bytes()));
                slots::put(&mut out, HEADER, slots, hash, start);
            }
        }
        shared.put_path(&mut out, path, *rank);
        for (left, m) in (0..matches.len()).rev().zip(matches) {
            put_match(&mut out, m, left == 0, &shared);
        }
    }
    shared.put_objects(&mut out);
    out.into_boxed_slice()
}

/// Rank of a path, its place among the patterns of that rank, and the path.
type PathKey<'m> = (PathRank, usize, &'m PathMatch);

/// The matches by path, best first. Several patterns of one rank can fit a request, and then the
/// ranks of their matches decide: such a pattern stands as often as its matches are interrupted by
/// those of another. Of all other paths of one rank a request fits one at most.
fn paths(sorted: &[RouteMatch]) -> BTreeMap<PathKey<'_>, Vec<&RouteMatch>> {
    let mut paths: BTreeMap<PathKey<'_>, Vec<&RouteMatch>> = BTreeMap::new();
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

/// Kind and text of a path that is found by its hash.
fn hashed(path: &PathMatch) -> (PathKind, &str) {
    match path {
        PathMatch::Exact(text) => (PathKind::Exact, text),
        PathMatch::Prefix(text) => (PathKind::Prefix, text),
        PathMatch::Text(text) => (PathKind::Text, text),
        PathMatch::Regex(regex) => (PathKind::Regex, &regex.pattern),
    }
}

/// Bit n: there is a prefix with n slashes.
fn depths<'m>(paths: impl Iterator<Item = &'m PathMatch>) -> u16 {
    let slashes = |text: &str| text.bytes().filter(|b| *b == b'/').count();
    paths
        .filter_map(|path| match path {
            PathMatch::Prefix(text) => u32::try_from(slashes(text)).ok(),
            _ => None,
        })
        .fold(0, |depths, slashes| depths | 1 << slashes.min(DEEPEST))
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
    fn put(&mut self, out: &mut Vec<u8>, m: &'m RouteMatch) {
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
        self.put_rule(out, &m.rule);
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

fn put_match(out: &mut Vec<u8>, m: &RouteMatch, last: bool, shared: &Shared<'_>) {
    let mut conditions = Vec::new();
    condition::put(&mut conditions, m, |value| match value {
        ValueMatch::Regex(regex) => shared.regex(regex),
        ValueMatch::OneOf(_) => u32::MAX,
    });
    let mut head = shared.rule(&m.rule) << MATCH_BITS;
    if last {
        head |= LAST_MATCH;
    }
    if !conditions.is_empty() {
        head |= LISTED_CONDITIONS;
    }
    out.extend_from_slice(&head.to_le_bytes());
    out.extend_from_slice(&m.index.to_le_bytes());
    if !conditions.is_empty() {
        put_prefixed(out, &conditions);
    }
}
