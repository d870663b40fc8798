//! By what the items of the dump's lists are told apart.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Fields of the dump that say how the table is encoded and not what it does.
pub(super) const ENCODING: &[&str] = &["schemaVersion", "format", "digest", "bytes", "segments"];

/// A list of the dump.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListRule<'a> {
    /// Its name in the dump.
    pub(super) list: &'a str,
    /// What one item is; empty: made of the list's name.
    pub(super) item: &'a str,
    /// Ways to tell items apart, as JSON pointers, the best first: items that agree in all fields
    /// of one are the same thing before and after. A field that is missing is `null`.
    pub(super) keys: &'a [&'a [&'a str]],
    /// The order of the items means something.
    pub(super) ordered: bool,
    /// Fields that say where in its object a thing is written, which is no difference.
    pub(super) position: &'a [&'a str],
    /// Lists in the items whose items are things of their own.
    pub(super) nested: &'a [ListRule<'a>],
}

/// The lists whose identity is known:
///
/// | list | the same before and after if equal are |
/// |---|---|
/// | listeners | port, hostname, protocol; else port, hostname |
/// | hosts | scope, host |
/// | hosts[].matches | everything that is matched and the route; else what is matched; else the place in the route |
/// | services | namespace, name, port |
/// | pluginSets, certificates | id |
///
/// A list that is not here takes what [`UNKNOWN`] finds.
pub(super) const LISTS: &[ListRule<'static>] = &[
    ListRule {
        item: "listener",
        keys: &[
            &["/port", "/hostname", "/protocol"],
            &["/port", "/hostname"],
        ],
        ..ListRule::unknown("listeners")
    },
    ListRule {
        item: "host",
        keys: &[&["/scope", "/host"]],
        nested: &[MATCHES],
        ..ListRule::unknown("hosts")
    },
    ListRule {
        item: "service",
        keys: &[&["/namespace", "/name", "/port"]],
        ..ListRule::unknown("services")
    },
    ListRule {
        item: "plugin set",
        keys: &[&["/id"], UNKNOWN],
        ..ListRule::unknown("pluginSets")
    },
    ListRule {
        item: "certificate",
        keys: &[&["/id"], UNKNOWN],
        ..ListRule::unknown("certificates")
    },
];

const MATCHES: ListRule<'static> = ListRule {
    item: "match",
    keys: &[
        &[
            "/path",
            "/methods",
            "/headers",
            "/query",
            "/snis",
            "/scheme",
            "/route/kind",
            "/route/namespace",
            "/route/name",
        ],
        &[
            "/path", "/methods", "/headers", "/query", "/snis", "/scheme",
        ],
        &[
            "/route/kind",
            "/route/namespace",
            "/route/name",
            "/route/rule",
            "/route/match",
        ],
    ],
    ordered: true,
    position: &["route.rule", "route.match"],
    ..ListRule::unknown("matches")
};

/// What names things in Kubernetes and in the dump; most things have a few of these.
pub(super) const UNKNOWN: &[&str] = &[
    "/id",
    "/group",
    "/kind",
    "/namespace",
    "/name",
    "/port",
    "/type",
    "/scope",
    "/host",
    "/hostname",
    "/invalid",
];

// === impl ListRule ===

impl<'a> ListRule<'a> {
    /// A list of which nothing is known but its name.
    pub(super) const fn unknown(list: &'a str) -> Self {
        Self {
            list,
            item: "",
            keys: &[UNKNOWN],
            ordered: false,
            position: &[],
            nested: &[],
        }
    }

    /// What an item is called: `pluginSets` are each a `plugin set`.
    pub(super) fn item_name(&self) -> String {
        if !self.item.is_empty() {
            return self.item.to_owned();
        }
        let mut words = String::new();
        for char in self.list.chars() {
            if char.is_ascii_uppercase() && !words.is_empty() {
                words.push(' ');
            }
            words.push(char.to_ascii_lowercase());
        }
        match (words.strip_suffix("ies"), words.strip_suffix('s')) {
            (Some(stem), _) => format!("{stem}y"),
            (None, Some(stem)) => stem.to_owned(),
            (None, None) => words,
        }
    }

    /// What names an item.
    pub(super) fn id(&self, item: &Value) -> Map<String, Value> {
        let Some(key) = self.keys.first() else {
            return Map::new();
        };
        let mut id = Map::new();
        for pointer in *key {
            // `/route/kind` and `/route/name` are one `route`.
            let name = pointer.split('/').nth(1).unwrap_or_default();
            match item.get(name) {
                None | Some(Value::Null) => {}
                Some(value) => {
                    id.insert(name.to_owned(), value.clone());
                }
            }
        }
        id
    }

    /// The item without the lists that are compared item by item.
    pub(super) fn without_nested(&self, item: &Value) -> Value {
        let mut item = item.clone();
        if let Some(fields) = item.as_object_mut() {
            for inner in self.nested {
                fields.shift_remove(inner.list);
            }
        }
        item
    }

    /// The item's text in a way to tell items apart. An empty list says as little as none.
    pub(super) fn key(item: &Value, pointers: &[&str]) -> String {
        let mut key = String::new();
        for pointer in pointers {
            match item.pointer(pointer) {
                None => {}
                Some(value) if super::fields::nothing(value) => {}
                Some(value) => key += &value.to_string(),
            }
            key.push('\n');
        }
        key
    }

    /// The item as far as it is compared at all.
    pub(super) fn compared<'v>(&self, item: &'v Value) -> Cow<'v, Value> {
        if self.position.is_empty() {
            return Cow::Borrowed(item);
        }
        let mut item = item.clone();
        for path in self.position {
            if let Some((parent, field)) = path.rsplit_once('.')
                && let Some(parent) = item.pointer_mut(&format!("/{}", parent.replace('.', "/")))
                && let Some(fields) = parent.as_object_mut()
            {
                fields.shift_remove(field);
            }
        }
        Cow::Owned(item)
    }
}
