//! HTTPRoutes and GRPCRoutes.

use serde_json::{Value, json};

use super::choices::Choices;
use super::services::SERVICES;
use super::{
    HEADERS, HOSTS, METHODS, NAMESPACES, PARAM_VALUES, PARAMS, VALUES, WILDCARDS, created, path,
    pattern, put,
};

pub(crate) fn http(c: &mut Choices) -> Value {
    let rules: Vec<Value> = (0..c.between(1, 3)).map(|_| rule(c)).collect();
    let mut annotations = json!({});
    let mut set = |c: &mut Choices, name: &str, values: &[&str]| {
        if c.one_in(10) {
            annotations[format!("konghq.com/{name}")] = c.of(values).into();
        }
    };
    set(c, "strip-path", &["true", "false"]);
    set(c, "preserve-host", &["false", "true"]);
    set(c, "tags", &["one", "two,one"]);
    set(c, "plugins", &["p0", "p1"]);
    set(c, "path-handling", &["v1"]);
    route(c, "HTTPRoute", &["r0", "r1", "r2"], rules, annotations)
}

pub(crate) fn grpc(c: &mut Choices) -> Value {
    let rules: Vec<Value> = (0..c.between(1, 3))
        .map(|_| {
            let matches: Vec<Value> = (0..c.between(0, 3)).map(|_| grpc_match(c)).collect();
            let mut out = json!({"backendRefs": backends(c, false)});
            if !matches.is_empty() {
                out["matches"] = matches.into();
            }
            let mut filters = Vec::new();
            header_filters(c, &mut filters);
            if !filters.is_empty() {
                out["filters"] = filters.into();
            }
            out
        })
        .collect();
    route(c, "GRPCRoute", &["r0", "c1"], rules, json!({}))
}

fn route(
    c: &mut Choices,
    kind: &str,
    names: &[&str],
    rules: Vec<Value>,
    annotations: Value,
) -> Value {
    let mut parents: Vec<Value> = (0..c.between(1, 2)).map(|_| parent(c)).collect();
    if c.one_in(2) {
        // Wherever it is.
        let all = NAMESPACES.iter();
        parents = all
            .map(|ns| json!({"name": "gw0", "namespace": ns}))
            .collect();
    }
    let mut spec = json!({"parentRefs": parents, "rules": rules});
    let hostnames: Vec<&str> = (0..c.below(3))
        .map(|_| {
            if c.one_in(3) {
                c.of(&WILDCARDS)
            } else {
                c.of(&HOSTS)
            }
        })
        .collect();
    if !hostnames.is_empty() {
        spec["hostnames"] = hostnames.into();
    }
    let mut metadata = json!({"namespace": c.of(&NAMESPACES), "name": c.of(names),
        "annotations": annotations});
    put(&mut metadata, "creationTimestamp", created(c));
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec})
}

fn parent(c: &mut Choices) -> Value {
    let mut out = json!({"name": c.of(&["gw0", "gw0", "gw0", "gw1", "gw2"])});
    if c.one_in(4) {
        out = json!({"kind": "ListenerSet", "name": c.of(&["ls0", "ls0", "ls1"])});
    }
    if !c.one_in(4) {
        out["namespace"] = c.of(&NAMESPACES).into();
    }
    if c.one_in(5) {
        out["sectionName"] = c.of(&["l0", "l1", "l9"]).into();
    }
    if c.one_in(8) {
        out["port"] = if c.one_in(2) { 80 } else { 443 }.into();
    }
    out
}

fn rule(c: &mut Choices) -> Value {
    let mut out = json!({});
    let prefix_only = c.one_in(4);
    let matches: Vec<Value> = (0..c.between(0, 3))
        .map(|_| http_match(c, prefix_only))
        .collect();
    if !matches.is_empty() {
        out["matches"] = matches.into();
    }
    let mut filters = Vec::new();
    let redirects = c.one_in(7);
    if redirects {
        filters.push(redirect(c, prefix_only));
    } else if c.one_in(5) {
        filters.push(rewrite(c, prefix_only));
    }
    header_filters(c, &mut filters);
    if c.one_in(12) {
        filters.push(json!({"type": "ExtensionRef", "extensionRef": {
            "group": "configuration.konghq.com", "kind": "KongPlugin", "name": "p0"}}));
    }
    if !redirects {
        for _ in 0..[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 5][c.below(12)] {
            filters.push(mirror(c));
        }
        if c.one_in(8) {
            filters.push(cors(c));
        }
        out["backendRefs"] = backends(c, true).into();
    }
    if !filters.is_empty() {
        out["filters"] = filters.into();
    }
    if c.one_in(6) {
        let mut timeouts = json!({});
        timeouts["request"] = c.of(&["10s", "1m30s", "0s"]).into();
        if c.one_in(2) {
            timeouts["backendRequest"] = c.of(&["2500ms", "4s"]).into();
        }
        out["timeouts"] = timeouts;
    }
    if c.one_in(8) {
        out["retry"] = json!({"attempts": c.between(1, 3), "backoff": c.of(&["100ms", "1s"]),
            "codes": if c.one_in(2) { vec![500, 503] } else { vec![502] }});
    }
    out
}

fn http_match(c: &mut Choices, prefix_only: bool) -> Value {
    let mut out = json!({});
    if prefix_only {
        out["path"] = json!({"type": "PathPrefix", "value": path(c)});
    } else if !c.one_in(8) {
        let mut entry = json!({});
        match c.below(6) {
            0 => {
                entry["type"] = "RegularExpression".into();
                entry["value"] = pattern(c).into();
            }
            1 | 2 => {
                entry["type"] = "Exact".into();
                entry["value"] = path(c).into();
            }
            3 => entry["value"] = path(c).into(),
            _ => {
                entry["type"] = "PathPrefix".into();
                entry["value"] = path(c).into();
            }
        }
        out["path"] = entry;
    }
    if c.one_in(5) {
        out["method"] = c.of(&METHODS).into();
    }
    let headers = values(c, &HEADERS, &VALUES);
    if !headers.is_empty() {
        out["headers"] = headers.into();
    }
    let params = values(c, &PARAMS, &PARAM_VALUES);
    if !params.is_empty() {
        out["queryParams"] = params.into();
    }
    out
}

/// Few, some of one name, some patterns.
fn values(c: &mut Choices, names: &[&str], values: &[&str]) -> Vec<Value> {
    let count = [0, 0, 0, 0, 1, 1, 2][c.below(7)];
    (0..count)
        .map(|_| {
            let mut out = json!({"name": c.of(names)});
            if c.one_in(4) {
                out["type"] = "RegularExpression".into();
                out["value"] = c.of(&["t.?", "[a-z]+", "1+", r"\d", "t|p"]).into();
            } else {
                if c.one_in(2) {
                    out["type"] = "Exact".into();
                }
                out["value"] = c.of(values).into();
            }
            out
        })
        .collect()
}

fn grpc_match(c: &mut Choices) -> Value {
    let mut out = json!({});
    let mut method = json!({});
    let patterns = c.one_in(3);
    if !c.one_in(4) {
        let names = ["foo", "foo.Bar", "v1"];
        let services = [r"foo(\.Bar)?", "[a-z]+", r"\w+\..*", "foo|v1"];
        method["service"] = if patterns {
            c.of(&services)
        } else {
            c.of(&names)
        }
        .into();
    }
    if c.one_in(2) {
        let methods = ["[GS]et", "v1", ".*t", "G|Get"];
        method["method"] = if patterns {
            c.of(&methods)
        } else {
            c.of(&["Get", "v1"])
        }
        .into();
    }
    if method.as_object().is_some_and(|fields| !fields.is_empty()) {
        if patterns {
            method["type"] = "RegularExpression".into();
        }
        out["method"] = method;
    }
    let headers = values(c, &HEADERS, &VALUES);
    if !headers.is_empty() {
        out["headers"] = headers.into();
    }
    out
}

fn reference(c: &mut Choices) -> Value {
    let mut out = json!({"name": c.of(&SERVICES), "port": if c.one_in(6) { 81 } else { 80 }});
    if c.one_in(4) {
        out["namespace"] = c.of(&NAMESPACES).into();
    }
    if c.one_in(20) {
        out["kind"] = "Bucket".into();
        out["group"] = "example.com".into();
    }
    out
}

fn backends(c: &mut Choices, http: bool) -> Vec<Value> {
    let count = [0, 1, 1, 1, 1, 1, 2, 2, 3][c.below(9)];
    (0..count)
        .map(|_| {
            let mut out = reference(c);
            if c.one_in(3) {
                out["weight"] = c.below(4).into();
            }
            let mut filters = Vec::new();
            if c.one_in(4) {
                header_filters(c, &mut filters);
            }
            if http && c.one_in(12) {
                filters.push(mirror(c));
            }
            if http && c.one_in(12) {
                filters.push(rewrite(c, false));
            }
            if !filters.is_empty() {
                out["filters"] = filters.into();
            }
            out
        })
        .collect()
}

fn header_filters(c: &mut Choices, filters: &mut Vec<Value>) {
    for (kind, field) in [
        ("RequestHeaderModifier", "requestHeaderModifier"),
        ("ResponseHeaderModifier", "responseHeaderModifier"),
    ] {
        if !c.one_in(5) {
            continue;
        }
        // "Only one action for a given header name is permitted."
        let mut modifier = json!({});
        for name in HEADERS {
            let value = c.of(&VALUES);
            match c.below(5) {
                0 => push(&mut modifier, "set", json!({"name": name, "value": value})),
                1 => push(&mut modifier, "add", json!({"name": name, "value": value})),
                2 => push(&mut modifier, "remove", json!(name)),
                _ => {}
            }
        }
        if modifier
            .as_object()
            .is_some_and(|fields| !fields.is_empty())
        {
            filters.push(json!({"type": kind, field: modifier}));
        }
    }
}

fn push(object: &mut Value, field: &str, entry: Value) {
    match object[field].as_array_mut() {
        Some(list) => list.push(entry),
        None => object[field] = json!([entry]),
    }
}

fn path_edit(c: &mut Choices, prefix_only: bool) -> Value {
    if prefix_only && !c.one_in(3) {
        let new = c.of(&["/xyz", "/xyz/", "", "/", "/x/y"]);
        json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": new})
    } else {
        let new = c.of(&["/full", "/full/", "/"]);
        json!({"type": "ReplaceFullPath", "replaceFullPath": new})
    }
}

fn redirect(c: &mut Choices, prefix_only: bool) -> Value {
    let mut out = json!({});
    if c.one_in(2) {
        out["scheme"] = c.of(&["http", "https"]).into();
    }
    if c.one_in(2) {
        out["hostname"] = "new.example".into();
    }
    if c.one_in(3) {
        out["port"] = [80, 443, 8080][c.below(3)].into();
    }
    if c.one_in(3) {
        out["statusCode"] = [301, 302, 303, 307, 308][c.below(5)].into();
    }
    if c.one_in(2) {
        out["path"] = path_edit(c, prefix_only);
    }
    json!({"type": "RequestRedirect", "requestRedirect": out})
}

fn rewrite(c: &mut Choices, prefix_only: bool) -> Value {
    let mut out = json!({});
    if c.one_in(2) {
        out["hostname"] = c.of(&["up.example", "a.com"]).into();
    } else {
        out["path"] = path_edit(c, prefix_only);
    }
    json!({"type": "URLRewrite", "urlRewrite": out})
}

fn mirror(c: &mut Choices) -> Value {
    let mut out = json!({"backendRef": reference(c)});
    match c.below(6) {
        0 => out["percent"] = [0, 50, 100][c.below(3)].into(),
        1 => out["fraction"] = json!({"numerator": c.below(3), "denominator": 2}),
        _ => {}
    }
    json!({"type": "RequestMirror", "requestMirror": out})
}

fn cors(c: &mut Choices) -> Value {
    let mut out = json!({});
    out["allowOrigins"] = match c.below(3) {
        0 => json!(["*"]),
        1 => json!(["https://a.com", "http://b.com:8080"]),
        _ => json!(["https://*.a.com"]),
    };
    if c.one_in(2) {
        out["allowCredentials"] = c.one_in(2).into();
    }
    if c.one_in(2) {
        out["allowMethods"] = if c.one_in(2) {
            json!(["*"])
        } else {
            json!(["GET", "PUT"])
        };
    }
    if c.one_in(2) {
        out["allowHeaders"] = if c.one_in(2) {
            json!(["*"])
        } else {
            json!(["x-env", "x-ver"])
        };
    }
    if c.one_in(2) {
        out["exposeHeaders"] = json!(["x-env"]);
    }
    if c.one_in(2) {
        out["maxAge"] = 60.into();
    }
    json!({"type": "CORS", "cors": out})
}
