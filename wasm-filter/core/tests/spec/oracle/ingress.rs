//! Ingress.

use std::rc::Rc;

use serde_json::Value;

use super::backends::{Share, is_on, of_ingress};
use super::filters::Filters;
use super::hosts::Host;
use super::matches::{Anchor, ValueCond, regex};
use super::objects::{Objects, age, annotation, items, kong, list, name_of, namespace_of, text};
use super::paths::PathCond;
use super::{Candidate, Classes, Kind, Rule, Scheme, Scope};

pub(crate) fn candidates(objects: Objects<'_>, classes: &Classes) -> Vec<Candidate> {
    let ours: Vec<&Value> = objects
        .of("Ingress")
        .filter(|ingress| is_ours(objects, classes, ingress))
        .collect();
    let mut out: Vec<Candidate> = ours
        .iter()
        .flat_map(|ingress| of_rules(objects, ingress))
        .collect();
    // "DefaultBackend is the backend that should handle requests that don't match any rule"; "the
    // oldest of the cluster".
    let mut with_default: Vec<&&Value> = ours
        .iter()
        .filter(|ingress| ingress["spec"]["defaultBackend"].is_object())
        .collect();
    with_default.sort_by_key(|ingress| age(ingress));
    if let Some(ingress) = with_default.first() {
        let backend = &ingress["spec"]["defaultBackend"];
        out.push(Candidate {
            scope: Scope::IngressDefault,
            ..candidate(
                objects,
                ingress,
                Host::Any,
                PathCond::Prefix(Vec::new()),
                backend,
                (0, 0),
            )
        });
    }
    out
}

/// docs/routing.md, which objects.
fn is_ours(objects: Objects<'_>, classes: &Classes, ingress: &Value) -> bool {
    if classes.all {
        return true;
    }
    let class = classes.ingress.as_str();
    let named = annotation(ingress, "kubernetes.io/ingress.class").filter(|name| !name.is_empty());
    match named.or(ingress["spec"]["ingressClassName"].as_str()) {
        Some(name) => name == class,
        // "If set to "true", [...] newly created Ingress resources without a class specified will be
        // assigned this default class."
        None => objects
            .get("IngressClass", "", class)
            .is_some_and(|class| is_on(class, "ingressclass.kubernetes.io/is-default-class")),
    }
}

fn of_rules(objects: Objects<'_>, ingress: &Value) -> Vec<Candidate> {
    let mut out = Vec::new();
    // `host-aliases`: "appended to hosts".
    let aliases = kong(ingress, "host-aliases").map(items).unwrap_or_default();
    for (rule_index, rule) in list(&ingress["spec"]["rules"]).enumerate() {
        // "If the host is unspecified, the Ingress routes all traffic based on the specified
        // IngressRuleValue."
        let mut hosts = vec![Host::read(rule["host"].as_str())];
        if hosts[0] != Host::Any {
            hosts.extend(aliases.iter().map(|alias| Host::read(Some(alias))));
        }
        for (path_index, path) in list(&rule["http"]["paths"]).enumerate() {
            let position = (rule_index, path_index);
            let Some(cond) = path_of(ingress, path) else {
                continue;
            };
            for host in &hosts {
                let (host, cond) = (host.clone(), cond.clone());
                let backend = &path["backend"];
                out.push(candidate(objects, ingress, host, cond, backend, position));
            }
        }
    }
    out
}

/// docs/routing.md, paths of Ingress. "Exact: Matches the URL path exactly and with case sensitivity.
/// Prefix: Matches based on a URL path prefix split by `/`. Matching is case sensitive and done on a
/// path element by element basis. ImplementationSpecific: With this path type, matching is up to the
/// IngressClass."
fn path_of(ingress: &Value, path: &Value) -> Option<PathCond> {
    // "Repeated slashes are merged before the type is looked at."
    let mut value = text(&path["path"]).to_owned();
    while value.contains("//") {
        value = value.replace("//", "/");
    }
    let value = value.as_str();
    match path["pathType"]
        .as_str()
        .unwrap_or("ImplementationSpecific")
    {
        "Exact" => PathCond::exact(value),
        "Prefix" => PathCond::prefix(value),
        "ImplementationSpecific" => {
            let marker = kong(ingress, "regex-prefix").unwrap_or("/~");
            match value.strip_prefix(marker) {
                Some(pattern) => PathCond::regex(pattern, false),
                None => PathCond::text(value),
            }
        }
        _ => None,
    }
}

fn candidate(
    objects: Objects<'_>,
    ingress: &Value,
    host: Host,
    path: PathCond,
    backend: &Value,
    position: (usize, usize),
) -> Candidate {
    let rule = Rule {
        kind: Kind::Ingress,
        namespace: namespace_of(ingress).to_owned(),
        name: name_of(ingress).to_owned(),
        index: position.0,
        shares: vec![Share {
            weight: 1,
            target: of_ingress(objects, ingress, backend),
            filters: Filters::default(),
        }],
        filters: Filters {
            plugins: kong(ingress, "plugins").map(items).unwrap_or_default(),
            ..Filters::default()
        },
        timeouts: [None; 2],
        retry: None,
        strip_path: kong(ingress, "strip-path") == Some("true"),
        preserve_host: kong(ingress, "preserve-host") != Some("false"),
        path_v1: kong(ingress, "path-handling") == Some("v1"),
        template: kong(ingress, "rewrite").map(str::to_owned),
        tags: sorted(kong(ingress, "tags").map(items).unwrap_or_default()),
    };
    Candidate {
        scope: Scope::Ingress,
        host,
        path,
        methods: kong(ingress, "methods").map(items).unwrap_or_default(),
        headers: headers(ingress),
        queries: Vec::new(),
        snis: kong(ingress, "snis").map(items).unwrap_or_default(),
        scheme: scheme(ingress),
        age: age(ingress),
        position,
        rule: Rc::new(rule),
    }
}

pub(crate) fn sorted(mut items: Vec<String>) -> Vec<String> {
    items.sort();
    items.dedup();
    items
}

/// `headers.NAME: v1,v2` or `~*PATTERN`: "OR between values, AND between names".
fn headers(ingress: &Value) -> Vec<(String, ValueCond)> {
    let annotations = ingress["metadata"]["annotations"].as_object();
    let separator = kong(ingress, "headers-separator").unwrap_or(",");
    let mut out = Vec::new();
    for (name, value) in annotations.into_iter().flatten() {
        let Some(name) = name.strip_prefix("konghq.com/headers.") else {
            continue;
        };
        let value = text(value);
        let cond = match value.strip_prefix("~*") {
            Some(pattern) => match regex(pattern, Anchor::Anywhere, true) {
                Some(regex) => ValueCond::Regex(regex),
                None => ValueCond::OneOf(Vec::new()),
            },
            None => ValueCond::OneOf(
                value
                    .split(separator)
                    .map(|item| item.trim().to_owned())
                    .collect(),
            ),
        };
        out.push((name.to_ascii_lowercase(), cond));
    }
    out
}

/// `protocols`: "https only: a request without TLS gets `https-redirect-status-code`, default 426";
/// `force-ssl-redirect`: "https only, 302".
fn scheme(ingress: &Value) -> Scheme {
    let status = kong(ingress, "https-redirect-status-code").and_then(|text| text.parse().ok());
    if is_on(ingress, "ingress.kubernetes.io/force-ssl-redirect") {
        return Scheme::Tls(status.unwrap_or(302));
    }
    let protocols = kong(ingress, "protocols").map(items).unwrap_or_default();
    let has = |name: &str| protocols.iter().any(|protocol| protocol == name);
    match (has("http"), has("https")) {
        (true, false) => Scheme::Plain,
        (false, true) => Scheme::Tls(status.unwrap_or(426)),
        _ => Scheme::Any,
    }
}
