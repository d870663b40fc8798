//! Question and answer of `explain`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lossy;
use crate::route::answer::Reply;
use crate::table::dump::FiltersDump;
use crate::table::routes::{MatchEntry, RuleEntry};

/// The question.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Absent: GET.
    #[serde(default)]
    pub method: Option<String>,
    /// `http` (also if absent) or `https`.
    #[serde(default)]
    pub scheme: Option<String>,
    /// Host header, with or without port; absent = empty.
    #[serde(default)]
    pub host: Option<String>,
    /// The listener's port; absent: that of `host`, else 80 or 443.
    #[serde(default)]
    pub port: Option<u16>,
    /// Path with query; absent = `/`.
    #[serde(default)]
    pub path: Option<String>,
    /// Headers; names in any case.
    #[serde(default)]
    pub headers: BTreeMap<String, Values>,
    /// TLS server name.
    #[serde(default)]
    pub sni: Option<String>,
}

/// One value or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Values {
    /// One value.
    One(String),
    /// Several values, in order.
    Many(Vec<String>),
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// 1.
    pub schema_version: u32,
    /// What happens.
    pub outcome: Outcome,
    /// Status code where the gateway answers itself.
    pub status: Option<u16>,
    /// The message of the gateway's own answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What may help, where no rule was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The rule that was chosen.
    pub route: Option<RouteRef>,
    /// Where the rule was found and what it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<Matched>,
    /// All backends of the rule.
    pub backends: Vec<BackendTrace>,
    /// What the upstream receives.
    pub request: Option<Upstream>,
    /// Where a redirect goes.
    pub location: Option<String>,
    /// Matches of the hosts in question that did not win, best first, 100 at most.
    pub candidates: Vec<Candidate>,
}

/// What happens with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is proxied.
    Route,
    /// It is redirected.
    Redirect,
    /// The gateway answers, as the rule says.
    Respond,
    /// 404.
    NotFound,
    /// 503.
    Unavailable,
    /// 400.
    Rejected,
}

/// Names a match of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteRef {
    /// Kind of the object.
    pub kind: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Position of the rule.
    pub rule: u16,
    /// Position of the match in its rule.
    #[serde(rename = "match")]
    pub index: u16,
}

/// Where a rule was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matched {
    /// `a.com`, `*.a.com` or `*`.
    pub host: String,
    /// `Exact` or `Prefix`.
    #[serde(rename = "pathType")]
    pub path_type: &'static str,
    /// The path as it is matched.
    pub path: String,
}

/// One backend of the rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendTrace {
    /// `Service`; `None` for a backend that is not valid (its share is answered 500).
    pub kind: Option<String>,
    /// Namespace of the Service.
    pub namespace: Option<String>,
    /// Name of the Service.
    pub name: Option<String>,
    /// Port of the Service.
    pub port: Option<u16>,
    /// Weight relative to the others.
    pub weight: u32,
    /// `ip:port` of every endpoint.
    pub endpoints: Vec<String>,
    /// What is changed on the way to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<FiltersDump>,
}

/// What the upstream receives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Upstream {
    /// The method.
    pub method: String,
    /// The Host header.
    pub host: String,
    /// Path with query.
    pub path: String,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, Vec<String>>,
}

/// A match that did not win.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Which.
    pub route: RouteRef,
    /// Why.
    pub lost: Lost,
}

/// Why a match did not win.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// `path`, `method`, `header` or `precedence`.
    pub code: &'static str,
    /// In words.
    pub detail: String,
}

// === impl Trace ===

impl Trace {
    pub(super) fn new(outcome: Outcome) -> Self {
        Self {
            schema_version: 1,
            outcome,
            status: None,
            message: None,
            hint: None,
            route: None,
            matched: None,
            backends: Vec::new(),
            request: None,
            location: None,
            candidates: Vec::new(),
        }
    }

    pub(super) fn reply(outcome: Outcome, reply: Reply) -> Self {
        Self {
            status: Some(reply.status()),
            message: Some(reply.message().to_owned()),
            ..Self::new(outcome)
        }
    }
}

impl RouteRef {
    pub(crate) fn of(rule: &RuleEntry<'_>, matched: &MatchEntry<'_>) -> Self {
        Self {
            kind: rule.kind.as_str().to_owned(),
            namespace: lossy(rule.namespace),
            name: lossy(rule.name),
            rule: rule.index,
            index: matched.index,
        }
    }
}
