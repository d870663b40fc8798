//! Objects with one field broken.

use serde_json::{Value, json};

use super::{Pointer, Step, pointers};

/// All malformed objects of one, as `what` and JSON.
pub(crate) fn mutations(object: &Value) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    for pointer in pointers(object) {
        let name = format!("{kind}{}", text(&pointer));
        let mut push = |what: &str, json: String| out.push((format!("{name}: {what}"), json));
        let mut without = object.clone();
        remove(&mut without, &pointer);
        push("missing", without.to_string());
        let old = get(object, &pointer).expect("a field").clone();
        for (what, new) in replacements(&old) {
            let mut changed = object.clone();
            *get_mut(&mut changed, &pointer).expect("a field") = new;
            push(what, changed.to_string());
        }
        if let Some(Step::Key(key)) = pointer.last() {
            // Twice in one object, which serde_json's values cannot hold.
            let marker = "__twice__";
            let mut changed = object.clone();
            let parent = get_mut(&mut changed, &pointer[..pointer.len() - 1]).expect("a parent");
            parent[marker] = json!(7);
            let twice = format!("{}:null", json!(key));
            push(
                "twice",
                changed
                    .to_string()
                    .replace(&format!("\"{marker}\":7"), &twice),
            );
        }
        if old.is_object() {
            let mut changed = object.clone();
            get_mut(&mut changed, &pointer).expect("a field")["tomorrow"] = json!({"a": [1]});
            push("with an unknown field", changed.to_string());
        }
    }
    out
}

fn replacements(old: &Value) -> Vec<(&'static str, Value)> {
    let mut out = vec![
        ("null", Value::Null),
        ("a number", json!(7)),
        ("a negative number", json!(-1)),
        ("a fraction", json!(1.5)),
        ("a huge number", json!(u64::MAX)),
        ("true", json!(true)),
        ("a text", json!("Tomorrow")),
        ("an empty text", json!("")),
        ("an empty list", json!([])),
        ("a list of null", json!([null])),
        ("an empty object", json!({})),
        ("an object", json!({"name": "x"})),
    ];
    match old {
        Value::String(text) => {
            out.push(("long", json!("x".repeat(70_000))));
            out.push(("long as itself", json!(text.repeat(5_000))));
            out.push(("with a line break", json!(format!("{text}\r\nx: y"))));
            out.push(("with NUL", json!(format!("{text}\0"))));
            out.push(("beyond ASCII", json!(format!("{text}é\u{1f980}"))));
            out.push(("with a space", json!(format!(" {text}"))));
            out.push(("a pattern that is none", json!("(")));
            out.push(("look-around", json!("(?=a)b")));
            out.push(("a large pattern", json!("(a{1000}){1000}")));
            out.push(("in upper case", json!(text.to_uppercase())));
            out.push(("everything", json!("*")));
        }
        Value::Array(list) => {
            if let Some(first) = list.first() {
                out.push(("many", json!(vec![first.clone(); 3_000])));
                out.push((
                    "doubled",
                    json!(list.iter().chain(list).collect::<Vec<_>>()),
                ));
                let mut with = list.clone();
                with.push(Value::Null);
                out.push(("with null", json!(with)));
            }
        }
        _ => {}
    }
    out.retain(|(_, new)| new != old);
    out
}

fn text(pointer: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Key(key) => format!(".{key}"),
        Step::Index(index) => format!("[{index}]"),
    };
    pointer.iter().map(step).collect()
}

fn get<'v>(value: &'v Value, pointer: &[Step]) -> Option<&'v Value> {
    pointer.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

fn get_mut<'v>(value: &'v mut Value, pointer: &[Step]) -> Option<&'v mut Value> {
    pointer.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    })
}

fn remove(value: &mut Value, pointer: &Pointer) {
    let Some((last, parents)) = pointer.split_last() else {
        return;
    };
    match (get_mut(value, parents), last) {
        (Some(Value::Object(map)), Step::Key(key)) => drop(map.remove(key)),
        (Some(Value::Array(list)), Step::Index(index)) => drop(list.remove(*index)),
        _ => {}
    }
}
