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
//! "RegularExpression" is implementation-specific: after 1, before 2, longer patterns first.
//!
//! Ingress has only 1, 2 ("the longest matching path"; "Exact" before "Prefix") and then, for
//! equal paths, what annotations ask for as in 3 to 5, server names, and the older object as in 6
//! and 7. Its patterns and text prefixes take part in 2 by their length, as in KIC.
//!
//! GRPCRoute: "Characters in a matching service", then "in a matching method", headers, age: a
//! service and a method are an exact path, a service is a prefix, a method is a pattern that comes
//! after every service.
//!
//! Which *host* a rule is for, and that Ingress comes
//! before HTTPRoute, is decided before any rank is compared (`select`).

use core::cmp::{Ordering, Reverse};

use crate::table::model::{PathMatch, RouteKind, RouteMatch};
use crate::table::routes::PathKind;

/// Precedence of a path: the part of a [`Rank`] by which the table is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathRank {
    /// Before all others.
    Exact,
    /// Larger before smaller; of one size patterns, then prefixes by segment, then text prefixes.
    Sized(Reverse<u32>, u8),
}

/// Size of the patterns of HTTPRoutes beyond their length: they come before every prefix.
const BEFORE_PREFIXES: u32 = 1 << 24;
/// How the pattern of a GRPCRoute match begins that names a method and no service.
pub const ANY_SERVICE: &str = "/[^/]+/";

/// Precedence of a match among all matches of one host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank<'a> {
    path: PathRank,
    method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    sni: Reverse<bool>,
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
    /// The rank of a path of an object of this kind.
    #[must_use]
    pub fn of(kind: RouteKind, path: &PathMatch) -> Self {
        match path {
            PathMatch::Exact(_) => Self::Exact,
            PathMatch::Prefix(text) => Self::of_text(text.len(), PathKind::Prefix),
            PathMatch::Text(text) => Self::of_text(text.len(), PathKind::Text),
            PathMatch::Regex(regex) => {
                // A pattern has at most 4 KiB.
                let len = u32::try_from(regex.pattern.len()).unwrap_or(BEFORE_PREFIXES);
                let size = match kind {
                    RouteKind::Ingress => len,
                    RouteKind::HttpRoute => len.saturating_add(BEFORE_PREFIXES),
                    // "Characters in a matching service" comes first: there are none.
                    RouteKind::GrpcRoute if regex.pattern.starts_with(ANY_SERVICE) => 1,
                    RouteKind::GrpcRoute => len,
                };
                Self::sized(size, PathKind::Regex)
            }
        }
    }

    /// The rank of a prefix of this length in bytes.
    #[inline]
    #[must_use]
    pub fn of_text(len: usize, kind: PathKind) -> Self {
        // The prefix "" is `/`.
        Self::sized(u32::try_from(len).unwrap_or(u32::MAX).max(1), kind)
    }

    /// The rank of a path of this [`Self::size`].
    #[inline]
    #[must_use]
    pub fn sized(size: u32, kind: PathKind) -> Self {
        let order = match kind {
            PathKind::Regex => 0,
            PathKind::Exact | PathKind::Prefix => 1,
            PathKind::Text => 2,
        };
        Self::Sized(Reverse(size), order)
    }

    /// What ranks it among patterns and prefixes; 0 for an exact path.
    #[must_use]
    pub fn size(&self) -> u32 {
        match self {
            Self::Exact => 0,
            Self::Sized(Reverse(size), _) => *size,
        }
    }
}

impl<'a> Rank<'a> {
    /// The rank of a match.
    #[must_use]
    pub fn of(m: &'a RouteMatch) -> Self {
        let object = &m.rule.object;
        Self {
            path: PathRank::of(object.kind, &m.path),
            method: Reverse(!m.methods.is_empty()),
            headers: Reverse(m.headers.len()),
            query: Reverse(m.queries.len()),
            sni: Reverse(!m.snis.is_empty()),
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

impl<'a> Rank<'a> {
    /// The age of the object alone: the older one before the newer.
    #[cfg(feature = "translate")]
    pub(crate) fn age(self) -> impl Ord + use<'a> {
        (self.created, self.names)
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
