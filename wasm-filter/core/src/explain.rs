//! Why a request goes where it goes: the same walk as `route`, written down.
//!
//! Request and answer are JSON, one line each in bulk:
//!
//! ```text
//! {"method","scheme","host","port","path","headers":{"name":"value" | ["value"]},"sni"}
//! {"schemaVersion":1,"outcome":"route|redirect|respond|not_found|unavailable|rejected",...}
//! ```

use std::collections::BTreeMap;

mod trace;

pub use trace::{
    BackendTrace, Candidate, Lost, Matched, Outcome, Question, RouteRef, Trace, Upstream, Values,
};

use crate::regex::Cache;
use crate::route::answer::Reply;
use crate::route::balance;
use crate::route::select::{
    Entry, Headers, Level, Request, Selected, holds, levels, listener, select,
};
use crate::route::target::Target;
use crate::table::dump::FiltersDump;
use crate::table::endpoints;
use crate::table::layout::{BASE, HostKind};
use crate::table::routes::{Condition, MatchEntry, PathEntry, PathKind, RuleEntry, Value};
use crate::table::store::view::{Segments, Unreadable};

/// The most losers that an answer lists.
const MAX_CANDIDATES: usize = 100;

/// Headers of the question by lower-case name.
struct Given(BTreeMap<String, Vec<String>>);

impl Headers for Given {
    fn first<T>(&self, name: &str, judge: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let first = self.0.get(name).and_then(|values| values.first());
        judge(first.map(String::as_bytes))
    }
}

/// Answers a question in JSON.
///
/// # Errors
/// A sentence about what is wrong with the question.
pub fn explain_json(segments: &dyn Segments, question: &str) -> Result<String, String> {
    // serde would take a list for a struct.
    if !question.trim_start().starts_with('{') {
        return Err("not a request: expected a JSON object".to_owned());
    }
    let question: Question =
        serde_json::from_str(question).map_err(|error| format!("not a request: {error}"))?;
    let trace = explain(segments, &question)?;
    serde_json::to_string(&trace).map_err(|error| error.to_string())
}

/// Answers a question.
///
/// # Errors
/// A sentence about what is wrong with the question.
pub fn explain(segments: &dyn Segments, question: &Question) -> Result<Trace, String> {
    let tls = match question.scheme.as_deref() {
        None | Some("http") => false,
        Some("https") => true,
        Some(other) => return Err(format!("scheme `{other}` is not http or https")),
    };
    let authority = question.host.as_deref().unwrap_or_default();
    let target = question.path.as_deref().unwrap_or("/");
    let method = question.method.as_deref().unwrap_or("GET");
    let in_host = authority
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    let port = question
        .port
        .or(in_host)
        .unwrap_or(if tls { 443 } else { 80 });
    let headers = Given(collect(&question.headers));
    let cache = Cache::new();
    let Some(target) = Target::parse(authority.as_bytes(), target.as_bytes()) else {
        return Ok(Trace::reply(Outcome::Rejected, Reply::BadRequest));
    };
    // A client names the host that it asks for.
    let sni = match &question.sni {
        Some(sni) => sni.to_ascii_lowercase(),
        None if tls => target.host.as_str().to_owned(),
        None => String::new(),
    };
    let request = Request {
        entry: Entry {
            ingress: true,
            listener: Some(port),
        },
        tls,
        host: target.host.as_bytes(),
        path: &target.path,
        query: target.query,
        method: method.as_bytes(),
        sni: sni.as_bytes(),
    };
    let broken = |_: Unreadable| "the table cannot be read".to_owned();
    let selected = select(segments, &request, &headers, &cache).map_err(broken)?;
    let mut trace = match &selected {
        None => {
            let base = segments.segment(BASE).map_err(broken)?;
            let mut trace = Trace::reply(Outcome::NotFound, Reply::NotFound);
            // On 80 and 443 the host is more likely to be what is wrong.
            let own_port = !matches!(port, 80 | 443);
            if own_port && listener(base, &request).map_err(broken)?.is_none() {
                trace.hint = Some(format!(
                    "no Gateway listener serves this host by {} on port {port}; the port is the \
                     listener's own, not the one that `silverback dev` binds for it",
                    if tls { "HTTPS" } else { "HTTP" }
                ));
            }
            trace
        }
        Some(selected) => {
            let mut trace = outcome(segments, selected).map_err(broken)?;
            if trace.outcome == Outcome::Route {
                trace.request = Some(Upstream {
                    method: method.to_owned(),
                    host: authority.to_owned(),
                    path: lossy(&[&target.path, target.query].concat()),
                    headers: headers.0.clone(),
                });
            }
            trace
        }
    };
    trace.candidates =
        losers(segments, &request, &headers, &cache, selected.as_ref()).map_err(broken)?;
    Ok(trace)
}

fn collect(headers: &BTreeMap<String, Values>) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, values) in headers {
        let values = match values {
            Values::One(value) => vec![value.clone()],
            Values::Many(values) => values.clone(),
        };
        all.entry(name.to_ascii_lowercase())
            .or_default()
            .extend(values);
    }
    all
}

fn outcome(segments: &dyn Segments, selected: &Selected<'_, '_>) -> Result<Trace, Unreadable> {
    let backends = backends(segments, &selected.rule)?;
    let valid = |b: &&BackendTrace| b.kind.is_some() && b.weight > 0;
    let mut trace = if !backends.iter().any(|b| valid(&b)) {
        Trace::reply(Outcome::Respond, Reply::NoBackend)
    } else if backends
        .iter()
        .filter(valid)
        .all(|b| b.endpoints.is_empty())
    {
        Trace::reply(Outcome::Unavailable, Reply::NoEndpoints)
    } else {
        Trace::new(Outcome::Route)
    };
    trace.route = Some(RouteRef::of(&selected.rule, &selected.matched));
    trace.matched = Some(Matched {
        host: host_text(&selected.level),
        path_type: path_type(&selected.path),
        path: path_text(&selected.path),
    });
    trace.backends = backends;
    Ok(trace)
}

/// The backends of a rule with names and endpoints.
///
/// # Errors
/// [`Unreadable`].
pub fn backends(
    segments: &dyn Segments,
    rule: &RuleEntry<'_>,
) -> Result<Vec<BackendTrace>, Unreadable> {
    let mut all = Vec::new();
    for backend in rule.backends() {
        let backend = backend?;
        let mut trace = BackendTrace {
            kind: None,
            namespace: None,
            name: None,
            port: None,
            weight: backend.weight,
            endpoints: Vec::new(),
            filters: FiltersDump::of(segments, &backend.changes)?,
        };
        if let Some(id) = backend.service {
            trace.kind = Some("Service".to_owned());
            if let Some((key, endpoints)) = balance::service(segments, id)? {
                let (namespace, name, port) = endpoints::names(key)?;
                trace.namespace = Some(namespace.to_owned());
                trace.name = Some(name.to_owned());
                trace.port = Some(port);
                trace.endpoints = endpoints.iter().map(|e| e.to_string()).collect();
            }
        }
        all.push(trace);
    }
    Ok(all)
}

fn losers(
    segments: &dyn Segments,
    request: &Request<'_>,
    headers: &impl Headers,
    cache: &Cache,
    selected: Option<&Selected<'_, '_>>,
) -> Result<Vec<Candidate>, Unreadable> {
    let winner = selected.map(|s| {
        (
            s.level.scope,
            s.level.kind,
            s.level.host.len(),
            s.path.kind,
            s.path.text,
            RouteRef::of(&s.rule, &s.matched),
        )
    });
    let mut found: Vec<(u8, Candidate)> = Vec::new();
    levels(segments, request, |level, routes| {
        let mut paths = routes.paths().collect::<Result<Vec<_>, _>>()?;
        paths.sort_by_key(|path| (path.rank, path.text));
        for path in paths {
            for matched in path.matches() {
                if found.len() > MAX_CANDIDATES * 4 {
                    return Ok(true);
                }
                let matched = matched?;
                let route = RouteRef::of(&matched.rule()?, &matched);
                let place = (
                    level.scope,
                    level.kind,
                    level.host.len(),
                    path.kind,
                    path.text,
                );
                if winner.as_ref().is_some_and(|(a, b, c, d, e, winner)| {
                    (*a, *b, *c, *d, *e) == place && *winner == route
                }) {
                    continue;
                }
                let (order, lost) = why(request, headers, cache, &level, &path, &matched)?;
                found.push((order, Candidate { route, lost }));
            }
        }
        Ok(false)
    })?;
    // What came close first.
    found.sort_by_key(|(order, _)| *order);
    Ok(found
        .into_iter()
        .take(MAX_CANDIDATES)
        .map(|(_, candidate)| candidate)
        .collect())
}

fn why(
    request: &Request<'_>,
    headers: &impl Headers,
    cache: &Cache,
    level: &Level<'_>,
    path: &PathEntry<'_>,
    matched: &MatchEntry<'_>,
) -> Result<(u8, Lost), Unreadable> {
    let lost = |code, detail| Lost { code, detail };
    if !path.fits(request.path, cache)? {
        let detail = format!(
            "path {} does not fit {} {}",
            lossy(request.path),
            path_type(path),
            path_text(path)
        );
        return Ok((3, lost("path", detail)));
    }
    for condition in matched.conditions() {
        let condition = condition?;
        if holds(&condition, request, headers, cache)? {
            continue;
        }
        return Ok(match condition {
            Condition::Method(methods) => {
                let methods: Vec<_> = methods.iter().map(lossy).collect();
                let detail = format!(
                    "method {} is not {}",
                    lossy(request.method),
                    methods.join(" or ")
                );
                (1, lost("method", detail))
            }
            Condition::Scheme(_) => (1, lost("scheme", "it is for requests without TLS".into())),
            Condition::Sni(names) => {
                let names: Vec<_> = names.iter().map(|(_, name)| lossy(name)).collect();
                let detail = format!(
                    "server name {:?} is not {}",
                    lossy(request.sni),
                    names.join(" or ")
                );
                (2, lost("sni", detail))
            }
            Condition::Header(name, value) => {
                let detail = format!("header {name} {}", unmet(&value));
                (2, lost("header", detail))
            }
            Condition::Query(name, value) => {
                let detail = format!("query parameter {} {}", lossy(name), unmet(&value));
                (2, lost("query", detail))
            }
        });
    }
    let detail = format!(
        "it fits too (host {}, {} {}), but the chosen match comes first",
        host_text(level),
        path_type(path),
        path_text(path)
    );
    Ok((0, lost("precedence", detail)))
}

fn unmet(value: &Value<'_>) -> String {
    match value {
        Value::OneOf(values) => {
            let values: Vec<_> = values.iter().map(|v| format!("{:?}", lossy(v))).collect();
            format!("is not {}", values.join(" or "))
        }
        Value::Regex(regex) => format!("does not match {:?}", regex.pattern),
    }
}

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn path_type(path: &PathEntry<'_>) -> &'static str {
    match path.kind {
        PathKind::Exact => "Exact",
        PathKind::Prefix => "Prefix",
        PathKind::Text => "Text",
        PathKind::Regex => "Regex",
    }
}

pub(crate) fn path_text(path: &PathEntry<'_>) -> String {
    if path.text.is_empty() {
        "/".to_owned()
    } else {
        lossy(path.text)
    }
}

fn host_text(level: &Level<'_>) -> String {
    match level.kind {
        HostKind::Exact => lossy(level.host),
        HostKind::Wildcard => format!("*.{}", lossy(level.host)),
        _ => "*".to_owned(),
    }
}
