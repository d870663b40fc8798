//! Annotations of Kong Ingress Controller (kic-map.md 1.4), under `konghq.com/`.
//!
//! None is ignored in silence. A value that cannot be read costs what the annotation is for: one that
//! only tunes is a warning, as in KIC; one that restricts, authenticates or rewrites closes what
//! it is on, because requests that the user meant to be refused or changed would be served as they are.

pub(crate) mod headers;
pub(crate) mod rewrite;
pub(crate) mod route;
pub(crate) mod service;

use super::field::{Field, Sink, quote};
use crate::object::is_name;
use crate::problem::Code;

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

/// A plugin as `konghq.com/plugins` or an ExtensionRef names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PluginName {
    /// `None`: a KongPlugin of the own namespace, else a KongClusterPlugin.
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) name: Box<str>,
}

/// Where the names of most annotations begin.
pub(crate) const PREFIX: &str = "konghq.com/";
/// The most entries of a list; more is no configuration that anybody wrote.
const MAX_ITEMS: usize = 1000;
/// The longest entry of a list.
const MAX_ITEM: usize = 4096;

/// The entries of a list, trimmed, without empty ones; tells a list that is too long.
fn items<'v>(
    text: &'v str,
    separator: &str,
    field: &Field<'_, '_>,
    sink: &mut Sink,
) -> Option<Vec<&'v str>> {
    let entries = text.split(separator).map(str::trim);
    let items: Vec<_> = entries
        .filter(|entry| !entry.is_empty())
        .take(MAX_ITEMS + 1)
        .collect();
    if items.len() > MAX_ITEMS {
        sink.push(field.error(Code::TooMany, format!("has more than {MAX_ITEMS} entries")));
        return None;
    }
    if let Some(long) = items.iter().find(|item| item.len() > MAX_ITEM) {
        sink.push(field.error(
            Code::InvalidAnnotation,
            format!("{} is longer than {MAX_ITEM} bytes", quote(long)),
        ));
        return None;
    }
    Some(items)
}

/// `true` or `false` in any case; anything else is told and has no effect, as in KIC.
fn boolean(value: &str, field: &Field<'_, '_>, sink: &mut Sink) -> Option<bool> {
    if value.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    if !value.eq_ignore_ascii_case("false") && !value.is_empty() {
        sink.push(field.warning(
            Code::InvalidAnnotation,
            format!(
                "{} is neither true nor false; it has no effect",
                quote(value)
            ),
        ));
        return None;
    }
    (!value.is_empty()).then_some(false)
}

/// `name` or `namespace:name`, comma separated; `None` if one of them is no name.
fn plugins(value: &str, field: &Field<'_, '_>, sink: &mut Sink) -> Option<Box<[PluginName]>> {
    let mut out = Vec::new();
    for item in items(value, ",", field, sink)? {
        let (namespace, name) = match item.split_once(':') {
            Some((namespace, name)) => (Some(namespace.trim()), name.trim()),
            None => (None, item),
        };
        if !is_name(name) || namespace.is_some_and(|namespace| !is_name(namespace)) {
            sink.push(field.error(
                Code::InvalidAnnotation,
                format!(
                    "{} is no name of a plugin; requests are answered 500 rather than without it",
                    quote(item)
                ),
            ));
            return None;
        }
        out.push(PluginName {
            namespace: namespace.map(Into::into),
            name: name.into(),
        });
    }
    out.sort();
    out.dedup();
    Some(out.into())
}

/// Tells an annotation that is not honoured.
fn unsupported(cost: Cost, field: &Field<'_, '_>, sink: &mut Sink) {
    sink.push(match cost {
        Cost::Warning => {
            field.warning(Code::UnsupportedField, "is not supported and has no effect")
        }
        Cost::Refuse => field.error(
            Code::UnsupportedField,
            "is not supported; requests are answered 500 rather than without it",
        ),
        Cost::Drop => field.error(
            Code::UnsupportedField,
            "is not supported; nothing is routed rather than without this restriction",
        ),
    });
}
