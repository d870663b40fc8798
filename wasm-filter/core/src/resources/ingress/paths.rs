//! Paths of Ingress rules: `path` and `pathType`.

use std::sync::Arc;

use crate::problem::Code;
use crate::regex::compile;
use crate::resources::field::{Field, Read, Reported, Sink, quote};
use crate::resources::path;
use crate::resources::unknown;
use crate::table::model::{Anchor, PathMatch};

/// What a path matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IngressPathMatch {
    /// This.
    Is(PathMatch),
    /// `ImplementationSpecific` with characters of patterns, but no mark: the class decides
    /// whether it is one (`enableLegacyRegexDetection`).
    Unmarked(Box<str>),
}

/// How an `ImplementationSpecific` path begins that is a pattern.
#[derive(Debug)]
pub(crate) struct RegexPrefix(Box<str>);

/// KIC's default of `konghq.com/regex-prefix`.
const REGEX_PREFIX: &str = "/~";

pub(super) fn read(
    entry: &Field<'_, '_>,
    prefix: &RegexPrefix,
    sink: &mut Sink,
) -> Read<IngressPathMatch> {
    entry.required_object(sink)?;
    unknown::warn(entry, &["path", "pathType", "backend"], sink);
    let field = entry.key("path");
    let text = merge_slashes(field.text(sink)?.unwrap_or_default());
    let kind = entry.key("pathType");
    let kind_text = kind.text(sink)?.unwrap_or("ImplementationSpecific");
    let parsed = match kind_text {
        "Exact" => path::exact(&text),
        "Prefix" => path::prefix(&text),
        "ImplementationSpecific" => {
            if let Some(pattern) = text.strip_prefix(&*prefix.0) {
                return regex(pattern, &field, sink).map(IngressPathMatch::Is);
            }
            if text.starts_with('/') && text.bytes().any(looks_like_a_pattern) {
                return Ok(IngressPathMatch::Unmarked(text.into()));
            }
            path::text(&text)
        }
        other => {
            sink.push(
                kind.error(
                    Code::UnsupportedPathType,
                    format!(
                        "{} is not supported; the path is not programmed",
                        quote(other)
                    ),
                )
                .hint("use Exact, Prefix or ImplementationSpecific"),
            );
            return Err(Reported);
        }
    };
    match parsed {
        Ok(path) => Ok(IngressPathMatch::Is(path)),
        // What is meant is plain, and the character that no path has is not the reason.
        Err(_) if text.starts_with(&*prefix.0) => {
            let message = format!(
                "{} is a regular expression, which pathType {kind_text} does not take",
                quote(&text)
            );
            let hint = "a regular expression needs pathType ImplementationSpecific";
            sink.push(field.error(Code::InvalidPath, message).hint(hint));
            Err(Reported)
        }
        Err(message) => {
            sink.push(field.error(Code::InvalidPath, message));
            Err(Reported)
        }
    }
}

fn regex(pattern: &str, field: &Field<'_, '_>, sink: &mut Sink) -> Read<PathMatch> {
    compiled(pattern).map_err(|message| {
        sink.push(field.error(Code::InvalidRegex, message));
        Reported
    })
}

fn compiled(pattern: &str) -> Result<PathMatch, String> {
    match compile(pattern, Anchor::Start, false) {
        Ok(regex) => Ok(PathMatch::Regex(Arc::new(regex))),
        Err(message) => Err(format!(
            "{} {message}; the path is not programmed",
            quote(pattern)
        )),
    }
}

/// "Repeated slashes are merged before the type is looked at" (docs/routing.md, as in KIC).
fn merge_slashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

/// KIC: a path that does not match `^[a-zA-Z0-9\.\-_~/%]*$`.
fn looks_like_a_pattern(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric() && !b".-_~/%".contains(&byte)
}

// === impl IngressPathMatch ===

impl IngressPathMatch {
    /// What is matched, under a class that takes unmarked patterns or not.
    ///
    /// # Errors
    /// Code and message of the problem of the path.
    pub(crate) fn resolve(&self, legacy: bool) -> Result<PathMatch, (Code, String)> {
        match self {
            Self::Is(path) => Ok(path.clone()),
            Self::Unmarked(text) if legacy => {
                compiled(text).map_err(|message| (Code::InvalidRegex, message))
            }
            Self::Unmarked(text) => {
                path::text(text).map_err(|message| (Code::InvalidPath, message))
            }
        }
    }
}

// === impl RegexPrefix ===

impl RegexPrefix {
    pub(super) fn read(annotations: &Field<'_, '_>) -> Self {
        // One that is no text is told with the other annotations.
        let mut told_there = Sink::default();
        let given = annotations
            .key("konghq.com/regex-prefix")
            .text(&mut told_there);
        let given = given.ok().flatten().filter(|text| !text.is_empty());
        Self(given.unwrap_or(REGEX_PREFIX).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_slashes_are_merged() {
        for (text, expected) in [
            ("", ""),
            ("/", "/"),
            ("///", "/"),
            ("/a//b///", "/a/b/"),
            ("//~/x", "/~/x"),
        ] {
            assert_eq!(merge_slashes(text), expected);
        }
    }
}
