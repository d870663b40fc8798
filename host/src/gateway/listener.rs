//! Sockets that the gateway listens at.
//!
//! A socket is bound once and every worker accepts from a duplicate of it. (With SO_REUSEPORT and
//! a socket for each worker, a second `silverback` at the same port would bind too and take half
//! of the connections, instead of being told that the port is in use.)

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel holds until a worker accepts them.
const BACKLOG: i32 = 1024;

/// A socket that the gateway shall listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerSpec {
    /// Address to bind; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The port that the filter is told: the data plane's own, by which it finds the listener.
    pub proxy_port: u16,
    /// Connections are TLS, with the certificates that [`Gateway::set_certificates`] gave to
    /// the proxy port.
    ///
    /// [`Gateway::set_certificates`]: super::Gateway::set_certificates
    pub tls: bool,
}

/// A socket that the gateway listens at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// What was asked for.
    pub spec: ListenerSpec,
    /// Where it is.
    pub addr: SocketAddr,
}

/// An address cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {addr}: {source}")]
pub struct ListenError {
    /// The address.
    pub addr: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// Every address that cannot be listened at; the others of the same call can.
#[derive(Debug)]
pub struct ListenErrors(pub Vec<ListenError>);

/// A bound socket with the number that workers know it by.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) id: u64,
    pub(super) spec: ListenerSpec,
    pub(super) addr: SocketAddr,
    pub(super) socket: TcpListener,
    /// How many connections it has.
    pub(super) open: Arc<AtomicUsize>,
}

impl ListenerSpec {
    /// A plain HTTP listener whose port the filter knows as the one that is bound.
    #[must_use]
    pub fn http(bind: SocketAddr) -> Self {
        Self {
            bind,
            proxy_port: bind.port(),
            tls: false,
        }
    }

    /// A TLS listener whose port the filter knows as the one that is bound.
    #[must_use]
    pub fn https(bind: SocketAddr) -> Self {
        Self {
            tls: true,
            ..Self::http(bind)
        }
    }

    /// Whether a socket for `self` serves `other` too.
    pub(super) fn same_socket(&self, other: &Self) -> bool {
        // Two listeners at "any port" are two.
        self.bind == other.bind && (self.bind.port() != 0 || self.proxy_port == other.proxy_port)
    }
}

impl ListenError {
    /// Whether something else listens there.
    #[must_use]
    pub fn in_use(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }

    /// Whether the address is none of this machine's.
    #[must_use]
    pub fn not_here(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrNotAvailable
    }
}

impl fmt::Display for ListenErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ListenErrors {}

impl Bound {
    pub(super) fn new(id: u64, spec: ListenerSpec) -> Result<Self, ListenError> {
        let error = |source| ListenError {
            addr: spec.bind,
            source,
        };
        let socket = bind(spec.bind).map_err(error)?;
        let addr = socket.local_addr().map_err(error)?;
        Ok(Self {
            id,
            spec,
            addr,
            socket,
            open: Arc::default(),
        })
    }

    /// The same socket under another number, for a listener whose settings changed.
    pub(super) fn renew(&self, id: u64, spec: ListenerSpec) -> Result<Self, ListenError> {
        let addr = self.addr;
        let socket = self.socket.try_clone();
        let socket = socket.map_err(|source| ListenError { addr, source })?;
        Ok(Self {
            id,
            spec,
            addr,
            socket,
            open: Arc::clone(&self.open),
        })
    }
}

fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for old connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
