//! `gateway.networking.k8s.io` HTTPRoute: its matches; the rest is in [`route`](super::route).

use super::field::{Field, Read, Reported, Sink, quote};
use super::path;
use super::route::conditions::{read_headers, read_pattern, read_queries};
use super::route::filters::Context;
use super::route::{self, MatchSpec, Reader, Route};
use super::unknown;
use crate::problem::Code;
use crate::table::model::{Anchor, PathMatch};

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];
/// Characters that KIC's traditional router takes for operators of a regular expression.
const OPERATORS: [char; 12] = ['*', '+', '?', '(', ')', '[', ']', '{', '}', '|', '^', '$'];

const READER: Reader = Reader {
    context: Context {
        grpc: false,
        backend: false,
    },
    known: &[
        "name",
        "matches",
        "filters",
        "backendRefs",
        "timeouts",
        "retry",
        "sessionPersistence",
    ],
    default_rule: true,
    everything: |index| MatchSpec {
        index,
        path: PathMatch::Prefix("".into()),
        method: None,
        headers: Box::default(),
        queries: Box::default(),
    },
    read_match,
};

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> Route {
    route::read(root, &READER, sink)
}

fn read_match(index: u16, entry: &Field<'_, '_>, sink: &mut Sink) -> Read<MatchSpec> {
    entry.required_object(sink)?;
    // All parts are read before one fails, so that everything is told at once.
    let path = read_path(&entry.key("path"), sink);
    let headers = read_headers(&entry.key("headers"), false, sink);
    let queries = read_queries(&entry.key("queryParams"), sink);
    let method = read_method(&entry.key("method"), sink);
    known(entry, &["path", "headers", "queryParams", "method"], sink)?;
    Ok(MatchSpec {
        index,
        path: path?,
        method: method?,
        headers: headers?,
        queries: queries?,
    })
}

/// A condition of a newer API: without it the match would be too wide.
pub(crate) fn known(entry: &Field<'_, '_>, known: &[&str], sink: &mut Sink) -> Read<()> {
    let mut result = Ok(());
    for key in entry.unknown_keys(known) {
        let field = entry.key(key);
        let finding = if field.is_empty() {
            field.warning(Code::UnsupportedField, "is not known and has no effect")
        } else {
            result = Err(Reported);
            let message = "is not supported; the match is not programmed";
            field.error(Code::UnsupportedField, message)
        };
        sink.push(unknown::suggest(finding, key, known));
    }
    result
}

fn read_method(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Option<Box<str>>> {
    match field.text(sink)? {
        None => Ok(None),
        Some(method) if METHODS.contains(&method) => Ok(Some(method.into())),
        Some(other) => {
            sink.push(field.error(
                Code::InvalidMethod,
                format!("{} is no method that a match can have", quote(other)),
            ));
            Err(Reported)
        }
    }
}

fn read_path(field: &Field<'_, '_>, sink: &mut Sink) -> Read<PathMatch> {
    field.object(sink)?;
    known(field, &["type", "value"], sink)?;
    let kind = field.key("type");
    let value = field.key("value");
    let text = value.text(sink)?.unwrap_or("/");
    let kind_text = kind.text(sink)?.unwrap_or("PathPrefix");
    let parsed = match kind_text {
        "Exact" => path::exact(text),
        "PathPrefix" => path::prefix(text),
        "RegularExpression" if text.is_empty() => return Err(value.missing(sink)),
        "RegularExpression" => {
            return read_pattern(&value, text, Anchor::Start, sink).map(PathMatch::Regex);
        }
        other => {
            sink.push(
                kind.error(
                    Code::UnsupportedPathType,
                    format!(
                        "{} is not supported; the match is not programmed",
                        quote(other)
                    ),
                )
                .hint("use Exact, PathPrefix or RegularExpression"),
            );
            return Err(Reported);
        }
    };
    if text.contains(OPERATORS) {
        sink.push(value.info(
            Code::KicDiffers,
            "is taken as it is, not for a regular expression",
        ));
    } else if kind_text == "PathPrefix" && text.len() > 1 && text.ends_with('/') {
        sink.push(value.info(
            Code::KicDiffers,
            "the slash at the end means nothing: the path without it matches too",
        ));
    }
    parsed.map_err(|message| {
        sink.push(value.error(Code::InvalidPath, message));
        Reported
    })
}
