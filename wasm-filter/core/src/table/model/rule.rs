//! Matches and rules.

use std::sync::Arc;

use super::HostPattern;
use super::filter::FewFilters;
use super::regex::Regex;
use super::service::ServicePort;
use crate::table::hash::{Fast, digest64};

/// Kind of the object that a rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RouteKind {
    /// `networking.k8s.io/v1` Ingress.
    Ingress = 0,
    /// `gateway.networking.k8s.io/v1` HTTPRoute.
    HttpRoute = 1,
    /// `gateway.networking.k8s.io/v1` GRPCRoute.
    GrpcRoute = 2,
}

/// The object that a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteObject {
    /// Its kind.
    pub kind: RouteKind,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Creation time in seconds since 1970; `None` (manifests) sorts after every time.
    pub created: Option<i64>,
}

/// How a path must look. Values are normalised like request paths (`route::path`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathMatch {
    /// The whole path.
    Exact(Box<str>),
    /// This path and everything below it, by segment. Without trailing slash: `/` is "".
    Prefix(Box<str>),
    /// Every path that begins with this text (Ingress `ImplementationSpecific`, as in Kong).
    Text(Box<str>),
    /// Every path that the pattern matches from its start ([`Anchor::Start`](super::Anchor)).
    Regex(Arc<Regex>),
}

/// What the value of a header or query parameter must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueMatch {
    /// One of these, sorted. None at all fits nothing.
    OneOf(Vec<Box<str>>),
    /// Matched by the pattern.
    Regex(Arc<Regex>),
}

/// A header that a request must carry. Of a repeated one the first value counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderMatch {
    /// Lower case.
    pub name: Box<str>,
    /// Its value.
    pub value: ValueMatch,
}

/// A query parameter that a request must have. Of a repeated one the first value counts (Gateway
/// API `HTTPQueryParamMatch.name`: "recommended").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryMatch {
    /// The name, decoded; case counts.
    pub name: Box<str>,
    /// Its value, decoded.
    pub value: ValueMatch,
}

/// How a request must have come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum SchemeMatch {
    /// With TLS or without.
    #[default]
    Any,
    /// Without TLS; a TLS request does not fit.
    Plain,
    /// With TLS. A request without fits too, and is answered with this status: 426, or a redirect
    /// to https (Kong `https_redirect_status_code`: 301, 302, 307, 308).
    Tls {
        /// The status of the answer to requests without TLS.
        status: u16,
    },
}

/// One match of one rule: what is ranked against others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RouteMatch {
    /// The path.
    pub path: PathMatch,
    /// One of these methods, upper case, sorted; empty = any.
    pub methods: Vec<Box<str>>,
    /// All of these headers, sorted.
    pub headers: Vec<HeaderMatch>,
    /// All of these query parameters, sorted.
    pub queries: Vec<QueryMatch>,
    /// TLS requests must have one of these server names; empty = any. Requests without TLS are not
    /// asked (Kong `snis`). Sorted.
    pub snis: Vec<HostPattern>,
    /// With or without TLS.
    pub scheme: SchemeMatch,
    /// Position of the match in its rule.
    pub index: u16,
    /// What happens then.
    pub rule: Arc<Rule>,
}

/// What happens with the requests of a match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Where it was written.
    pub object: Arc<RouteObject>,
    /// Position of the rule in its object.
    pub index: u16,
    /// Its name, if it has one.
    pub name: Option<Box<str>>,
    /// Weighted backends. Empty, or a total weight of 0: every request is answered 500 (Gateway
    /// API `HTTPRouteRule.backendRefs`; the Ingress translator never makes such a rule), unless
    /// the rule redirects.
    pub backends: Vec<Backend>,
    /// What is changed on the way.
    pub filters: FewFilters,
    /// Time limits.
    pub timeouts: Timeouts,
    /// When a request is tried again, if the rule says so.
    pub retry: Option<Retry>,
    /// How the request is forwarded.
    pub forwarding: Forwarding,
    /// Kong plugins that must run; empty = none.
    pub plugins: PluginSet,
    /// Tags for logs and metrics (`konghq.com/tags`), sorted.
    pub tags: Vec<Box<str>>,
}

/// Time limits of a rule in milliseconds; `None` = not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timeouts {
    /// Until the head of the response is there, all tries together; 0 = none (Gateway API
    /// `HTTPRouteTimeouts.request`).
    pub request: Option<u32>,
    /// Until the head of the response of one try is there; 0 = none (`backendRequest`).
    pub backend_request: Option<u32>,
}

/// When and how often a request is tried again (Gateway API `HTTPRouteRetry`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Retry {
    /// Tries after the first, 0..=254.
    pub attempts: u8,
    /// Milliseconds before the first repetition; doubled for each further one.
    pub backoff: u32,
    /// Status codes of a response that is tried again, 400..=599, sorted. Failed connections
    /// always are.
    pub codes: Vec<u16>,
}

/// How a request is forwarded (annotations of Ingress and HTTPRoute, kic-map 1.4 and 2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Forwarding {
    /// `konghq.com/strip-path`: the matched part of the path is removed.
    pub strip_path: bool,
    /// `konghq.com/preserve-host`: the upstream sees the client's Host.
    pub preserve_host: bool,
    /// `konghq.com/path-handling: v1`: Service path and request path are joined as they are.
    pub path_v1: bool,
}

/// A KongPlugin or KongClusterPlugin by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PluginRef {
    /// Namespace of a KongPlugin; empty = a KongClusterPlugin.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// The plugins that Kong runs for a rule. The table has the set's id and, for people, the names;
/// never a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PluginSet {
    /// Sorted, each once.
    pub plugins: Vec<PluginRef>,
}

/// One weighted backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Backend {
    /// Share of the requests relative to the other backends of the rule, 0..=1,000,000.
    pub weight: u32,
    /// Where its share goes.
    pub target: BackendTarget,
    /// What is changed on the way to this backend, after what the rule changes.
    pub filters: FewFilters,
}

/// Where the share of a backend goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendTarget {
    /// To the endpoints of a Service's port.
    Service(ServicePort),
    /// Nowhere: its share of the requests is answered 500 (Gateway API: invalid backendRef).
    Invalid,
}

// === impl Rule ===

impl Rule {
    /// A rule that changes nothing and goes nowhere.
    #[must_use]
    pub fn new(object: Arc<RouteObject>, index: u16) -> Self {
        Self {
            object,
            index,
            name: None,
            backends: Vec::new(),
            filters: FewFilters::default(),
            timeouts: Timeouts::default(),
            retry: None,
            forwarding: Forwarding::default(),
            plugins: PluginSet::default(),
            tags: Vec::new(),
        }
    }
}

// === impl RouteMatch ===

impl RouteMatch {
    /// A match of the path alone.
    #[must_use]
    pub fn new(path: PathMatch, index: u16, rule: Arc<Rule>) -> Self {
        Self {
            path,
            methods: Vec::new(),
            headers: Vec::new(),
            queries: Vec::new(),
            snis: Vec::new(),
            scheme: SchemeMatch::Any,
            index,
            rule,
        }
    }
}

// === impl Backend ===

impl Backend {
    /// A backend without filters.
    #[must_use]
    pub fn new(weight: u32, target: BackendTarget) -> Self {
        Self {
            weight,
            target,
            filters: FewFilters::default(),
        }
    }
}

// === impl Forwarding ===

impl Default for Forwarding {
    /// KIC's defaults (kic-map 2.2, 2.4).
    fn default() -> Self {
        Self {
            strip_path: false,
            preserve_host: true,
            path_v1: false,
        }
    }
}

// === impl PluginSet ===

impl PluginSet {
    /// The id by which rules name it; 0 = no plugins.
    #[must_use]
    pub fn id(&self) -> u64 {
        if self.plugins.is_empty() {
            return 0;
        }
        let mut parts = vec!["plugins"];
        for plugin in &self.plugins {
            parts.extend([&*plugin.namespace, &*plugin.name]);
        }
        digest64(&parts).max(1)
    }
}

// === impl RouteKind ===

impl RouteKind {
    /// The kind as Kubernetes writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::HttpRoute => "HTTPRoute",
            Self::GrpcRoute => "GRPCRoute",
        }
    }

    /// The kind that Kubernetes writes so.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut kinds = [Self::Ingress, Self::HttpRoute, Self::GrpcRoute].into_iter();
        kinds.find(|kind| kind.as_str() == name)
    }

    /// The stable id of a rule: a hash of its object's kind and names and its position.
    #[inline]
    #[must_use]
    pub fn rule_id(self, namespace: &[u8], name: &[u8], index: u16) -> u64 {
        let seed = Fast::of(self as u64, namespace);
        Fast::of(seed ^ u64::from(index), name)
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Ingress),
            1 => Some(Self::HttpRoute),
            2 => Some(Self::GrpcRoute),
            _ => None,
        }
    }
}
