//! Annotations `konghq.com/...` (kic-map.md 1.4) that are not honoured yet: what each costs.
//!
//! None is ignored in silence. One that only tunes is a warning; one whose neglect would answer
//! requests that the user meant to be refused or changed (authentication, a rewrite, a method
//! restriction) closes what it is on.

use super::field::{Field, Sink};
use crate::problem::{Code, Finding};

/// What an annotation that is not honoured costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Cost {
    /// Nothing but a warning.
    #[default]
    Warning,
    /// Every request of the object is answered 500.
    Refuse,
    /// The object's matches are not programmed: the annotation restricts them.
    Drop,
}

const PREFIX: &str = "konghq.com/";

/// Tells the annotations of a route object that are not honoured.
pub(crate) fn of_route(metadata: &Field<'_, '_>, sink: &mut Sink) -> Cost {
    read(metadata, sink, |name, value| match name {
        "methods" | "snis" | "protocols" => Cost::Drop,
        _ if name.starts_with("headers.") => Cost::Drop,
        "plugins" | "rewrite" => Cost::Refuse,
        "strip-path" if is(value, "true") => Cost::Refuse,
        "preserve-host" if is(value, "false") => Cost::Refuse,
        _ => Cost::Warning,
    })
}

/// Tells the annotations of a Service that are not honoured.
pub(crate) fn of_service(metadata: &Field<'_, '_>, sink: &mut Sink) -> Cost {
    read(metadata, sink, |name, value| match name {
        "plugins" | "path" | "client-cert" | "tls-verify" => Cost::Refuse,
        "protocol" if !is(value, "http") => Cost::Refuse,
        _ => Cost::Warning,
    })
}

fn is(value: &str, expected: &str) -> bool {
    value.trim().eq_ignore_ascii_case(expected)
}

fn read(metadata: &Field<'_, '_>, sink: &mut Sink, cost: impl Fn(&str, &str) -> Cost) -> Cost {
    let annotations = metadata.key("annotations");
    let mut worst = Cost::default();
    for (key, value) in annotations.members(sink).unwrap_or_default() {
        let value = value.as_str().unwrap_or_default();
        let cost = match key.strip_prefix(PREFIX) {
            // Kong's defaults need no support.
            Some("strip-path") if is(value, "false") => continue,
            Some("preserve-host") if is(value, "true") => continue,
            Some("protocol") if is(value, "http") => continue,
            Some(name) => cost(name, value),
            None if key == "ingress.kubernetes.io/force-ssl-redirect" && is(value, "true") => {
                Cost::Drop
            }
            None => continue,
        };
        worst = worst.max(cost);
        let field = annotations.key(key).path();
        sink.push(match cost {
            Cost::Warning => Finding::warning(
                Code::UnsupportedField,
                field,
                "is not supported and has no effect",
            ),
            Cost::Refuse => Finding::error(
                Code::UnsupportedField,
                field,
                "is not supported; requests are answered 500 rather than without it",
            ),
            Cost::Drop => Finding::error(
                Code::UnsupportedField,
                field,
                "is not supported; nothing is routed rather than without this restriction",
            ),
        });
    }
    worst
}
