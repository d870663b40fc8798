//! The smallest set of objects that still fails.

use serde_json::Value;

/// Lists whose entries may go.
const LISTS: [&str; 22] = [
    "addresses",
    "matchExpressions",
    "rules",
    "paths",
    "matches",
    "backendRefs",
    "filters",
    "headers",
    "queryParams",
    "hostnames",
    "parentRefs",
    "listeners",
    "set",
    "add",
    "remove",
    "endpoints",
    "from",
    "to",
    "ports",
    "codes",
    "kinds",
    "tls",
];

/// Fields that may go.
const FIELDS: [&str; 18] = [
    "allowedListeners",
    "selector",
    "method",
    "timeouts",
    "retry",
    "weight",
    "creationTimestamp",
    "sectionName",
    "allowedRoutes",
    "defaultBackend",
    "hostname",
    "percent",
    "fraction",
    "appProtocol",
    "conditions",
    "statusCode",
    "matches",
    "filters",
];

/// Removes what is not needed for `fails`.
pub(crate) fn shrink(mut objects: Vec<Value>, fails: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    loop {
        let mut smaller = false;
        let mut at = 0;
        while at < objects.len() {
            let mut fewer = objects.clone();
            fewer.remove(at);
            if fails(&fewer) {
                objects = fewer;
                smaller = true;
            } else {
                at += 1;
            }
        }
        for at in 0..objects.len() {
            while let Some(less) = cuts(&objects[at]).into_iter().find(|cut| {
                let mut changed = objects.clone();
                changed[at] = cut.clone();
                fails(&changed)
            }) {
                objects[at] = less;
                smaller = true;
            }
        }
        if !smaller {
            return objects;
        }
    }
}

/// The object with one part less, in every way.
fn cuts(object: &Value) -> Vec<Value> {
    let mut pointers = Vec::new();
    collect(object, String::new(), &mut pointers);
    let cut = |pointer: &String| {
        let (parent, last) = pointer.rsplit_once('/')?;
        let mut less = object.clone();
        match less.pointer_mut(parent)? {
            Value::Array(list) => drop(list.remove(last.parse().ok()?)),
            Value::Object(map) => drop(map.remove(&last.replace("~1", "/").replace("~0", "~"))),
            _ => return None,
        }
        Some(less)
    };
    pointers.iter().filter_map(cut).collect()
}

fn collect(value: &Value, pointer: String, out: &mut Vec<String>) {
    let field = pointer.rsplit('/').next().unwrap_or_default().to_owned();
    match value {
        Value::Array(list) => {
            for (index, entry) in list.iter().enumerate() {
                let pointer = format!("{pointer}/{index}");
                if LISTS.contains(&field.as_str()) {
                    out.push(pointer.clone());
                }
                collect(entry, pointer, out);
            }
        }
        Value::Object(map) => {
            for (key, entry) in map {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                let pointer = format!("{pointer}/{escaped}");
                if field == "annotations" || FIELDS.contains(&key.as_str()) {
                    out.push(pointer.clone());
                }
                collect(entry, pointer, out);
            }
        }
        _ => {}
    }
}

/// The objects as a file with several documents.
pub(crate) fn yaml(objects: &[Value]) -> String {
    let document =
        |object: &Value| serde_saphyr::to_string(object).unwrap_or_else(|_| object.to_string());
    objects
        .iter()
        .map(document)
        .collect::<Vec<_>>()
        .join("---\n")
}
