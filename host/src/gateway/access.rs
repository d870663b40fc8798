//! One event for each request that is over.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

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
    /// From the last byte of the request's headers to the last byte of the response.
    pub latency: Duration,
    /// Number of the worker.
    pub worker: usize,
}

/// What is called with each request that could be parsed, when it is over; on the
/// worker's thread, so it must not block.
pub type AccessHook = Arc<dyn Fn(&AccessEvent<'_>) + Send + Sync>;
