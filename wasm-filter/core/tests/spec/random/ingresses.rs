//! Ingress objects.

use serde_json::{Map, Value, json};

use super::choices::Choices;
use super::services::SERVICES;
use super::{HOSTS, NAMESPACES, PATTERNS, WILDCARDS, created, path, pattern, put};

pub(crate) fn ingress(c: &mut Choices) -> Value {
    let mut annotations = Map::new();
    let captures = annotate(c, &mut annotations);
    let marker = match annotations.get("konghq.com/regex-prefix") {
        Some(marker) => marker.as_str().expect("text").to_owned(),
        None => "/~".to_owned(),
    };
    let rules: Vec<Value> = (0..c.between(1, 3))
        .map(|_| {
            let paths: Vec<Value> = (0..c.between(1, 3))
                .map(|_| entry(c, &marker, captures))
                .collect();
            let mut rule = json!({"http": {"paths": paths}});
            match c.below(4) {
                0 if !annotations.contains_key("konghq.com/host-aliases") => {}
                1 => rule["host"] = c.of(&WILDCARDS).into(),
                _ => rule["host"] = c.of(&HOSTS).into(),
            }
            rule
        })
        .collect();
    let mut spec = json!({"rules": rules});
    match c.below(6) {
        0 => {}
        1 => spec["ingressClassName"] = "nginx".into(),
        2 => drop(annotations.insert(
            "kubernetes.io/ingress.class".into(),
            c.of(&["kong", "nginx", ""]).into(),
        )),
        _ => spec["ingressClassName"] = "kong".into(),
    }
    // The default backend has no groups.
    if !captures && c.one_in(4) {
        spec["defaultBackend"] = backend(c);
    }
    let mut metadata = json!({"namespace": c.of(&NAMESPACES), "name": c.of(&["i0", "i1", "i2"]),
        "annotations": annotations});
    put(&mut metadata, "creationTimestamp", created(c));
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec})
}

/// Gives whether the paths must have groups.
fn annotate(c: &mut Choices, annotations: &mut Map<String, Value>) -> bool {
    let mut put = |c: &mut Choices, odds: usize, name: &str, values: &[&str]| {
        if c.one_in(odds) {
            annotations.insert(format!("konghq.com/{name}"), c.of(values).into());
        }
    };
    put(c, 5, "strip-path", &["true", "false"]);
    put(c, 6, "preserve-host", &["true", "false"]);
    put(c, 8, "path-handling", &["v0", "v1"]);
    put(c, 8, "methods", &["GET", "GET,POST", "PUT"]);
    put(c, 8, "headers.x-env", &["t", "t,p", "~*^t\\d?$", "~*1"]);
    put(c, 10, "headers.X-Ver", &["t1", "p"]);
    put(c, 10, "snis", &["a.com", "x.a.com,b.com"]);
    put(c, 8, "protocols", &["https", "http", "http,https"]);
    put(c, 10, "https-redirect-status-code", &["301", "308", "426"]);
    put(c, 8, "host-aliases", &["b.com", "x.a.com,a.com", "*.a.com"]);
    put(c, 10, "tags", &["one", "two,one"]);
    put(c, 12, "plugins", &["p0", "p1,p0", "cp"]);
    put(c, 12, "regex-prefix", &["/@", "/~"]);
    put(c, 16, "rewrite", &["/new", "/new/\\$1", "/"]);
    let groups = c.one_in(16);
    if groups {
        let template = c.of(&["/x/$1", "/$2/$1", "/a$1b"]);
        annotations.insert("konghq.com/rewrite".into(), template.into());
    }
    if c.one_in(16) {
        let name = "ingress.kubernetes.io/force-ssl-redirect";
        annotations.insert(name.into(), "true".into());
        annotations.remove("konghq.com/https-redirect-status-code");
    }
    groups
}

fn entry(c: &mut Choices, marker: &str, captures: bool) -> Value {
    let mut out = json!({"backend": backend(c)});
    if captures || c.one_in(5) {
        let grouped = [PATTERNS[1].0, PATTERNS[6].0];
        let pattern = if captures { c.of(&grouped) } else { pattern(c) };
        out["path"] = format!("{marker}{pattern}").into();
        out["pathType"] = "ImplementationSpecific".into();
        return out;
    }
    let kind = c.of(&["Exact", "Prefix", "Prefix", "ImplementationSpecific", ""]);
    if !kind.is_empty() {
        out["pathType"] = kind.into();
    }
    let text = match c.below(12) {
        0 => String::new(),
        1 => path(c).replace('/', "//"),
        2 => "/é".to_owned(),
        // Literal, whatever it looks like.
        3 if matches!(kind, "Exact" | "Prefix") => r"/~/foo/\d+".replace('\\', "%5C"),
        _ => path(c),
    };
    if !text.is_empty() || c.one_in(2) {
        out["path"] = text.into();
    }
    out
}

fn backend(c: &mut Choices) -> Value {
    let port = match c.below(8) {
        0 => json!({"name": "http"}),
        1 => json!({"name": "alt"}),
        2 => json!({"number": 81}),
        _ => json!({"number": 80}),
    };
    json!({"service": {"name": c.of(&SERVICES), "port": port}})
}
