//! Writes the routes of one host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::regex::{INDEX_ENTRY, IndexEntry};
use super::{FORM_HASH, FORM_LIST, HEADER, LIST, PathKind, condition, path_hash, regex, rule};
use crate::route::rank::{PathRank, Rank};
use crate::table::bytes::{offset, patch_u32, put_prefixed, put_varint, u32_at};
use crate::table::hash::Fast;
use crate::table::model::{PathMatch, Regex, RouteMatch, RouteObject, Rule, ValueMatch};

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
    let mut out = Vec::with_capacity(HEADER + slots * 4 + matches.len() * 48);
    out.push(depth(paths.keys().map(|key| key.2)));
    out.push(if listed { FORM_LIST } else { FORM_HASH });
    // Paths have at most a few thousand bytes, so lengths fit; a table with more could not be read.
    let length_count = u16::try_from(lengths.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length_count.to_le_bytes());
    for number in [paths.len(), slots, patterns] {
        out.extend_from_slice(&offset(number).to_le_bytes());
    }
    out.resize(HEADER + slots * 4 + patterns * INDEX_ENTRY, 0);
    for length in lengths.iter().rev().take(usize::from(length_count)) {
        out.extend_from_slice(&offset(*length).to_le_bytes());
    }

    let mut shared = Shared::default();
    for m in &matches {
        shared.put(&mut out, m);
    }
    let mut index = HEADER + slots * 4;
    for (i, ((rank, _, path), matches)) in paths.iter().enumerate() {
        let start = out.len();
        match path {
            PathMatch::Regex(regex) if !listed => {
                let entry = IndexEntry::new(start, rank.size(), regex);
                if let Some(place) = out.get_mut(index..index + INDEX_ENTRY) {
                    place.copy_from_slice(&entry.to_bytes());
                }
                index += INDEX_ENTRY;
            }
            _ => {
                let slot = if listed {
                    i
                } else {
                    free_slot(&out, slots, path)
                };
                patch_u32(&mut out, HEADER + slot * 4, offset(start));
            }
        }
        shared.put_path(&mut out, path, *rank);
        put_varint(&mut out, offset(matches.len()));
        for m in matches {
            put_match(&mut out, m, &shared);
        }
    }
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

fn free_slot(out: &[u8], slots: usize, path: &PathMatch) -> usize {
    let (kind, text) = hashed(path);
    let hash = path_hash(kind, Fast::of(0, text.as_bytes()));
    let mut slot = hash as usize & (slots - 1);
    while u32_at(out, HEADER + slot * 4).is_some_and(|taken| taken != 0) {
        slot = (slot + 1) & (slots - 1);
    }
    slot
}

/// The most slashes of a prefix.
fn depth<'m>(paths: impl Iterator<Item = &'m PathMatch>) -> u8 {
    let slashes = |text: &str| text.bytes().filter(|b| *b == b'/').count();
    let depth = paths
        .filter_map(|path| match path {
            PathMatch::Prefix(text) => Some(slashes(text)),
            _ => None,
        })
        .max();
    u8::try_from(depth.unwrap_or(0)).unwrap_or(u8::MAX)
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
    objects: BTreeMap<&'m RouteObject, u32>,
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
        let object: &RouteObject = &rule.object;
        let object_at = *self.objects.entry(object).or_insert_with(|| {
            let at = offset(out.len());
            out.push(object.kind as u8);
            put_prefixed(out, object.namespace.as_bytes());
            put_prefixed(out, object.name.as_bytes());
            at
        });
        self.rules.insert(rule, offset(out.len()));
        rule::put(out, rule, object_at);
    }

    fn put_path(&self, out: &mut Vec<u8>, path: &PathMatch, rank: PathRank) {
        let (kind, text) = hashed(path);
        if let PathMatch::Regex(regex) = path {
            put_varint(out, kind as u32);
            out.extend_from_slice(&self.regex(regex).to_le_bytes());
            put_varint(out, rank.size());
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

fn put_match(out: &mut Vec<u8>, m: &RouteMatch, shared: &Shared<'_>) {
    let mut conditions = Vec::new();
    condition::put(&mut conditions, m, |value| match value {
        ValueMatch::Regex(regex) => shared.regex(regex),
        ValueMatch::OneOf(_) => u32::MAX,
    });
    put_varint(out, u32::from(m.index));
    out.extend_from_slice(&shared.rule(&m.rule).to_le_bytes());
    put_prefixed(out, &conditions);
}
