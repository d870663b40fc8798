//! The answer of `explain` for people.

use std::io::{self, Write};

use serde::Deserialize;
use serde_json::Value;

use super::{Grid, routes, style};
use crate::dump::RouteRef;

/// The answer, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Trace {
    outcome: String,
    status: Option<u16>,
    message: Option<String>,
    hint: Option<String>,
    route: Option<RouteRef>,
    backends: Vec<Target>,
    request: Option<Upstream>,
    location: Option<String>,
    candidates: Vec<Candidate>,
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
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Upstream {
    method: String,
    host: String,
    path: String,
    headers: serde_json::Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Candidate {
    route: RouteRef,
    lost: Option<Lost>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lost {
    code: String,
    detail: String,
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
    writeln!(
        out,
        "{bold}{} {}://{}{}{}{bold:#}",
        field("method"),
        field("scheme"),
        field("host"),
        port.unwrap_or_default(),
        field("path"),
    )?;
    writeln!(out)?;

    let mut facts = Grid::new(&["", ""]);
    facts.row(["outcome".to_owned(), outcome(&trace)]);
    if let Some(hint) = &trace.hint {
        facts.row(["hint".to_owned(), hint.clone()]);
    }
    if let Some(route) = &trace.route {
        facts.row(["route".to_owned(), describe(route)]);
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
        let name = target.to_string();
        let endpoints = match &target.kind {
            None => String::new(),
            Some(_) => format!(" -> {}", routes::some(&target.endpoints)),
        };
        facts.row([label.to_owned(), format!("{name}{share}{endpoints}")]);
    }
    if let Some(location) = &trace.location {
        facts.row(["location".to_owned(), location.clone()]);
    }
    if let Some(upstream) = &trace.request {
        let line = format!(
            "{} {} (host {})",
            upstream.method, upstream.path, upstream.host
        );
        facts.row(["upstream gets".to_owned(), line]);
        for (name, value) in &upstream.headers {
            facts.row([String::new(), format!("{name}: {}", values(value))]);
        }
    }
    facts.write(out)?;

    let lost: Vec<_> = trace
        .candidates
        .iter()
        .filter_map(|candidate| Some((&candidate.route, candidate.lost.as_ref()?)))
        .collect();
    if !lost.is_empty() {
        writeln!(out, "\n{dim}also looked at{dim:#}")?;
        let mut grid = Grid::new(&["RULE", "LOST BY", "BECAUSE"]).indent(2);
        for (route, lost) in lost {
            grid.row([route.to_string(), lost.code.clone(), lost.detail.clone()]);
        }
        grid.write(out)?;
    }
    Ok(())
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
    fn not_found_is_an_answer() {
        let text = shown(&json!({"outcome":"not_found","status":404}));
        assert!(text.contains("no route matches: 404"), "{text}");
    }
}
