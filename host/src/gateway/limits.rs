//! What the gateway accepts and how long it waits.

use std::time::Duration;

/// hyper's own limit for header lines: with any other it allocates memory for each message.
pub(super) const HYPER_HEADERS: usize = 100;

/// Limits of the gateway. The defaults are those of an nginx in Kong's configuration where that
/// has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's line and headers together; more is answered with 431.
    pub max_header_bytes: usize,
    /// Number of header lines; more is answered with 431. Upstreams' responses may have as many; more
    /// is answered with 502. nginx counts bytes only, Envoy 100 by default.
    pub max_headers: usize,
    /// Bytes of a request target; more is answered with 414.
    pub max_uri_bytes: usize,
    /// How long a client may take for the headers of a request, the pause before it included:
    /// this is also the keep-alive timeout towards clients.
    pub header_read_timeout: Duration,
    /// How long a client may pause within a request body.
    pub body_read_timeout: Duration,
    /// Bytes of a request body; more is answered with 413. 0 = no limit.
    pub max_body_bytes: u64,
    /// How long a client may take nothing of what is sent to it.
    pub write_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// Client connections of one listener, over all workers; more are closed at once. 0 = no limit.
    pub max_connections: usize,
    /// Limits of HTTP/2 connections from clients.
    pub http2: Http2Limits,
    /// Bytes of a request body that are kept, so that it can be sent a second time.
    pub replay_bytes: usize,
    /// Bytes of a request body that are read when the filter asks for the body before it decides.
    pub max_buffered_body: usize,
    /// Idle upstream connections that a worker keeps for one endpoint. 0 = no keep-alive.
    pub pool_idle_per_endpoint: usize,
    /// How long a worker keeps an idle upstream connection.
    pub pool_idle_timeout: Duration,
}

/// Limits of one HTTP/2 connection from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2Limits {
    /// Requests at a time.
    pub max_concurrent_streams: u32,
    /// Bytes of a request body that a client may send ahead, and of all bodies of the connection.
    pub stream_window: u32,
    /// See `stream_window`.
    pub connection_window: u32,
    /// Bytes of a response that wait for the client, for each request.
    pub send_buffer: usize,
    /// How long a connection may be without a request.
    pub idle_timeout: Duration,
    /// How often a client that sends nothing is asked whether it is still there, and how long it
    /// may take to say so.
    pub ping_interval: Duration,
    /// See `ping_interval`.
    pub ping_timeout: Duration,
    /// Requests that a client may take back within a second of their start, over the life of the
    /// connection; with more, and more than half of all, it is cut ("rapid reset", CVE-2023-44487).
    pub max_resets: u64,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            // nginx: http2_max_concurrent_streams.
            max_concurrent_streams: 128,
            stream_window: 256 * 1024,
            connection_window: 1024 * 1024,
            send_buffer: 256 * 1024,
            // nginx: keepalive_timeout.
            idle_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(20),
            max_resets: 250,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_header_bytes: 64 * 1024,
            max_headers: HYPER_HEADERS,
            max_uri_bytes: 16 * 1024,
            header_read_timeout: Duration::from_secs(60),
            body_read_timeout: Duration::from_secs(60),
            // Kong: nginx_http_client_max_body_size = 0.
            max_body_bytes: 0,
            write_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            // Kong: worker_connections, at most 16,384.
            max_connections: 16 * 1024,
            http2: Http2Limits::default(),
            replay_bytes: 64 * 1024,
            max_buffered_body: 8 * 1024 * 1024,
            // Kong: upstream_keepalive_pool_size, upstream_keepalive_idle_timeout.
            pool_idle_per_endpoint: 512,
            pool_idle_timeout: Duration::from_secs(60),
        }
    }
}
