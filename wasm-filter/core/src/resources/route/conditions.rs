//! Headers and query parameters that a request must have, by name and value.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::problem::Code;
use crate::regex;
use crate::resources::field::{Field, Read, Reported, Sink, quote};
use crate::resources::http_route::known;
use crate::table::model::{Anchor, HeaderMatch, QueryMatch, Regex, ValueMatch};

/// Names without a value say more than the data plane can look up.
const MAX_VALUE: usize = 4096;

/// `headers` of a match, sorted.
pub(crate) fn read_headers(
    field: &Field<'_, '_>,
    grpc: bool,
    sink: &mut Sink,
) -> Read<Box<[HeaderMatch]>> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    for (_, entry) in field.items(sink)? {
        entry.required_object(sink)?;
        let name = read_name(&entry.key("name"), sink)?.to_ascii_lowercase();
        let value = read_value(&entry, sink)?;
        if matches!(value, ValueMatch::Regex(_)) && !grpc {
            sink.push(entry.key("value").info(
                Code::KicDiffers,
                "must match the whole value, and case counts",
            ));
        }
        if is_first(&mut seen, &entry, &name, sink) {
            let name = name.into();
            out.push(HeaderMatch { name, value });
        }
    }
    out.sort();
    Ok(out.into())
}

/// `queryParams` of a match, sorted.
pub(crate) fn read_queries(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Box<[QueryMatch]>> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    for (_, entry) in field.items(sink)? {
        entry.required_object(sink)?;
        // "This must be an exact string match": wider than the schema's header names, because
        // requests have such parameters.
        let name = entry.key("name").required_text(sink)?.to_owned();
        let value = read_value(&entry, sink)?;
        if is_first(&mut seen, &entry, &name, sink) {
            let name = name.into();
            out.push(QueryMatch { name, value });
        }
    }
    out.sort();
    Ok(out.into())
}

/// "If multiple entries specify equivalent header names, only the first entry with an equivalent
/// name MUST be considered for a match."
fn is_first(
    seen: &mut BTreeSet<String>,
    entry: &Field<'_, '_>,
    name: &str,
    sink: &mut Sink,
) -> bool {
    let first = seen.insert(name.to_owned());
    if !first {
        sink.push(entry.key("name").warning(
            Code::DuplicateName,
            format!("{} is matched already; only the first counts", quote(name)),
        ));
    }
    first
}

/// A header name.
pub(crate) fn read_name<'v>(field: &Field<'v, '_>, sink: &mut Sink) -> Read<&'v str> {
    let name = field.required_text(sink)?;
    if is_token(name) {
        return Ok(name);
    }
    sink.push(field.error(
        Code::InvalidHeader,
        format!("{} is no header name", quote(name)),
    ));
    Err(Reported)
}

fn read_value(entry: &Field<'_, '_>, sink: &mut Sink) -> Read<ValueMatch> {
    known(entry, &["type", "name", "value"], sink)?;
    let (kind, value) = (entry.key("type"), entry.key("value"));
    let kind_text = kind.text(sink)?.unwrap_or("Exact");
    let text = value.required_text(sink)?;
    match kind_text {
        "RegularExpression" => {
            let regex = read_pattern(&value, text, Anchor::Whole, sink)?;
            Ok(ValueMatch::Regex(regex))
        }
        "Exact" if text.len() > MAX_VALUE => {
            sink.push(value.error(
                Code::InvalidValue,
                format!("has {} bytes, more than {MAX_VALUE}", text.len()),
            ));
            Err(Reported)
        }
        "Exact" if text.chars().any(|c| c.is_control() && c != '\t') => {
            sink.push(value.error(Code::InvalidHeader, "has control characters"));
            Err(Reported)
        }
        "Exact" => Ok(ValueMatch::OneOf(vec![text.into()])),
        other => {
            sink.push(kind.error(
                Code::UnsupportedField,
                format!(
                    "{} is not supported; the match is not programmed",
                    quote(other)
                ),
            ));
            Err(Reported)
        }
    }
}

/// A regular expression.
pub(crate) fn read_pattern(
    field: &Field<'_, '_>,
    pattern: &str,
    anchor: Anchor,
    sink: &mut Sink,
) -> Read<Arc<Regex>> {
    match regex::compile(pattern, anchor, false) {
        Ok(regex) => Ok(Arc::new(regex)),
        Err(message) => {
            sink.push(field.error(
                Code::InvalidRegex,
                format!("{} {message}; the match is not programmed", quote(pattern)),
            ));
            Err(Reported)
        }
    }
}

/// RFC 9110 `token`.
pub(crate) fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
