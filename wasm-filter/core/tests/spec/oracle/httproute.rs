//! HTTPRoute.

use std::rc::Rc;

use serde_json::Value;

use super::attach::{Listener, places};
use super::backends;
use super::filters::{Filters, MIRRORS};
use super::ingress::sorted;
use super::matches::read;
use super::objects::{Objects, age, items, kong, list, name_of, namespace_of};
use super::paths::PathCond;
use super::{Candidate, Kind, Rule, Scheme, Scope};

pub(crate) fn candidates(objects: Objects<'_>, listeners: &[Listener<'_>]) -> Vec<Candidate> {
    let mut out = Vec::new();
    for route in objects.of("HTTPRoute") {
        let places = places(objects, listeners, "HTTPRoute", route);
        for (index, rule) in list(&route["spec"]["rules"]).enumerate() {
            let action = Rc::new(action(objects, Kind::Http, route, index, rule));
            // "If no matches are specified, the default is a prefix path match on "/", which has the
            // effect of matching every HTTP request."
            let every = [Value::Null];
            let matches = rule["matches"]
                .as_array()
                .filter(|matches| !matches.is_empty());
            let matches = matches.map_or(&every[..], Vec::as_slice);
            for (match_index, entry) in matches.iter().enumerate() {
                let (Some(path), Some(headers), Some(queries)) = (
                    path_of(&entry["path"]),
                    read(&entry["headers"], true),
                    read(&entry["queryParams"], false),
                ) else {
                    continue;
                };
                out.extend(places.iter().map(|place| {
                    Candidate {
                        scope: Scope::Listener(place.port, place.listener.clone()),
                        host: place.host.clone(),
                        path: path.clone(),
                        methods: entry["method"]
                            .as_str()
                            .map(str::to_owned)
                            .into_iter()
                            .collect(),
                        headers: headers.clone(),
                        queries: queries.clone(),
                        snis: Vec::new(),
                        scheme: Scheme::Any,
                        age: age(route),
                        position: (index, match_index),
                        rule: Rc::clone(&action),
                    }
                }));
            }
        }
    }
    out
}

/// "+kubebuilder:default=PathPrefix", "+kubebuilder:default="/"".
fn path_of(path: &Value) -> Option<PathCond> {
    let value = path["value"].as_str().unwrap_or("/");
    match path["type"].as_str().unwrap_or("PathPrefix") {
        "Exact" => PathCond::exact(value),
        "PathPrefix" => PathCond::prefix(value),
        "RegularExpression" => PathCond::regex(value, true),
        _ => None,
    }
}

pub(crate) fn action(
    objects: Objects<'_>,
    kind: Kind,
    route: &Value,
    index: usize,
    rule: &Value,
) -> Rule {
    let name = if kind == Kind::Grpc {
        "GRPCRoute"
    } else {
        "HTTPRoute"
    };
    let mut filters = Filters::read(objects, name, route, &rule["filters"], MIRRORS);
    filters
        .plugins
        .extend(kong(route, "plugins").map(items).unwrap_or_default());
    let retry = rule["retry"].as_object().map(|retry| {
        let codes = list(retry.get("codes").unwrap_or(&Value::Null));
        let mut codes: Vec<u16> = codes
            .filter_map(|code| u16::try_from(code.as_u64()?).ok())
            .collect();
        codes.sort_unstable();
        codes.dedup();
        let attempts = retry.get("attempts").and_then(Value::as_u64).unwrap_or(0);
        let backoff = retry.get("backoff").and_then(Value::as_str).map(duration);
        (
            u8::try_from(attempts).unwrap_or(u8::MAX),
            backoff.unwrap_or(0),
            codes,
        )
    });
    let timeout = |name: &str| rule["timeouts"][name].as_str().map(duration);
    Rule {
        kind,
        namespace: namespace_of(route).to_owned(),
        name: name_of(route).to_owned(),
        index,
        shares: backends::of_rule(objects, name, route, rule),
        filters,
        timeouts: [timeout("request"), timeout("backendRequest")],
        retry,
        strip_path: kong(route, "strip-path") == Some("true"),
        preserve_host: kong(route, "preserve-host") != Some("false"),
        path_v1: kong(route, "path-handling") == Some("v1"),
        template: None,
        tags: sorted(kong(route, "tags").map(items).unwrap_or_default()),
    }
}

/// GEP-2257: "A duration is a string [...] `^([0-9]{1,5}(h|m|s|ms)){1,4}$`"; in milliseconds.
fn duration(text: &str) -> u32 {
    let mut total = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|char: char| !char.is_ascii_digit())
            .expect("a unit");
        let number: u32 = rest[..digits].parse().expect("digits");
        rest = &rest[digits..];
        let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
        let unit = units.iter().find(|(unit, _)| rest.starts_with(unit));
        let (unit, factor) = unit.expect("a unit");
        rest = &rest[unit.len()..];
        total += number * factor;
    }
    total
}
