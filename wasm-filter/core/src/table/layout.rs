//! Which segment holds what.
//!
//! ```text
//! segment 0                      base: listeners, wildcard hosts, no host
//! segments 1..=256               routes of exact hosts, by hash
//! segments 257..=768             endpoints of Service ports, by id
//! ```
//! 256 route segments keep one host's change near 25 KB at 100,000 routes; 512 endpoint segments
//! keep one pod's change below the 16 KB budget with a Service of 500 endpoints among 10,000
//! Services. The numbers are part of the format: root and filter check them.

use super::hash::Fast;
use super::model::{HostKey, HostPattern, ServicePort};
use super::segment::SegmentKind;

/// Number of route segments.
pub const ROUTE_SEGMENTS: u32 = 256;
/// Number of endpoint segments.
pub const ENDPOINT_SEGMENTS: u32 = 512;
/// Number of all segments.
pub const SEGMENTS: u32 = 1 + ROUTE_SEGMENTS + ENDPOINT_SEGMENTS;
/// Index of the base segment.
pub const BASE: u32 = 0;

/// The scopes of a host, best first, as bits: a lookup leaves out those that a request cannot belong
/// to, and those without a wildcard host or without routes for every host.
pub mod turn {
    /// Ingress.
    pub const INGRESS: u16 = 1;
    /// The listener's scope.
    pub const LISTENER: u16 = 2;
    /// The listener's scope of GRPCRoutes.
    pub const GRPC: u16 = 4;
    /// Default backends of Ingresses.
    pub const INGRESS_DEFAULT: u16 = 8;
}

/// Flags of blocks in the base segment: what a lookup may leave out.
pub mod flag {
    /// Times a [`super::turn`]: it has a wildcard host.
    pub const WILDCARD: u16 = 1;
    /// Times a [`super::turn`]: it has routes without host.
    pub const ANY: u16 = 16;
    /// There is a listener with an exact hostname.
    pub const EXACT_HOSTNAME: u16 = 256;
    /// There is a listener with a wildcard hostname.
    pub const WILDCARD_HOSTNAME: u16 = 512;
    /// There is a listener.
    pub const LISTENER: u16 = 1024;
    /// There is a GRPCRoute.
    pub const GRPC: u16 = 2048;
}

/// Id of the scope of all Ingress objects.
pub const INGRESS: u64 = 0;
/// Id of the scope of Ingress default backends.
pub const INGRESS_DEFAULT: u64 = 2;
/// Id of a scope without routes: its block in the base segment only carries [`flag::GRPC`].
pub(crate) const GRPC_MARK: u64 = 4;

/// Kind of a host in a key. Also keeps the hashes of the kinds apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum HostKind {
    /// No host.
    Any = 0,
    /// `*.` and the text.
    Wildcard = 1,
    /// The text.
    Exact = 2,
    /// A listener's hostname: none.
    ListenerAny = 4,
    /// A listener's hostname: `*.` and the text.
    ListenerWildcard = 5,
    /// A listener's hostname: the text.
    ListenerExact = 6,
}

/// Where the routes of a host lie.
#[must_use]
pub fn route_segment(kind: HostKind, hash: u64) -> u32 {
    match kind {
        HostKind::Exact => 1 + (hash >> 32) as u32 % ROUTE_SEGMENTS,
        _ => BASE,
    }
}

/// Where the endpoints of a Service port lie.
#[must_use]
pub fn endpoint_segment(id: u64) -> u32 {
    1 + ROUTE_SEGMENTS + (id >> 32) as u32 % ENDPOINT_SEGMENTS
}

/// The kind of a segment's blocks.
#[must_use]
pub fn kind(segment: u32) -> SegmentKind {
    match segment {
        BASE => SegmentKind::Base,
        1..=ROUTE_SEGMENTS => SegmentKind::Routes,
        _ => SegmentKind::Endpoints,
    }
}

/// The hash of a host in a scope (or of a listener's hostname on a port).
#[inline]
#[must_use]
pub fn host_hash(scope: u64, kind: HostKind, host: &[u8]) -> u64 {
    Fast::of(scope ^ ((kind as u64) << 56), host)
}

/// `u64 scope | u8 kind | host`.
pub(crate) fn host_key(scope: u64, kind: HostKind, host: &str) -> Box<[u8]> {
    let mut key = Vec::with_capacity(9 + host.len());
    key.extend_from_slice(&scope.to_le_bytes());
    key.push(kind as u8);
    key.extend_from_slice(host.as_bytes());
    key.into_boxed_slice()
}

/// Kind and text of a pattern.
pub(crate) fn host_parts(pattern: &HostPattern) -> (HostKind, &str) {
    match pattern {
        HostPattern::Any => (HostKind::Any, ""),
        HostPattern::Wildcard(suffix) => (HostKind::Wildcard, suffix),
        HostPattern::Exact(host) => (HostKind::Exact, host),
    }
}

/// Kind and text of a listener's hostname.
pub(crate) fn listener_parts(pattern: &HostPattern) -> (HostKind, &str) {
    match pattern {
        HostPattern::Any => (HostKind::ListenerAny, ""),
        HostPattern::Wildcard(suffix) => (HostKind::ListenerWildcard, suffix),
        HostPattern::Exact(host) => (HostKind::ListenerExact, host),
    }
}

/// Segment, hash and key of a host's routes.
pub(crate) fn host_place(key: &HostKey) -> (u32, u64, Box<[u8]>) {
    let scope = key.scope.id();
    let (kind, host) = host_parts(&key.host);
    let hash = host_hash(scope, kind, host.as_bytes());
    (route_segment(kind, hash), hash, host_key(scope, kind, host))
}

/// Segment, hash (= id) and key of a Service port.
pub(crate) fn service_place(key: &ServicePort) -> (u32, u64, Box<[u8]>) {
    let id = key.id();
    let text = format!("{}/{}:{}", key.namespace, key.name, key.port);
    (
        endpoint_segment(id),
        id,
        text.into_bytes().into_boxed_slice(),
    )
}
