//! The TLS handshake with a client.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::{LazyConfigAcceptor, TlsStream};

use super::tls::TlsStore;

/// Alert descriptions (RFC 8446 6.2). "unrecognized_name": there is no certificate for the name;
/// "missing_extension": the client named none, and there is none for clients that do not.
const UNRECOGNIZED_NAME: u8 = 112;
const MISSING_EXTENSION: u8 = 109;

/// A client after its handshake.
pub(super) struct Secured {
    pub(super) stream: Box<TlsStream<TcpStream>>,
    /// The host that it named, in lower case.
    pub(super) sni: Option<Box<str>>,
    /// It chose HTTP/2.
    pub(super) http2: bool,
}

/// Why there is no TLS connection. The client has been told.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("{0}")]
    Failed(#[from] io::Error),
    #[error("there is no certificate for {0}")]
    NoCertificate(String),
    #[error("there is no certificate for clients that name no host")]
    NoName,
}

/// Makes a TLS connection with the certificate for the host that the client names.
pub(super) async fn accept(
    stream: TcpStream,
    store: &TlsStore,
    port: u16,
) -> Result<Secured, HandshakeError> {
    let mut start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let sni = start.client_hello().server_name().map(normal);
    let Some(config) = choose(store, port, sni.as_deref()) else {
        // rustls would say "access_denied": its resolvers cannot name the reason.
        let (alert, error) = match sni {
            Some(sni) => (
                UNRECOGNIZED_NAME,
                HandshakeError::NoCertificate(sni.into_string()),
            ),
            None => (MISSING_EXTENSION, HandshakeError::NoName),
        };
        start.io.write_all(&fatal(alert)).await?;
        start.io.shutdown().await?;
        return Err(error);
    };
    let stream = start.into_stream(config).await?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok(Secured {
        stream: Box::new(stream.into()),
        sni,
        http2,
    })
}

fn choose(store: &TlsStore, port: u16, sni: Option<&str>) -> Option<Arc<ServerConfig>> {
    store.port(port)?.find(sni)
}

fn normal(sni: &str) -> Box<str> {
    let name = sni.strip_suffix('.').unwrap_or(sni);
    name.to_ascii_lowercase().into()
}

/// An alert record: type alert, version 1.2 as every record says, two bytes long, fatal.
fn fatal(description: u8) -> [u8; 7] {
    [0x15, 3, 3, 0, 2, 2, description]
}
