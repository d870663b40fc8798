//! Connecting to endpoints: TCP, with TLS or without, or in memory to the built-in echo.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::body::UpstreamBody;
use super::driver::Driver;
use super::echo::{self, EchoIdentity, EchoRegistry};
use super::limits::{HYPER_HEADERS, Limits};
use super::pool::{Connection, Joined, Key, Pool, Sender, TlsKey};
use super::stats::Counters;
use super::transport::Io;
use super::upstream_tls::{ClientTls, UpstreamTlsStore};

/// Bytes that the pipe to the echo holds in each direction.
const PIPE: usize = 64 * 1024;
/// How often a busy HTTP/2 connection is asked whether it is alive, and how long it may take to
/// say so. A dead one would otherwise take every new request to its read timeout.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);
/// What an upstream may send ahead of a reader; hyper's own 64 KiB for a connection make all of its
/// streams wait for the slowest.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Makes connections.
pub(super) struct Dialer {
    echo: Arc<ArcSwap<EchoRegistry>>,
    tls: Arc<UpstreamTlsStore>,
    http1: http1::Builder,
    /// Bytes of a response's headers over HTTP/2, as it counts them.
    header_list: u32,
}

/// What a connection was made with, besides its key.
#[derive(Clone)]
pub(super) struct Origin {
    echo: Option<Arc<EchoIdentity>>,
    tls: Option<Arc<ClientTls>>,
}

/// Why there is no connection. Nothing was sent in any case.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("{0}")]
    Failed(#[from] io::Error),
    #[error("the handshake failed: {0}")]
    Handshake(#[from] hyper::Error),
    #[error("no connection in time")]
    TimedOut,
    #[error("TLS policy {0} is not known, or cannot be used")]
    Policy(u64),
    #[error("the server name cannot be one")]
    ServerName,
    #[error("the connection that another request made failed")]
    Another,
}

/// Runs hyper's tasks on the worker's thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future<Output: 'static> + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

// === impl Dialer ===

impl Dialer {
    /// A response may have as many headers as a request.
    pub(super) fn new(
        echo: Arc<ArcSwap<EchoRegistry>>,
        tls: Arc<UpstreamTlsStore>,
        limits: &Limits,
    ) -> Self {
        let mut http1 = http1::Builder::new();
        if limits.max_headers != HYPER_HEADERS {
            http1.max_headers(limits.max_headers);
        }
        // RFC 9113 6.5.2: each field counts for 32 bytes more than it has.
        let header_list = limits.max_headers.saturating_mul(32);
        let header_list = header_list.saturating_add(limits.max_header_bytes);
        Self {
            echo,
            tls,
            http1,
            header_list: u32::try_from(header_list).unwrap_or(u32::MAX),
        }
    }

    /// Whether there is this TLS policy.
    pub(super) fn knows(&self, policy: u64) -> bool {
        self.tls.get(policy).is_some()
    }

    /// A connection: a kept one if `kept` allows and there is one, else a new one.
    pub(super) async fn connect(
        &self,
        pool: &Pool,
        counters: &Counters,
        key: &Key,
        kept: bool,
        timeout: Duration,
    ) -> Result<Box<Connection>, DialError> {
        if !key.http2 {
            if let Some(connection) = kept.then(|| pool.take(key, self)).flatten() {
                return Ok(connection);
            }
            // Boxed, as what follows is: a request over a kept connection, of which there are many
            // more, would carry the space for a handshake with it.
            let connection = Box::pin(self.dial(key, timeout)).await?;
            counters.upstream_connections.inc();
            return Ok(connection);
        }
        match pool.join(key, self) {
            Joined::Connection(connection) => Ok(connection),
            joined => Box::pin(self.join(pool, counters, key, timeout, joined)).await,
        }
    }

    /// A share in an HTTP/2 connection that somebody has to make.
    async fn join(
        &self,
        pool: &Pool,
        counters: &Counters,
        key: &Key,
        timeout: Duration,
        mut joined: Joined,
    ) -> Result<Box<Connection>, DialError> {
        let joining = async {
            loop {
                match joined {
                    Joined::Connection(connection) => return Ok(connection),
                    Joined::Wait(mut dialing) => {
                        // An error is a sender that is gone: the connection stands, or nobody
                        // makes one any more.
                        let failed = match dialing.changed().await {
                            Ok(()) => *dialing.borrow(),
                            Err(_) => None,
                        };
                        match failed {
                            Some(failed) if failed.timed_out => return Err(DialError::TimedOut),
                            Some(_) => return Err(DialError::Another),
                            None => {}
                        }
                    }
                    Joined::Dial(turn) => {
                        return match self.dial(key, timeout).await {
                            Ok(connection) => {
                                counters.upstream_connections.inc();
                                Ok(turn.open(connection))
                            }
                            Err(error) => {
                                turn.failed(matches!(error, DialError::TimedOut));
                                Err(error)
                            }
                        };
                    }
                }
                joined = pool.join(key, self);
            }
        };
        // Whoever waits waits no longer than if it connected itself. It has to come before the
        // dial's own timeout is seen, so that a turn is always brought to its end.
        match tokio::time::timeout(timeout.saturating_add(Duration::from_millis(1)), joining).await
        {
            Ok(joined) => joined,
            Err(_) => Err(DialError::TimedOut),
        }
    }

    async fn dial(&self, key: &Key, timeout: Duration) -> Result<Box<Connection>, DialError> {
        match tokio::time::timeout(timeout, self.open(key)).await {
            Ok(opened) => opened,
            Err(_) => Err(DialError::TimedOut),
        }
    }

    async fn open(&self, key: &Key) -> Result<Box<Connection>, DialError> {
        let echo = self.echo.load().get(&key.endpoint).map(Arc::clone);
        let mut origin = Origin { echo, tls: None };
        let io = match (&origin.echo, &key.tls) {
            (Some(identity), _) => {
                let (near, far) = tokio::io::duplex(PIPE);
                let served = echo::serve(far, Arc::clone(identity), key.http2);
                tokio::task::spawn_local(served);
                Io::Memory(near)
            }
            (None, None) => Io::tcp(tcp(key.endpoint).await?),
            (None, Some(tls)) => {
                let client = self.tls.get(tls.policy);
                let client = client.ok_or(DialError::Policy(tls.policy))?;
                let stream = handshake(&client, tls, key).await?;
                origin.tls = Some(client);
                Io::Tls(Box::new(stream.into()))
            }
        };
        let io = TokioIo::new(io);
        let sender = if key.http2 {
            let (sender, driver) = http2::Builder::new(LocalExecutor)
                .timer(TokioTimer::new())
                .keep_alive_interval(PING)
                .keep_alive_timeout(PONG)
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_header_list_size(self.header_list)
                .handshake::<_, UpstreamBody>(io)
                .await?;
            tokio::task::spawn_local(driver);
            Sender::Http2(sender, Rc::new(()))
        } else {
            let (sender, driver) = self.http1.handshake::<_, UpstreamBody>(io).await?;
            Sender::Http1(sender, Some(Driver::new(driver.with_upgrades())))
        };
        Ok(Connection::new(sender, key.clone(), origin))
    }

    /// Whether a connection is what a new one would be: the echo's identities and the TLS
    /// policies can be replaced under it.
    pub(super) fn is_current(&self, connection: &Connection) -> bool {
        let Origin { echo, tls } = connection.origin();
        let key = connection.key();
        if let Some(identity) = echo {
            let registry = self.echo.load();
            return registry
                .get(&key.endpoint)
                .is_some_and(|now| Arc::ptr_eq(now, identity) || now == identity);
        }
        match (&key.tls, tls) {
            (Some(TlsKey { policy, .. }), Some(tls)) => {
                let now = self.tls.get(*policy);
                now.is_some_and(|now| Arc::ptr_eq(&now, tls))
            }
            _ => true,
        }
    }
}

async fn tcp(endpoint: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(endpoint).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn handshake(
    client: &ClientTls,
    tls: &TlsKey,
    key: &Key,
) -> Result<TlsStream<TcpStream>, DialError> {
    let name = ClientTls::server_name(&tls.server_name, key.endpoint.ip());
    let name = name.ok_or(DialError::ServerName)?;
    let stream = tcp(key.endpoint).await?;
    Ok(client.connector(key.http2).connect(name, stream).await?)
}
