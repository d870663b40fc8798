//! The route table.

use std::io::{self, Write};

use super::{Grid, style};
use crate::dump::{Backend, Dump, Host, Match};

/// Endpoints of a backend that are named; the others are counted.
const ENDPOINTS: usize = 2;

/// Writes the routes in the order in which they are tried, so many rows at most.
pub fn routes(out: &mut dyn Write, dump: &Dump, limit: usize) -> io::Result<()> {
    if dump.match_count() == 0 {
        return writeln!(out, "no routes");
    }
    let several = dump
        .hosts
        .iter()
        .any(|host| host.scope != dump.hosts[0].scope);
    let mut grid = match several {
        true => Grid::new(&["LISTENER", "HOST", "PATH", "RULE", "BACKEND", "ENDPOINTS"]),
        false => Grid::new(&["HOST", "PATH", "RULE", "BACKEND", "ENDPOINTS"]),
    };
    let rows = dump
        .hosts
        .iter()
        .flat_map(|host| host.matches.iter().map(move |matched| (host, matched)));
    for (host, matched) in rows.take(limit) {
        let mut cells = Vec::with_capacity(6);
        if several {
            cells.push(scope(&host.scope));
        }
        cells.extend([
            host_name(host),
            path(matched),
            matched.route.to_string(),
            backends(matched),
            endpoints(dump, matched),
        ]);
        grid.row(cells);
    }
    grid.write(out)?;
    let more = dump.match_count().saturating_sub(limit);
    if more > 0 {
        let dim = style::DIM;
        writeln!(
            out,
            "{dim}+{more} more (silverback translate shows all){dim:#}"
        )?;
    }
    Ok(())
}

/// The host, `*` for any.
pub fn host_name(host: &Host) -> String {
    host.host.clone().unwrap_or_else(|| "*".to_owned())
}

fn scope(scope: &str) -> String {
    match scope.strip_prefix("port:") {
        Some(listener) => format!("port {}", listener.trim_end_matches('/')),
        None => scope.to_owned(),
    }
}

fn path(matched: &Match) -> String {
    let path = &matched.path;
    let mut text = match &*path.kind {
        "Exact" => format!("={}", path.value),
        "Prefix" | "PathPrefix" if path.value.ends_with('/') => format!("{}*", path.value),
        "Prefix" | "PathPrefix" => format!("{}/*", path.value),
        "" => path.value.clone(),
        kind => format!("{kind} {}", path.value),
    };
    if let Some(method) = &matched.method {
        text = format!("{method} {text}");
    }
    for header in &matched.headers {
        text += &format!(" [{}: {}]", header.name, header.value);
    }
    text
}

fn backends(matched: &Match) -> String {
    let total: u64 = matched
        .backends
        .iter()
        .map(|backend| u64::from(backend.weight))
        .sum();
    let shown: Vec<_> = matched
        .backends
        .iter()
        .map(|backend| {
            let name = backend_name(backend);
            if matched.backends.len() == 1 || total == 0 {
                name
            } else {
                let share = f64::from(backend.weight) * 100.0 / total as f64;
                format!("{name} {share:.0}%")
            }
        })
        .collect();
    if shown.is_empty() {
        "none".to_owned()
    } else {
        shown.join(", ")
    }
}

/// `ns/name:port`, or why there is none.
fn backend_name(backend: &Backend) -> String {
    match &backend.invalid {
        Some(reason) => format!("500 ({reason})"),
        None => format!(
            "{}/{}:{}",
            backend.namespace,
            backend.name,
            port(&backend.port)
        ),
    }
}

pub(super) fn port(port: &serde_json::Value) -> String {
    match port {
        serde_json::Value::String(name) => name.clone(),
        other => other.to_string(),
    }
}

fn endpoints(dump: &Dump, matched: &Match) -> String {
    let shown: Vec<_> = matched
        .backends
        .iter()
        .filter(|backend| backend.invalid.is_none())
        .map(|backend| some(dump.endpoints(backend)))
        .collect();
    shown.join(", ")
}

/// A few of many.
pub(super) fn some(endpoints: &[String]) -> String {
    match endpoints.len() {
        0 => "none".to_owned(),
        count if count <= ENDPOINTS => endpoints.join(" "),
        count => format!(
            "{} +{}",
            endpoints[..ENDPOINTS].join(" "),
            count - ENDPOINTS
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = r#"{"hosts":[
      {"scope":"ingress","host":"a.com","matches":[
        {"path":{"type":"Exact","value":"/x"},"method":null,"headers":[],
         "route":{"kind":"Ingress","namespace":"d","name":"shop","rule":0,"match":1},
         "backends":[{"kind":"Service","namespace":"d","name":"web","port":80,"weight":1}]},
        {"path":{"type":"Prefix","value":"/"},"route":{"kind":"Ingress","namespace":"d","name":"shop","rule":0,"match":0},
         "backends":[]}]},
      {"scope":"port:80/","host":null,"matches":[
        {"path":{"type":"Prefix","value":"/api"},"method":"GET","headers":[{"name":"x-v","value":"2"}],
         "route":{"kind":"HTTPRoute","namespace":"d","name":"api","rule":2,"match":0},
         "backends":[{"kind":"Service","namespace":"d","name":"web","port":80,"weight":9},
                     {"invalid":"BackendNotFound","weight":1}]}]}],
      "services":[{"namespace":"d","name":"web","port":80,"endpoints":["10.0.0.1:80","10.0.0.2:80","10.0.0.3:80"]}]}"#;

    fn shown(limit: usize) -> String {
        let dump = Dump::parse(DUMP).expect("a dump");
        let mut out = anstream::StripStream::new(Vec::new());
        routes(&mut out, &dump, limit).expect("written");
        String::from_utf8(out.into_inner()).expect("text")
    }

    #[test]
    fn routes_are_a_table() {
        insta::assert_snapshot!(shown(20));
    }

    #[test]
    fn many_rows_are_counted() {
        assert!(shown(1).contains("\n+2 more"), "{}", shown(1));
    }
}
