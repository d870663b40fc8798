//! One client connection, from the handshake to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::client_body::ClientBody;
use super::early;
use super::handshake;
use super::headers::Forwarded;
use super::limits::{HYPER_HEADERS, Limits};
use super::listener::ListenerSpec;
use super::preface;
use super::server;
use super::server_io::{ServerIo, Unread};
use super::stats::Counters;
use super::streams::{Streams, Verdict};
use super::timer::LazyTimer;
use super::transport::Io;
use super::worker::Shared;

/// What the requests of one client connection share.
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    pub(super) spec: ListenerSpec,
    pub(super) forwarded: Forwarded,
    /// The host that the client named in its handshake.
    pub(super) sni: Option<Box<str>>,
    pub(super) unread: Unread,
    /// It is counted for as long as any of this is alive: that is also a tunnel's life.
    _open: Open,
}

/// A connection that is counted.
pub(super) struct Open {
    shared: Rc<Shared>,
    listener: Arc<AtomicUsize>,
}

/// How connections are served.
#[derive(Clone)]
pub(super) struct Builders {
    http1: http1::Builder,
}

/// Spawns on the worker's thread what a connection needs for its requests.
#[derive(Clone)]
struct Local(Rc<Streams>);

/// A connection that can be told to end.
trait Draining: Future<Output = hyper::Result<()>> {
    /// Finish the requests that are there and take no more.
    fn drain(self: Pin<&mut Self>);
}

/// What becomes of a connection.
enum Event {
    Ended(hyper::Result<()>),
    /// The gateway, or its listener, stops.
    Stop,
    /// Of HTTP/2.
    Verdict(Verdict),
}

/// A client that is ready to speak HTTP.
struct Ready {
    io: Io,
    first: Bytes,
    http2: bool,
    sni: Option<Box<str>>,
}

// === impl Open ===

impl Open {
    /// `None` if the listener has as many as it may.
    pub(super) fn new(shared: &Rc<Shared>, listener: &Arc<AtomicUsize>) -> Option<Self> {
        let max = shared.limits.max_connections;
        let before = listener.fetch_add(1, Ordering::Relaxed);
        if max != 0 && before >= max {
            listener.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        shared.counters.connections.inc();
        shared.counters.open_connections.inc();
        Some(Self {
            shared: Rc::clone(shared),
            listener: Arc::clone(listener),
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.listener.fetch_sub(1, Ordering::Relaxed);
        self.shared.counters.open_connections.dec();
        self.shared.idle.notify_one();
    }
}

// === impl Builders ===

impl Builders {
    pub(super) fn new(limits: &Limits) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .header_read_timeout(limits.header_read_timeout)
            .max_header_size(limits.max_header_bytes)
            // The buffer must hold what the limit allows.
            .max_buf_size((limits.max_header_bytes * 2).max(64 * 1024));
        if limits.max_headers != HYPER_HEADERS {
            http1.max_headers(limits.max_headers);
        }
        Self { http1 }
    }
}

/// How the HTTP/2 connection of these requests is served.
fn http2_builder(limits: &Limits, streams: &Rc<Streams>) -> http2::Builder<Local> {
    let mut http2 = http2::Builder::new(Local(Rc::clone(streams)));
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2.max_concurrent_streams)
        .initial_stream_window_size(limits.http2.stream_window)
        .initial_connection_window_size(limits.http2.connection_window)
        .max_send_buf_size(limits.http2.send_buffer)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.http2.ping_interval)
        .keep_alive_timeout(limits.http2.ping_timeout);
    http2
}

impl<F: Future<Output: 'static> + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        let task = tokio::task::spawn_local(future);
        self.0.spawned(|| task.abort_handle());
    }
}

/// Serves a client connection.
pub(super) async fn serve(
    shared: Rc<Shared>,
    builders: Builders,
    stream: TcpStream,
    peer: SocketAddr,
    spec: ListenerSpec,
    open: Open,
    mut stop: watch::Receiver<bool>,
) {
    let ready = tokio::select! {
        biased;
        _ = stop.changed() => return,
        ready = ready(&shared, stream, spec, peer) => ready,
    };
    let Some(ready) = ready else { return };
    let client = Rc::new(Client {
        peer,
        spec,
        forwarded: Forwarded::new(peer.ip().to_canonical(), spec.proxy_port, spec.tls),
        sni: ready.sni,
        unread: Unread::default(),
        _open: open,
    });
    let context = shared.io_context();
    let unread = client.unread.clone();
    let io = ServerIo::new(ready.io, ready.first, !ready.http2, context, unread);
    let io = TokioIo::new(io);
    // Tasks of their own: what a handshake and the other protocol need would be theirs for good.
    if ready.http2 {
        tokio::task::spawn_local(serve_http2(shared, client, io, stop));
    } else {
        tokio::task::spawn_local(serve_http1(&shared, builders.http1, client, io, stop));
    }
}

/// It is no `async fn`: the arguments of those stay in their futures.
fn serve_http1(
    shared: &Rc<Shared>,
    mut builder: http1::Builder,
    client: Rc<Client>,
    io: TokioIo<ServerIo>,
    stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + use<> {
    let peer = client.peer;
    let worker = Rc::clone(shared);
    let service = service_fn(move |request| respond(&worker, &client, None, request));
    builder.timer(LazyTimer::default());
    let mut connection = builder.serve_connection(io, service).with_upgrades();
    let counters = Arc::clone(&shared.counters);
    async move {
        let connection = Pin::new(&mut connection);
        ended(
            peer,
            drive(connection, stop, std::future::pending, &counters).await,
        );
    }
}

async fn serve_http2(
    shared: Rc<Shared>,
    client: Rc<Client>,
    io: TokioIo<ServerIo>,
    stop: watch::Receiver<bool>,
) {
    let peer = client.peer;
    shared.counters.http2_connections.inc();
    let streams = Streams::new(&shared.limits.http2);
    let service = {
        let (worker, streams) = (Rc::clone(&shared), Rc::clone(&streams));
        // Boxed: hyper makes a task of it, and copies it some eight times on the way.
        service_fn(move |request| Box::pin(respond(&worker, &client, Some(&streams), request)))
    };
    let connection = http2_builder(&shared.limits, &streams).serve_connection(io, service);
    let connection = pin!(connection);
    let watch = async || streams.watch(&shared.limits, &shared.counters).await;
    ended(peer, drive(connection, stop, watch, &shared.counters).await);
}

fn ended(peer: SocketAddr, ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "client connection ended");
    }
}

/// The TLS handshake, and which HTTP the client speaks. `None` if it speaks none, or not in time.
async fn ready(
    shared: &Shared,
    mut stream: TcpStream,
    spec: ListenerSpec,
    peer: SocketAddr,
) -> Option<Ready> {
    if spec.tls {
        let accept = handshake::accept(stream, &shared.tls, spec.proxy_port);
        let accepted = tokio::time::timeout(shared.limits.handshake_timeout, accept).await;
        let secured = match accepted {
            Ok(Ok(secured)) => secured,
            Ok(Err(error)) => {
                shared.counters.failed_handshakes.inc();
                tracing::debug!(%peer, %error, "no TLS connection");
                return None;
            }
            Err(_) => {
                shared.counters.failed_handshakes.inc();
                tracing::debug!(%peer, "no TLS handshake in time");
                return None;
            }
        };
        return Some(Ready {
            io: Io::Tls(secured.stream),
            first: Bytes::new(),
            http2: secured.http2,
            sni: secured.sni,
        });
    }
    let detect = preface::detect(&mut stream);
    let detected = tokio::time::timeout(shared.limits.header_read_timeout, detect).await;
    let (first, http2) = detected.ok()?.ok()?;
    Some(Ready {
        io: Io::tcp(stream),
        first,
        http2,
        sni: None,
    })
}

/// Answers a request; `streams`: of its connection, if that is of HTTP/2.
fn respond(
    shared: &Rc<Shared>,
    client: &Rc<Client>,
    streams: Option<&Rc<Streams>>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<ClientBody>, Infallible>> + use<> {
    let stream = streams.map(Streams::open);
    let head = *request.method() == Method::HEAD;
    // What needs no waiting is done before there is a future: what the future held of it would take
    // its place, and a copy of it, in every request that waits.
    let begun = server::begin(shared, client, request);
    async move {
        let response = server::answer(begun).await;
        let unread = early::unread(&response).filter(|_| stream.is_none());
        let response = match unread {
            None => response,
            // Boxed, with the response: most requests have no need of the place.
            Some(body) => Box::pin(early::end(body, response)).await,
        };
        Ok(ClientBody::wrap(response, head, stream))
    }
}

/// Serves until the connection ends, or has to; `watch` says that.
async fn drive(
    mut connection: Pin<&mut impl Draining>,
    mut stop: watch::Receiver<bool>,
    watch: impl AsyncFn() -> Verdict,
    counters: &Counters,
) -> hyper::Result<()> {
    let told = stop.clone();
    // Without tokio's budget: it says only once that it waits, and has to mean it.
    let mut stop = pin!(tokio::task::unconstrained(stop.changed()));
    let mut waits = false;
    let mut draining = false;
    loop {
        let mut verdict = pin!(watch());
        let event = std::future::poll_fn(|cx| {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(Event::Ended(ended));
            }
            // It wakes this task, as the connection does: that it still does need not be made sure at
            // every byte that comes.
            if !draining && (!waits || !matches!(told.has_changed(), Ok(false))) {
                waits = true;
                if stop.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Event::Stop);
                }
            }
            verdict.as_mut().poll(cx).map(Event::Verdict)
        });
        match event.await {
            Event::Ended(ended) => return ended,
            Event::Stop => {}
            Event::Verdict(Verdict::Idle) if !draining => {}
            Event::Verdict(verdict) => {
                match verdict {
                    // It has not ended when it was told to.
                    Verdict::Idle => {}
                    Verdict::Flood => counters.reset_floods.inc(),
                }
                return Ok(());
            }
        }
        draining = true;
        connection.as_mut().drain();
    }
}

impl<S> Draining for http1::UpgradeableConnection<TokioIo<ServerIo>, S>
where
    S: HttpService<Incoming, ResBody = ClientBody, Error = Infallible>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S> Draining for http2::Connection<TokioIo<ServerIo>, S, Local>
where
    S: HttpService<Incoming, ResBody = ClientBody, Error = Infallible, Future: 'static>,
{
    fn drain(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
