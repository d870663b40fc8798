//! Why a request goes where it goes: the same walk as `route`, written down.
//!
//! Request and answer are JSON, one line each in bulk:
//!
//! ```text
//! {"method","scheme","host","port","path","headers":{"name":"value" | ["value"]},"sni"}
//! {"schemaVersion":1,"outcome":"route|redirect|respond|not_found|unavailable|rejected",...}
//! ```

mod losers;
mod trace;
mod upstream;

use std::collections::BTreeMap;

pub use trace::{
    BackendTrace, Candidate, ListenerTrace, Lost, Matched, Outcome, Question, RouteRef, Trace,
    Upstream, Values,
};

use crate::regex::Cache;
use crate::route::answer::{Asked, Reply};
use crate::route::balance;
use crate::route::select::{Entry, Headers, Level, Request, Selected, listener, select};
use crate::route::target::Target;
use crate::table::dump::{FiltersDump, RuleDump};
use crate::table::endpoints;
use crate::table::layout::{BASE, HostKind};
use crate::table::model::RouteKind;
use crate::table::routes::{PathEntry, PathKind, RuleEntry};
use crate::table::store::view::{Segments, Unreadable};

/// Headers of the question by lower-case name.
struct Given(BTreeMap<String, Vec<String>>);

impl Headers for Given {
    fn first<T>(&self, name: &str, judge: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let first = self.0.get(name).and_then(|values| values.first());
        judge(first.map(String::as_bytes))
    }
}

/// Reads a question.
///
/// # Errors
/// A sentence about what is wrong with it.
pub fn question(json: &str) -> Result<Question, String> {
    // serde would take a list for a struct.
    if !json.trim_start().starts_with('{') {
        return Err("not a request: expected a JSON object".to_owned());
    }
    serde_json::from_str(json).map_err(|error| format!("not a request: {error}"))
}

/// Answers a question in JSON.
///
/// # Errors
/// A sentence about what is wrong with the question.
pub fn explain_json(segments: &dyn Segments, json: &str) -> Result<String, String> {
    let trace = explain(segments, &question(json)?)?;
    serde_json::to_string(&trace).map_err(|error| error.to_string())
}

/// Answers a question.
///
/// # Errors
/// A sentence about what is wrong with the question.
pub fn explain(segments: &dyn Segments, question: &Question) -> Result<Trace, String> {
    let tls = question.tls()?;
    let authority = question.host.as_deref().unwrap_or_default();
    let target = question.path.as_deref().unwrap_or("/");
    let method = question.method.as_deref().unwrap_or("GET");
    let port = question.listener_port(tls);
    let headers = Given(collect(&question.headers));
    let cache = Cache::new();
    let Some(target) = Target::parse(authority.as_bytes(), target.as_bytes()) else {
        let mut trace = Trace::reply(Outcome::Rejected, Reply::BadRequest);
        trace.hint = Some(rejected(target.as_bytes()).to_owned());
        return Ok(trace);
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
    let base = segments.segment(BASE).map_err(broken)?;
    let entry = listener(base, &request).map_err(broken)?;
    let selected = select(segments, &request, &headers, &cache).map_err(broken)?;
    let mut trace = match &selected {
        None => {
            let mut trace = Trace::reply(Outcome::NotFound, Reply::NotFound);
            // On 80 and 443 the host is more likely to be what is wrong.
            let own_port = !matches!(port, 80 | 443);
            if own_port && entry.is_none() {
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
            let asked = Asked {
                request,
                as_sent: target.is_as_sent(),
                // Nobody says where the question comes from.
                source: b"",
            };
            upstream::describe(segments, &asked, selected, &headers, authority, &mut trace)
                .map_err(broken)?;
            trace
        }
    };
    if let Some(entry) = entry {
        trace.listener = Some(ListenerTrace::of(port, &entry).map_err(|error| error.to_string())?);
    }
    trace.candidates =
        losers::losers(segments, &request, &headers, &cache, selected.as_ref()).map_err(broken)?;
    Ok(trace)
}

/// Why a request is no request that anything is asked about.
fn rejected(target: &[u8]) -> &'static str {
    match Target::parse(b"", target) {
        Some(_) => "the Host header is no host name",
        None => {
            "the path or query is not valid: `/` begins it, `%` takes two hexadecimal digits, and spaces \
             and control characters have to be escaped"
        }
    }
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
        let reply = match selected.rule.object()?.kind {
            RouteKind::GrpcRoute => Reply::NoGrpcBackend,
            RouteKind::Ingress | RouteKind::HttpRoute => Reply::NoBackend,
        };
        Trace::reply(Outcome::Respond, reply)
    } else if backends
        .iter()
        .filter(valid)
        .all(|b| b.endpoints.is_empty())
    {
        Trace::reply(Outcome::Unavailable, Reply::NoEndpoints)
    } else {
        Trace::new(Outcome::Route)
    };
    trace.route = Some(RouteRef::of(&selected.rule, &selected.matched)?);
    trace.rule = Some(RuleDump::of(segments, &selected.rule.extra()?)?);
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
