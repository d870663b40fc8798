//! One event for each request that is over.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Version;
use silverback_core::contract::result::{Outcome, Try};

/// How a request was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// By an upstream.
    Proxied,
    /// By the filter.
    Local,
    /// By the gateway: refused, no plan, a bad plan, a trap, no upstream.
    Gateway,
    /// Not at all, or not in full: the client went away.
    Aborted,
}

/// A request that is over. Borrowed: a hook copies what it wants to keep.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AccessEvent<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The Host header, empty if there was none.
    pub host: &'a [u8],
    /// Path with query.
    pub path: &'a [u8],
    /// The client.
    pub source: IpAddr,
    /// Status that the client got; 499 if it went away before there was one.
    pub status: u16,
    /// Who answered.
    pub answer: Answer,
    /// Id of the rule in the plan, 0 without a plan.
    pub rule: u64,
    /// Epoch of the table in the plan, 0 without a plan.
    pub epoch: u64,
    /// Route name in the plan.
    pub route: &'a [u8],
    /// Service name in the plan.
    pub service: &'a [u8],
    /// Tags in the plan, separated by commas.
    pub tags: &'a [u8],
    /// The endpoint of the last try.
    pub endpoint: Option<SocketAddr>,
    /// How many tries there were.
    pub tries: usize,
    /// Each of them, in order.
    pub attempts: Attempts<'a>,
    /// From the last byte of the request's headers to the last byte of the response.
    pub latency: Duration,
    /// From the first try to the head of the upstream's response, or to the end of the last try that
    /// failed; pauses included. `None` without a try.
    pub upstream_latency: Option<Duration>,
    /// Bytes of the request's body that were read; after an upgrade what came from the client.
    pub received: u64,
    /// Bytes of the response's body; after an upgrade what came from the upstream.
    pub sent: u64,
    /// The client's HTTP version.
    pub version: Version,
    /// The client's connection is TLS.
    pub tls: bool,
    /// The port that the filter was told.
    pub port: u16,
    /// Number of the worker.
    pub worker: usize,
}

/// The tries of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempts<'a> {
    pub(super) tries: &'a [Try],
    pub(super) endpoints: &'a [SocketAddr],
}

/// What is called with each request that could be parsed, when it is over; on the
/// worker's thread, so it must not block.
pub type AccessHook = Arc<dyn Fn(&AccessEvent<'_>) + Send + Sync>;

// === impl Answer ===

impl Answer {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Proxied, Self::Local, Self::Gateway, Self::Aborted];
}

// === impl Attempts ===

impl<'a> Attempts<'a> {
    /// The endpoint of each try and how it ended.
    pub fn iter(self) -> impl Iterator<Item = (SocketAddr, Outcome)> + use<'a> {
        let endpoints = self.endpoints;
        self.tries.iter().filter_map(move |one| {
            let endpoint = endpoints.get(usize::from(one.endpoint))?;
            Some((*endpoint, one.outcome))
        })
    }
}
