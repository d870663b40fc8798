//! Connecting to endpoints: TCP, or in memory to the built-in echo.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

use super::body::UpstreamBody;
use super::echo::{self, EchoRegistry};
use super::pool::Connection;

/// Bytes that the pipe to the echo holds in each direction.
const PIPE: usize = 64 * 1024;

/// Makes connections.
pub(super) struct Dialer {
    echo: Arc<ArcSwap<EchoRegistry>>,
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
}

/// The stream under a connection.
enum Io {
    Tcp(TcpStream),
    Memory(DuplexStream),
}

impl Dialer {
    pub(super) fn new(echo: Arc<ArcSwap<EchoRegistry>>) -> Self {
        Self { echo }
    }

    /// Connects to an endpoint.
    pub(super) async fn dial(
        &self,
        endpoint: SocketAddr,
        timeout: Duration,
    ) -> Result<Connection, DialError> {
        let registry = self.echo.load();
        let (io, echo) = match registry.get(&endpoint) {
            Some(identity) => {
                let (near, far) = tokio::io::duplex(PIPE);
                tokio::task::spawn_local(echo::serve(far, Arc::clone(identity)));
                (Io::Memory(near), Some(Arc::clone(identity)))
            }
            None => {
                let connect = tokio::time::timeout(timeout, TcpStream::connect(endpoint));
                let stream = connect.await.map_err(|_| DialError::TimedOut)??;
                stream.set_nodelay(true)?;
                (Io::Tcp(stream), None)
            }
        };
        let (sender, driver) = http1::Builder::new()
            .handshake::<_, UpstreamBody>(TokioIo::new(io))
            .await?;
        tokio::task::spawn_local(async move {
            // The request that uses the connection sees its errors.
            let _ = driver.await;
        });
        Ok(Connection::new(sender, endpoint, echo))
    }

    /// Whether a connection still leads where its endpoint says: the echo's identities can be
    /// replaced under it.
    pub(super) fn is_current(&self, connection: &Connection) -> bool {
        match connection.echo() {
            None => true,
            Some(identity) => {
                let registry = self.echo.load();
                registry
                    .get(&connection.endpoint())
                    .is_some_and(|now| Arc::ptr_eq(now, identity) || now == identity)
            }
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(io) => Pin::new(io).poll_read(cx, buf),
            Self::Memory(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(io) => Pin::new(io).poll_write(cx, buf),
            Self::Memory(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(io) => Pin::new(io).poll_flush(cx),
            Self::Memory(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(io) => Pin::new(io).poll_shutdown(cx),
            Self::Memory(io) => Pin::new(io).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Self::Memory(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(io) => io.is_write_vectored(),
            Self::Memory(io) => io.is_write_vectored(),
        }
    }
}
