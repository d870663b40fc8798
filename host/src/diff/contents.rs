//! What a table refers to and does not hold: configurations of plugins, certificates, authorities.
//! Their digests are put beside what names them, so that they are compared with everything else.
//!
//! A short password could be guessed from its digest. The digests are keyed anew for each run: they
//! say whether two contents are the same, and nothing else to anybody.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use serde_json::{Map, Value};

use crate::manifests::Object;
use crate::object::ObjectKey;

/// Objects by name.
type Objects<'a> = BTreeMap<ObjectKey, &'a Object>;

/// Fields of the dump with `namespace/name` of an object or of several, and the objects' kind.
const REFERENCES: &[(&str, &str)] = &[
    ("secret", "Secret"),
    ("clientCertificate", "Secret"),
    ("certificates", "Secret"),
    ("caSecrets", "Secret"),
    ("caConfigMaps", "ConfigMap"),
    ("authorities", "ConfigMap"),
];

/// Digests of one run.
#[derive(Debug, Default)]
pub struct Contents {
    key: RandomState,
}

// === impl Contents ===

impl Contents {
    /// Adds the digests to a dump.
    pub fn add(&self, dump: &mut Value, objects: &Objects<'_>) {
        for list in ["listeners", "entities"] {
            if let Some(list) = dump.get_mut(list) {
                self.walk(list, objects);
            }
        }
    }

    fn walk(&self, value: &mut Value, objects: &Objects<'_>) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item, objects)),
            Value::Object(fields) => {
                fields
                    .values_mut()
                    .for_each(|field| self.walk(field, objects));
                let found = self.of(fields, objects);
                fields.extend(found);
            }
            _ => {}
        }
    }

    /// The digests of what an object of the dump refers to.
    fn of(&self, fields: &Map<String, Value>, objects: &Objects<'_>) -> Vec<(String, Value)> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let mut found = Vec::new();
        if let (Some(kind @ ("KongPlugin" | "KongClusterPlugin")), Some(name)) =
            (text("kind"), text("name"))
        {
            let namespace = text("namespace").unwrap_or_default();
            let mut plugin = get(objects, kind, namespace, name);
            if let Some(fields) = plugin.as_mut().and_then(Value::as_object_mut) {
                fields.retain(|name, _| {
                    !matches!(&**name, "apiVersion" | "kind" | "metadata" | "status")
                });
            }
            found.extend(plugin.map(|plugin| ("content".to_owned(), self.digest(&[plugin]))));
        }
        for (field, kind) in REFERENCES {
            let names: Vec<&str> = match fields.get(*field) {
                Some(Value::String(name)) => vec![name.as_str()],
                Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
                _ => continue,
            };
            let contents: Vec<_> = names
                .iter()
                .filter_map(|name| name.split_once('/'))
                .filter_map(|(namespace, name)| get(objects, kind, namespace, name))
                .map(|object| data(&object, text("key")))
                .collect();
            if !contents.is_empty() {
                found.push((format!("{field}Content"), self.digest(&contents)));
            }
        }
        found
    }

    fn digest(&self, values: &[Value]) -> Value {
        let mut hasher = self.key.build_hasher();
        for value in values {
            hash(value, &mut hasher);
        }
        format!("{:016x}", hasher.finish()).into()
    }
}

fn get(objects: &Objects<'_>, kind: &str, namespace: &str, name: &str) -> Option<Value> {
    let group = match kind {
        "Secret" | "ConfigMap" => "v1",
        _ => "configuration.konghq.com/v1",
    };
    let object = objects.get(&ObjectKey::new(group, kind, namespace, name))?;
    serde_json::from_slice(&object.json).ok()
}

/// What a Secret or ConfigMap holds, all of it or under one key.
fn data(object: &Value, key: Option<&str>) -> Value {
    let fields = ["data", "stringData", "binaryData"].map(|field| {
        let data = object.get(field).unwrap_or(&Value::Null);
        let data = match key {
            Some(key) => data.get(key).unwrap_or(&Value::Null),
            None => data,
        };
        data.clone()
    });
    Value::from(fields.to_vec())
}

/// The order of fields says nothing.
fn hash(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(value) => (1_u8, value).hash(hasher),
        Value::Number(value) => (2_u8, value.to_string()).hash(hasher),
        Value::String(value) => (3_u8, value).hash(hasher),
        Value::Array(items) => {
            (4_u8, items.len()).hash(hasher);
            items.iter().for_each(|item| hash(item, hasher));
        }
        Value::Object(fields) => {
            (5_u8, fields.len()).hash(hasher);
            for (name, value) in fields.iter().collect::<BTreeMap<_, _>>() {
                name.hash(hasher);
                hash(value, hasher);
            }
        }
    }
}
