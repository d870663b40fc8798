//! The answer of `explain` for people. Fields that are not known here by name are shown as they are,
//! so that nothing the core says is lost.

use std::io::{self, Write};

use serde::Deserialize;
use serde_json::Value;

use super::routes::{cell, columns, heading};
use super::value::{brief, empty, visible, words};
use super::{Grid, routes, style};
use crate::dump::{Rest, RouteRef};

/// The answer, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Trace {
    outcome: String,
    status: Option<u16>,
    message: Option<String>,
    hint: Option<String>,
    note: Option<String>,
    route: Option<RouteRef>,
    backends: Vec<Target>,
    request: Option<Upstream>,
    location: Option<String>,
    candidates: Vec<Candidate>,
    matched: Option<Rest>,
    #[serde(flatten)]
    rest: Rest,
}

/// A backend; one without a kind is not valid.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Target {
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
    port: Value,
    weight: u32,
    endpoints: Vec<String>,
    /// The endpoint is a name.
    #[serde(rename = "lookedUp")]
    looked_up: bool,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Upstream {
    method: String,
    host: String,
    path: String,
    headers: serde_json::Map<String, Value>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Candidate {
    route: RouteRef,
    lost: Option<Lost>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lost {
    code: String,
    detail: String,
    #[serde(flatten)]
    rest: Rest,
}

/// Writes the answer to a request.
pub fn explain(out: &mut dyn Write, request: &Value, answer: &str) -> io::Result<()> {
    let trace: Trace = serde_json::from_str(answer)?;
    let (bold, dim) = (style::BOLD, style::DIM);
    let field = |name| {
        request
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let port = request.get("port").map(|port| format!(":{port}"));
    let line = format!(
        "{} {}://{}{}{}",
        field("method"),
        field("scheme"),
        field("host"),
        port.unwrap_or_default(),
        field("path"),
    );
    writeln!(out, "{bold}{}{bold:#}\n", visible(&line))?;
    facts(&trace).write(out)?;

    // Lists of objects are tables of their own: what was not programmed, for example.
    for (name, rows) in trace.rest.iter().filter_map(|(name, value)| {
        let rows = rows(value)?;
        (!is_fact(name, value)).then_some((name, rows))
    }) {
        writeln!(out, "\n{dim}{}{dim:#}", words(name))?;
        let names = columns(rows.iter().copied());
        let mut grid = Grid::new(&[]).indent(2);
        for name in &names {
            grid = grid.column(heading(name));
        }
        for row in rows {
            grid.row(names.iter().map(|name| cell(row.get(*name))));
        }
        grid.write(out)?;
    }

    if !trace.candidates.is_empty() {
        writeln!(out, "\n{dim}also looked at{dim:#}")?;
        candidates(&trace.candidates).write(out)?;
    }
    Ok(())
}

/// What is known about the request, a line each.
fn facts(trace: &Trace) -> Grid {
    let mut facts = Grid::new(&["", ""]);
    facts.row(["outcome".to_owned(), visible(&outcome(trace))]);
    if let Some(hint) = &trace.hint {
        facts.row(["hint".to_owned(), visible(hint)]);
    }
    if let Some(note) = &trace.note {
        facts.row(["note".to_owned(), visible(note)]);
    }
    if let Some(route) = &trace.route {
        facts.row(["route".to_owned(), visible(&describe(route))]);
    }
    if let Some(matched) = &trace.matched {
        facts.row(["matched".to_owned(), self::matched(matched)]);
    }
    let total: u64 = trace
        .backends
        .iter()
        .map(|target| u64::from(target.weight))
        .sum();
    for (target, label) in trace.backends.iter().zip(labels("backend")) {
        let share = match trace.backends.len() {
            1 => String::new(),
            _ => format!(" weight {} of {total}", target.weight),
        };
        let name = visible(&target.to_string());
        let more = more(&target.rest);
        let endpoints = match &target.kind {
            None => String::new(),
            Some(_) if target.looked_up => {
                let name = visible(&target.endpoints.join(" "));
                format!(" -> {name} ({})", routes::LOOKED_UP)
            }
            Some(_) => format!(" -> {}", routes::some(&target.endpoints)),
        };
        facts.row([label.to_owned(), format!("{name}{share}{more}{endpoints}")]);
    }
    if let Some(location) = &trace.location {
        facts.row(["location".to_owned(), visible(location)]);
    }
    for (name, value) in &trace.rest {
        if !is_fact(name, value) {
            continue;
        }
        // One line for each filter.
        let lines: Vec<String> = match value {
            Value::Array(items) => items.iter().map(brief).collect(),
            Value::Object(fields) if fields.values().all(Value::is_object) => fields
                .iter()
                .map(|(name, value)| format!("{}: {}", words(name), brief(value)))
                .collect(),
            value => vec![brief(value)],
        };
        let label = words(name);
        for (index, line) in lines.into_iter().enumerate() {
            let label = if index == 0 { &*label } else { "" };
            facts.row([label.to_owned(), line]);
        }
    }
    if let Some(upstream) = &trace.request {
        let line = format!(
            "{} {} (host {})",
            upstream.method, upstream.path, upstream.host
        );
        let more = more(&upstream.rest);
        facts.row(["upstream gets".to_owned(), visible(&line) + &more]);
        for (name, value) in &upstream.headers {
            let line = format!("{name}: {}", values(value));
            facts.row([String::new(), visible(&line)]);
        }
    }
    facts
}

/// Whether a field that has no name here is shown among the facts: most are; long lists about other
/// rules are not.
fn is_fact(name: &str, value: &Value) -> bool {
    if name == "schemaVersion" || empty(value) {
        return false;
    }
    // A list whose items name routes is about candidates of some kind.
    rows(value).is_none_or(|rows| !rows.iter().any(|row| row.contains_key("route")))
}

/// A list of objects.
fn rows(value: &Value) -> Option<Vec<&Rest>> {
    let items = value.as_array().filter(|items| !items.is_empty())?;
    items.iter().map(Value::as_object).collect()
}

/// Fields that have no name here, behind those that have.
fn more(rest: &Rest) -> String {
    rest.iter()
        .filter(|(_, value)| !empty(value))
        .map(|(name, value)| format!(" {}={}", visible(name), brief(value)))
        .collect()
}

/// `Prefix /cart on host shop.example.com`.
fn matched(fields: &Rest) -> String {
    let mut fields = fields.clone();
    let mut take = |name: &str| {
        let value = fields.shift_remove(name);
        value.and_then(|value| value.as_str().map(visible))
    };
    let mut text = Vec::new();
    text.extend(take("pathType"));
    text.extend(take("path"));
    text.extend(take("host").map(|host| format!("on host {host}")));
    text.join(" ") + &more(&fields)
}

/// The rules that did not win.
fn candidates(candidates: &[Candidate]) -> Grid {
    let lost = candidates
        .iter()
        .filter_map(|candidate| candidate.lost.as_ref());
    let names = columns(
        candidates
            .iter()
            .map(|candidate| &candidate.rest)
            .chain(lost.map(|lost| &lost.rest)),
    );
    let mut grid = Grid::new(&["RULE", "LOST BY", "BECAUSE"]).indent(2);
    for name in &names {
        grid = grid.column(heading(name));
    }
    let none = Lost::default();
    for candidate in candidates {
        let lost = candidate.lost.as_ref().unwrap_or(&none);
        let mut cells = vec![
            visible(&candidate.route.to_string()),
            visible(&lost.code),
            visible(&lost.detail),
        ];
        cells.extend(names.iter().map(|name| {
            let value = candidate.rest.get(*name).or_else(|| lost.rest.get(*name));
            cell(value)
        }));
        grid.row(cells);
    }
    grid
}

// === impl Target ===

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.kind.is_none() {
            return f.write_str("500 (not a valid backend)");
        }
        let namespace = self.namespace.as_deref().unwrap_or_default();
        let name = self.name.as_deref().unwrap_or_default();
        write!(f, "{namespace}/{name}:{}", routes::port(&self.port))
    }
}

fn outcome(trace: &Trace) -> String {
    let text = match &*trace.outcome {
        "route" => "goes to a backend",
        "redirect" => "is redirected",
        "respond" => "is answered by the gateway",
        "not_found" => "no route matches",
        "unavailable" => "no backend can take it",
        "rejected" => "is refused",
        other => other,
    };
    let status = trace.status.filter(|_| trace.outcome != "route");
    let status = status.map(|status| format!(": {status}"));
    let message = trace.message.as_ref().map(|message| format!(" {message}"));
    format!(
        "{text}{}{}",
        status.unwrap_or_default(),
        message.unwrap_or_default()
    )
}

fn describe(route: &RouteRef) -> String {
    format!(
        "{} {}/{}, rule {}, match {}",
        route.kind, route.namespace, route.name, route.rule, route.matched
    )
}

/// The label once, then nothing.
fn labels(label: &'static str) -> impl Iterator<Item = &'static str> {
    std::iter::once(label).chain(std::iter::repeat(""))
}

fn values(value: &Value) -> String {
    match value {
        Value::String(value) => value.clone(),
        Value::Array(values) => {
            let values: Vec<_> = values.iter().filter_map(Value::as_str).collect();
            values.join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(answer: &Value) -> String {
        let request = json!({"method":"GET","scheme":"http","host":"a.com","path":"/x?y=1"});
        let mut out = anstream::StripStream::new(Vec::new());
        explain(&mut out, &request, &answer.to_string()).expect("written");
        String::from_utf8(out.into_inner()).expect("text")
    }

    #[test]
    fn route_is_shown_with_what_lost() {
        let text = shown(&json!({
            "schemaVersion": 1, "outcome": "route", "status": null,
            "route": {"kind":"Ingress","namespace":"d","name":"shop","rule":0,"match":2},
            "backends": [
                {"kind":"Service","namespace":"d","name":"web","port":80,"weight":9,
                 "endpoints":["10.0.0.1:80","10.0.0.2:80","10.0.0.3:80"]},
                {"kind":"Service","namespace":"d","name":"new","port":80,"weight":1,"endpoints":[]},
            ],
            "request": {"method":"GET","host":"a.com","path":"/x?y=1","headers":{"x-a":["1","2"]}},
            "location": null,
            "candidates": [
                {"route":{"kind":"HTTPRoute","namespace":"d","name":"api","rule":1},
                 "lost":{"code":"path","detail":"/x does not start with /api"}},
            ],
        }));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn what_is_not_known_by_name_is_shown() {
        let text = shown(&json!({
            "schemaVersion": 1, "outcome": "route",
            "route": {"kind":"HTTPRoute","namespace":"d","name":"shop","rule":0,"match":0},
            "matched": {"host":"*.a.com","pathType":"Prefix","path":"/x","listener":"port:80/*"},
            "backends": [{"kind":"Service","namespace":"d","name":"web","port":80,"weight":1,
                "endpoints":["10.0.0.1:80"],"protocol":"h2c"}],
            "request": {"method":"GET","host":"a.com","path":"/y","headers":{},"sni":"a.com"},
            "filters": [
                {"type":"URLRewrite","path":{"type":"ReplacePrefixMatch","value":"/y"}},
                {"type":"RequestHeaderModifier","set":[{"name":"x-a","value":"1"}],"remove":["x-b"]},
            ],
            "timeouts": {"request":"10s","backendRequest":null},
            "pluginSet": 7,
            "rewrite": null,
            "notProgrammed": [
                {"route":{"kind":"HTTPRoute","namespace":"d","name":"old","rule":1},"code":"InvalidPath",
                 "detail":"\"x\" does not start with /"},
            ],
            "candidates": [
                {"route":{"kind":"HTTPRoute","namespace":"d","name":"api","rule":1},
                 "lost":{"code":"listener","detail":"another port","port":8080}},
            ],
        }));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn each_filter_has_a_line() {
        let text = shown(&json!({
            "outcome": "redirect", "status": 301, "location": "https://a.com/x",
            "filters": {"redirect": {"status": 301, "scheme": "https"}, "requestHeaders": {"remove": ["a", "b"]}},
        }));
        assert!(text.contains("is redirected: 301"), "{text}");
        assert!(text.contains("location  https://a.com/x\n"), "{text}");
        let filters = "filters   redirect: status=301 scheme=https\n          request headers: remove=[a, b]\n";
        assert!(text.contains(filters), "{text}");
    }

    #[test]
    fn not_found_is_an_answer() {
        let text = shown(&json!({"outcome":"not_found","status":404}));
        assert!(text.contains("no route matches: 404"), "{text}");
    }
}
