//! JSON values in a line, for fields of which nothing else is known.

use serde_json::{Map, Value};

/// A value longer than this is cut: nobody reads a regex of a megabyte in a table.
const LONGEST: usize = 300;

/// A value as short as it can be said.
pub fn brief(value: &Value) -> String {
    cut(&text(value, false), LONGEST)
}

fn text(value: &Value, inner: bool) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => visible(text),
        // A list of one needs no brackets to tell where it ends.
        Value::Array(items) if items.len() == 1 && !inner => text(&items[0], false),
        Value::Array(items) => {
            let items: Vec<_> = items
                .iter()
                .map(|item| pair(item).unwrap_or_else(|| text(item, true)))
                .collect();
            let items = items.join(", ");
            if inner { format!("[{items}]") } else { items }
        }
        Value::Object(fields) => {
            let text = object(fields);
            // A name needs no brackets around it.
            let brackets = inner && text.contains(' ') && !is_name(fields);
            if brackets {
                format!("{{{text}}}")
            } else {
                text
            }
        }
        other => other.to_string(),
    }
}

/// An item that is a name with its value, as the dump has headers that are set.
fn pair(item: &Value) -> Option<String> {
    let [name, value] = &**item.as_array()? else {
        return None;
    };
    let (name, value) = (name.as_str()?, value.as_str()?);
    Some(format!("{}: {}", visible(name), visible(value)))
}

/// Whether there is nothing but what makes a name.
fn is_name(fields: &Map<String, Value>) -> bool {
    fields
        .keys()
        .all(|name| matches!(&**name, "kind" | "namespace" | "name" | "port"))
}

fn object(fields: &Map<String, Value>) -> String {
    let string = |name: &str| fields.get(name).and_then(Value::as_str);
    let mut said: Vec<&str> = Vec::new();
    let mut parts = Vec::new();
    match (string("name"), string("value")) {
        // A header or a query parameter.
        (Some(name), Some(value)) => {
            said.extend(["name", "value"]);
            parts.push(format!("{}: {}", visible(name), visible(value)));
        }
        (Some(name), None) => {
            said.extend(["name", "namespace", "kind"]);
            let mut named = visible(name);
            if let Some(namespace) = string("namespace").filter(|text| !text.is_empty()) {
                named = format!("{}/{named}", visible(namespace));
            }
            match string("kind") {
                None | Some("Service") => {}
                Some(kind) => named = format!("{} {named}", visible(kind)),
            }
            if let Some(port) = fields.get("port").filter(|port| !port.is_null()) {
                said.push("port");
                named = format!("{named}:{}", text(port, true));
            }
            if let Some(rule) = fields.get("rule").filter(|rule| rule.is_number()) {
                said.extend(["rule", "match"]);
                named = format!("{named} #{rule}");
                if let Some(matched) = fields.get("match").and_then(Value::as_u64)
                    && matched > 0
                {
                    named = format!("{named}.{matched}");
                }
            }
            parts.push(named);
        }
        (None, _) => {}
    }
    // What kind of thing it is comes first, and needs no name.
    if let Some(kind) = string("type") {
        said.push("type");
        parts.push(visible(kind));
        if let Some(value) = string("value").filter(|_| !said.contains(&"value")) {
            said.push("value");
            parts.push(visible(value));
        }
    }
    for (name, value) in fields {
        if said.contains(&&**name) || empty(value) {
            continue;
        }
        parts.push(format!("{}={}", visible(name), text(value, true)));
    }
    parts.join(" ")
}

/// Whether a field says nothing.
pub(super) fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// `pluginSet` as words: `plugin set`.
pub(super) fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for char in visible(name).chars() {
        if char.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(char.to_lowercase());
    }
    words
}

/// The text without what could make a terminal do things.
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            '\t' | '\n' => ' ',
            // The marks that turn the direction of text make it look like another text.
            char if char.is_control()
                || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                '\u{fffd}'
            }
            char => char,
        })
        .collect()
}

/// So many characters of the text at most.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((index, _)) => format!("{}…", &text[..index]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_said_shortly() {
        for (value, text) in [
            (json!(null), "none"),
            (json!(""), "\"\""),
            (json!("a\u{1b}[2J\nb"), "a\u{fffd}[2J b"),
            (json!(7), "7"),
            (json!([1, "b", [2, 3]]), "1, b, [2, 3]"),
            (
                json!({"request": "10s", "backendRequest": null}),
                "request=10s",
            ),
            (
                json!({"kind": "Service", "namespace": "d", "name": "web", "port": 80, "weight": 9}),
                "d/web:80 weight=9",
            ),
            (
                json!({"kind": "HTTPRoute", "namespace": "d", "name": "a", "rule": 1, "match": 2}),
                "HTTPRoute d/a #1.2",
            ),
            (json!({"name": "x-a", "value": "1"}), "x-a: 1"),
            (
                json!([{"type": "RequestHeaderModifier", "set": [{"name": "x-a", "value": "1"}], "remove": ["y", "z"]}]),
                "RequestHeaderModifier set=[{x-a: 1}] remove=[y, z]",
            ),
            (
                json!({"requestHeaders": {"set": [["x-a", "1"], ["x-b", "2"]], "remove": ["y", "z"]}}),
                "requestHeaders={set=[x-a: 1, x-b: 2] remove=[y, z]}",
            ),
            (json!({"type": "Exact", "value": "/x"}), "Exact /x"),
        ] {
            assert_eq!(brief(&value), text, "{value}");
        }
    }

    #[test]
    fn long_values_are_cut() {
        let text = brief(&json!("ä".repeat(1_000_000)));
        assert_eq!(text.chars().count(), LONGEST + 1);
    }

    #[test]
    fn names_of_fields_are_words() {
        assert_eq!(words("pluginSet"), "plugin set");
        assert_eq!(words("location"), "location");
    }
}
