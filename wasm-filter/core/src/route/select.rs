//! Which rule a request belongs to.
//!
//! listener -> host (exact, then wildcard label by label, then none) -> path, best rank first ->
//! method and headers. On each host Ingress comes before Gateway routes (as in KIC), and a host
//! none of whose paths fits is passed over for the next best one.

use crate::table::layout::{
    BASE, HostKind, INGRESS, INGRESS_DEFAULT, flag, host_hash, is_host_key, route_segment,
};
use crate::table::listeners::ListenerEntry;
use crate::table::routes::{HostRoutes, MatchEntry, PathEntry, RuleEntry};
use crate::table::segment::{Broken, SegmentView};
use crate::table::store::view::{Segments, Unreadable};

use super::host::suffixes;

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
    /// The method.
    pub method: &'r [u8],
}

/// The request's headers, asked one by one: each may be a host call.
pub trait Headers {
    /// Is the first value of the header with this lower-case name the one given?
    fn is(&self, name: &str, value: &[u8]) -> bool;
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
}

/// Finds the rule of a request; `None` = 404.
///
/// # Errors
/// [`Unreadable`] if a part of the table that is needed cannot be read.
pub fn select<'t, 'r>(
    segments: &'t dyn Segments,
    request: &Request<'r>,
    headers: &impl Headers,
) -> Result<Option<Selected<'t, 'r>>, Unreadable> {
    let mut found = None;
    levels(segments, request, |level, routes| {
        Ok(routes.candidates(request.path, |path| {
            for matched in path.matches() {
                let matched = matched?;
                if fits(&matched, request, headers)? {
                    found = Some((level, path, matched));
                    return Ok(true);
                }
            }
            Ok(false)
        })?)
    })?;
    match found {
        Some((level, path, matched)) => Ok(Some(Selected {
            level,
            path,
            matched,
            rule: matched.rule()?,
        })),
        None => Ok(None),
    }
}

#[inline]
fn fits(
    matched: &MatchEntry<'_>,
    request: &Request<'_>,
    headers: &impl Headers,
) -> Result<bool, Broken> {
    if matched
        .method
        .is_some_and(|method| method != request.method)
    {
        return Ok(false);
    }
    for header in matched.headers() {
        let (name, value) = header?;
        if !headers.is(name, value) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Visits the hosts that a request may belong to, best first, until `visit` gives `true`; gives
/// whether it did. (What is found goes out through what `visit` captures: handing it up through
/// every level costs more copies than the lookup itself.)
///
/// # Errors
/// [`Unreadable`], from here or from `visit`.
pub fn levels<'t, 'r>(
    segments: &'t dyn Segments,
    request: &Request<'r>,
    mut visit: impl FnMut(Level<'r>, HostRoutes<'t>) -> Result<bool, Unreadable>,
) -> Result<bool, Unreadable> {
    let base = segments.segment(BASE)?;
    let flags = base.flags();
    let listener = listener(base, request)?.map(|listener| listener.scope);
    let ingress = request.entry.ingress.then_some(INGRESS);
    let mut ask = |scope: Option<u64>, kind, host: &'r [u8]| {
        let Some(scope) = scope else {
            return Ok(false);
        };
        let hash = host_hash(scope, kind, host);
        let segment = match route_segment(kind, hash) {
            BASE => base,
            index => segments.segment(index)?,
        };
        match segment.find(hash, |key| is_host_key(key, scope, kind, host))? {
            Some(payload) => visit(Level { scope, kind, host }, HostRoutes::new(payload)?),
            None => Ok(false),
        }
    };
    let when = |bit: u8, scope: Option<u64>| scope.filter(|_| flags & bit != 0);

    let host = request.host;
    if !host.is_empty() {
        if ask(ingress, HostKind::Exact, host)? || ask(listener, HostKind::Exact, host)? {
            return Ok(true);
        }
        let ingress = when(flag::INGRESS_WILDCARD, ingress);
        let listener = when(flag::LISTENER_WILDCARD, listener);
        if ingress.or(listener).is_some() {
            for (label, suffix) in suffixes(host).enumerate() {
                // Ingress: a wildcard stands for one label. Gateway API: for one or more.
                let ingress = ingress.filter(|_| label == 0);
                if ask(ingress, HostKind::Wildcard, suffix)?
                    || ask(listener, HostKind::Wildcard, suffix)?
                {
                    return Ok(true);
                }
            }
        }
    }
    let default = request.entry.ingress.then_some(INGRESS_DEFAULT);
    Ok(ask(when(flag::INGRESS_ANY, ingress), HostKind::Any, b"")?
        || ask(when(flag::LISTENER_ANY, listener), HostKind::Any, b"")?
        || ask(when(flag::INGRESS_DEFAULT, default), HostKind::Any, b"")?)
}

/// The listener that a request belongs to: on its port the one with the most specific hostname.
///
/// # Errors
/// [`Unreadable`].
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
    let find = |kind, host: &[u8]| {
        let hash = host_hash(port, kind, host);
        base.find(hash, |key| is_host_key(key, port, kind, host))
    };
    let mut found = None;
    if flags & flag::EXACT_HOSTNAME != 0 && !request.host.is_empty() {
        found = find(HostKind::ListenerExact, request.host)?;
    }
    if found.is_none() && flags & flag::WILDCARD_HOSTNAME != 0 {
        for suffix in suffixes(request.host) {
            found = find(HostKind::ListenerWildcard, suffix)?;
            if found.is_some() {
                break;
            }
        }
    }
    if found.is_none() {
        found = find(HostKind::ListenerAny, b"")?;
    }
    match found {
        Some(payload) => {
            let entry = ListenerEntry::new(payload)?;
            Ok((entry.tls == request.tls).then_some(entry))
        }
        None => Ok(None),
    }
}
