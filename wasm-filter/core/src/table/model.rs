//! What a table says, before it is bytes: the translator's output and the encoder's input.

mod filter;
mod regex;
mod rule;
mod service;

use super::hash::digest64;
use super::layout::{INGRESS, INGRESS_DEFAULT};

pub use self::filter::{
    Cors, FewFilters, Filters, Header, HeaderEdits, Mirror, PathEdit, Piece, Redirect, Rewrite,
};
pub use self::regex::{Anchor, Regex};
pub use self::rule::{
    Backend, BackendTarget, Forwarding, HeaderMatch, PathMatch, PluginRef, PluginSet, QueryMatch,
    Retry, RouteKind, RouteMatch, RouteObject, Rule, SchemeMatch, Timeouts, ValueMatch,
};
pub use self::service::{
    Algorithm, HashInput, NameToResolve, PassiveChecks, ServiceEndpoints, ServicePort,
    ServiceSettings, UpstreamPolicy, UpstreamProtocol,
};

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
    /// GRPCRoutes of the listeners with this port and hostname: asked after the listener's
    /// HTTPRoutes on each host (design, choices 3).
    Grpc {
        /// The listener's port, 1..=65535.
        port: u16,
        /// The listener's hostname.
        hostname: HostPattern,
    },
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
    /// `namespace/name` of the Secrets whose certificates are served here, sorted.
    pub certificates: Vec<Box<str>>,
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
            Self::Grpc { port, hostname } => grpc_scope(
                Self::Listener {
                    port: *port,
                    hostname: hostname.clone(),
                }
                .id(),
            ),
        }
    }
}

impl core::fmt::Display for Scope {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Ingress => f.write_str("ingress"),
            Self::IngressDefault => f.write_str("ingress default"),
            Self::Listener { port, hostname } => write!(f, "port:{port}/{hostname}"),
            Self::Grpc { port, hostname } => write!(f, "grpc:{port}/{hostname}"),
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

/// Id of the scope of GRPCRoutes beside the listener's scope `listener`.
#[inline]
#[must_use]
pub fn grpc_scope(listener: u64) -> u64 {
    // Still odd, and as far from other scopes as they are from each other.
    listener ^ 0x6772_7063_0000_0000
}
