//! `konghq.com/headers.NAME`: values of which a header must have one.

use std::sync::Arc;

use super::items;
use crate::problem::Code;
use crate::regex::compile;
use crate::resources::field::{Field, Sink, quote};
use crate::table::model::{Anchor, HeaderMatch, ValueMatch};

/// What marks a pattern (Kong `Route.headers`).
const REGEX: &str = "~*";

/// The condition on one header; `None`: it cannot be read, which is told.
///
/// "OR between values": several patterns, or patterns beside values, become one pattern.
pub(super) fn parse(
    name: &str,
    value: &str,
    separator: &str,
    field: &Field<'_, '_>,
    sink: &mut Sink,
) -> Option<HeaderMatch> {
    if name.is_empty() || !is_token(name) {
        let message = format!("{} is no header name", quote(name));
        return fail(Code::InvalidHeader, &message, field, sink);
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return fail(Code::InvalidHeader, "has control characters", field, sink);
    }
    let values = items(value, separator, field, sink)?;
    if values.is_empty() {
        return fail(Code::InvalidHeader, "has no value", field, sink);
    }
    let value = if values.iter().any(|value| value.starts_with(REGEX)) {
        let pattern = pattern(&values);
        match compile(&pattern, Anchor::Anywhere, true) {
            Ok(regex) => ValueMatch::Regex(Arc::new(regex)),
            Err(message) => {
                let message = format!("{} {message}", quote(&pattern));
                return fail(Code::InvalidRegex, &message, field, sink);
            }
        }
    } else {
        let mut values: Vec<Box<str>> = values.into_iter().map(Into::into).collect();
        values.sort();
        values.dedup();
        ValueMatch::OneOf(values)
    };
    Some(HeaderMatch {
        name: name.to_ascii_lowercase().into(),
        value,
    })
}

fn fail<T>(code: Code, message: &str, field: &Field<'_, '_>, sink: &mut Sink) -> Option<T> {
    sink.push(field.error(
        code,
        format!("{message}; nothing is routed rather than without this restriction"),
    ));
    None
}

/// One pattern for all values: a pattern matches anywhere, a text is the whole value.
fn pattern(values: &[&str]) -> String {
    if let [one] = values {
        return one.strip_prefix(REGEX).unwrap_or(one).to_owned();
    }
    let parts: Vec<_> = values
        .iter()
        .map(|value| match value.strip_prefix(REGEX) {
            Some(pattern) => format!("(?:{pattern})"),
            None => format!("(?-i:^{}$)", regex_syntax::escape(value)),
        })
        .collect();
    parts.join("|")
}

/// RFC 9110 `token`.
fn is_token(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
