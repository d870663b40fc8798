//! A slow, obvious reading of the routing rules: every match of the table that fits a request is
//! collected, and the list is sorted. No index, no early end, nothing of `table` or `route` but the
//! model's types.

use core::cmp::Reverse;
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};

use silverback_core::table::model::{
    Anchor, BackendTarget, HostKey, HostPattern, Listener, ListenerKey, PathMatch, Regex,
    RouteKind, RouteMatch, SchemeMatch, Scope, ServiceEndpoints, ServicePort, ValueMatch,
};

use super::oracle_text as text;

/// What a table says, in the plainest form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) listeners: BTreeMap<ListenerKey, Listener>,
    pub(crate) hosts: BTreeMap<HostKey, Vec<RouteMatch>>,
    pub(crate) services: BTreeMap<ServicePort, ServiceEndpoints>,
}

/// A request as a client sends it, and where it comes in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) ingress: bool,
    pub(crate) listener: Option<u16>,
    pub(crate) tls: bool,
    pub(crate) host: Vec<u8>,
    /// Path and query.
    pub(crate) target: Vec<u8>,
    pub(crate) method: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// TLS server name.
    pub(crate) sni: String,
}

/// The rule that a request belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'m> {
    pub(crate) key: &'m HostKey,
    pub(crate) matched: &'m RouteMatch,
}

#[derive(Debug, Clone)]
pub(crate) enum Verdict<'m> {
    BadRequest,
    NotFound,
    Found(Found<'m>),
}

/// What was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Reply(u16),
    Proxy {
        endpoints: Vec<SocketAddr>,
        uri: Option<Vec<u8>>,
        route_name: String,
        service_name: String,
    },
}

/// Judges a request.
pub(crate) fn judge<'m>(model: &'m Model, ask: &Ask) -> Verdict<'m> {
    let (path, _) = split(&ask.target);
    let (Some(host), Some(path)) = (text::host(&ask.host), text::path(path)) else {
        return Verdict::BadRequest;
    };
    let scope = listener(model, ask, &host);
    let mut found: Vec<Found<'m>> = Vec::new();
    for (key, matches) in &model.hosts {
        let here = match &key.scope {
            Scope::Ingress | Scope::IngressDefault => ask.ingress,
            Scope::Listener { .. } => Some(&key.scope) == scope.as_ref(),
            Scope::Grpc { port, hostname } => {
                scope.as_ref().is_some_and(|scope| {
                    matches!(scope, Scope::Listener { port: p, hostname: h } if p == port && h == hostname)
                })
            }
        };
        if !here || !host_fits(&key.scope, &key.host, &host) {
            continue;
        }
        for matched in matches {
            if path_fits(&matched.path, &path) && rest_fits(matched, ask) {
                found.push(Found { key, matched });
            }
        }
    }
    found.sort_by_key(precedence);
    found
        .first()
        .map_or(Verdict::NotFound, |found| Verdict::Found(*found))
}

pub(crate) fn split(target: &[u8]) -> (&[u8], &[u8]) {
    let at = target.iter().position(|b| *b == b'?');
    target.split_at(at.unwrap_or(target.len()))
}

/// Gateway API `Listener.hostname`: "Requests ... MUST match at most one Listener"; "a more
/// specific hostname takes precedence": "exact matches must be processed before wildcard matches,
/// and wildcard matches ... before fallback". "The most specific wildcard" is the longest.
fn listener(model: &Model, ask: &Ask, host: &str) -> Option<Scope> {
    let port = ask.listener?;
    let mut fitting: Vec<(&ListenerKey, &Listener)> = model
        .listeners
        .iter()
        .filter(|(key, _)| key.port == port && wildcard_many(&key.hostname, host))
        .collect();
    fitting.sort_by_key(|(key, _)| specificity(&key.hostname));
    let (key, listener) = fitting.first()?;
    (listener.tls == ask.tls).then(|| Scope::Listener {
        port,
        hostname: key.hostname.clone(),
    })
}

fn host_fits(scope: &Scope, pattern: &HostPattern, host: &str) -> bool {
    match (scope, pattern) {
        // Ingress: "The wildcard character '*' must appear by itself as the first DNS label and
        // matches only a single label."
        (Scope::Ingress | Scope::IngressDefault, HostPattern::Wildcard(suffix)) => {
            match host.split_once('.') {
                Some((label, rest)) => !label.is_empty() && rest == &**suffix,
                None => false,
            }
        }
        _ => wildcard_many(pattern, host),
    }
}

/// Gateway API `Hostname`: "Hostnames that are prefixed with a wildcard label (`*.`) are
/// interpreted as a suffix match. That means that a match for `*.example.com` would match both
/// `test.example.com`, and `foo.test.example.com`, but not `example.com`."
fn wildcard_many(pattern: &HostPattern, host: &str) -> bool {
    match pattern {
        HostPattern::Any => true,
        HostPattern::Exact(exact) => !host.is_empty() && host == &**exact,
        HostPattern::Wildcard(suffix) => {
            host.len() > suffix.len() + 1 && host.ends_with(&format!(".{suffix}"))
        }
    }
}

fn specificity(pattern: &HostPattern) -> (u8, Reverse<usize>) {
    match pattern {
        HostPattern::Exact(_) => (0, Reverse(0)),
        HostPattern::Wildcard(suffix) => (1, Reverse(suffix.len())),
        HostPattern::Any => (2, Reverse(0)),
    }
}

/// Ingress `pathType`: "Exact: Matches the URL path exactly and with case sensitivity. Prefix:
/// Matches based on a URL path prefix split by /. Matching is ... done on a path element by
/// element basis."
fn path_fits(wanted: &PathMatch, path: &[u8]) -> bool {
    match wanted {
        PathMatch::Exact(exact) => path == exact.as_bytes(),
        PathMatch::Prefix(prefix) => {
            let wanted = text::elements(prefix.as_bytes());
            let have = text::elements(path);
            have.len() >= wanted.len() && wanted.iter().zip(&have).all(|(w, h)| w == h)
        }
        PathMatch::Text(start) => path.starts_with(start.as_bytes()),
        PathMatch::Regex(regex) => regex_fits(regex, path),
    }
}

/// The same pattern for another engine.
fn regex_fits(regex: &Regex, text: &[u8]) -> bool {
    let pattern = match regex.anchor {
        Anchor::Start => format!("\\A(?:{})", regex.pattern),
        Anchor::Whole => format!("\\A(?:{})\\z", regex.pattern),
        Anchor::Anywhere => regex.pattern.to_string(),
    };
    regex::bytes::RegexBuilder::new(&pattern)
        .unicode(false)
        .case_insensitive(regex.ignore_case)
        .build()
        .expect("a pattern")
        .is_match(text)
}

fn value_fits(wanted: &ValueMatch, value: &[u8]) -> bool {
    match wanted {
        ValueMatch::OneOf(values) => values.iter().any(|one| one.as_bytes() == value),
        ValueMatch::Regex(regex) => regex_fits(regex, value),
    }
}

/// Gateway API `HTTPRouteMatch`: "Multiple match types are ANDed together"; `HTTPHeaderMatch`:
/// names are "case-insensitive". Of a repeated header or parameter the first value counts (design).
/// Server names are asked only where there is TLS, as in Kong.
fn rest_fits(matched: &RouteMatch, ask: &Ask) -> bool {
    let methods = &matched.methods;
    let method = methods.is_empty() || methods.iter().any(|m| m.as_bytes() == ask.method);
    let scheme = !(matched.scheme == SchemeMatch::Plain && ask.tls);
    let sni = matched.snis.is_empty()
        || !ask.tls
        || (matched.snis.iter()).any(|sni| wildcard_many(sni, &ask.sni));
    let headers = matched.headers.iter().all(|wanted| {
        let first = ask
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&wanted.name));
        first.is_some_and(|(_, value)| value_fits(&wanted.value, value))
    });
    let parameters = text::parameters(split(&ask.target).1);
    let queries = matched.queries.iter().all(|wanted| {
        let first = parameters
            .iter()
            .find(|(name, _)| name == wanted.name.as_bytes());
        first.is_some_and(|(_, value)| value_fits(&wanted.value, value))
    });
    method && scheme && sni && headers && queries
}

/// Everything that decides between two matches that both fit. Less is better.
///
/// The host first, Ingress before Gateway API on one host, default backends of Ingress last of
/// all (design, choices 3), then Gateway API `HTTPRouteRule.matches`, in its own words:
/// "Proxy or Load Balancer routing configuration generated from HTTPRoutes MUST prioritize matches
/// based on the following criteria, continuing on ties. Across all rules specified on applicable
/// Routes, precedence must be given to the match having:
/// "Exact" path match; "Prefix" path match with largest number of characters; Method match;
/// Largest number of header matches; Largest number of query param matches. ...
/// If ties still exist across multiple Routes, matching precedence MUST be determined in order of
/// the following criteria, continuing on ties: The oldest Route based on creation timestamp.
/// The Route appearing first in alphabetical order by "{namespace}/{name}".
/// If ties still exist within an HTTPRoute, matching precedence MUST be granted to the FIRST
/// matching rule (in list order) with a match meeting the above criteria."
fn precedence(found: &Found<'_>) -> impl Ord + use<> {
    let m = found.matched;
    let object = &m.rule.object;
    // Patterns are implementation-specific: those of HTTPRoutes before every prefix, those of
    // Ingress by their length among the prefixes.
    let path = match &m.path {
        PathMatch::Exact(_) => (0, Reverse(0), 0),
        PathMatch::Regex(regex) if object.kind == RouteKind::HttpRoute => {
            (1, Reverse(regex.pattern.len()), 0)
        }
        PathMatch::Regex(regex) => (2, Reverse(regex.pattern.len()), 0),
        PathMatch::Prefix(prefix) => (2, Reverse(prefix.len().max(1)), 1),
        PathMatch::Text(text) => (2, Reverse(text.len().max(1)), 2),
    };
    let scope = match found.key.scope {
        Scope::Ingress | Scope::IngressDefault => 0,
        Scope::Listener { .. } => 1,
        Scope::Grpc { .. } => 2,
    };
    (
        (
            found.key.scope == Scope::IngressDefault,
            specificity(&found.key.host),
            scope,
        ),
        path,
        m.methods.is_empty(),
        Reverse(m.headers.len()),
        Reverse(m.queries.len()),
        m.snis.is_empty(),
        // A manifest without a time counts as the newest.
        object.created.unwrap_or(i64::MAX),
        format!("{}/{}", object.namespace, object.name),
        m.rule.index,
        m.index,
    )
}

/// Does what was observed agree with the verdict? Which backend a single request gets depends on
/// a counter, so any backend with a weight is right; the endpoints must be that backend's.
pub(crate) fn agrees(model: &Model, ask: &Ask, verdict: &Verdict<'_>, seen: &Seen) -> bool {
    let found = match verdict {
        Verdict::BadRequest => return *seen == Seen::Reply(400),
        Verdict::NotFound => return *seen == Seen::Reply(404),
        Verdict::Found(found) => found,
    };
    if let SchemeMatch::Tls { status } = found.matched.scheme
        && !ask.tls
    {
        // A redirect is absolute, so it needs a host.
        let nowhere = status != 426 && text::host(&ask.host).is_some_and(|host| host.is_empty());
        return *seen == Seen::Reply(if nowhere { 400 } else { status });
    }
    let backends = &found.matched.rule.backends;
    // `GRPCRouteRule.backendRefs`: "MUST receive an `UNAVAILABLE` status", which is 503.
    let invalid = Seen::Reply(match found.matched.rule.object.kind {
        RouteKind::GrpcRoute => 503,
        RouteKind::Ingress | RouteKind::HttpRoute => 500,
    });
    if backends.iter().all(|backend| backend.weight == 0) {
        return *seen == invalid;
    }
    let mut live = backends.iter().filter(|backend| backend.weight > 0);
    live.any(|backend| match &backend.target {
        BackendTarget::Invalid => *seen == invalid,
        BackendTarget::Service(service) => {
            let endpoints: BTreeSet<_> = model
                .services
                .get(service)
                .into_iter()
                .flat_map(|service| service.endpoints.iter().copied())
                .collect();
            proxied(&endpoints, ask, found, service, seen)
        }
    })
}

fn proxied(
    endpoints: &BTreeSet<SocketAddr>,
    ask: &Ask,
    found: &Found<'_>,
    service: &ServicePort,
    seen: &Seen,
) -> bool {
    let Seen::Proxy {
        endpoints: tried,
        uri,
        route_name,
        service_name,
    } = seen
    else {
        return endpoints.is_empty() && *seen == Seen::Reply(503);
    };
    // Neighbours in the sorted ring, six at most, the first anywhere.
    let ring: Vec<SocketAddr> = endpoints.iter().copied().collect();
    let Some(first) = ring.iter().position(|e| Some(e) == tried.first()) else {
        return false;
    };
    let wanted: Vec<_> = (0..ring.len().min(6))
        .map(|step| ring[(first + step) % ring.len()])
        .collect();
    let (path, query) = split(&ask.target);
    let normal = text::path(path).unwrap_or_default();
    let sent = (normal != path).then(|| [&normal[..], query].concat());
    let (route, name) = names(found, service);
    *tried == wanted && *uri == sent && *route_name == route && *service_name == name
}

/// KIC's names (kic-map 2.2 and 2.4).
fn names(found: &Found<'_>, service: &ServicePort) -> (String, String) {
    let rule = &found.matched.rule;
    let object = &rule.object;
    match object.kind {
        RouteKind::Ingress => {
            let host = found.key.host.to_string().replace('*', "_");
            let host = if host == "_" { String::new() } else { host };
            let default = found.key.scope == Scope::IngressDefault;
            (
                if default {
                    format!("{}.{}", object.namespace, object.name)
                } else {
                    format!(
                        "{}.{}.{}.{host}.{}",
                        object.namespace, object.name, service.name, service.port
                    )
                },
                format!("{}.{}.{}", service.namespace, service.name, service.port),
            )
        }
        RouteKind::HttpRoute | RouteKind::GrpcRoute => {
            let kind = match object.kind {
                RouteKind::HttpRoute => "httproute",
                _ => "grpcroute",
            };
            let rule = format!("{kind}.{}.{}.{}", object.namespace, object.name, rule.index);
            (format!("{rule}.{}", found.matched.index), rule)
        }
    }
}
