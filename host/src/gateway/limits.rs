//! What the gateway accepts and how long it waits.

use std::time::Duration;

/// Limits of the gateway. The defaults are those of an nginx in Kong's configuration where that
/// has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's line and headers together; more is answered with 431.
    pub max_header_bytes: usize,
    /// Number of header lines; more is answered with 431.
    pub max_headers: usize,
    /// Bytes of a request target; more is answered with 414.
    pub max_uri_bytes: usize,
    /// How long a client may take for the headers of a request, the pause before it included:
    /// this is also the keep-alive timeout towards clients.
    pub header_read_timeout: Duration,
    /// How long a client may pause within a request body.
    pub body_read_timeout: Duration,
    /// Bytes of a request body that are kept, so that it can be sent a second time.
    pub replay_bytes: usize,
    /// Bytes of a request body that are read when the filter asks for the body before it decides.
    pub max_buffered_body: usize,
    /// Idle upstream connections that a worker keeps for one endpoint. 0 = no keep-alive.
    pub pool_idle_per_endpoint: usize,
    /// How long a worker keeps an idle upstream connection.
    pub pool_idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_header_bytes: 64 * 1024,
            max_headers: 128,
            max_uri_bytes: 16 * 1024,
            header_read_timeout: Duration::from_secs(60),
            body_read_timeout: Duration::from_secs(60),
            replay_bytes: 64 * 1024,
            max_buffered_body: 8 * 1024 * 1024,
            // Kong: upstream_keepalive_pool_size, upstream_keepalive_idle_timeout.
            pool_idle_per_endpoint: 512,
            pool_idle_timeout: Duration::from_secs(60),
        }
    }
}
