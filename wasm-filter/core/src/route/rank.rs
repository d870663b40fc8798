//! Precedence: one `Ord`, in one place. Less is better.
//!
//! Gateway API `HTTPRouteRule.matches`, on one host:
//! 1. "Exact" path match,
//! 2. "Prefix" path match with largest number of characters,
//! 3. method match,
//! 4. largest number of header matches,
//! 5. largest number of query param matches,
//! 6. the oldest route based on creation timestamp,
//! 7. the route appearing first in alphabetical order by "{namespace}/{name}",
//! 8. the first matching rule (in list order) with a match meeting the above criteria.
//!
//! Ingress has only 1, 2 ("the longest matching path"; "Exact" before "Prefix") and then, for
//! equal paths, the older object as in 6 and 7. Which *host* a rule is for, and that Ingress comes
//! before HTTPRoute, is decided before any rank is compared (`select`).

use core::cmp::{Ordering, Reverse};

use crate::table::model::{PathMatch, RouteMatch};

/// Precedence of a path: the part of a [`Rank`] by which the table is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathRank {
    /// Before every prefix.
    Exact,
    /// Longer before shorter, in bytes.
    Prefix(Reverse<usize>),
}

/// Precedence of a match among all matches of one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank<'a> {
    path: PathRank,
    method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    // No creation time (a manifest that was never applied) counts as the newest.
    created: (bool, i64),
    names: FullName<'a>,
    rule: u16,
    index: u16,
}

/// `{namespace}/{name}`, compared as that text: "a-b/x" comes before "a/x", because `-` and `.`
/// come before `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FullName<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl PathRank {
    /// The rank of a path.
    #[must_use]
    pub fn of(path: &PathMatch) -> Self {
        match path {
            PathMatch::Exact(_) => Self::Exact,
            PathMatch::Prefix(prefix) => Self::Prefix(Reverse(prefix.len())),
        }
    }
}

impl<'a> Rank<'a> {
    /// The rank of a match.
    #[must_use]
    pub fn of(m: &'a RouteMatch) -> Self {
        let object = &m.rule.object;
        Self {
            path: PathRank::of(&m.path),
            method: Reverse(m.method.is_some()),
            headers: Reverse(m.headers.len()),
            query: Reverse(0),
            created: (object.created.is_none(), object.created.unwrap_or_default()),
            names: FullName {
                namespace: &object.namespace,
                name: &object.name,
            },
            rule: m.rule.index,
            index: m.index,
        }
    }
}

// === impl FullName ===

impl<'a> FullName<'a> {
    fn bytes(self) -> impl Iterator<Item = u8> + use<'a> {
        let namespace = self.namespace.bytes().chain([b'/']);
        namespace.chain(self.name.bytes())
    }
}

impl Ord for FullName<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        // In almost every table one namespace is compared with itself.
        if self.namespace == other.namespace {
            return self.name.cmp(other.name);
        }
        self.bytes().cmp(other.bytes())
    }
}

impl PartialOrd for FullName<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
