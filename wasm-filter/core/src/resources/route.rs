//! What HTTPRoute and GRPCRoute have in common: parents, hostnames, rules.
//!
//! What a broken or unsupported part costs: a match with a condition that cannot be honoured is not
//! programmed (looser, it would take requests that are not its own); a rule with a filter that
//! cannot be honoured answers 500 (Gateway API `HTTPRouteFilter`: "MUST NOT be skipped"); a
//! backendRef that cannot be read keeps its weight and answers its share with 500.

pub(crate) mod backends;
pub(crate) mod conditions;
pub(crate) mod filters;
pub(crate) mod parents;
pub(crate) mod timeouts;

use std::collections::BTreeSet;

use self::backends::BackendRef;
use self::filters::{Context, FilterSpec};
use self::parents::ParentRef;
use super::annotations::Cost;
use super::annotations::route::{self as annotations, Owner, RouteAnnotations};
use super::field::{Field, Read, Reported, Sink, quote};
use super::unknown;
use crate::contract::plan::MAX_MIRRORS;
use crate::problem::Code;
use crate::table::model::{
    HeaderMatch, HostPattern, PathEdit, PathMatch, QueryMatch, Retry, Timeouts,
};

/// What is read of a route.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) parents: Box<[ParentRef]>,
    /// `None`: not given, all hosts of the listeners. Empty: none of the given ones is valid.
    pub(crate) hostnames: Option<Box<[HostPattern]>>,
    pub(crate) rules: Box<[RouteRule]>,
    /// Positions of rules of which nothing can be read.
    pub(crate) broken: Box<[u16]>,
    /// `None`: there are none that say anything.
    pub(crate) annotations: Option<Box<RouteAnnotations>>,
}

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RouteRule {
    /// Position in `spec.rules`.
    pub(crate) index: u16,
    /// Unique in the route.
    pub(crate) name: Option<Box<str>>,
    pub(crate) matches: Box<[MatchSpec]>,
    /// Most rules have none, and this is large.
    pub(crate) filters: Option<Box<FilterSpec>>,
    pub(crate) backends: Box<[BackendRef]>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Option<Retry>,
    /// A match or backend was not programmed as written.
    pub(crate) partial: bool,
}

/// One match of a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MatchSpec {
    /// Position in the rule's `matches`.
    pub(crate) index: u16,
    pub(crate) path: PathMatch,
    pub(crate) method: Option<Box<str>>,
    /// Sorted by name.
    pub(crate) headers: Box<[HeaderMatch]>,
    /// Sorted by name.
    pub(crate) queries: Box<[QueryMatch]>,
}

/// Why a rule answers 500; the greatest is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A filter refers to something that cannot be a filter.
    Reference,
    /// Filters that may not be used together.
    Incompatible,
    /// A filter cannot be honoured as written.
    Unsupported,
}

/// How the parts of a kind of route are read.
pub(crate) struct Reader {
    pub(crate) context: Context,
    /// Members of a rule that this kind has.
    pub(crate) known: &'static [&'static str],
    /// Has a route without `rules` one that takes everything?
    pub(crate) default_rule: bool,
    /// The match of a rule without any.
    pub(crate) everything: fn(u16) -> MatchSpec,
    pub(crate) read_match: fn(u16, &Field<'_, '_>, &mut Sink) -> Read<MatchSpec>,
}

/// Reads the annotations and the `spec` of a route.
pub(crate) fn read(root: &Field<'_, '_>, reader: &Reader, sink: &mut Sink) -> Route {
    let annotations = annotations::read(&root.key("metadata"), Owner::Route, sink);
    let spec = root.key("spec");
    let _ = spec.required_object(sink);
    let scope = spec.key("useDefaultGateways");
    if !matches!(scope.text(sink), Ok(None | Some("" | "None"))) {
        sink.push(scope.warning(
            Code::UnsupportedField,
            "is experimental and not supported; name the Gateway in parentRefs",
        ));
    }
    let parents = parents::read(&spec.key("parentRefs"), sink);
    let hostnames = spec.key("hostnames");
    let hostnames = (!hostnames.is_empty()).then(|| parents::read_hostnames(&hostnames, sink));
    unknown::warn(
        &spec,
        &["parentRefs", "hostnames", "rules", "useDefaultGateways"],
        sink,
    );
    let mut route = Route {
        parents,
        hostnames,
        rules: Box::default(),
        broken: Box::default(),
        annotations,
    };
    read_rules(&spec.key("rules"), reader, &mut route, sink);
    route
}

fn read_rules(rules: &Field<'_, '_>, reader: &Reader, route: &mut Route, sink: &mut Sink) {
    if rules.is_absent() && reader.default_rule {
        // The schema's default.
        route.rules = Box::new([RouteRule::new(0, Box::new([(reader.everything)(0)]))]);
        return;
    }
    let Ok(items) = rules.items(sink) else {
        route.broken = Box::new([0]);
        return;
    };
    let (mut out, mut broken, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (index, rule) in items {
        match read_rule(index, &rule, reader, sink) {
            Ok(mut read) => {
                if let Some(name) = read.name.take_if(|name| names.contains(name)) {
                    // "This name MUST be unique within a Route if it is set."
                    sink.push(rule.key("name").error(
                        Code::DuplicateName,
                        format!("a rule before is called {} already", quote(&name)),
                    ));
                }
                names.extend(read.name.clone());
                out.push(read);
            }
            Err(Reported) => broken.push(index),
        }
    }
    route.rules = out.into();
    route.broken = broken.into();
}

fn read_rule(
    index: u16,
    rule: &Field<'_, '_>,
    reader: &Reader,
    sink: &mut Sink,
) -> Read<RouteRule> {
    rule.required_object(sink)?;
    let matches = rule.key("matches");
    let items = matches.items(sink)?;
    let mut out = RouteRule::new(index, Box::default());
    let mut specs = Vec::new();
    for (position, entry) in &items {
        match (reader.read_match)(*position, entry, sink) {
            Ok(spec) => specs.push(spec),
            Err(Reported) => out.partial = true,
        }
    }
    if items.is_empty() {
        specs.push((reader.everything)(0));
    }
    out.matches = specs.into();
    out.name = rule.key("name").name(sink).ok().flatten().map(Into::into);
    let filters = rule.key("filters");
    out.filters = filters::read(&filters, reader.context, sink);
    limit_mirrors(&mut out.filters, MAX_MIRRORS, &filters, sink);
    let mirrors = out.filters.as_ref().map_or(0, |spec| spec.mirrors.len());
    let left = MAX_MIRRORS.saturating_sub(mirrors);
    let refs = rule.key("backendRefs");
    match refs.items(sink) {
        Ok(items) => {
            out.backends = items
                .iter()
                .map(|(position, entry)| {
                    let mut backend = backends::read(*position, entry, reader.context, sink);
                    limit_mirrors(&mut backend.filters, left, &entry.key("filters"), sink);
                    backend
                })
                .collect();
        }
        Err(Reported) => out.fail(Fault::Unsupported),
    }
    out.partial |= out.backends.iter().any(|b| b.fault().is_some());
    let redirects = |spec: &FilterSpec| spec.filters.redirect.is_some();
    if out.filters.as_deref().is_some_and(redirects) && !out.backends.is_empty() {
        // "RequestRedirect filter must not be used together with backendRefs".
        out.fail(Fault::Incompatible);
        sink.push(filters.error(
            Code::IncompatibleFilters,
            "a redirect must not be used together with backendRefs; the rule answers 500",
        ));
    }
    check_prefixes(rule, &mut out, sink);
    if reader.known.contains(&"timeouts") {
        out.timeouts = timeouts::read(&rule.key("timeouts"), sink);
        out.retry = timeouts::read_retry(&rule.key("retry"), sink);
    }
    let persistence = rule.key("sessionPersistence");
    if !persistence.is_empty() {
        sink.push(persistence.warning(
            Code::UnsupportedField,
            "is experimental in the Gateway API and not in effect: every request of a session is \
             spread over the backends by weight, and no cookie or header is set or read",
        ));
    }
    weights_differ(&refs, &out.backends, sink);
    unknown::warn(rule, reader.known, sink);
    Ok(out)
}

/// Keeps so many mirrors: a plan has room for no more, those of the rule before those of the backend.
fn limit_mirrors(
    spec: &mut Option<Box<FilterSpec>>,
    most: usize,
    field: &Field<'_, '_>,
    sink: &mut Sink,
) {
    let Some(spec) = spec else {
        return;
    };
    let dropped = spec.mirrors.len().saturating_sub(most);
    if dropped == 0 {
        return;
    }
    let mut kept = core::mem::take(&mut spec.mirrors).into_vec();
    kept.truncate(most);
    spec.mirrors = kept.into();
    sink.push(field.warning(
        Code::TooMany,
        format!(
            "a request has at most {MAX_MIRRORS} mirrors, those of its rule and backend together; \
             the last {dropped} have no effect"
        ),
    ));
}

/// "ReplacePrefixMatch is only compatible with a PathPrefix HTTPRouteMatch."
fn check_prefixes(field: &Field<'_, '_>, rule: &mut RouteRule, sink: &mut Sink) {
    let prefixes = rule
        .matches
        .iter()
        .all(|m| matches!(m.path, PathMatch::Prefix(_)));
    if prefixes {
        return;
    }
    let message = "ReplacePrefixMatch needs PathPrefix matches in the rule";
    if replaces_prefix(rule.filters.as_deref()) {
        rule.fail(Fault::Unsupported);
        sink.push(field.key("filters").error(
            Code::IncompatibleFilters,
            format!("{message}; it answers 500"),
        ));
    }
    for backend in &mut rule.backends {
        if replaces_prefix(backend.filters.as_deref()) {
            FilterSpec::fail(&mut backend.filters, Fault::Unsupported);
            rule.partial = true;
            sink.push(field.key("backendRefs").error(
                Code::IncompatibleFilters,
                format!(
                    "{message}; backend {} answers its share with 500",
                    backend.index
                ),
            ));
        }
    }
}

fn replaces_prefix(spec: Option<&FilterSpec>) -> bool {
    let filters = spec.map(|spec| &spec.filters);
    let redirect = filters.and_then(|f| f.redirect.as_ref()?.path.as_ref());
    let rewrite = filters.and_then(|f| f.rewrite.as_ref()?.path.as_ref());
    [redirect, rewrite]
        .into_iter()
        .flatten()
        .any(|path| matches!(path, PathEdit::Prefix(_)))
}

/// KIC divides weights among endpoints, so that shares depend on their number (kic-map 2.7).
fn weights_differ(refs: &Field<'_, '_>, backends: &[BackendRef], sink: &mut Sink) {
    let Some((first, others)) = backends.split_first() else {
        return;
    };
    if others.iter().any(|backend| backend.weight != first.weight) {
        sink.push(refs.info(
            Code::KicDiffers,
            "weights are exact shares of the requests, whatever the number of endpoints",
        ));
    }
}

// === impl Route ===

impl Route {
    /// What those annotations cost that cannot be honoured.
    pub(crate) fn cost(&self) -> Cost {
        self.annotations
            .as_ref()
            .map(|a| a.cost)
            .unwrap_or_default()
    }
}

// === impl RouteRule ===

impl RouteRule {
    fn new(index: u16, matches: Box<[MatchSpec]>) -> Self {
        Self {
            index,
            name: None,
            matches,
            filters: None,
            backends: Box::default(),
            timeouts: Timeouts::default(),
            retry: None,
            partial: false,
        }
    }

    /// Can nothing of it be programmed as written?
    pub(crate) fn is_invalid(&self) -> bool {
        self.matches.is_empty() || self.fault() > Some(Fault::Reference)
    }

    /// Why it answers 500.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.filters.as_ref().and_then(|spec| spec.fault)
    }

    fn fail(&mut self, fault: Fault) {
        FilterSpec::fail(&mut self.filters, fault);
    }
}
