//! Writes the routes of one host.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{FORM_HASH, FORM_LIST, HEADER, LIST, condition, path_hash};
use crate::route::rank::{PathRank, Rank};
use crate::table::bytes::{offset, patch_u32, put_prefixed, put_varint, u32_at};
use crate::table::hash::Fast;
use crate::table::model::{BackendTarget, PathMatch, RouteMatch, RouteObject, Rule};

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
