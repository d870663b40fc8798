//! Services: their endpoints and how they are spoken to.

use core::net::SocketAddr;

use crate::table::hash::digest64;

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

/// The endpoints of a Service's port, and how they are spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ServiceEndpoints {
    /// Ready endpoints in any order; the encoder sorts and removes duplicates.
    pub endpoints: Vec<SocketAddr>,
    /// What the Service's fields and annotations say.
    pub settings: ServiceSettings,
}

/// How the endpoints of a Service's port are spoken to (`appProtocol`, annotations of kic-map 1.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ServiceSettings {
    /// What they speak.
    pub protocol: UpstreamProtocol,
    /// `konghq.com/path`: put before the request's path. Begins with `/`.
    pub path: Option<Box<str>>,
    /// `konghq.com/host-header`, in effect where the client's Host is not preserved.
    pub host_header: Option<Box<str>>,
    /// `konghq.com/connect-timeout`, milliseconds, 1..=2^31-2.
    pub connect_timeout: Option<u32>,
    /// `konghq.com/write-timeout`, milliseconds, 1..=2^31-2.
    pub write_timeout: Option<u32>,
    /// `konghq.com/read-timeout`, milliseconds, 1..=2^31-2.
    pub read_timeout: Option<u32>,
    /// `konghq.com/retries`: tries after the first.
    pub retries: Option<u8>,
    /// ExternalName: resolved by the host, whose answer is in `endpoints`.
    pub external: Option<NameToResolve>,
    /// `konghq.com/upstream-policy`.
    pub policy: Option<UpstreamPolicy>,
    /// Id of the TLS policy in plans; 0 = nothing is verified. What it is, is an entity: no
    /// certificate is in the table.
    pub tls_policy: u64,
}

/// What is spoken with endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http = 0,
    /// HTTP/1.1 with TLS.
    Https = 1,
    /// gRPC.
    Grpc = 2,
    /// gRPC with TLS.
    Grpcs = 3,
    /// HTTP/2 without TLS.
    H2c = 4,
}

/// A DNS name whose addresses are endpoints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameToResolve {
    /// Lower case, without trailing dot.
    pub name: Box<str>,
    /// The port at each address, 1..=65535.
    pub port: u16,
}

/// A KongUpstreamPolicy as the table carries it (kic-map 1.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UpstreamPolicy {
    /// How an endpoint is chosen.
    pub algorithm: Algorithm,
    /// What consistent hashing hashes.
    pub hash_on: HashInput,
    /// What it hashes where the request has no such value.
    pub fallback: HashInput,
    /// When an endpoint is taken out for a while.
    pub passive: Option<PassiveChecks>,
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Algorithm {
    /// Evenly.
    #[default]
    RoundRobin = 0,
    /// By a hash of the request.
    ConsistentHashing = 1,
    /// The one with the fewest requests in flight.
    LeastConnections = 2,
    /// The fastest.
    Latency = 3,
    /// The one that the client's cookie names.
    StickySessions = 4,
}

/// A value of the request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum HashInput {
    /// No value.
    #[default]
    None,
    /// The client's address.
    Ip,
    /// The path.
    Path,
    /// The consumer, which only Kong knows.
    Consumer,
    /// The header of this lower-case name.
    Header(Box<str>),
    /// The cookie of this name; made for clients without, for this path.
    Cookie(Box<str>, Box<str>),
    /// The query parameter of this name.
    Query(Box<str>),
    /// The capture of this name of the path's pattern.
    Capture(Box<str>),
}

/// When an endpoint is taken out for a while, counted in failures one after the other; 0 = never.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PassiveChecks {
    /// Failed connections.
    pub tcp_failures: u8,
    /// Timeouts.
    pub timeouts: u8,
    /// Responses with one of `codes`.
    pub http_failures: u8,
    /// Status codes that count as failures, sorted.
    pub codes: Vec<u16>,
    /// Successes after which it is back.
    pub successes: u8,
}

// === impl UpstreamProtocol ===

impl UpstreamProtocol {
    /// Is it TLS?
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }

    /// As the annotation `konghq.com/protocol` names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Grpc => "grpc",
            Self::Grpcs => "grpcs",
            Self::H2c => "h2c",
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Http),
            1 => Some(Self::Https),
            2 => Some(Self::Grpc),
            3 => Some(Self::Grpcs),
            4 => Some(Self::H2c),
            _ => None,
        }
    }
}

// === impl Algorithm ===

impl Algorithm {
    /// As KongUpstreamPolicy names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::ConsistentHashing => "consistent-hashing",
            Self::LeastConnections => "least-connections",
            Self::Latency => "latency",
            Self::StickySessions => "sticky-sessions",
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::RoundRobin),
            1 => Some(Self::ConsistentHashing),
            2 => Some(Self::LeastConnections),
            3 => Some(Self::Latency),
            4 => Some(Self::StickySessions),
            _ => None,
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
