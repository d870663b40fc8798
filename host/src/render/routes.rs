//! The route table.

use std::io::{self, Write};

use std::collections::BTreeMap;

use serde_json::Value;

use super::value::{brief, empty, visible, words};
use super::{Grid, style};
use crate::dump::{Backend, Dump, Host, Match, Rest, Service, ValueMatch};

/// Endpoints of a backend that are named; the others are counted.
const ENDPOINTS: usize = 2;

/// What is said of an endpoint that is a name.
pub(super) const LOOKED_UP: &str = "looked up while it runs";

/// Services by what a backend names.
type Services<'a> = BTreeMap<(&'a str, &'a str, String), &'a Service>;

/// Writes the routes in the order in which they are tried, so many rows at most. What a match has
/// beyond what this program knows by name gets a column each.
pub fn routes(out: &mut dyn Write, dump: &Dump, limit: usize) -> io::Result<()> {
    if dump.match_count() == 0 {
        return writeln!(out, "no routes");
    }
    let several = dump
        .hosts
        .iter()
        .any(|host| host.scope != dump.hosts[0].scope);
    let rows = || {
        let hosts = dump.hosts.iter();
        hosts
            .flat_map(|host| host.matches.iter().map(move |matched| (host, matched)))
            .take(limit)
    };
    let more = columns(rows().flat_map(|(host, matched)| [&matched.rest, &host.rest]));
    let mut grid = match several {
        true => Grid::new(&["LISTENER", "HOST", "PATH", "RULE", "BACKEND", "ENDPOINTS"]),
        false => Grid::new(&["HOST", "PATH", "RULE", "BACKEND", "ENDPOINTS"]),
    };
    for name in &more {
        grid = grid.column(heading(name));
    }
    let by_service: Services<'_> = dump
        .services
        .iter()
        .map(|service| {
            let key = (&*service.namespace, &*service.name, port(&service.port));
            (key, service)
        })
        .collect();
    for (host, matched) in rows() {
        let mut cells = Vec::with_capacity(6 + more.len());
        if several {
            cells.push(scope(&host.scope));
        }
        cells.extend([
            host_name(host),
            path(matched),
            visible(&matched.route.to_string()),
            visible(&backends(matched)),
            endpoints(&by_service, matched),
        ]);
        cells.extend(more.iter().map(|name| {
            let value = matched.rest.get(*name).or_else(|| host.rest.get(*name));
            cell(value)
        }));
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

/// The names of all fields that say something, in the order in which they come.
pub(super) fn columns<'a>(rows: impl Iterator<Item = &'a Rest>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, value) in rows.flatten() {
        if !empty(value) && !names.contains(&&**name) {
            names.push(name);
        }
    }
    names
}

/// The heading of a field: `pluginSet` is `PLUGIN SET`.
pub(super) fn heading(name: &str) -> String {
    words(name).to_uppercase()
}

/// What a cell says; a field that is not there says nothing.
pub(super) fn cell(value: Option<&Value>) -> String {
    value
        .filter(|value| !empty(value))
        .map(brief)
        .unwrap_or_default()
}

/// The host, `*` for any.
pub fn host_name(host: &Host) -> String {
    match &host.host {
        Some(host) => visible(host),
        None => "*".to_owned(),
    }
}

/// Which listener; rules of GRPCRoutes have a scope of their own beside it.
pub fn scope(scope: &str) -> String {
    let (listener, suffix) = match scope.split_once(':') {
        Some(("port", listener)) => (listener, ""),
        Some(("grpc", listener)) => (listener, " gRPC"),
        _ => return visible(scope),
    };
    let listener = listener.trim_end_matches('*').trim_end_matches('/');
    visible(&format!("port {listener}{suffix}"))
}

/// What a match asks for.
pub fn path(matched: &Match) -> String {
    let path = &matched.path;
    let mut text = match &*path.kind {
        "Exact" => format!("={}", path.value),
        "Prefix" if !path.value.ends_with('/') => format!("{}/*", path.value),
        "Prefix" | "Text" => format!("{}*", path.value),
        "Regex" => format!("~{}", path.value),
        "" => path.value.clone(),
        kind => format!("{kind} {}", path.value),
    };
    if !matched.methods.is_empty() {
        text = format!("{} {text}", matched.methods.join(","));
    }
    for header in &matched.headers {
        text += &format!(" [{}]", value_match(header));
    }
    for parameter in &matched.query {
        text += &format!(" [?{}]", value_match(parameter));
    }
    if !matched.snis.is_empty() {
        text += &format!(" [sni {}]", matched.snis.join(" or "));
    }
    if let Some(scheme) = &matched.scheme {
        text += &format!(" [{scheme}]");
    }
    visible(&text)
}

fn value_match(wanted: &ValueMatch) -> String {
    let name = &wanted.name;
    match (&wanted.value, &wanted.regex) {
        (Some(value), _) => format!("{name}: {value}"),
        (None, Some(regex)) if wanted.anywhere => format!("{name} has ~{regex}"),
        (None, Some(regex)) => format!("{name} ~{regex}"),
        (None, None) => format!("{name}: {}", wanted.one_of.join(" or ")),
    }
}

/// Where a match goes, with shares.
pub fn backends(matched: &Match) -> String {
    let total: u64 = matched
        .backends
        .iter()
        .map(|backend| u64::from(backend.weight))
        .sum();
    let shown: Vec<_> = matched
        .backends
        .iter()
        .map(|backend| {
            let mut name = backend_name(backend);
            for (field, value) in backend.rest.iter().filter(|(_, value)| !empty(value)) {
                name += &format!(" {}={}", visible(field), brief(value));
            }
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

/// A port by name or number.
pub fn port(port: &serde_json::Value) -> String {
    match port {
        serde_json::Value::String(name) => name.clone(),
        other => other.to_string(),
    }
}

fn endpoints(by_service: &Services<'_>, matched: &Match) -> String {
    let shown: Vec<_> = matched
        .backends
        .iter()
        .filter(|backend| backend.invalid.is_none())
        .map(|backend| {
            let key = (&*backend.namespace, &*backend.name, port(&backend.port));
            by_service
                .get(&key)
                .map_or_else(|| some(&[]), |service| reached(service))
        })
        .collect();
    shown.join(", ")
}

/// A few of a Service's endpoints, or the name whose addresses they will be.
fn reached(service: &Service) -> String {
    match service.external_name() {
        Some(name) if service.endpoints.is_empty() => format!("{} ({LOOKED_UP})", visible(name)),
        _ => some(&service.endpoints),
    }
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
        {"path":{"type":"Exact","value":"/x"},"headers":[],
         "route":{"kind":"Ingress","namespace":"d","name":"shop","rule":0,"match":1},
         "backends":[{"kind":"Service","namespace":"d","name":"web","port":80,"weight":1}]},
        {"path":{"type":"Prefix","value":"/"},"route":{"kind":"Ingress","namespace":"d","name":"shop","rule":0,"match":0},
         "backends":[]}]},
      {"scope":"port:80/","host":null,"matches":[
        {"path":{"type":"Prefix","value":"/api"},"methods":["GET"],"headers":[{"name":"x-v","value":"2"}],
         "route":{"kind":"HTTPRoute","namespace":"d","name":"api","rule":2,"match":0},
         "backends":[{"kind":"Service","namespace":"d","name":"web","port":80,"weight":9},
                     {"invalid":"BackendNotFound","weight":1}]}]}],
      "services":[{"namespace":"d","name":"web","port":80,"endpoints":["10.0.0.1:80","10.0.0.2:80","10.0.0.3:80"]}]}"#;

    fn shown(limit: usize) -> String {
        show(DUMP, limit)
    }

    fn show(dump: &str, limit: usize) -> String {
        let dump = Dump::parse(dump).expect("a dump");
        let mut out = anstream::StripStream::new(Vec::new());
        routes(&mut out, &dump, limit).expect("written");
        String::from_utf8(out.into_inner()).expect("text")
    }

    #[test]
    fn routes_are_a_table() {
        insta::assert_snapshot!(shown(20));
    }

    #[test]
    fn what_is_not_known_by_name_has_a_column() {
        let mut dump: serde_json::Value = serde_json::from_str(DUMP).expect("JSON");
        dump["hosts"][0]["matches"][0]["filters"] =
            serde_json::json!([{"type": "RequestRedirect", "statusCode": 301}]);
        dump["hosts"][1]["matches"][0]["timeouts"] = serde_json::json!({"request": "10s"});
        dump["hosts"][1]["matches"][0]["pluginSet"] = serde_json::Value::Null;
        dump["hosts"][1]["matches"][0]["backends"][0]["filters"] =
            serde_json::json!([{"type": "X"}]);
        insta::assert_snapshot!(show(&dump.to_string(), 20));
    }

    #[test]
    fn a_name_is_not_nothing() {
        let mut dump: serde_json::Value = serde_json::from_str(DUMP).expect("JSON");
        dump["services"][0]["endpoints"] = serde_json::json!([]);
        dump["services"][0]["externalName"] = "web.example.org:80".into();
        let shown = show(&dump.to_string(), 20);
        let expected = " web.example.org:80 (looked up while it runs)";
        assert_eq!(shown.matches(expected).count(), 2, "{shown}");
    }

    #[test]
    fn scopes_are_ports() {
        for (scope, text) in [
            ("ingress", "ingress"),
            ("ingress default", "ingress default"),
            ("port:80/*", "port 80"),
            ("port:443/*.a.com", "port 443/*.a.com"),
            ("grpc:80/*", "port 80 gRPC"),
        ] {
            assert_eq!(super::scope(scope), text);
        }
    }

    #[test]
    fn everything_that_is_matched_is_said() {
        for (matched, text) in [
            (r#"{"path":{"type":"Exact","value":"/a"}}"#, "=/a"),
            (r#"{"path":{"type":"Prefix","value":"/a"}}"#, "/a/*"),
            (r#"{"path":{"type":"Prefix","value":"/"}}"#, "/*"),
            (r#"{"path":{"type":"Text","value":"/a"}}"#, "/a*"),
            (r#"{"path":{"type":"Regex","value":"/a\\d"}}"#, "~/a\\d"),
            (
                r#"{"path":{"type":"Exact","value":"/a"},"methods":["GET","PUT"],"scheme":"https"}"#,
                "GET,PUT =/a [https]",
            ),
            (
                r#"{"path":{"type":"Exact","value":"/"},"headers":[{"name":"a","value":"1"},
                    {"name":"b","oneOf":["1","2"]},{"name":"c","regex":"x+"},{"name":"d","regex":"x+","anywhere":true}],
                    "query":[{"name":"q","value":"1"}],"snis":["a.com","b.com"]}"#,
                "=/ [a: 1] [b: 1 or 2] [c ~x+] [d has ~x+] [?q: 1] [sni a.com or b.com]",
            ),
        ] {
            let matched: Match = serde_json::from_str(matched).expect("a match");
            assert_eq!(path(&matched), text);
        }
    }

    #[test]
    fn many_rows_are_counted() {
        assert!(shown(1).contains("\n+2 more"), "{}", shown(1));
    }
}
