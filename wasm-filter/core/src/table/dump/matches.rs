//! One match, for people.

use serde::Serialize;

use super::rule::{FiltersDump, RuleDump};
use crate::explain::{BackendTrace, RouteRef, backends, lossy, path_text, path_type};
use crate::table::layout::HostKind;
use crate::table::model::Anchor;
use crate::table::routes::{Condition, MatchEntry, PathEntry, Value};
use crate::table::store::view::{Segments, Unreadable};

/// A match.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatchDump {
    /// The path.
    pub path: PathDump,
    /// One of these methods; empty = any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// All of these headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ValueDump>,
    /// All of these query parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<ValueDump>,
    /// One of these server names, if there is TLS; empty = any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snis: Vec<String>,
    /// `http` or `https`; absent = both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<&'static str>,
    /// The answer to requests without TLS where `scheme` is `https`.
    #[serde(rename = "httpStatus", skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// The rule.
    pub route: RouteRef,
    /// What happens on the way.
    #[serde(flatten)]
    pub rule: RuleDump,
    /// Its backends; the endpoints are under `services`.
    pub backends: Vec<BackendDump>,
}

/// A path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathDump {
    /// `Exact`, `Prefix`, `Text` or `Regex`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The path.
    pub value: String,
}

/// A header or query parameter and what its value must be: exactly one of the three.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValueDump {
    /// The name; of a header in lower case.
    pub name: String,
    /// This value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// One of these values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
    /// A value that the pattern matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// The pattern may match anywhere in the value.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub anywhere: bool,
}

/// A backend.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum BackendDump {
    /// A Service's port.
    Service {
        /// `Service`.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
        /// Its weight.
        weight: u32,
        /// What is changed on the way to it.
        #[serde(skip_serializing_if = "Option::is_none")]
        filters: Option<Box<FiltersDump>>,
    },
    /// A share that is answered 500.
    Invalid {
        /// Why.
        invalid: &'static str,
        /// Its weight.
        weight: u32,
    },
}

/// Writes down a match of `path`.
pub(super) fn dump(
    table: &dyn Segments,
    path: &PathEntry<'_>,
    matched: &MatchEntry<'_>,
) -> Result<MatchDump, Unreadable> {
    let rule = matched.rule()?;
    let mut out = MatchDump {
        path: PathDump {
            kind: path_type(path),
            value: path_text(path),
        },
        methods: Vec::new(),
        headers: Vec::new(),
        query: Vec::new(),
        snis: Vec::new(),
        scheme: None,
        http_status: None,
        route: RouteRef::of(&rule, matched)?,
        rule: RuleDump::of(table, &rule.extra()?)?,
        backends: backends(table, &rule)?.into_iter().map(backend).collect(),
    };
    for condition in matched.conditions() {
        match condition? {
            Condition::Method(methods) => out.methods = methods.iter().map(lossy).collect(),
            Condition::Scheme(status) => {
                out.scheme = Some(if status.is_some() { "https" } else { "http" });
                out.http_status = status;
            }
            Condition::Sni(names) => {
                out.snis = names
                    .iter()
                    .map(|(kind, name)| match kind {
                        HostKind::Wildcard => format!("*.{}", lossy(name)),
                        _ => lossy(name),
                    })
                    .collect();
            }
            Condition::Header(name, value) => out.headers.push(ValueDump::of(name, &value)),
            Condition::Query(name, value) => out.query.push(ValueDump::of(&lossy(name), &value)),
        }
    }
    Ok(out)
}

fn backend(trace: BackendTrace) -> BackendDump {
    match (trace.namespace, trace.name, trace.port) {
        (Some(namespace), Some(name), Some(port)) => BackendDump::Service {
            kind: "Service",
            namespace,
            name,
            port,
            weight: trace.weight,
            filters: trace.filters.map(Box::new),
        },
        _ => BackendDump::Invalid {
            invalid: "the backend cannot be resolved",
            weight: trace.weight,
        },
    }
}

// === impl ValueDump ===

impl ValueDump {
    fn of(name: &str, value: &Value<'_>) -> Self {
        let mut out = Self {
            name: name.to_owned(),
            value: None,
            one_of: None,
            regex: None,
            anywhere: false,
        };
        match value {
            Value::OneOf(values) => {
                let mut values: Vec<_> = values.iter().map(lossy).collect();
                if values.len() == 1 {
                    out.value = values.pop();
                } else {
                    out.one_of = Some(values);
                }
            }
            Value::Regex(regex) => {
                let case = if regex.ignore_case { "(?i)" } else { "" };
                out.regex = Some(format!("{case}{}", lossy(regex.pattern)));
                out.anywhere = regex.anchor == Anchor::Anywhere;
            }
        }
        out
    }
}
