//! Which rule a request belongs to.
//!
//! listener -> host (exact, then wildcard label by label, then none) -> path, best rank first ->
//! method, headers, query parameters. On each host Ingress comes before HTTPRoutes, and those before
//! GRPCRoutes (as in KIC), and a host none of whose paths fits is passed over for the next best one.

use crate::regex::Cache;
use crate::table::layout::{
    BASE, HostKind, INGRESS, INGRESS_DEFAULT, flag, host_hash, route_segment, turn,
};
use crate::table::listeners::ListenerEntry;
use crate::table::model::grpc_scope;
use crate::table::routes::{
    Condition, Conditions, HostRoutes, MatchEntry, PathEntry, RuleEntry, Value,
};
use crate::table::segment::{Broken, SegmentView};
use crate::table::store::view::{Segments, Unreadable};

use super::host::suffixes;
use super::query;

/// What a port of the data plane serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Are Ingress objects served here?
    pub ingress: bool,
    /// The port of the Gateway listeners that are served here.
    pub listener: Option<u16>,
}

/// A request in the form in which it is compared.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    /// Where it came in.
    pub entry: Entry,
    /// Over TLS?
    pub tls: bool,
    /// Normal form of the host ([`super::host`]).
    pub host: &'r [u8],
    /// Normal form of the path without query ([`super::path`]).
    pub path: &'r [u8],
    /// The query as sent, with its `?`.
    pub query: &'r [u8],
    /// The method.
    pub method: &'r [u8],
    /// The TLS server name, lower case; empty without.
    pub sni: &'r [u8],
}

/// The request's headers, asked one by one: each may be a host call.
pub trait Headers {
    /// Shows the first value of the header with this lower-case name, `None` if there is none.
    fn first<T>(&self, name: &str, judge: impl FnOnce(Option<&[u8]>) -> T) -> T;
}

/// One place where the routes of a request may be: a host in a scope.
#[derive(Debug, Clone, Copy)]
pub struct Level<'r> {
    /// Id of the scope.
    pub scope: u64,
    /// Exact, wildcard or none.
    pub kind: HostKind,
    /// Text of the host; of a wildcard what follows `*.`.
    pub host: &'r [u8],
}

/// The rule that a request belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Selected<'t, 'r> {
    /// Where it was found.
    pub level: Level<'r>,
    /// Its path.
    pub path: PathEntry<'t>,
    /// Its match.
    pub matched: MatchEntry<'t>,
    /// What happens.
    pub rule: RuleEntry<'t>,
    /// The rule wants TLS and the request has none: it is answered with this status.
    pub upgrade: Option<u16>,
}

/// Does a match fit, and how?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    No,
    Yes,
    /// Yes, but TLS is missing: answer with this status.
    Upgrade(u16),
}

/// Finds the rule of a request; `None` = 404.
///
/// # Errors
/// [`Unreadable`] if a part of the table that is needed cannot be read.
pub fn select<'t, 'r>(
    segments: &'t dyn Segments,
    request: &Request<'r>,
    headers: &impl Headers,
    cache: &Cache,
) -> Result<Option<Selected<'t, 'r>>, Unreadable> {
    let base = segments.segment(BASE)?;
    let mut levels = Levels::of(base, request)?;
    while let Some(level) = levels.next() {
        let Some(payload) = routes_of(segments, &base, &level)? else {
            continue;
        };
        let mut search = HostRoutes::new(payload)?.search(request.path);
        while let Some(path) = search.next(cache)? {
            for matched in path.matches() {
                let matched = matched?;
                let upgrade = match fits(&matched, request, headers, cache)? {
                    Fit::No => continue,
                    Fit::Yes => None,
                    Fit::Upgrade(status) => Some(status),
                };
                return Ok(Some(Selected {
                    level,
                    path,
                    matched,
                    rule: matched.rule()?,
                    upgrade,
                }));
            }
        }
    }
    Ok(None)
}

#[inline]
fn fits(
    matched: &MatchEntry<'_>,
    request: &Request<'_>,
    headers: &impl Headers,
    cache: &Cache,
) -> Result<Fit, Broken> {
    if matched.is_plain() {
        return Ok(Fit::Yes);
    }
    conditions_fit(matched.conditions(), request, headers, cache)
}

#[inline(never)]
fn conditions_fit(
    conditions: Conditions<'_>,
    request: &Request<'_>,
    headers: &impl Headers,
    cache: &Cache,
) -> Result<Fit, Broken> {
    let mut fit = Fit::Yes;
    for condition in conditions {
        let condition = condition?;
        if let Condition::Scheme(Some(status)) = condition
            && !request.tls
        {
            fit = Fit::Upgrade(status);
        } else if !holds(&condition, request, headers, cache)? {
            return Ok(Fit::No);
        }
    }
    Ok(fit)
}

/// Does one condition hold? One about the scheme that wants TLS always does.
///
/// # Errors
/// [`Broken`] for a pattern that is none.
pub fn holds(
    condition: &Condition<'_>,
    request: &Request<'_>,
    headers: &impl Headers,
    cache: &Cache,
) -> Result<bool, Broken> {
    Ok(match condition {
        Condition::Method(methods) => methods.contains(request.method),
        Condition::Scheme(None) => !request.tls,
        Condition::Scheme(Some(_)) => true,
        // Kong asks for the server name only where there is TLS.
        Condition::Sni(names) => !request.tls || names.contains(request.sni),
        Condition::Header(name, value) => headers.first(name, |found| match (found, value) {
            (None, _) => Ok(false),
            (Some(found), Value::OneOf(values)) => Ok(values.contains(found)),
            (Some(found), Value::Regex(regex)) => regex.is_match(cache, found),
        })?,
        Condition::Query(name, value) => match (query::first(request.query, name), value) {
            (None, _) => false,
            (Some(raw), Value::OneOf(values)) => values.iter().any(|value| query::is(raw, value)),
            (Some(raw), Value::Regex(regex)) => regex.is_match(cache, &query::decode(raw))?,
        },
    })
}

/// Visits the hosts that a request may belong to, best first, until `visit` gives `true`.
///
/// # Errors
/// [`Unreadable`], from here or from `visit`.
pub fn levels<'t, 'r>(
    segments: &'t dyn Segments,
    request: &Request<'r>,
    mut visit: impl FnMut(Level<'r>, HostRoutes<'t>) -> Result<bool, Unreadable>,
) -> Result<(), Unreadable> {
    let base = segments.segment(BASE)?;
    let mut levels = Levels::of(base, request)?;
    while let Some(level) = levels.next() {
        if let Some(payload) = routes_of(segments, &base, &level)?
            && visit(level, HostRoutes::new(payload)?)?
        {
            break;
        }
    }
    Ok(())
}

/// The places where the routes of a request may be, best first.
struct Levels<'r> {
    /// Scope of the listener.
    listener: u64,
    kind: HostKind,
    host: &'r [u8],
    /// Scopes of this host that are left, as bits ([`turn`]).
    turns: u16,
    /// Scopes of the next wildcard.
    wildcard: u16,
    /// Scopes of no host.
    any: u16,
}

impl<'r> Levels<'r> {
    #[inline(always)]
    fn of(base: SegmentView<'_>, request: &Request<'r>) -> Result<Self, Unreadable> {
        let flags = base.flags();
        let listener = scope(base, request)?;
        let mut served = 0;
        if request.entry.ingress {
            served |= turn::INGRESS | turn::INGRESS_DEFAULT;
        }
        if listener.is_some() {
            served |= turn::LISTENER | turn::GRPC;
        }
        let mut exact = served & (turn::INGRESS | turn::LISTENER | turn::GRPC);
        if flags & flag::GRPC == 0 {
            exact &= !turn::GRPC;
        }
        Ok(Self {
            listener: listener.unwrap_or_default(),
            kind: HostKind::Exact,
            host: request.host,
            turns: if request.host.is_empty() { 0 } else { exact },
            wildcard: served & (flags / flag::WILDCARD),
            any: served & (flags / flag::ANY),
        })
    }

    #[inline(always)]
    fn next(&mut self) -> Option<Level<'r>> {
        while self.turns == 0 {
            if self.kind == HostKind::Any {
                return None;
            }
            let suffix = match self.wildcard {
                0 => None,
                _ => suffixes(self.host).next(),
            };
            match suffix {
                Some(suffix) => {
                    (self.kind, self.host) = (HostKind::Wildcard, suffix);
                    self.turns = self.wildcard;
                    // Ingress: a wildcard stands for one label. Gateway API: for one or more.
                    self.wildcard &= !turn::INGRESS;
                }
                None => (self.kind, self.host, self.turns) = (HostKind::Any, b"", self.any),
            }
        }
        let scope = match self.turns & self.turns.wrapping_neg() {
            turn::INGRESS => INGRESS,
            turn::LISTENER => self.listener,
            turn::GRPC => grpc_scope(self.listener),
            _ => INGRESS_DEFAULT,
        };
        self.turns &= self.turns - 1;
        Some(Level {
            scope,
            kind: self.kind,
            host: self.host,
        })
    }
}

/// The payload of a host. (As a call: 80 instructions more, most to bring the results through
/// memory.)
#[inline(always)]
fn routes_of<'t>(
    segments: &'t dyn Segments,
    base: &SegmentView<'t>,
    level: &Level<'_>,
) -> Result<Option<&'t [u8]>, Unreadable> {
    let Level { scope, kind, host } = *level;
    let hash = host_hash(scope, kind, host);
    let segment = match route_segment(kind, hash) {
        BASE => *base,
        index => segments.segment(index)?,
    };
    Ok(segment.find_joined(hash, (scope, kind as u8), host)?)
}

/// The scope of the listener that a request belongs to.
#[inline(always)]
fn scope(base: SegmentView<'_>, request: &Request<'_>) -> Result<Option<u64>, Unreadable> {
    let flags = base.flags();
    if flags & (flag::EXACT_HOSTNAME | flag::WILDCARD_HOSTNAME) == 0 {
        for plain in base.listeners() {
            if request.entry.listener == Some(plain.port) {
                return Ok((plain.tls == request.tls).then_some(plain.scope));
            }
        }
        if flags & flag::LISTENER == 0 {
            return Ok(None);
        }
    }
    let listener = listener(base, request)?;
    Ok(listener.map(|listener| listener.scope))
}

/// The listener that a request belongs to: on its port the one with the most specific hostname.
///
/// # Errors
/// [`Unreadable`].
#[inline(never)]
pub fn listener<'t>(
    base: SegmentView<'t>,
    request: &Request<'_>,
) -> Result<Option<ListenerEntry<'t>>, Unreadable> {
    let flags = base.flags();
    let Some(port) = request
        .entry
        .listener
        .filter(|_| flags & flag::LISTENER != 0)
    else {
        return Ok(None);
    };
    let port = u64::from(port);
    let mut found = None;
    if flags & (flag::EXACT_HOSTNAME | flag::WILDCARD_HOSTNAME) != 0 {
        found = named_listener(base, port, request.host)?;
    }
    if found.is_none() {
        found = find_listener(base, port, HostKind::ListenerAny, b"")?;
    }
    match found {
        Some(payload) => {
            let entry = ListenerEntry::new(payload)?;
            Ok((entry.tls == request.tls).then_some(entry))
        }
        None => Ok(None),
    }
}

/// The payload of the listener with the most specific hostname that fits.
#[inline(never)]
fn named_listener<'t>(
    base: SegmentView<'t>,
    port: u64,
    host: &[u8],
) -> Result<Option<&'t [u8]>, Unreadable> {
    let flags = base.flags();
    if flags & flag::EXACT_HOSTNAME != 0
        && !host.is_empty()
        && let Some(found) = find_listener(base, port, HostKind::ListenerExact, host)?
    {
        return Ok(Some(found));
    }
    if flags & flag::WILDCARD_HOSTNAME != 0 {
        for suffix in suffixes(host) {
            if let Some(found) = find_listener(base, port, HostKind::ListenerWildcard, suffix)? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

#[inline(always)]
fn find_listener<'t>(
    base: SegmentView<'t>,
    port: u64,
    kind: HostKind,
    host: &[u8],
) -> Result<Option<&'t [u8]>, Unreadable> {
    let hash = host_hash(port, kind, host);
    Ok(base.find_joined(hash, (port, kind as u8), host)?)
}
