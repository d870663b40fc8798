//! Conditions besides the path: methods, headers, query parameters.

use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

use super::objects::{list, text};

/// Where a pattern must match.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Whole,
    Anywhere,
}

/// What the value of a header or query parameter must be.
#[derive(Debug, Clone)]
pub(crate) enum ValueCond {
    OneOf(Vec<String>),
    Regex(Regex),
}

/// "The syntax is that of the Rust crate `regex` without Unicode classes."
pub(crate) fn regex(pattern: &str, anchor: Anchor, ignore_case: bool) -> Option<Regex> {
    let text = match anchor {
        Anchor::Start => format!(r"\A(?:{pattern})"),
        Anchor::Whole => format!(r"\A(?:{pattern})\z"),
        Anchor::Anywhere => pattern.to_owned(),
    };
    let mut builder = RegexBuilder::new(&text);
    builder.unicode(false).case_insensitive(ignore_case);
    builder.build().ok()
}

impl ValueCond {
    pub(crate) fn fits(&self, value: &[u8]) -> bool {
        match self {
            Self::OneOf(values) => values.iter().any(|known| known.as_bytes() == value),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

/// The `headers` or `queryParams` of a match; `None`: one cannot be read, and the match is not
/// programmed.
///
/// "If multiple entries specify equivalent header names, only the first entry with an equivalent
/// name MUST be considered for a match. Subsequent entries with an equivalent header name MUST be
/// ignored." (the same for query parameters, whose names are an "exact string match")
pub(crate) fn read(entries: &Value, lower: bool) -> Option<Vec<(String, ValueCond)>> {
    let mut out: Vec<(String, ValueCond)> = Vec::new();
    for entry in list(entries) {
        let name = text(&entry["name"]);
        let name = if lower {
            name.to_ascii_lowercase()
        } else {
            name.to_owned()
        };
        let value = text(&entry["value"]);
        let cond = match entry["type"].as_str().unwrap_or("Exact") {
            "Exact" => ValueCond::OneOf(vec![value.to_owned()]),
            "RegularExpression" => ValueCond::Regex(regex(value, Anchor::Whole, false)?),
            _ => return None,
        };
        if !out.iter().any(|(known, _)| *known == name) {
            out.push((name, cond));
        }
    }
    Some(out)
}

/// "Of a repeated name the first value counts; names in any case."
pub(crate) fn first_header<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    let mut all = headers.iter();
    let found = all.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_slice())
}

/// "It is *recommended* that implementations should match against the first value of the param."
pub(crate) fn first_param(query: &[u8], name: &str) -> Option<Vec<u8>> {
    let query = query.strip_prefix(b"?").unwrap_or(query);
    let pairs = query
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty());
    for pair in pairs {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (raw_name, raw_value) = match at {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &b""[..]),
        };
        if form(raw_name) == name.as_bytes() {
            return Some(form(raw_value));
        }
    }
    None
}

/// "Compared decoded (`%XX`, `+` is a space)."
fn form(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        let pair = raw.get(at + 1..at + 3);
        let code = pair
            .filter(|pair| pair.iter().all(u8::is_ascii_hexdigit))
            .and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        match (raw[at], code) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}
