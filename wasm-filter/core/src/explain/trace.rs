//! Question and answer of `explain`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lossy;
use crate::problem::Problem;
use crate::route::answer::Reply;
use crate::table::dump::{FiltersDump, RuleDump};
use crate::table::listeners::ListenerEntry;
use crate::table::routes::{MatchEntry, RuleEntry};
use crate::table::segment::Broken;

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
    /// What may help, where no rule was found or the request is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The rule that was chosen.
    pub route: Option<RouteRef>,
    /// Where the rule was found and what it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matched: Option<Matched>,
    /// All backends of the rule.
    pub backends: Vec<BackendTrace>,
    /// What else the rule says.
    #[serde(flatten)]
    pub rule: Option<RuleDump>,
    /// What the upstream receives.
    pub request: Option<Upstream>,
    /// How it is spoken to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Via>,
    /// What is changed in the response, or added to the gateway's own: `set name: value`, `add
    /// name: value`, `remove name`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_headers: Vec<String>,
    /// Where a redirect goes.
    pub location: Option<String>,
    /// The Gateway listener that the request belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<ListenerTrace>,
    /// What is wrong with the rule that was chosen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
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

/// How the upstream is spoken to; times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Via {
    /// `http`, `https`, `grpc`, `grpcs` or `h2c`.
    pub protocol: &'static str,
    /// The TLS server name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Tries in all.
    pub tries: u8,
    /// Of each try.
    pub connect_timeout: u32,
    /// Of each try, between two writes.
    pub write_timeout: u32,
    /// Of each try, between two reads.
    pub read_timeout: u32,
    /// Until the response begins, all tries together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_timeout: Option<u32>,
    /// Until the response of one try begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub try_timeout: Option<u32>,
    /// Name of the rule as a Kong route.
    pub route_name: String,
    /// Name of the backend as a Kong service.
    pub service_name: String,
}

/// A Gateway listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListenerTrace {
    /// Its port.
    pub port: u16,
    /// `HTTP` or `HTTPS`.
    pub protocol: &'static str,
    /// `namespace/gateway/section` of each.
    pub gateways: Vec<String>,
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
    /// `path`, `method`, `scheme`, `sni`, `header`, `query` or `precedence`; of matches that are not
    /// in the table `class`, `listener` or `invalid`; where nothing was found `host`.
    pub code: &'static str,
    /// In words.
    pub detail: String,
}

// === impl Question ===

impl Question {
    /// Does it ask over TLS?
    ///
    /// # Errors
    /// A sentence, for a scheme that is neither http nor https.
    pub(crate) fn tls(&self) -> Result<bool, String> {
        match self.scheme.as_deref() {
            None | Some("http") => Ok(false),
            Some("https") => Ok(true),
            Some(other) => Err(format!("scheme `{other}` is not http or https")),
        }
    }

    /// The listener's port that it asks at.
    pub(crate) fn listener_port(&self, tls: bool) -> u16 {
        let authority = self.host.as_deref().unwrap_or_default();
        let in_host = authority
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        let default = if tls { 443 } else { 80 };
        self.port.or(in_host).unwrap_or(default)
    }
}

// === impl ListenerTrace ===

impl ListenerTrace {
    pub(super) fn of(port: u16, entry: &ListenerEntry<'_>) -> Result<Self, Broken> {
        let gateways: Result<_, _> = entry.sources().map(|s| s.map(str::to_owned)).collect();
        Ok(Self {
            port,
            protocol: if entry.tls { "HTTPS" } else { "HTTP" },
            gateways: gateways?,
        })
    }
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
            rule: None,
            request: None,
            upstream: None,
            response_headers: Vec::new(),
            location: None,
            listener: None,
            problems: Vec::new(),
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
    pub(crate) fn of(rule: &RuleEntry<'_>, matched: &MatchEntry<'_>) -> Result<Self, Broken> {
        let object = rule.object()?;
        Ok(Self {
            kind: object.kind.as_str().to_owned(),
            namespace: lossy(object.namespace),
            name: lossy(object.name),
            rule: rule.index,
            index: matched.index,
        })
    }
}
