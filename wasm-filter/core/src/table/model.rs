//! What a table says, before it is bytes: the translator's output and the encoder's input.

use core::net::SocketAddr;
use std::sync::Arc;

use super::hash::digest64;
use super::layout::{INGRESS, INGRESS_DEFAULT};

/// A host as routes and listeners name it. Names are lower case, without port and trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// Any host, also an empty one.
    Any,
    /// `*.suffix`; holds the suffix without `*.`.
    Wildcard(Box<str>),
    /// This host only.
    Exact(Box<str>),
}

/// Where a route is reachable: the set of hosts that are looked up together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All Ingress objects share one scope; a data plane's port may serve it or not.
    Ingress,
    /// `spec.defaultBackend` of Ingress objects: asked last of all, only with [`HostPattern::Any`].
    IngressDefault,
    /// Listeners of Gateways. A request belongs to the scope with the most specific `hostname` on
    /// its port and to no other (listener isolation, Gateway API `Listener.hostname`).
    Listener {
        /// The listener's port, 1..=65535.
        port: u16,
        /// The listener's hostname.
        hostname: HostPattern,
    },
}

/// Key of the routes of one host in one scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostKey {
    /// Where the routes are reachable.
    pub scope: Scope,
    /// The host that they are for.
    pub host: HostPattern,
}

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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathMatch {
    /// The whole path.
    Exact(Box<str>),
    /// This path and everything below it, by segment. Without trailing slash: `/` is "".
    Prefix(Box<str>),
}

/// A header that a request must carry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderMatch {
    /// Lower case.
    pub name: Box<str>,
    /// The exact value.
    pub value: Box<str>,
}

/// One match of one rule: what is ranked against others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RouteMatch {
    /// The path.
    pub path: PathMatch,
    /// The method, upper case; `None` = any.
    pub method: Option<Box<str>>,
    /// All of these headers.
    pub headers: Vec<HeaderMatch>,
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
    /// Weighted backends. Empty, or a total weight of 0: every request is answered 500 (Gateway
    /// API `HTTPRouteRule.backendRefs`; the Ingress translator never makes such a rule).
    pub backends: Vec<Backend>,
}

/// One weighted backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Backend {
    /// Share of the requests relative to the other backends of the rule, 0..=1,000,000.
    pub weight: u32,
    /// Where its share goes.
    pub target: BackendTarget,
}

/// Where the share of a backend goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendTarget {
    /// To the endpoints of a Service's port.
    Service(ServicePort),
    /// Nowhere: its share of the requests is answered 500 (Gateway API: invalid backendRef).
    Invalid,
}

/// A port of a Service, the unit of endpoints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePort {
    /// The Service's namespace.
    pub namespace: Box<str>,
    /// The Service's name.
    pub name: Box<str>,
    /// The Service's port (not the targetPort), 1..=65535.
    pub port: u16,
}

/// The endpoints of a Service's port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ServiceEndpoints {
    /// Ready endpoints in any order; the encoder sorts and removes duplicates.
    pub endpoints: Vec<SocketAddr>,
}

/// Key of a listener in the table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerKey {
    /// The listener's port, 1..=65535.
    pub port: u16,
    /// The listener's hostname.
    pub hostname: HostPattern,
}

/// What the table says of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Listener {
    /// Is TLS terminated here?
    pub tls: bool,
    /// `namespace/gateway/section` of every listener with this port and hostname, sorted.
    pub sources: Vec<Box<str>>,
}

// === impl Scope ===

impl Scope {
    /// The scope's id in the table: even for Ingress, odd for listeners.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self {
            Self::Ingress => INGRESS,
            Self::IngressDefault => INGRESS_DEFAULT,
            // `| 1` keeps a listener's id apart from Ingress's.
            Self::Listener { port, hostname } => {
                digest64(&["listener", &port.to_string(), &hostname.to_string()]) | 1
            }
        }
    }
}

impl core::fmt::Display for Scope {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Ingress => f.write_str("ingress"),
            Self::IngressDefault => f.write_str("ingress default"),
            Self::Listener { port, hostname } => write!(f, "port:{port}/{hostname}"),
        }
    }
}

// === impl HostPattern ===

impl core::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Wildcard(suffix) => write!(f, "*.{suffix}"),
            Self::Exact(host) => f.write_str(host),
        }
    }
}

// === impl ServicePort ===

impl ServicePort {
    /// The id by which rules name it: a truncated BLAKE3 of the names, so that nobody can choose
    /// a name that hits another Service's id (a second preimage takes 2^64 tries).
    #[must_use]
    pub fn id(&self) -> u64 {
        digest64(&[
            "service",
            &self.namespace,
            &self.name,
            &self.port.to_string(),
        ])
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

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Ingress),
            1 => Some(Self::HttpRoute),
            2 => Some(Self::GrpcRoute),
            _ => None,
        }
    }
}
