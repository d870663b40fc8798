//! Sets of objects and requests that collide: few hosts, few paths, few names.

pub(crate) mod asks;
pub(crate) mod choices;
pub(crate) mod gateways;
pub(crate) mod ingresses;
pub(crate) mod routes;
pub(crate) mod services;

use serde_json::Value;

use self::choices::Choices;
use crate::oracle::Classes;

pub(crate) const NAMESPACES: [&str; 2] = ["a", "b"];
pub(crate) const HOSTS: [&str; 4] = ["a.com", "x.a.com", "y.x.a.com", "b.com"];
pub(crate) const WILDCARDS: [&str; 3] = ["*.a.com", "*.x.a.com", "*.com"];
pub(crate) const SEGMENTS: [&str; 7] = ["foo", "foobar", "a.b", "x%20y", "~u", "v1", "Foo"];
/// Patterns and paths that they match.
pub(crate) const PATTERNS: [(&str, &str); 9] = [
    (r"/foo/\d+", "/foo/42"),
    (r"/foo(bar)?/(\w+)", "/foobar/v1"),
    (r"/[a-z]+", "/foo"),
    (r"/(foo|v1)/.*", "/v1/foo"),
    (r"/a\.b", "/a.b"),
    (r"/.*", "/foo/bar"),
    (r"/(\w+)/(\w+)$", "/foo/v1"),
    (r"/v[0-9]{1,3}/(x.y|~u)?", "/v1/~u"),
    // As long as another.
    (r"/foo|/v1", "/v1"),
];
pub(crate) const HEADERS: [&str; 3] = ["x-env", "X-Ver", "x-other"];
pub(crate) const VALUES: [&str; 4] = ["t", "p", "t1", "T"];
pub(crate) const PARAMS: [&str; 2] = ["q", "r"];
pub(crate) const PARAM_VALUES: [&str; 4] = ["1", "a b", "11", "+"];
pub(crate) const METHODS: [&str; 4] = ["GET", "POST", "PUT", "OPTIONS"];

/// A set of objects, each key once.
pub(crate) fn objects(c: &mut Choices) -> (Vec<Value>, Classes) {
    let classes = Classes {
        all: c.one_in(3),
        ingress: "kong".to_owned(),
        controller: "silverback.rs/gateway-controller".to_owned(),
    };
    let mut out = gateways::base(c);
    for _ in 0..c.between(0, 3) {
        out.push(gateways::grant(c));
    }
    out.extend(services::all(c));
    let focus = c.below(4);
    let count = |c: &mut Choices, wanted: bool, most: usize| {
        let least = usize::from(wanted);
        c.between(least, if wanted { most } else { most / 2 })
    };
    for _ in 0..count(c, focus != 1, 4) {
        out.push(ingresses::ingress(c));
    }
    for _ in 0..count(c, focus != 0, 4) {
        out.push(routes::http(c));
    }
    for _ in 0..count(c, focus == 3, 3) {
        out.push(routes::grpc(c));
    }
    let key = |object: &Value| {
        let metadata = &object["metadata"];
        (
            object["kind"].to_string(),
            metadata["namespace"].to_string(),
            metadata["name"].to_string(),
        )
    };
    let mut seen = std::collections::BTreeSet::new();
    out.retain(|object| seen.insert(key(object)));
    (out, classes)
}

/// A path as an object may have it.
pub(crate) fn path(c: &mut Choices) -> String {
    let mut out = String::new();
    for _ in 0..c.between(0, 3) {
        out.push('/');
        out += c.of(&SEGMENTS);
    }
    if out.is_empty() || c.one_in(4) {
        out.push('/');
    }
    out
}

/// Times that tie, or none.
pub(crate) fn created(c: &mut Choices) -> Value {
    match c.below(4) {
        0 => Value::Null,
        1 => "2021-01-01T00:00:00Z".into(),
        _ => "2020-01-01T00:00:00Z".into(),
    }
}

/// One of [`PATTERNS`].
pub(crate) fn pattern(c: &mut Choices) -> &'static str {
    PATTERNS[c.below(PATTERNS.len())].0
}

/// Sets a field unless the value is null.
pub(crate) fn put(object: &mut Value, field: &str, value: Value) {
    if !value.is_null() {
        object[field] = value;
    }
}
