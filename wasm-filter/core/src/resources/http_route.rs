//! `gateway.networking.k8s.io` HTTPRoute.
//!
//! What a broken or unsupported part costs: a match with a condition that cannot be honoured is not
//! programmed (looser, it would take requests that are not its own); a rule with a filter that
//! cannot be honoured answers 500 (Gateway API `HTTPRouteFilter`: "MUST NOT be skipped"); a
//! backendRef that cannot be read keeps its weight and answers its share with 500.

use super::annotations::{self, Cost};
use super::field::{Field, Read, Reported, Sink, quote};
use super::{host, path};
use crate::object::GATEWAY_GROUP;
use crate::problem::{Code, Finding};
use crate::table::model::{HeaderMatch, HostPattern, PathMatch, ValueMatch};

/// What is read of an HTTPRoute.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HttpRoute {
    pub(crate) parents: Box<[ParentRef]>,
    /// `None`: not given, all hosts of the listeners. Empty: none of the given ones is valid.
    pub(crate) hostnames: Option<Box<[HostPattern]>>,
    pub(crate) rules: Box<[RouteRule]>,
    /// Rules, matches or filters were not programmed as written.
    pub(crate) partial: bool,
    /// An annotation that is not supported must not be ignored.
    pub(crate) cost: Cost,
}

/// What the route attaches to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParentRef {
    /// Position in `spec.parentRefs`.
    pub(crate) index: u16,
    pub(crate) group: Box<str>,
    pub(crate) kind: Box<str>,
    /// `None`: the route's.
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) name: Box<str>,
    pub(crate) section: Option<Box<str>>,
    pub(crate) port: Option<u16>,
}

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RouteRule {
    /// Position in `spec.rules`.
    pub(crate) index: u16,
    pub(crate) matches: Box<[MatchSpec]>,
    pub(crate) backends: Box<[BackendRef]>,
    /// Something of the rule that must not be skipped is not supported: 500.
    pub(crate) refused: bool,
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
}

/// One backend of a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BackendRef {
    /// Position in the rule's `backendRefs`.
    pub(crate) index: u16,
    pub(crate) weight: u32,
    pub(crate) target: RefTarget,
}

/// What a backendRef names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RefTarget {
    Service {
        /// `None`: the route's.
        namespace: Option<Box<str>>,
        name: Box<str>,
        port: u16,
    },
    /// No core Service.
    OtherKind { group: Box<str>, kind: Box<str> },
    /// Could not be read, which has been told.
    Broken,
}

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];
/// Gateway API `BackendRef.weight`.
const MAX_WEIGHT: u32 = 1_000_000;

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> HttpRoute {
    let cost = annotations::of_route(&root.key("metadata"), sink);
    let spec = root.key("spec");
    let _ = spec.required_object(sink);
    let parents = spec.key("parentRefs");
    let parents = parents
        .items(sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|(index, parent)| read_parent(*index, parent, sink).ok())
        .collect();
    let hostnames = spec.key("hostnames");
    let hostnames = (!hostnames.is_empty()).then(|| read_hostnames(&hostnames, sink));
    let mut partial = cost != Cost::Warning;
    let rules = read_rules(&spec, &mut partial, sink);
    HttpRoute {
        parents,
        hostnames,
        rules,
        partial,
        cost,
    }
}

fn read_parent(index: u16, parent: &Field<'_, '_>, sink: &mut Sink) -> Read<ParentRef> {
    parent.required_object(sink)?;
    Ok(ParentRef {
        index,
        // "" is the core group, for a Service as parent.
        group: parent
            .key("group")
            .text(sink)?
            .unwrap_or(GATEWAY_GROUP)
            .into(),
        kind: parent.key("kind").text(sink)?.unwrap_or("Gateway").into(),
        namespace: parent.key("namespace").name(sink)?.map(Into::into),
        name: parent.key("name").required_name(sink)?.into(),
        section: parent.key("sectionName").name(sink)?.map(Into::into),
        port: parent.key("port").port(sink)?,
    })
}

fn read_hostnames(hostnames: &Field<'_, '_>, sink: &mut Sink) -> Box<[HostPattern]> {
    let mut out = Vec::new();
    for (_, field) in hostnames.items(sink).unwrap_or_default() {
        let Ok(text) = field.required_text(sink) else {
            continue;
        };
        match host::parse(text) {
            Ok(host) => out.push(host),
            Err(message) => sink.push(field.error(Code::InvalidHost, message)),
        }
    }
    out.into()
}

fn read_rules(spec: &Field<'_, '_>, partial: &mut bool, sink: &mut Sink) -> Box<[RouteRule]> {
    let rules = spec.key("rules");
    if rules.is_absent() {
        // The schema's default: one rule that matches everything.
        return Box::new([RouteRule {
            index: 0,
            matches: Box::new([MatchSpec::everything(0)]),
            backends: Box::new([]),
            refused: false,
        }]);
    }
    let mut out = Vec::new();
    let Ok(items) = rules.items(sink) else {
        *partial = true;
        return Box::new([]);
    };
    for (index, rule) in items {
        match read_rule(index, &rule, partial, sink) {
            Ok(rule) => out.push(rule),
            Err(Reported) => *partial = true,
        }
    }
    out.into()
}

fn read_rule(
    index: u16,
    rule: &Field<'_, '_>,
    partial: &mut bool,
    sink: &mut Sink,
) -> Read<RouteRule> {
    rule.required_object(sink)?;
    let matches = rule.key("matches");
    let items = matches.items(sink)?;
    let mut specs = Vec::new();
    for (position, entry) in &items {
        match read_match(*position, entry, sink) {
            Ok(spec) => specs.push(spec),
            Err(Reported) => *partial = true,
        }
    }
    if items.is_empty() {
        specs.push(MatchSpec::everything(0));
    }
    let refused = read_unsupported(rule, sink);
    *partial |= refused;
    let refs = rule.key("backendRefs");
    let backends = match refs.items(sink) {
        Ok(items) => items
            .iter()
            .map(|(position, entry)| read_backend(*position, entry, sink))
            .collect(),
        Err(Reported) => {
            *partial = true;
            Box::default()
        }
    };
    Ok(RouteRule {
        index,
        matches: specs.into(),
        backends,
        refused,
    })
}

/// Tells what of a rule is not supported. Is it something that must not be skipped?
fn read_unsupported(rule: &Field<'_, '_>, sink: &mut Sink) -> bool {
    let mut refused = false;
    let known = ["name", "matches", "backendRefs"];
    for key in rule.unknown_keys(&known) {
        let field = rule.key(key);
        if matches!(key, "timeouts" | "retry" | "sessionPersistence") {
            sink.push(field.warning(Code::UnsupportedField, "is not supported and has no effect"));
        } else {
            refused = true;
            sink.push(field.error(
                Code::UnsupportedField,
                "is not supported; the rule answers 500",
            ));
        }
    }
    refused
}

fn read_match(index: u16, entry: &Field<'_, '_>, sink: &mut Sink) -> Read<MatchSpec> {
    entry.required_object(sink)?;
    let path = read_path(&entry.key("path"), sink);
    let headers = read_headers(&entry.key("headers"), sink);
    let field = entry.key("method");
    let method = field.text(sink).and_then(|method| match method {
        None => Ok(None),
        Some(method) if METHODS.contains(&method) => Ok(Some(method.into())),
        Some(other) => {
            sink.push(field.error(
                Code::InvalidMethod,
                format!("{} is no method that a match can have", quote(other)),
            ));
            Err(Reported)
        }
    });
    // A condition of a newer API as well: without it the match would be too wide.
    let unknown = entry.unknown_keys(&["path", "headers", "method"]);
    for key in &unknown {
        sink.push(entry.key(key).error(
            Code::UnsupportedField,
            "is not supported; the match is not programmed",
        ));
    }
    let spec = MatchSpec {
        index,
        path: path?,
        method: method?,
        headers: headers?,
    };
    if unknown.is_empty() {
        Ok(spec)
    } else {
        Err(Reported)
    }
}

fn read_path(field: &Field<'_, '_>, sink: &mut Sink) -> Read<PathMatch> {
    field.object(sink)?;
    let kind = field.key("type");
    let value = field.key("value");
    let text = value.text(sink)?.unwrap_or("/");
    let parsed = match kind.text(sink)?.unwrap_or("PathPrefix") {
        "Exact" => path::exact(text),
        "PathPrefix" => path::prefix(text),
        other => {
            sink.push(
                kind.error(
                    Code::UnsupportedPathType,
                    format!(
                        "{} is not supported; the match is not programmed",
                        quote(other)
                    ),
                )
                .hint("use Exact or PathPrefix"),
            );
            return Err(Reported);
        }
    };
    parsed.map_err(|message| {
        sink.push(value.error(Code::InvalidPath, message));
        Reported
    })
}

fn read_headers(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Box<[HeaderMatch]>> {
    let mut out: Vec<HeaderMatch> = Vec::new();
    for (_, entry) in field.items(sink)? {
        entry.required_object(sink)?;
        let kind = entry.key("type");
        if let Some(other) = kind.text(sink)?.filter(|kind| *kind != "Exact") {
            sink.push(kind.error(
                Code::UnsupportedField,
                format!(
                    "{} is not supported; the match is not programmed",
                    quote(other)
                ),
            ));
            return Err(Reported);
        }
        let (name, value) = (entry.key("name"), entry.key("value"));
        let (name_text, value_text) = (name.required_text(sink)?, value.required_text(sink)?);
        if !is_token(name_text) {
            sink.push(name.error(
                Code::InvalidHeader,
                format!("{} is no header name", quote(name_text)),
            ));
            return Err(Reported);
        }
        if value_text.chars().any(|c| c.is_control() && c != '\t') {
            sink.push(value.error(Code::InvalidHeader, "has control characters"));
            return Err(Reported);
        }
        // "If multiple entries specify equivalent header names, only the first entry with an
        // equivalent name MUST be considered for a match."
        let name_text = name_text.to_ascii_lowercase();
        if out.iter().all(|header| *header.name != *name_text) {
            out.push(HeaderMatch {
                name: name_text.into(),
                value: ValueMatch::OneOf(vec![value_text.into()]),
            });
        } else {
            sink.push(name.warning(
                Code::DuplicateName,
                format!(
                    "{} is matched already; only the first counts",
                    quote(&name_text)
                ),
            ));
        }
    }
    out.sort();
    Ok(out.into())
}

/// RFC 9110 `token`.
fn is_token(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn read_backend(index: u16, entry: &Field<'_, '_>, sink: &mut Sink) -> BackendRef {
    let weight = read_weight(&entry.key("weight"), sink);
    let target = read_target(entry, sink);
    match (weight, target) {
        (Ok(weight), Ok(target)) => BackendRef {
            index,
            weight,
            target,
        },
        (weight, _) => BackendRef {
            index,
            weight: weight.unwrap_or(1),
            target: RefTarget::Broken,
        },
    }
}

fn read_weight(field: &Field<'_, '_>, sink: &mut Sink) -> Read<u32> {
    let Some(number) = field.integer(sink)? else {
        return Ok(1);
    };
    match u32::try_from(number) {
        Ok(weight) if weight <= MAX_WEIGHT => Ok(weight),
        _ => {
            sink.push(field.error(
                Code::InvalidValue,
                format!("{number} is no weight from 0 to {MAX_WEIGHT}"),
            ));
            Err(Reported)
        }
    }
}

fn read_target(entry: &Field<'_, '_>, sink: &mut Sink) -> Read<RefTarget> {
    entry.required_object(sink)?;
    let group = entry.key("group").text(sink)?.unwrap_or_default();
    let kind = entry.key("kind").text(sink)?.unwrap_or("Service");
    if !group.is_empty() || kind != "Service" {
        return Ok(RefTarget::OtherKind {
            group: group.into(),
            kind: kind.into(),
        });
    }
    let known = ["group", "kind", "namespace", "name", "port", "weight"];
    let unknown = entry.unknown_keys(&known);
    for key in &unknown {
        sink.push(entry.key(key).error(
            Code::UnsupportedField,
            "is not supported; the backend's share of the requests is answered 500",
        ));
    }
    let target = RefTarget::Service {
        namespace: entry.key("namespace").name(sink)?.map(Into::into),
        name: entry.key("name").required_name(sink)?.into(),
        port: entry.key("port").required_port(sink)?,
    };
    if unknown.is_empty() {
        Ok(target)
    } else {
        Err(Reported)
    }
}

// === impl MatchSpec ===

impl MatchSpec {
    /// The schema's default match.
    fn everything(index: u16) -> Self {
        Self {
            index,
            path: PathMatch::Prefix("".into()),
            method: None,
            headers: Box::new([]),
        }
    }
}

// === impl ParentRef ===

impl ParentRef {
    /// Is it a Gateway?
    pub(crate) fn is_gateway(&self) -> bool {
        *self.group == *GATEWAY_GROUP && *self.kind == *"Gateway"
    }

    /// A finding about it.
    pub(crate) fn finding(&self, part: &str, code: Code, message: String) -> Finding {
        Finding::error(
            code,
            format!("spec.parentRefs[{}]{part}", self.index),
            message,
        )
    }
}
