//! What a rule or a backend changes on the way.

use serde_json::Value;

use super::backends::{Service, Target, of_ref};
use super::objects::{Objects, list, text};

/// Header lines in order, names in lower case.
pub(crate) type HeaderLines = Vec<(String, String)>;

/// The filters of one list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filters {
    pub(crate) request: Vec<Edit>,
    pub(crate) response: Vec<Edit>,
    pub(crate) redirect: Option<Value>,
    pub(crate) rewrite: Option<Value>,
    pub(crate) mirrors: Vec<Mirror>,
    pub(crate) cors: Option<Value>,
    pub(crate) plugins: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Remove(String),
    Set(String, String),
    Add(String, String),
}

/// A copy of the request.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    /// Does every request, some, or none have a copy?
    pub(crate) always: Option<bool>,
    pub(crate) service: Service,
}

/// "Those behind the fourth, of rule and backend together," have no effect (docs/routing.md).
pub(crate) const MIRRORS: usize = 4;

/// How many mirrors there are in a list of filters.
pub(crate) fn mirrors(filters: &Value) -> usize {
    list(filters)
        .filter(|filter| filter["type"] == "RequestMirror")
        .count()
}

impl Filters {
    /// With so many mirrors at most.
    pub(crate) fn read(
        objects: Objects<'_>,
        kind: &str,
        route: &Value,
        filters: &Value,
        mut left: usize,
    ) -> Self {
        let mut out = Self::default();
        for filter in list(filters) {
            match text(&filter["type"]) {
                "RequestHeaderModifier" => {
                    out.request.extend(edits(&filter["requestHeaderModifier"]))
                }
                "ResponseHeaderModifier" => {
                    out.response
                        .extend(edits(&filter["responseHeaderModifier"]));
                }
                "RequestRedirect" => out.redirect = Some(filter["requestRedirect"].clone()),
                "URLRewrite" => out.rewrite = Some(filter["urlRewrite"].clone()),
                "RequestMirror" if left == 0 => {}
                "RequestMirror" => {
                    left -= 1;
                    out.mirrors
                        .extend(mirror(objects, kind, route, &filter["requestMirror"]))
                }
                "CORS" => out.cors = Some(filter["cors"].clone()),
                "ExtensionRef" => out
                    .plugins
                    .push(text(&filter["extensionRef"]["name"]).to_owned()),
                other => panic!("the generator made a filter of type {other:?}"),
            }
        }
        out
    }
}

/// Removed, then set, then added. "Only one action for a given header name is permitted", so that
/// the order is never seen within one filter.
fn edits(modifier: &Value) -> Vec<Edit> {
    let name = |entry: &Value| text(&entry["name"]).to_ascii_lowercase();
    let value = |entry: &Value| text(&entry["value"]).to_owned();
    let removed =
        list(&modifier["remove"]).map(|name| Edit::Remove(text(name).to_ascii_lowercase()));
    let set = list(&modifier["set"]).map(|entry| Edit::Set(name(entry), value(entry)));
    let added = list(&modifier["add"]).map(|entry| Edit::Add(name(entry), value(entry)));
    removed.chain(set).chain(added).collect()
}

/// "If the referent cannot be found, this BackendRef is invalid and must be dropped from the Gateway."
/// "If neither field is specified, 100% of requests will be mirrored."
fn mirror(objects: Objects<'_>, kind: &str, route: &Value, filter: &Value) -> Option<Mirror> {
    let Target::Service(service) = of_ref(objects, kind, route, &filter["backendRef"]) else {
        return None;
    };
    let (part, whole) = match (filter["percent"].as_u64(), &filter["fraction"]) {
        (Some(percent), _) => (percent, 100),
        (None, Value::Object(fraction)) => (
            fraction["numerator"].as_u64().unwrap_or(0),
            fraction
                .get("denominator")
                .and_then(Value::as_u64)
                .unwrap_or(100),
        ),
        _ => (1, 1),
    };
    let always = match part {
        0 => Some(false),
        _ => (part == whole).then_some(true),
    };
    Some(Mirror { always, service })
}

/// Headers after edits. "Set overwrites the request with the given header", "Add [...] appends to any
/// existing values associated with the header name".
pub(crate) fn apply<'e>(edits: impl IntoIterator<Item = &'e Edit>, headers: &mut HeaderLines) {
    for edit in edits {
        match edit {
            Edit::Remove(name) => headers.retain(|(known, _)| known != name),
            Edit::Set(name, value) => {
                headers.retain(|(known, _)| known != name);
                headers.push((name.clone(), value.clone()));
            }
            Edit::Add(name, value) => headers.push((name.clone(), value.clone())),
        }
    }
}
