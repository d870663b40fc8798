//! Idle upstream connections, a worker's own.
//!
//! The pool is by endpoint and knows nothing of requests, so that a plan's tries can go from
//! endpoint to endpoint: a client that pools for itself (hyper-util's) hides which endpoint
//! failed and whether anything was sent.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;

use super::body::UpstreamBody;
use super::dial::Dialer;
use super::echo::EchoIdentity;
use super::limits::Limits;

/// A connection to an endpoint, good for one request at a time.
pub(super) struct Connection {
    pub(super) sender: SendRequest<UpstreamBody>,
    endpoint: SocketAddr,
    echo: Option<Arc<EchoIdentity>>,
    idle_since: Instant,
    /// It has carried a request: the upstream may have closed it in the meantime.
    pub(super) used: bool,
}

/// Connections of one kind to one endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    endpoint: SocketAddr,
    /// Id of the TLS policy; connections of different policies must not be mixed. 0 = no TLS,
    /// all that this gateway speaks so far.
    tls: u64,
}

/// The idle connections.
pub(super) struct Pool {
    idle: RefCell<HashMap<Key, Vec<Connection>>>,
    per_endpoint: usize,
    timeout: Duration,
}

impl Connection {
    pub(super) fn new(
        sender: SendRequest<UpstreamBody>,
        endpoint: SocketAddr,
        echo: Option<Arc<EchoIdentity>>,
    ) -> Self {
        Self {
            sender,
            endpoint,
            echo,
            idle_since: Instant::now(),
            used: false,
        }
    }

    pub(super) fn endpoint(&self) -> SocketAddr {
        self.endpoint
    }

    pub(super) fn echo(&self) -> Option<&Arc<EchoIdentity>> {
        self.echo.as_ref()
    }

    fn key(&self) -> Key {
        key(self.endpoint)
    }
}

fn key(endpoint: SocketAddr) -> Key {
    Key { endpoint, tls: 0 }
}

impl Pool {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            idle: RefCell::default(),
            per_endpoint: limits.pool_idle_per_endpoint,
            timeout: limits.pool_idle_timeout,
        }
    }

    /// The connection used last: the likeliest to be alive, and the others may grow old.
    pub(super) fn take(&self, endpoint: SocketAddr, dialer: &Dialer) -> Option<Connection> {
        let mut idle = self.idle.borrow_mut();
        let idle = idle.get_mut(&key(endpoint))?;
        // One that has just been put back gets ready when its driver runs; others are by now.
        let usable =
            |connection: &Connection| connection.sender.is_ready() || connection.sender.is_closed();
        while let Some(at) = idle.iter().rposition(usable) {
            let connection = idle.remove(at);
            if connection.sender.is_closed() {
                continue;
            }
            if connection.idle_since.elapsed() < self.timeout && dialer.is_current(&connection) {
                return Some(connection);
            }
            // Those before it are older still.
            idle.drain(..at);
        }
        None
    }

    /// Keeps a connection whose exchange is over.
    pub(super) fn put(&self, mut connection: Connection) {
        if self.per_endpoint == 0 || connection.sender.is_closed() {
            return;
        }
        connection.idle_since = Instant::now();
        connection.used = true;
        let mut idle = self.idle.borrow_mut();
        let idle = idle.entry(connection.key()).or_default();
        if idle.len() >= self.per_endpoint {
            idle.remove(0);
        }
        idle.push(connection);
    }

    /// Forgets an endpoint's connections: one of them was found closed by the upstream, and one
    /// that restarted has closed them all.
    pub(super) fn forget(&self, endpoint: SocketAddr) {
        self.idle.borrow_mut().remove(&key(endpoint));
    }

    /// Closes what is too old.
    pub(super) fn reap(&self, now: Instant) {
        self.idle.borrow_mut().retain(|_, idle| {
            idle.retain(|connection| {
                !connection.sender.is_closed()
                    && now.duration_since(connection.idle_since) < self.timeout
            });
            !idle.is_empty()
        });
    }

    /// Closes all.
    pub(super) fn clear(&self) {
        self.idle.borrow_mut().clear();
    }
}
