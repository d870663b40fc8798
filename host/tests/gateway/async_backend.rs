//! Backends with TLS or HTTP/2. They live as long as the process.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A backend.
pub(crate) struct AsyncBackend {
    pub(crate) addr: SocketAddr,
    accepted: Arc<Mutex<Vec<Accepted>>>,
}

/// A connection that was accepted, TLS handshake included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accepted {
    pub(crate) sni: Option<String>,
    pub(crate) alpn: Option<String>,
    pub(crate) client_certificate: bool,
}

/// A request over HTTP/2.
pub(crate) struct Stream {
    /// Number of its connection, from 0.
    pub(crate) connection: usize,
    pub(crate) request: Request<RecvStream>,
    pub(crate) respond: SendResponse<Bytes>,
    control: mpsc::UnboundedSender<Control>,
}

enum Control {
    GoAway,
    Close,
}

pub(crate) type Done = Pin<Box<dyn Future<Output = ()> + Send>>;

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

impl AsyncBackend {
    /// HTTP/1.1: answers each request with this body.
    pub(crate) fn saying(tls: Arc<ServerConfig>, body: &'static str) -> Self {
        Self::start(Some(tls), move |io, _| Box::pin(say(io, body)))
    }

    /// HTTP/2: runs the script for each request.
    pub(crate) fn http2(
        tls: Option<Arc<ServerConfig>>,
        script: impl Fn(Stream) -> Done + Send + Sync + 'static,
    ) -> Self {
        let script = Arc::new(script);
        Self::start(tls, move |io, number| {
            let script = Arc::clone(&script);
            Box::pin(serve(io, number, move |stream| script(stream)))
        })
    }

    fn start(
        tls: Option<Arc<ServerConfig>>,
        serve: impl Fn(Box<dyn Io>, usize) -> Done + Send + Sync + 'static,
    ) -> Self {
        let accepted: Arc<Mutex<Vec<Accepted>>> = Arc::default();
        let sink = Arc::clone(&accepted);
        let listener = runtime()
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let addr = listener.local_addr().unwrap();
        let (tls, serve) = (tls.map(TlsAcceptor::from), Arc::new(serve));
        runtime().spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, serve, sink) = (tls.clone(), Arc::clone(&serve), Arc::clone(&sink));
                tokio::spawn(async move {
                    let mut what = Accepted::default();
                    let io: Box<dyn Io> = match tls {
                        None => Box::new(stream),
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else {
                                return;
                            };
                            let session = stream.get_ref().1;
                            let alpn = session.alpn_protocol();
                            what.sni = session.server_name().map(str::to_owned);
                            what.alpn = alpn.map(|name| String::from_utf8(name.to_vec()).unwrap());
                            what.client_certificate = session.peer_certificates().is_some();
                            Box::new(stream)
                        }
                    };
                    let number = {
                        let mut accepted = sink.lock().unwrap();
                        accepted.push(what);
                        accepted.len() - 1
                    };
                    serve(io, number).await;
                });
            }
        });
        Self { addr, accepted }
    }

    pub(crate) fn accepted(&self) -> Vec<Accepted> {
        self.accepted.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }
}

async fn say(mut io: Box<dyn Io>, body: &str) {
    let mut head = Vec::new();
    while let Ok(byte) = io.read_u8().await {
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            let length = body.len();
            let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
            if io.write_all(reply.as_bytes()).await.is_err() || io.flush().await.is_err() {
                return;
            }
        }
    }
}

async fn serve(io: Box<dyn Io>, connection: usize, script: impl Fn(Stream) -> Done) {
    let Ok(mut http) = h2::server::handshake(io).await else {
        return;
    };
    let (control, mut told) = mpsc::unbounded_channel();
    loop {
        tokio::select! {
            // A stream that is dropped is reset, unless the connection is closed first.
            biased;
            Some(control) = told.recv() => match control {
                Control::GoAway => http.graceful_shutdown(),
                Control::Close => return,
            },
            accepted = http.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    let control = control.clone();
                    tokio::spawn(script(Stream { connection, request, respond, control }));
                }
                _ => return,
            },
        }
    }
}

impl Stream {
    /// Reads all of the request's body.
    pub(crate) async fn read(&mut self) -> (Vec<u8>, Option<HeaderMap>) {
        let body = self.request.body_mut();
        let mut bytes = Vec::new();
        while let Some(Ok(data)) = body.data().await {
            body.flow_control().release_capacity(data.len()).unwrap();
            bytes.extend_from_slice(&data);
        }
        (bytes, body.trailers().await.ok().flatten())
    }

    /// Answers 200.
    pub(crate) fn say(&mut self, body: &str) {
        let response = Response::new(());
        let mut sending = self.respond.send_response(response, false).unwrap();
        let body = Bytes::copy_from_slice(body.as_bytes());
        sending.send_data(body, true).unwrap();
    }

    /// Tells the client to open no more streams.
    pub(crate) fn go_away(&self) {
        let _ = self.control.send(Control::GoAway);
    }

    /// Closes the connection.
    pub(crate) fn close(&self) {
        let _ = self.control.send(Control::Close);
    }
}
