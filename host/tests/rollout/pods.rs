//! Pods: servers that start, drain and end as in Kubernetes.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::ask::{BYE, Wanted, pattern};
use crate::objects::Service;

/// A running pod.
pub(crate) struct Pod {
    pub(crate) number: u32,
    pub(crate) addr: SocketAddr,
    stage: watch::Sender<Stage>,
    open: Arc<AtomicUsize>,
}

/// How far a pod has got with its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    /// SIGTERM has come. A pod that waits with its end (a preStop hook) does nothing yet; another one ends
    /// its connections.
    Terminating,
    /// No more connections; those that are there end with the requests they carry.
    Closing,
}

/// What the connections of a pod have in common.
#[derive(Clone)]
struct Identity {
    service: Service,
    number: u32,
    stage: watch::Receiver<Stage>,
}

/// Counts an open connection.
struct Open(Arc<AtomicUsize>);

type Answer = UnsyncBoxBody<Bytes, hyper::Error>;

impl Service {
    /// Its pods have a preStop hook: they serve as if nothing were until nobody sends them anything. Those
    /// of others end idle connections at once: what must not be sent twice could fail there by
    /// HTTP's own rules, over HTTP/1.1.
    fn waits(self) -> bool {
        self == Self::Pay
    }

    /// Closes its socket with SIGTERM, what waits in the queue included; all that can come is safe to
    /// send again.
    fn closes_at_once(self) -> bool {
        matches!(self, Self::WebA | Self::WebB | Self::Chat)
    }
}

// === impl Pod ===

impl Pod {
    /// Starts a pod, at the port if it is free there.
    pub(crate) async fn start(service: Service, number: u32, port: u16) -> Self {
        let ip = address(number);
        let listener = match TcpListener::bind((ip, port)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((ip, 0)).await.unwrap(),
        };
        let addr = listener.local_addr().unwrap();
        let (stage, staged) = watch::channel(Stage::Serving);
        let open = Arc::<AtomicUsize>::default();
        let identity = Identity {
            service,
            number,
            stage: staged,
        };
        tokio::spawn(accept(listener, identity, Open::new(&open)));
        Self {
            number,
            addr,
            stage,
            open,
        }
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.stage.send_replace(Stage::Terminating);
    }

    /// The preStop hook is over.
    pub(crate) fn close(&self) {
        self.stage.send_replace(Stage::Closing);
    }

    /// Whether its last connection has ended.
    pub(crate) fn is_gone(&self) -> bool {
        self.open.load(Ordering::SeqCst) == 0
    }
}

/// Every pod has an address of its own, as in a cluster; where there is only one loopback address, a
/// port of its own.
fn address(number: u32) -> Ipv4Addr {
    if !cfg!(target_os = "linux") {
        return Ipv4Addr::LOCALHOST;
    }
    let [_, high, middle, low] = (number + 1).to_be_bytes();
    Ipv4Addr::new(127, 64 + high % 64, middle, low)
}

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, identity: Identity, open: Open) {
    let mut stage = identity.stage.clone();
    let last = match identity.service.closes_at_once() {
        true => Stage::Terminating,
        false => Stage::Closing,
    };
    let closing = stage.wait_for(|stage| *stage >= last);
    let mut closing = pin!(closing);
    loop {
        tokio::select! {
            biased;
            _ = &mut closing => return,
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                tokio::spawn(serve(stream, identity.clone(), Open::new(&open.0)));
            }
        }
    }
}

async fn serve(stream: TcpStream, identity: Identity, open: Open) {
    stream.set_nodelay(true).unwrap();
    let io = TokioIo::new(stream);
    let mut stage = identity.stage.clone();
    // One that comes in while the pod ends already is served like any other.
    let first = match identity.service.waits() {
        false if *stage.borrow() == Stage::Serving => Stage::Terminating,
        _ => Stage::Closing,
    };
    let ending = async move { stage.wait_for(|stage| *stage >= first).await.map(drop) };
    let mut ending = pin!(ending);
    let http2 = identity.service.http2();
    // A WebSocket outlives the connection's HTTP.
    let open = Arc::new(open);
    let service = service_fn(move |request| answer(request, identity.clone(), Arc::clone(&open)));
    // The gateway closes kept connections when it likes: errors are seen by clients if they matter.
    if http2 {
        let http = http2::Builder::new(TokioExecutor::new());
        let mut connection = pin!(http.serve_connection(io, service));
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = &mut ending => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    } else {
        let http = http1::Builder::new();
        let connection = http.serve_connection(io, service).with_upgrades();
        let mut connection = pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = &mut ending => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }
}

async fn answer(
    request: Request<Incoming>,
    identity: Identity,
    open: Arc<Open>,
) -> Result<Response<Answer>, Infallible> {
    let path = request.uri().path().to_owned();
    let mut head = Response::new(());
    let headers = head.headers_mut();
    headers.insert("x-pod", identity.number.into());
    headers.insert("x-saw-path", path.parse().unwrap());
    if let Some(revision) = request.headers().get("x-revision") {
        headers.insert("x-saw-revision", revision.clone());
    }
    if request.headers().contains_key("x-secret") {
        headers.insert("x-saw-secret", HeaderValue::from_static("1"));
    }
    let body = match identity.service {
        Service::Greeter => call(request, headers),
        Service::Chat => {
            *head.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            upgrade(request, head.headers_mut(), identity, open);
            none()
        }
        _ => page(request).await,
    };
    let (head, ()) = head.into_parts();
    Ok(Response::from_parts(head, body))
}

fn none() -> Answer {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// An ordinary answer: what was sent, or what the query asks for.
async fn page(request: Request<Incoming>) -> Answer {
    let wanted = Wanted::parse(request.uri().query().unwrap_or_default());
    let with_body = request.method() == Method::POST || request.method() == Method::PUT;
    let sent = request.into_body().collect().await;
    let whole = match sent {
        Ok(sent) if with_body => sent.to_bytes(),
        Ok(_) => pattern(wanted.id, wanted.size).into(),
        // Nobody waits for an answer.
        Err(_) => return none(),
    };
    if wanted.pieces < 2 {
        return Full::new(whole)
            .map_err(|never| match never {})
            .boxed_unsync();
    }
    Slow {
        left: whole,
        piece: wanted.size.div_ceil(wanted.pieces).max(1),
        pause: None,
    }
    .boxed_unsync()
}

/// A body that comes little by little.
struct Slow {
    left: Bytes,
    piece: usize,
    pause: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

impl Body for Slow {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.left.is_empty() {
            return std::task::Poll::Ready(None);
        }
        let pause = || Box::pin(tokio::time::sleep(Duration::from_millis(3)));
        std::task::ready!(self.pause.get_or_insert_with(pause).as_mut().poll(cx));
        self.pause = None;
        let piece = self.piece.min(self.left.len());
        let piece = self.left.split_to(piece);
        std::task::Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// A gRPC call of any shape: each message comes back as it comes in.
fn call(request: Request<Incoming>, headers: &mut HeaderMap) -> Answer {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let messages = request.into_body();
    let echo = messages.map_frame(|frame| Frame::data(frame.into_data().unwrap_or_default()));
    let whole = echo.with_trailers(std::future::ready(Some(Ok(trailers))));
    whole.boxed_unsync()
}

/// A WebSocket on which everything comes back.
fn upgrade(
    mut request: Request<Incoming>,
    headers: &mut HeaderMap,
    identity: Identity,
    open: Arc<Open>,
) {
    let key = request.headers().get("sec-websocket-key");
    let accept = derive_accept_key(key.map_or(b"", |key| key.as_bytes()));
    headers.insert("sec-websocket-accept", accept.parse().unwrap());
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let _open = open;
        let Ok(upgraded) = upgraded.await else { return };
        let io = TokioIo::new(upgraded);
        let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
        let mut stage = identity.stage;
        let ending = async move {
            // It cannot fail: the pod lives until its last connection has ended.
            let _ = stage.wait_for(|stage| *stage >= Stage::Terminating).await;
        };
        let mut ending = pin!(ending);
        let mut told = false;
        loop {
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Close(_))) => {
                        // Sends the answer to it.
                        let _ = socket.flush().await;
                    }
                    Some(Ok(message)) => {
                        if socket.send(message).await.is_err() {
                            return;
                        }
                    }
                    Some(Err(_)) | None => return,
                },
                () = &mut ending, if !told => {
                    told = true;
                    if socket.send(Message::text(BYE)).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
}
