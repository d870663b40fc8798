//! A YAML document as a tree in which everything knows where it is.
//!
//! This is serde-saphyr's own reading of the text (scalars as YAML 1.1 has them, which is what
//! kubectl does: `yes` is a boolean), its `Spanned` around every value.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Options, Spanned};

/// Nesting beyond which a document is refused. Objects of Kubernetes stay below 30; every level
/// costs stack while it is read.
const MAX_DEPTH: usize = 100;

/// Values in one document, and so about the memory it can take: an API server takes 3 MB an
/// object, a `List` has many of them.
const MAX_NODES: usize = 5_000_000;

/// Values that aliases may add to a document. Real manifests share a few labels with them; a YAML
/// bomb doubles them at each step.
const MAX_REPLAYED: usize = 200_000;

/// A value and where it starts: line and column in its document, from 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Sequence(Vec<Node>),
    /// In the order of the text.
    Mapping(Vec<(Key, Node)>),
}

/// The key of an entry and where it starts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// Why a document cannot be read; the position is in the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) message: String,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// Stack for reading: in a debug build a level takes tens of kilobytes.
const STACK_BYTES: usize = 32 << 20;

/// Runs something that reads documents where there is stack enough for the deepest that is allowed,
/// whichever thread this is.
pub(super) fn with_stack<T: Send>(read: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("manifests".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, read);
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(value)) => value,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => panic!("cannot start a thread to read manifests: {error}"),
        }
    })
}

/// Reads one document. Call it [`with_stack`].
pub(super) fn read(text: &str) -> Result<Node, SyntaxError> {
    serde_saphyr::from_str_with_options::<Node>(text, options()).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |location| {
            (clamp(location.line()), clamp(location.column()))
        });
        SyntaxError {
            message: message(&error),
            line,
            column,
        }
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        // Snippets are drawn by the host, with the lines of the file and not of the document.
        with_snippet: false,
        emit_comments: false,
        // As kubectl reads `0644`.
        legacy_octal_numbers: true,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: MAX_NODES * 2,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_REPLAYED,
        },
    }
}

/// The first line of the parser's own words, without the position that it repeats.
fn message(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    let line = text.lines().next().unwrap_or("cannot be read");
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let end = [" at line ", ", line ", " (line "]
        .iter()
        .filter_map(|position| line.find(position))
        .min()
        .unwrap_or(line.len());
    line[..end].trim_end_matches([':', ' ']).to_owned()
}

fn clamp(position: u64) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX).max(1)
}

// === impl Node ===

impl Node {
    /// The value of a key, if this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Mapping(entries) => entries
                .iter()
                .find(|(name, _)| name.text == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The same without the positions.
    pub(super) fn into_json(self) -> Value {
        match self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(value),
            Kind::Number(value) => Value::Number(value),
            Kind::String(value) => Value::String(value),
            Kind::Sequence(items) => items.into_iter().map(Self::into_json).collect(),
            Kind::Mapping(entries) => Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key.text, value.into_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self {
            line: clamp(spanned.referenced.line()),
            column: clamp(spanned.referenced.column()),
            kind: spanned.value,
        })
    }
}

// === impl Key ===

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self {
            text: spanned.value,
            line: clamp(spanned.referenced.line()),
            column: clamp(spanned.referenced.column()),
        })
    }
}

// === impl Kind ===

struct KindVisitor;

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has too")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Kind, E> {
        Number::from_f64(value)
            .map(Kind::Number)
            .ok_or_else(|| E::custom("JSON has no such number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Kind, E> {
        Ok(Kind::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Kind::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        while let Some(key) = access.next_key::<Key>()? {
            // JSON has no other keys than strings, and cannot have one twice.
            let value = access.next_value()?;
            entries.push((key, value));
        }
        let mut names: Vec<&str> = entries.iter().map(|(key, _)| &*key.text).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.array_windows().find(|[a, b]| a == b) {
            return Err(A::Error::custom(format!("`{name}` occurs twice")));
        }
        Ok(Kind::Mapping(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn json(text: &str) -> Value {
        read(text).expect("reads").into_json()
    }

    #[test]
    fn values_are_those_of_yaml() {
        assert_eq!(
            json("a: 1\nb: -1\nc: 1.5\nd: x\ne: 'true'\nf: true\ng: null\nh: ~\ni: []\nj: {}\n"),
            json!({"a":1,"b":-1,"c":1.5,"d":"x","e":"true","f":true,"g":null,"h":null,"i":[],"j":{}})
        );
        assert_eq!(json("80: a\ntrue: b\n"), json!({"80":"a","true":"b"}));
        assert_eq!(json("a: |\n  x\n  y\n"), json!({"a":"x\ny\n"}));
    }

    #[test]
    fn aliases_and_merges_are_expanded() {
        assert_eq!(
            json("a: &a {x: 1}\nb: *a\nc:\n  <<: *a\n  y: 2\n"),
            json!({"a":{"x":1},"b":{"x":1},"c":{"x":1,"y":2}})
        );
    }

    #[test]
    fn everything_knows_its_place() {
        let node = read("a:\n  - b: 1\n    c: x\n").expect("reads");
        let a = node.get("a").expect("a");
        let Kind::Sequence(items) = &a.kind else {
            panic!("{a:?}")
        };
        assert_eq!((items[0].line, items[0].column), (2, 5));
        let c = items[0].get("c").expect("c");
        assert_eq!((c.line, c.column), (3, 8));
    }

    #[test]
    fn what_cannot_be_read_has_a_place() {
        let error = read("a: 1\nb: [1\nc: 2\n").expect_err("open bracket");
        assert!(error.line >= 2, "{error:?}");
        let error = read("a: 1\na: 2\n").expect_err("twice");
        assert_eq!(error.line, 2, "{error:?}");
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let alias = format!("*a{}, ", level - 1).repeat(10);
            bomb += &format!("a{level}: &a{level} [{alias}]\n");
        }
        for bomb in [
            bomb,
            "[".repeat(100_000),
            "- ".repeat(10_000),
            "{a: ".repeat(10_000),
        ] {
            with_stack(|| read(&bomb)).expect_err("a bomb");
        }
        let deep = format!(
            "{}x{}",
            "[".repeat(MAX_DEPTH - 1),
            "]".repeat(MAX_DEPTH - 1)
        );
        with_stack(|| read(&deep)).expect("not too deep");
    }
}
