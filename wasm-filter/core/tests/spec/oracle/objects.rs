//! The set of objects, and how its JSON is read.

use serde_json::Value;

/// Kubernetes objects, each key once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Objects<'o>(pub(crate) &'o [Value]);

impl<'o> Objects<'o> {
    pub(crate) fn of(self, kind: &'static str) -> impl Iterator<Item = &'o Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    pub(crate) fn get(self, kind: &'static str, namespace: &str, name: &str) -> Option<&'o Value> {
        self.of(kind)
            .find(|object| namespace_of(object) == namespace && name_of(object) == name)
    }

    /// "Each ReferenceGrant can be used to represent a unique trust relationship": from a kind in a
    /// namespace to objects of a kind, or one of them, in the grant's own namespace. "Cross-namespace
    /// references require a ReferenceGrant"; within a namespace none is asked for.
    pub(crate) fn permits(
        self,
        from: (&str, &str, &str),
        to: (&str, &str),
        ns: &str,
        name: &str,
    ) -> bool {
        let (group, kind, namespace) = from;
        namespace == ns
            || self.of("ReferenceGrant").any(|grant| {
                let trusts = list(&grant["spec"]["from"]).any(|entry| {
                    entry["group"] == group
                        && entry["kind"] == kind
                        && entry["namespace"] == namespace
                });
                // "Name is the name of the referent. When unspecified, this policy refers to all
                // resources of the specified Group and Kind in the local namespace."
                let covers = list(&grant["spec"]["to"]).any(|entry| {
                    entry["group"] == to.0
                        && entry["kind"] == to.1
                        && (entry["name"].is_null() || entry["name"] == name)
                });
                namespace_of(grant) == ns && trusts && covers
            })
    }
}

pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(crate) fn name_of(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

pub(crate) fn namespace_of(object: &Value) -> &str {
    text(&object["metadata"]["namespace"])
}

/// An annotation `konghq.com/...`.
pub(crate) fn kong<'o>(object: &'o Value, name: &str) -> Option<&'o str> {
    annotation(object, &format!("konghq.com/{name}"))
}

pub(crate) fn annotation<'o>(object: &'o Value, name: &str) -> Option<&'o str> {
    object["metadata"]["annotations"][name].as_str()
}

/// "Lists are comma separated, items trimmed, empty items dropped." (KIC)
pub(crate) fn items(text: &str) -> Vec<String> {
    let items = text.split(',').map(str::trim);
    items
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

/// "The oldest Route based on creation timestamp. The Route appearing first in alphabetical order by
/// "{namespace}/{name}"." An object without creation time (a manifest) is newest. Less is older.
pub(crate) fn age(object: &Value) -> (bool, String, String) {
    let created = text(&object["metadata"]["creationTimestamp"]);
    let name = format!("{}/{}", namespace_of(object), name_of(object));
    (created.is_empty(), created.to_owned(), name)
}
