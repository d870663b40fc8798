//! `kong.silverback.plan`: the filter's decision in one value.
//!
//! ```text
//! u8 version = 1 | u64 epoch | u64 rule | field*
//! field = u8 tag | u16 length | bytes
//! ```
//! Numbers are little-endian. A tag is given at most once, except those that [`tag::repeats`]. A
//! reader that does not know a tag below 128 must refuse the plan: the filter asks for something
//! the reader cannot do. Tags from 128 on are hints that may be skipped. Field text never holds
//! CR, LF or NUL: encoder and decoder both refuse them, so that no value of a request can split a
//! header or a log line.
//!
//! One value costs half of what five properties cost (Kong shim facts 8).

mod check;
mod decode;
mod encode;
pub mod fields;

use core::net::SocketAddr;

/// The version that this build writes and reads.
pub const VERSION: u8 = 1;

/// The longest list of endpoints in a plan. More would cost every request; a request that has
/// failed this often is not saved by one more try.
pub const MAX_ENDPOINTS: usize = 16;

/// The most mirrors in a plan: each is one more request for every request.
pub const MAX_MIRRORS: usize = 4;

/// The most status codes in [`RetryOn::codes`]: as many as there are.
pub const MAX_RETRY_CODES: usize = 200;

/// Header names that a plan may neither set nor add, because others depend on them: the host has
/// a field of its own ([`tag::HOST`]), the rest is the framing of the message.
pub const FIXED_HEADERS: [&[u8]; 4] = [
    b"connection",
    b"content-length",
    b"host",
    b"transfer-encoding",
];

/// Field tags.
pub mod tag {
    /// Ordered endpoints: the first is tried first, the list wraps round. Each is `u8 4 | 6`,
    /// address (4 or 16 bytes), `u16 port`. Mandatory.
    pub const ENDPOINTS: u8 = 1;
    /// `u32 connect | u32 send | u32 read` in milliseconds, for each try.
    pub const TIMEOUTS: u8 = 2;
    /// `u8`: tries in all, the first included, 1..=255.
    pub const TRIES: u8 = 3;
    /// `u8` upstream protocol, see [`super::Protocol`].
    pub const PROTOCOL: u8 = 4;
    /// Host header (gRPC: authority) for the upstream; absent = the client's.
    pub const HOST: u8 = 5;
    /// Path with query for the upstream; absent = the client's.
    pub const URI: u8 = 6;
    /// Name of one request header that the upstream must not see, lower case. May repeat.
    pub const REMOVE_HEADER: u8 = 7;
    /// TLS: `u64` policy id, then the server name.
    pub const TLS: u8 = 8;
    /// `u8 name length | name | value`: the upstream sees this one value of the name. May repeat.
    pub const SET_HEADER: u8 = 9;
    /// `u8 name length | name | value`: behind the values that are there. May repeat.
    pub const ADD_HEADER: u8 = 10;
    /// `u32 request | u32 try` in milliseconds, see [`super::Deadlines`].
    pub const DEADLINES: u8 = 11;
    /// `u32 backoff` in milliseconds, then `u16` status codes, see [`super::RetryOn`].
    pub const RETRY: u8 = 12;
    /// `u8` protocol, then endpoints as in [`ENDPOINTS`], see [`super::Mirror`]. May repeat.
    pub const MIRROR: u8 = 13;
    /// `u64`, not 0, see [`super::Plan::plugin_set`].
    pub const PLUGIN_SET: u8 = 14;
    /// Tags from here on may be skipped by a reader that does not know them.
    pub const FIRST_HINT: u8 = 128;
    /// Name of the rule as a Kong route, for logs and metrics. May be skipped.
    pub const ROUTE_NAME: u8 = 128;
    /// Name of the backend as a Kong service, for logs and metrics. May be skipped.
    pub const SERVICE_NAME: u8 = 129;
    /// Tags of the rule, separated by commas, for logs and metrics. May be skipped.
    pub const TAGS: u8 = 130;

    /// Whether a plan may have several fields of this tag.
    #[must_use]
    pub const fn repeats(tag: u8) -> bool {
        matches!(tag, REMOVE_HEADER | SET_HEADER | ADD_HEADER | MIRROR)
    }
}

/// What is spoken with the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Protocol {
    /// HTTP/1.1 without TLS.
    #[default]
    Http = 0,
    /// HTTP/1.1 (or what ALPN agrees on) with TLS.
    Https = 1,
    /// gRPC over HTTP/2 without TLS.
    Grpc = 2,
    /// gRPC over HTTP/2 with TLS.
    Grpcs = 3,
    /// HTTP/2 without TLS, with prior knowledge.
    H2c = 4,
}

/// Time limits of one try, in milliseconds, 1..=2^31-1 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection (TLS included) stands.
    pub connect: u32,
    /// Between two successful writes to the upstream.
    pub send: u32,
    /// Between two successful reads from the upstream.
    pub read: u32,
}

/// Limits that do not start anew with each byte, in milliseconds, up to 2^31-1 each; 0 = none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadlines {
    /// From the plan until the head of a response has come, over all tries and pauses. What is
    /// not there by then is answered with 504.
    pub request: u32,
    /// One try, until the head of its response has come; then it has timed out.
    pub attempt: u32,
}

/// When an answer is as bad as none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryOn<'a> {
    /// Pause before the second try in milliseconds, up to 2^31-1; 0 = none. Later pauses are
    /// longer, as the data plane sees fit.
    pub backoff: u32,
    /// Status codes, 400..=599: a try that is answered with one has failed, and the next endpoint
    /// gets the request while tries are left and it can be sent again. The last answer stands.
    pub codes: &'a [u16],
}

/// Where a copy of the request goes. Its answer is thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirror<'a> {
    /// Protocol towards the mirror.
    pub protocol: Protocol,
    /// Endpoints in the order of tries, 1..=[`MAX_ENDPOINTS`].
    pub endpoints: &'a [SocketAddr],
}

/// TLS towards the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamTls<'a> {
    /// Id of the policy (CA, client certificate, verification); 0 = none, no verification.
    pub policy: u64,
    /// Server name to send and to verify; empty = none.
    pub server_name: &'a [u8],
}

/// A decision to proxy. Borrowed from table and request, so that making one allocates nothing.
/// [`Plan::to`] is one with defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<'a> {
    /// Epoch of the table that decided.
    pub epoch: u64,
    /// Stable id of the rule.
    pub rule: u64,
    /// Endpoints in the order of tries, 1..=[`MAX_ENDPOINTS`].
    pub endpoints: &'a [SocketAddr],
    /// Limits of each try.
    pub timeouts: Timeouts,
    /// Limits of the request and of each try as a whole.
    pub deadlines: Deadlines,
    /// Tries in all, at least 1.
    pub tries: u8,
    /// Which answers are worth another try, and the pause before one.
    pub retry: Option<RetryOn<'a>>,
    /// Protocol towards the upstream.
    pub protocol: Protocol,
    /// Host header for the upstream; `None` = the client's.
    pub host: Option<&'a [u8]>,
    /// Path with query for the upstream; `None` = the client's.
    pub uri: Option<&'a [u8]>,
    /// Request headers that the upstream must not see, lower case. They go first.
    pub remove_headers: &'a [&'a [u8]],
    /// Name (lower case) and value of request headers that replace all of their name. They come
    /// after the removals.
    pub set_headers: &'a [(&'a [u8], &'a [u8])],
    /// Name (lower case) and value of request headers behind those of their name. They come last.
    pub add_headers: &'a [(&'a [u8], &'a [u8])],
    /// TLS settings; only with a TLS protocol.
    pub tls: Option<UpstreamTls<'a>>,
    /// Who gets a copy, at most [`MAX_MIRRORS`].
    pub mirrors: &'a [Mirror<'a>],
    /// Id of the plugins that must have run for the request; 0 = none. A data plane that has not
    /// run them must not proxy: authentication may be among them.
    pub plugin_set: u64,
    /// Kong-style route name.
    pub route_name: &'a [u8],
    /// Kong-style service name.
    pub service_name: &'a [u8],
    /// Tags, separated by commas.
    pub tags: &'a [u8],
}

/// A [`RetryOn`] as a reader holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRetryOn {
    /// See [`RetryOn::backoff`].
    pub backoff: u32,
    /// See [`RetryOn::codes`].
    pub codes: Vec<u16>,
}

/// A [`Mirror`] as a reader holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedMirror {
    /// See [`Mirror::protocol`].
    pub protocol: Protocol,
    /// See [`Mirror::endpoints`].
    pub endpoints: Vec<SocketAddr>,
}

/// A plan as a reader holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedPlan {
    /// See [`Plan::epoch`].
    pub epoch: u64,
    /// See [`Plan::rule`].
    pub rule: u64,
    /// See [`Plan::endpoints`].
    pub endpoints: Vec<SocketAddr>,
    /// See [`Plan::timeouts`].
    pub timeouts: Timeouts,
    /// See [`Plan::deadlines`].
    pub deadlines: Deadlines,
    /// See [`Plan::tries`].
    pub tries: u8,
    /// See [`Plan::retry`].
    pub retry: Option<OwnedRetryOn>,
    /// See [`Plan::protocol`].
    pub protocol: Protocol,
    /// See [`Plan::host`].
    pub host: Option<Vec<u8>>,
    /// See [`Plan::uri`].
    pub uri: Option<Vec<u8>>,
    /// See [`Plan::remove_headers`].
    pub remove_headers: Vec<Vec<u8>>,
    /// See [`Plan::set_headers`].
    pub set_headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// See [`Plan::add_headers`].
    pub add_headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Policy id and server name, see [`Plan::tls`].
    pub tls: Option<(u64, Vec<u8>)>,
    /// See [`Plan::mirrors`].
    pub mirrors: Vec<OwnedMirror>,
    /// See [`Plan::plugin_set`].
    pub plugin_set: u64,
    /// See [`Plan::route_name`].
    pub route_name: Vec<u8>,
    /// See [`Plan::service_name`].
    pub service_name: Vec<u8>,
    /// See [`Plan::tags`].
    pub tags: Vec<u8>,
}

// === impl Protocol ===

impl Protocol {
    /// The protocol of a wire byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Http),
            1 => Some(Self::Https),
            2 => Some(Self::Grpc),
            3 => Some(Self::Grpcs),
            4 => Some(Self::H2c),
            _ => None,
        }
    }

    /// Whether the connection is TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Grpcs)
    }
}

// === impl Timeouts ===

impl Default for Timeouts {
    /// Kong's and KIC's default: 60 s each (kic-map 1.4).
    fn default() -> Self {
        Self {
            connect: 60_000,
            send: 60_000,
            read: 60_000,
        }
    }
}

// === impl Plan ===

impl<'a> Plan<'a> {
    /// A plan that proxies the request as it is: one try, HTTP, default timeouts.
    #[must_use]
    pub fn to(epoch: u64, rule: u64, endpoints: &'a [SocketAddr]) -> Self {
        Self {
            epoch,
            rule,
            endpoints,
            timeouts: Timeouts::default(),
            deadlines: Deadlines::default(),
            tries: 1,
            retry: None,
            protocol: Protocol::Http,
            host: None,
            uri: None,
            remove_headers: &[],
            set_headers: &[],
            add_headers: &[],
            tls: None,
            mirrors: &[],
            plugin_set: 0,
            route_name: b"",
            service_name: b"",
            tags: b"",
        }
    }
}
