//! A client that speaks HTTP/2, over TCP with prior knowledge and over TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request, Response};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::certs::Offer;
use crate::support::{PATIENCE, plan};

/// A client on a thread of its own, so that a test is as straight as the others.
pub(crate) struct Client {
    pub(crate) runtime: Runtime,
    pub(crate) sender: SendRequest<Bytes>,
    /// How the connection ended.
    ended: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

/// A response, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) head: http::response::Parts,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

// === impl Client ===

impl Client {
    pub(crate) fn plain(addr: SocketAddr) -> Self {
        Self::new(async move { tokio::net::TcpStream::connect(addr).await.unwrap() })
    }

    pub(crate) fn tls(addr: SocketAddr, sni: &'static str) -> Self {
        let offer = Offer::sni(sni).alpn(&["h2"]);
        Self::new(async move {
            let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
            let connector = TlsConnector::from(Arc::new(offer.config()));
            connector.connect(offer.name(), stream).await.unwrap()
        })
    }

    pub(crate) fn new<T>(connect: impl Future<Output = T>) -> Self
    where
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (sender, connection) = runtime.block_on(async {
            let io = connect.await;
            // Large enough for responses that a test reads one after the other.
            let mut client = h2::client::Builder::new();
            client.initial_connection_window_size(1 << 26);
            client.handshake(io).await.unwrap()
        });
        let ended = runtime.spawn(connection);
        Self {
            runtime,
            sender,
            ended,
        }
    }

    /// Starts a request; without a body it is whole.
    pub(crate) fn start(
        &mut self,
        request: Request<()>,
        body: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut sender = self.sender.clone();
        self.runtime.block_on(async {
            sender = within(sender.ready()).await.unwrap();
            sender.send_request(request, !body).unwrap()
        })
    }

    pub(crate) fn send(&mut self, request: Request<()>) -> Reply {
        let (response, _) = self.start(request, false);
        self.read(response).unwrap()
    }

    pub(crate) fn read(&self, response: ResponseFuture) -> Result<Reply, h2::Error> {
        self.runtime.block_on(async {
            let response = within(response).await?;
            read(response).await
        })
    }

    /// How the connection ends.
    pub(crate) fn ended(self) -> Result<(), h2::Error> {
        drop(self.sender);
        self.runtime.block_on(within(self.ended)).unwrap()
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

async fn read(response: Response<h2::RecvStream>) -> Result<Reply, h2::Error> {
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = within(stream.data()).await {
        let piece = piece?;
        stream.flow_control().release_capacity(piece.len())?;
        body.extend(piece);
    }
    let trailers = within(stream.trailers()).await?;
    Ok(Reply {
        head,
        body,
        trailers,
    })
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) fn get(path: &str) -> http::request::Builder {
    Request::get(format!("http://a.example{path}"))
}

/// A request that the filter answers.
pub(crate) fn local(status: u16) -> Request<()> {
    let request = get("/").header("x-test-local", status);
    request.body(()).unwrap()
}

/// A request with a plan for these endpoints.
pub(crate) fn planned(endpoints: &[SocketAddr]) -> http::request::Builder {
    get("/").header("x-test-plan", plan(endpoints).hex())
}

pub(crate) fn get_planned(endpoints: &[SocketAddr]) -> Request<()> {
    planned(endpoints).body(()).unwrap()
}
