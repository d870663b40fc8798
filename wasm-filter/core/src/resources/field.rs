//! A cursor over JSON that knows its path, for lenient reading.
//!
//! A derive that fails as a whole would cost the whole object; here each reader says what it needs,
//! a wrong part becomes one [`Finding`] with its path, and the caller decides what that part costs.
//! `null` counts as absent, as in Kubernetes.
//!
//! ```text
//! let spec = root.key("spec");
//! let port = spec.key("port").required_port(&mut sink)?;   // Err(Reported): `spec.port`, told
//! ```

use serde_json::Value;

use crate::problem::{Code, Finding};

/// The problem has been told already; what remains is to leave the part out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reported;

/// A value, or a problem that has been told.
pub(crate) type Read<T> = Result<T, Reported>;

/// Collects findings of one object.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    findings: Vec<Finding>,
    omitted: usize,
}

/// A place in a JSON document, present or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'v, 'p> {
    value: Option<&'v Value>,
    path: Path<'p>,
}

#[derive(Debug, Clone, Copy)]
struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Root,
    Key(&'p str),
    Index(usize),
}

/// More findings than this of one object say nothing new and cost memory.
const MAX_FINDINGS: usize = 100;
/// Rules, paths, listeners and so on are counted in 16 bits; the last value is reserved.
pub(crate) const MAX_ITEMS: usize = u16::MAX as usize - 1;
/// Values are quoted in messages up to this many characters.
const MAX_QUOTE: usize = 80;

// === impl Sink ===

impl Sink {
    pub(crate) fn push(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.omitted += 1;
        }
    }

    pub(crate) fn into_findings(mut self) -> Box<[Finding]> {
        if self.omitted > 0 {
            self.findings.push(Finding::warning(
                Code::ProblemsOmitted,
                "",
                format!("{} more problems are not listed", self.omitted),
            ));
        }
        self.findings.into()
    }
}

// === impl Field ===

impl<'v, 'p> Field<'v, 'p> {
    pub(crate) fn root(value: &'v Value) -> Self {
        Self {
            value: Some(value),
            path: Path {
                parent: None,
                step: Step::Root,
            },
        }
    }

    /// The member `key`; absent in what is no object.
    pub(crate) fn key<'s>(&'s self, key: &'s str) -> Field<'v, 's> {
        Field {
            value: self
                .value
                .and_then(|value| value.get(key))
                .filter(|value| !value.is_null()),
            path: Path {
                parent: Some(&self.path),
                step: Step::Key(key),
            },
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    /// Is it a text?
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.value, Some(Value::String(_)))
    }

    /// Absent, or an empty list, object or text: says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        match self.value {
            None => true,
            Some(Value::Array(items)) => items.is_empty(),
            Some(Value::Object(members)) => members.is_empty(),
            Some(Value::String(text)) => text.is_empty(),
            Some(_) => false,
        }
    }

    /// The place, such as `spec.rules[0].host`.
    pub(crate) fn path(&self) -> String {
        let mut out = String::new();
        self.path.write(&mut out);
        out
    }

    pub(crate) fn error(&self, code: Code, message: impl Into<Box<str>>) -> Finding {
        Finding::error(code, self.path(), message)
    }

    pub(crate) fn warning(&self, code: Code, message: impl Into<Box<str>>) -> Finding {
        Finding::warning(code, self.path(), message)
    }

    pub(crate) fn info(&self, code: Code, message: impl Into<Box<str>>) -> Finding {
        Finding::info(code, self.path(), message)
    }

    fn wrong_type(&self, expected: &str, sink: &mut Sink) -> Reported {
        let found = self.value.map_or("nothing", type_name);
        sink.push(self.error(Code::WrongType, format!("must be {expected}, is {found}")));
        Reported
    }

    pub(crate) fn missing(&self, sink: &mut Sink) -> Reported {
        sink.push(self.error(Code::MissingField, "is required"));
        Reported
    }

    /// An object, or absent.
    pub(crate) fn object(&self, sink: &mut Sink) -> Read<()> {
        match self.value {
            None | Some(Value::Object(_)) => Ok(()),
            Some(_) => Err(self.wrong_type("an object", sink)),
        }
    }

    /// An object that must be there.
    pub(crate) fn required_object(&self, sink: &mut Sink) -> Read<()> {
        if self.is_absent() {
            return Err(self.missing(sink));
        }
        self.object(sink)
    }

    /// The members of an object that are not null, in the order of the document.
    pub(crate) fn members(&self, sink: &mut Sink) -> Read<Vec<(&'v str, &'v Value)>> {
        match self.value {
            None => Ok(Vec::new()),
            Some(Value::Object(members)) => Ok(members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.as_str(), value))
                .collect()),
            Some(_) => Err(self.wrong_type("an object", sink)),
        }
    }

    /// The names of members, other than `known`, that are not null.
    pub(crate) fn unknown_keys(&self, known: &[&str]) -> Vec<&'v str> {
        let Some(Value::Object(members)) = self.value else {
            return Vec::new();
        };
        members
            .keys()
            .map(String::as_str)
            .filter(|key| !known.contains(key) && !self.key(key).is_absent())
            .collect()
    }

    /// The elements of a list with their positions; none if it is absent. Elements behind
    /// [`MAX_ITEMS`] are told and left out.
    pub(crate) fn items<'s>(&'s self, sink: &mut Sink) -> Read<Vec<(u16, Field<'v, 's>)>> {
        let items = match self.value {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.wrong_type("a list", sink)),
        };
        if items.len() > MAX_ITEMS {
            sink.push(self.error(
                Code::TooMany,
                format!("has {} entries, at most {MAX_ITEMS} are read", items.len()),
            ));
        }
        Ok(items
            .iter()
            .take(MAX_ITEMS)
            .enumerate()
            .filter_map(|(index, value)| {
                let field = Field {
                    value: Some(value).filter(|value| !value.is_null()),
                    path: Path {
                        parent: Some(&self.path),
                        step: Step::Index(index),
                    },
                };
                Some((u16::try_from(index).ok()?, field))
            })
            .collect())
    }

    /// A text, or absent.
    pub(crate) fn text(&self, sink: &mut Sink) -> Read<Option<&'v str>> {
        match self.value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong_type("a text", sink)),
        }
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required_text(&self, sink: &mut Sink) -> Read<&'v str> {
        match self.text(sink)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(self.missing(sink)),
        }
    }

    /// The name of another object, or absent.
    pub(crate) fn name(&self, sink: &mut Sink) -> Read<Option<&'v str>> {
        match self.text(sink)? {
            None | Some("") => Ok(None),
            Some(name) if crate::object::is_name(name) => Ok(Some(name)),
            Some(other) => {
                sink.push(self.error(
                    Code::InvalidName,
                    format!("{} cannot be the name of an object", quote(other)),
                ));
                Err(Reported)
            }
        }
    }

    /// The name of another object, which must be there.
    pub(crate) fn required_name(&self, sink: &mut Sink) -> Read<&'v str> {
        match self.name(sink)? {
            Some(name) => Ok(name),
            None => Err(self.missing(sink)),
        }
    }

    /// `true` or `false`, or absent.
    pub(crate) fn boolean(&self, sink: &mut Sink) -> Read<Option<bool>> {
        match self.value {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(self.wrong_type("true or false", sink)),
        }
    }

    /// A whole number, or absent.
    pub(crate) fn integer(&self, sink: &mut Sink) -> Read<Option<i64>> {
        match self.value {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong_type("a whole number", sink)),
            },
        }
    }

    /// A port number, or absent.
    pub(crate) fn port(&self, sink: &mut Sink) -> Read<Option<u16>> {
        let Some(number) = self.integer(sink)? else {
            return Ok(None);
        };
        match u16::try_from(number) {
            Ok(port) if port > 0 => Ok(Some(port)),
            _ => {
                sink.push(self.error(
                    Code::InvalidPort,
                    format!("{number} is not a port from 1 to 65535"),
                ));
                Err(Reported)
            }
        }
    }

    /// A port number that must be there.
    pub(crate) fn required_port(&self, sink: &mut Sink) -> Read<u16> {
        match self.port(sink)? {
            Some(port) => Ok(port),
            None => Err(self.missing(sink)),
        }
    }
}

// === impl Path ===

impl Path<'_> {
    fn write(&self, out: &mut String) {
        // As deep as the readers go, not as the document.
        if let Some(parent) = self.parent {
            parent.write(out);
        }
        match self.step {
            Step::Root => {}
            Step::Key(key) if key.contains(['.', '/', '[']) => {
                out.push('[');
                out.push_str(&quote(key));
                out.push(']');
            }
            Step::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(key);
            }
            Step::Index(index) => {
                out.push('[');
                out.push_str(&index.to_string());
                out.push(']');
            }
        }
    }
}

/// The text in double quotes, shortened and without control characters.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for (i, c) in text.chars().enumerate() {
        if i == MAX_QUOTE {
            out.push('…');
            break;
        }
        out.push(if c.is_control() { '\u{fffd}' } else { c });
    }
    out.push('"');
    out
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_name_the_path() {
        let json = serde_json::json!({"spec": {"rules": [{}, {"port": 99999, "host": 1}]},
            "metadata": {"annotations": {"a.b/c": 1}}});
        let mut sink = Sink::default();
        let root = Field::root(&json);
        let spec = root.key("spec");
        let rules = spec.key("rules");
        for (_, rule) in rules.items(&mut sink).unwrap() {
            let _ = rule.key("port").required_port(&mut sink);
            let _ = rule.key("host").text(&mut sink);
        }
        let metadata = root.key("metadata");
        let annotations = metadata.key("annotations");
        let _ = annotations.key("a.b/c").text(&mut sink);
        let told: Vec<_> = sink
            .into_findings()
            .iter()
            .map(|f| format!("{} {}: {}", f.code, f.field, f.message))
            .collect();
        assert_eq!(
            told,
            [
                "MissingField spec.rules[0].port: is required",
                "InvalidPort spec.rules[1].port: 99999 is not a port from 1 to 65535",
                "WrongType spec.rules[1].host: must be a text, is a number",
                "WrongType metadata.annotations[\"a.b/c\"]: must be a text, is a number",
            ]
        );
    }

    #[test]
    fn findings_are_bounded() {
        let mut sink = Sink::default();
        for _ in 0..1000 {
            sink.push(Finding::error(Code::InvalidHost, "", ""));
        }
        let findings = sink.into_findings();
        assert_eq!(findings.len(), MAX_FINDINGS + 1);
        assert_eq!(
            &*findings[MAX_FINDINGS].message,
            "900 more problems are not listed"
        );
    }
}
