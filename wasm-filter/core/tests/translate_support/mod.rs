//! What the tests of the translator share: a publisher that takes changes as the host does, and a
//! short text of everything it has.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;

use serde_json::Value;
use silverback_core::object::ObjectKey;
use silverback_core::problem::Problem;
use silverback_core::table::dump::{BackendDump, ValueDump, dump};
use silverback_core::table::root::Root;
use silverback_core::translate::{Applied, Options, Translator};

/// What a publisher has after taking all changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Published {
    pub(crate) segments: BTreeMap<u32, Vec<u8>>,
    pub(crate) root: Vec<u8>,
    pub(crate) problems: BTreeMap<ObjectKey, Vec<Problem>>,
    pub(crate) statuses: BTreeMap<ObjectKey, String>,
    pub(crate) entities: BTreeMap<Box<str>, String>,
}

/// A translator and its publisher.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) translator: Translator,
    pub(crate) published: Published,
}

/// Options that take everything.
pub(crate) fn any_class() -> Options {
    Options {
        accept_all_classes: true,
        ..Options::default()
    }
}

/// The objects of a YAML text with `---` between them.
pub(crate) fn yaml(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple::<Value>(text)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .into_iter()
        .filter(|value| !value.is_null())
        .collect()
}

/// The key of an object in a test.
pub(crate) fn key(object: &Value) -> ObjectKey {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let api_version = text(&object["apiVersion"]);
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    ObjectKey::new(
        group,
        &text(&object["kind"]),
        &text(&object["metadata"]["namespace"]),
        &text(&object["metadata"]["name"]),
    )
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            translator: Translator::new(options),
            published: Published::default(),
        }
    }

    /// Everything in these documents, committed and taken.
    pub(crate) fn of(options: Options, text: &str) -> Self {
        let mut world = Self::new(options);
        for object in yaml(text) {
            world.apply(&object);
        }
        world.publish();
        world
    }

    pub(crate) fn apply(&mut self, object: &Value) -> Applied {
        self.translator.apply(object.to_string().as_bytes())
    }

    /// Commits and takes everything.
    pub(crate) fn publish(&mut self) {
        self.translator.commit();
        self.take(1 << 20);
    }

    /// Takes all pieces of at most this size.
    pub(crate) fn take(&mut self, max_bytes: usize) {
        loop {
            let changes = self.translator.take_changes(max_bytes);
            for segment in changes.segments {
                self.published.segments.insert(segment.index, segment.bytes);
            }
            for (key, problems) in changes.problems {
                if problems.is_empty() {
                    self.published.problems.remove(&key);
                } else {
                    self.published.problems.insert(key, problems);
                }
            }
            for (key, json) in changes.statuses {
                if json.is_empty() {
                    self.published.statuses.remove(&key);
                } else {
                    self.published.statuses.insert(key, json);
                }
            }
            for (id, json) in changes.entities {
                if json.is_empty() {
                    self.published.entities.remove(&id);
                } else {
                    self.published.entities.insert(id, json);
                }
            }
            if let Some(bytes) = changes.root {
                assert!(!changes.more, "the root comes last");
                let root = Root::decode(&bytes).expect("a root");
                self.published
                    .segments
                    .retain(|index, _| root.get(*index).len > 0);
                self.published.root = bytes;
            }
            if !changes.more {
                break;
            }
        }
    }

    /// The table as lines.
    pub(crate) fn routes(&self) -> Vec<String> {
        let dump = dump(self.translator.table()).expect("a table that can be read");
        let mut lines = Vec::new();
        for host in dump.hosts {
            for m in host.matches {
                let mut line = format!(
                    "{} {} {} {}",
                    host.scope,
                    host.host.as_deref().unwrap_or("*"),
                    m.path.kind,
                    m.path.value
                );
                if !m.methods.is_empty() {
                    line += &format!(" {}", m.methods.join("|"));
                }
                for header in m.headers {
                    line += &format!(" {}={}", header.name, value(&header));
                }
                let route = m.route;
                line += &format!(
                    " : {}/{}[{}.{}] ->",
                    route.namespace, route.name, route.rule, route.index
                );
                for backend in m.backends {
                    line += &match backend {
                        BackendDump::Service {
                            namespace,
                            name,
                            port,
                            weight,
                            ..
                        } => format!(" {namespace}/{name}:{port}*{weight}"),
                        BackendDump::Invalid { weight, .. } => format!(" 500*{weight}"),
                    };
                }
                lines.push(line);
            }
        }
        lines
    }

    /// Listeners and services as lines.
    pub(crate) fn rest(&self) -> Vec<String> {
        let dump = dump(self.translator.table()).expect("a table that can be read");
        let listeners = dump.listeners.into_iter().map(|l| {
            format!(
                "listener {} {} {} : {}",
                l.port,
                l.hostname.as_deref().unwrap_or("*"),
                l.protocol,
                l.gateways.join(" ")
            )
        });
        let services = dump.services.into_iter().map(|s| {
            format!(
                "service {}/{}:{} : {}",
                s.namespace,
                s.name,
                s.port,
                s.endpoints.join(" ")
            )
        });
        listeners.chain(services).collect()
    }

    /// All problems as lines.
    pub(crate) fn problems(&self) -> Vec<String> {
        let lists = self.published.problems.values();
        lists.flatten().map(Problem::to_string).collect()
    }

    /// `Kind name code field` of all problems.
    pub(crate) fn codes(&self) -> Vec<String> {
        let lists = self.published.problems.values();
        lists
            .flatten()
            .map(|p| format!("{} {} {} {}", p.object.kind, p.object.name, p.code, p.field))
            .collect()
    }

    /// The conditions of a status as `type=status/reason`.
    pub(crate) fn conditions(&self, kind: &str, name: &str, pointer: &str) -> Vec<String> {
        let status = self.status(kind, name);
        let list = status
            .pointer(pointer)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        list.iter()
            .map(|c| {
                let text = |key: &str| c[key].as_str().unwrap_or_default().to_owned();
                format!("{}={}/{}", text("type"), text("status"), text("reason"))
            })
            .collect()
    }

    pub(crate) fn status(&self, kind: &str, name: &str) -> Value {
        let json = self
            .published
            .statuses
            .iter()
            .find(|(key, _)| &*key.kind == kind && &*key.name == name)
            .map(|(_, json)| json.as_str());
        serde_json::from_str(json.unwrap_or("null")).expect("JSON")
    }
}

/// What a header or parameter must be: a value, values, or `~` and a pattern.
fn value(value: &ValueDump) -> String {
    match (&value.value, &value.one_of, &value.regex) {
        (Some(value), _, _) => value.clone(),
        (_, Some(values), _) => values.join("|"),
        (_, _, Some(regex)) => format!("~{regex}"),
        _ => String::new(),
    }
}
