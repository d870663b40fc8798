//! `filters` of rules and backendRefs.
//!
//! A filter that cannot be honoured as written makes the rule (or the backend's share) answer 500:
//! "MUST NOT be skipped. Instead, requests that would have been processed by that filter MUST
//! receive a HTTP error response." Filters act in the order of [`Filters`], whatever theirs in the
//! list ("Wherever possible, implementations SHOULD implement filters in the order they are
//! specified"): only their sorts differ, as none may be repeated that is no mirror or extension.

mod cors;
mod extension;
mod headers;
mod mirror;
mod path;

use std::collections::BTreeSet;

pub(crate) use self::mirror::MirrorSpec;
use super::Fault;
use crate::problem::Code;
use crate::resources::field::{Field, Read, Reported, Sink, quote};
use crate::resources::unknown;
use crate::table::model::Filters;

/// The filters of a rule or backend.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct FilterSpec {
    /// All but the mirrors.
    pub(crate) filters: Filters,
    /// Not looked up yet.
    pub(crate) mirrors: Box<[MirrorSpec]>,
    /// KongPlugins of the route's namespace.
    pub(crate) plugins: Box<[Box<str>]>,
    /// Something that must not be skipped cannot be honoured.
    pub(crate) fault: Option<Fault>,
}

/// Where filters are written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    /// In a GRPCRoute, which has fewer sorts.
    pub(crate) grpc: bool,
    /// In a backendRef.
    pub(crate) backend: bool,
}

/// What is said of a filter that cannot be honoured.
#[derive(Debug, Clone, Copy)]
struct Cost(&'static str);

/// Reads `filters`; `None` if there are none.
pub(crate) fn read(
    list: &Field<'_, '_>,
    context: Context,
    sink: &mut Sink,
) -> Option<Box<FilterSpec>> {
    let Ok(items) = list.items(sink) else {
        let mut out = None;
        FilterSpec::fail(&mut out, Fault::Unsupported);
        return out;
    };
    if items.is_empty() {
        return None;
    }
    let cost = Cost(if context.backend {
        "the backend's share of the requests is answered 500"
    } else {
        "the rule answers 500"
    });
    let mut reading = Reading {
        out: FilterSpec::default(),
        context,
        cost,
        seen: BTreeSet::new(),
        mirrors: Vec::new(),
        plugins: Vec::new(),
    };
    for (_, entry) in items {
        if let Err(Reported) = reading.entry(&entry, sink) {
            reading.fail(Fault::Unsupported);
        }
    }
    Some(Box::new(reading.finish(list, sink)))
}

/// Filters as far as they are read.
struct Reading<'v> {
    out: FilterSpec,
    context: Context,
    cost: Cost,
    seen: BTreeSet<&'v str>,
    mirrors: Vec<MirrorSpec>,
    plugins: Vec<Box<str>>,
}

// === impl Reading ===

impl<'v> Reading<'v> {
    fn entry(&mut self, entry: &Field<'v, '_>, sink: &mut Sink) -> Read<()> {
        entry.required_object(sink)?;
        let kind = entry.key("type");
        let text = kind.required_text(sink)?;
        let Some(member) = self.member(text) else {
            sink.push(kind.error(
                Code::UnsupportedField,
                format!("{} is not supported; {}", quote(text), self.cost.0),
            ));
            return Err(Reported);
        };
        let repeatable = matches!(text, "RequestMirror" | "ExtensionRef");
        if !repeatable && !self.seen.insert(text) {
            // "Specifying the same filter multiple times is not supported unless explicitly
            // indicated in the filter."
            sink.push(kind.error(
                Code::IncompatibleFilters,
                format!("{text} must not be repeated; {}", self.cost.0),
            ));
            self.fail(Fault::Incompatible);
            return Ok(());
        }
        unknown::warn(entry, &["type", member], sink);
        let config = entry.key(member);
        config.required_object(sink)?;
        let filters = &mut self.out.filters;
        match text {
            "RequestHeaderModifier" => {
                filters.request_headers = headers::read(&config, true, sink)?
            }
            "ResponseHeaderModifier" => {
                filters.response_headers = headers::read(&config, false, sink)?;
            }
            "RequestRedirect" => filters.redirect = Some(path::read_redirect(&config, sink)?),
            "URLRewrite" => filters.rewrite = Some(path::read_rewrite(&config, sink)?),
            "RequestMirror" => self.mirrors.push(mirror::read(&config, sink)?),
            "CORS" => filters.cors = Some(cors::read(&config, sink)),
            _ => {
                let plugin = extension::read(&config, self.context, self.cost.0, sink)?;
                match plugin {
                    Some(name) => self.plugins.push(name),
                    None => self.fail(Fault::Reference),
                }
            }
        }
        Ok(())
    }

    /// The member that holds the filter of this type; `None`: no such type.
    fn member(&self, kind: &str) -> Option<&'static str> {
        Some(match kind {
            "RequestHeaderModifier" => "requestHeaderModifier",
            "ResponseHeaderModifier" => "responseHeaderModifier",
            "RequestMirror" => "requestMirror",
            "ExtensionRef" => "extensionRef",
            "RequestRedirect" if !self.context.grpc => "requestRedirect",
            "URLRewrite" if !self.context.grpc => "urlRewrite",
            "CORS" if !self.context.grpc => "cors",
            _ => return None,
        })
    }

    fn fail(&mut self, fault: Fault) {
        self.out.fault = self.out.fault.max(Some(fault));
    }

    fn finish(mut self, list: &Field<'_, '_>, sink: &mut Sink) -> FilterSpec {
        let filters = &self.out.filters;
        if filters.redirect.is_some() && filters.rewrite.is_some() {
            sink.push(list.error(
                Code::IncompatibleFilters,
                format!(
                    "RequestRedirect and URLRewrite must not be used together; {}",
                    self.cost.0
                ),
            ));
            self.fail(Fault::Incompatible);
        }
        self.plugins.sort();
        self.plugins.dedup();
        self.out.plugins = self.plugins.into();
        self.out.mirrors = self.mirrors.into();
        self.out
    }
}

// === impl FilterSpec ===

impl FilterSpec {
    /// Something of it cannot be honoured.
    pub(crate) fn fail(spec: &mut Option<Box<Self>>, fault: Fault) {
        let spec = spec.get_or_insert_default();
        spec.fault = spec.fault.max(Some(fault));
    }
}
