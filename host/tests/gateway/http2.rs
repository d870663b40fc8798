//! HTTP/2 from clients, over TCP with prior knowledge and over TLS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use silverback::gateway::Drained;
use silverback_core::contract::request::RequestInfo;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::backend::{Backend, Peer};
use crate::certs::{Authority, Offer, certificates};
use crate::frames::{self, Frames, Outcome};
use crate::support::{PATIENCE, Proxy, any_tls_port, plan, unhex, until};

/// A client on a thread of its own, so that a test is as straight as the others.
struct Client {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
    /// How the connection ended.
    ended: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

/// A response, whole.
#[derive(Debug)]
struct Reply {
    head: http::response::Parts,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

// === impl Client ===

impl Client {
    fn plain(addr: SocketAddr) -> Self {
        Self::new(async move { tokio::net::TcpStream::connect(addr).await.unwrap() })
    }

    fn tls(addr: SocketAddr, sni: &'static str) -> Self {
        let offer = Offer::sni(sni).alpn(&["h2"]);
        Self::new(async move {
            let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
            let connector = TlsConnector::from(Arc::new(offer.config()));
            connector.connect(offer.name(), stream).await.unwrap()
        })
    }

    fn new<T>(connect: impl Future<Output = T>) -> Self
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
    fn start(&mut self, request: Request<()>, body: bool) -> (ResponseFuture, SendStream<Bytes>) {
        let mut sender = self.sender.clone();
        self.runtime.block_on(async {
            sender = within(sender.ready()).await.unwrap();
            sender.send_request(request, !body).unwrap()
        })
    }

    fn send(&mut self, request: Request<()>) -> Reply {
        let (response, _) = self.start(request, false);
        self.read(response).unwrap()
    }

    fn read(&self, response: ResponseFuture) -> Result<Reply, h2::Error> {
        self.runtime.block_on(async {
            let response = within(response).await?;
            read(response).await
        })
    }

    /// How the connection ends.
    fn ended(self) -> Result<(), h2::Error> {
        drop(self.sender);
        self.runtime.block_on(within(self.ended)).unwrap()
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
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
    fn status(&self) -> u16 {
        self.head.status.as_u16()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

fn get(path: &str) -> http::request::Builder {
    Request::get(format!("http://a.example{path}"))
}

/// A request that the filter answers.
fn local(status: u16) -> Request<()> {
    let request = get("/").header("x-test-local", status);
    request.body(()).unwrap()
}

/// A request with a plan for these endpoints.
fn planned(endpoints: &[SocketAddr]) -> http::request::Builder {
    get("/").header("x-test-plan", plan(endpoints).hex())
}

fn get_planned(endpoints: &[SocketAddr]) -> Request<()> {
    planned(endpoints).body(()).unwrap()
}

#[test]
fn both_versions_are_spoken_at_one_port() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let mut client = Client::plain(proxy.addr);
    let reply = client.send(get_planned(&[backend.addr]));
    assert_eq!((reply.status(), reply.text()), (200, "ok"));
    assert_eq!(reply.head.headers["via"], "1.1 silverback");
    assert!(reply.head.headers.contains_key("date"));
    assert_eq!(proxy.send(&plan(&[backend.addr]).get()).text(), "ok");
    assert_eq!(proxy.gateway.stats().http2_connections, 1);

    let seen = &backend.seen()[0];
    assert_eq!(seen.line, "GET / HTTP/1.1");
    for (name, value) in [
        ("host", "a.example"),
        ("x-forwarded-host", "a.example"),
        ("via", "2 silverback"),
    ] {
        assert_eq!(seen.header(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn the_filter_is_told_what_it_is_told_of_http1() {
    let ca = Authority::new();
    let proxy = Proxy::start();
    proxy.gateway.set_listeners(&[any_tls_port(8443)]).unwrap();
    let all = certificates([("*", ca.issue("a.example"))]);
    proxy.gateway.set_certificates(8443, &all).unwrap();
    let addr = proxy.gateway.listeners()[0].addr;
    let mut client = Client::tls(addr, "b.example");
    let request = Request::post("https://a.example:81/x%2Fy?z=1")
        .header("x-test-local", "200")
        .header("cookie", "a=1")
        .header("cookie", "b=2");
    let reply = client.send(request.body(()).unwrap());
    let message = unhex(reply.text());
    let expected = RequestInfo {
        tls: true,
        port: 8443,
        host: b"a.example:81",
        path: b"/x%2Fy?z=1",
        method: b"POST",
        sni: b"b.example",
        source: b"127.0.0.1",
    };
    assert_eq!(RequestInfo::decode(&message).unwrap(), expected);
}

#[test]
fn cookies_go_upstream_in_one_line() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let mut client = Client::plain(proxy.addr);
    let request = planned(&[backend.addr])
        .header("cookie", "a=1")
        .header("cookie", "b=2");
    client.send(request.body(()).unwrap());
    assert_eq!(
        backend.seen()[0].header("cookie").as_deref(),
        Some("a=1; b=2")
    );
}

#[test]
fn large_bodies_pass_both_ways_at_the_same_time() {
    let big: &'static str = Box::leak("0123456789abcdef".repeat(256 * 1024).into_boxed_str());
    let backend = Backend::saying(big);
    let proxy = Proxy::start();
    let mut client = Client::plain(proxy.addr);
    let mut requests = Vec::new();
    for _ in 0..4 {
        let request = planned(&[backend.addr]).method("POST");
        let (response, mut stream) = client.start(request.body(()).unwrap(), true);
        client.runtime.spawn(async move {
            let mut rest = Bytes::from_static(big.as_bytes());
            while !rest.is_empty() {
                stream.reserve_capacity(rest.len());
                let room = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
                let piece = rest.split_to(room.unwrap().unwrap());
                stream.send_data(piece, rest.is_empty()).unwrap();
            }
        });
        requests.push(response);
    }
    for response in requests {
        assert!(client.read(response).unwrap().body == big.as_bytes());
    }
    assert_eq!(backend.count(), 4);
    for seen in backend.seen() {
        // Its length was not known.
        assert!(seen.body.len() > big.len() && seen.header("content-length").is_none());
    }
}

#[test]
fn trailers_pass_both_ways() {
    let backend = Backend::scripted(|peer| {
        peer.read();
        peer.write(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n",
        );
        peer.wait_for_close();
    });
    let proxy = Proxy::start();
    let mut client = Client::plain(proxy.addr);
    let request = planned(&[backend.addr])
        .method("POST")
        .header("trailer", "x-end");
    let (response, mut stream) = client.start(request.body(()).unwrap(), true);
    stream.send_data("ab".into(), false).unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-end", HeaderValue::from_static("END"));
    stream.send_trailers(trailers).unwrap();
    let reply = client.read(response).unwrap();
    assert_eq!(reply.text(), "ok");
    assert_eq!(reply.trailers.unwrap()["x-sum"], "7");
    let body = String::from_utf8(backend.seen()[0].body.clone()).unwrap();
    assert_eq!(body, "2\r\nab\r\n0\r\nx-end: END\r\n\r\n");
}

#[test]
fn a_response_without_a_body_has_none() {
    let backend = Backend::scripted(|peer| {
        while peer.read() {
            let head = match peer.last_line().as_str() {
                "HEAD / HTTP/1.1" => "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n",
                _ => "HTTP/1.1 304 Not Modified\r\n\r\n",
            };
            peer.write(head);
        }
    });
    let proxy = Proxy::start();
    let mut client = Client::plain(proxy.addr);
    let head = planned(&[backend.addr]).method("HEAD").body(()).unwrap();
    let reply = client.send(head);
    assert_eq!((reply.status(), reply.text()), (200, ""));
    assert_eq!(reply.head.headers["content-length"], "7");
    let reply = client.send(get_planned(&[backend.addr]));
    assert_eq!((reply.status(), reply.text()), (304, ""));
    // Of the filter's own.
    let head = get("/").method("HEAD").header("x-test-local", "418");
    let reply = client.send(head.body(()).unwrap());
    assert_eq!((reply.status(), reply.text()), (418, ""));
    assert_ne!(reply.head.headers["content-length"], "0");
    let reply = client.send(local(204));
    assert_eq!((reply.status(), reply.text()), (204, ""));
    assert!(!reply.head.headers.contains_key("content-length"));
}

#[test]
fn connection_headers_of_an_upstream_stay_there() {
    let backend = Backend::scripted(|peer| {
        peer.read();
        peer.write(
            "HTTP/1.1 200 OK\r\nconnection: close, x-hop\r\nx-hop: 1\r\nkeep-alive: 1\r\nupgrade: h2c\r\n\r\nto the end",
        );
    });
    let proxy = Proxy::start();
    let reply = Client::plain(proxy.addr).send(get_planned(&[backend.addr]));
    assert_eq!(reply.text(), "to the end");
    for name in ["connection", "x-hop", "keep-alive", "upgrade"] {
        assert!(!reply.head.headers.contains_key(name), "{name}");
    }
}

#[test]
fn an_upstream_that_breaks_off_resets_its_stream_only() {
    let broken = Backend::scripted(|peer| {
        peer.read();
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    });
    let proxy = Proxy::start();
    let mut client = Client::plain(proxy.addr);
    let (response, _) = client.start(get_planned(&[broken.addr]), false);
    let error = client.read(response).unwrap_err();
    assert!(error.is_reset(), "{error}");
    assert_eq!(client.send(local(299)).status(), 299);
}

#[test]
fn limits_are_announced_and_kept() {
    let proxy = Proxy::with(|options| {
        options.limits.http2.max_concurrent_streams = 3;
        options.limits.max_headers = 10;
        options.limits.max_header_bytes = 8 * 1024;
        options.limits.max_body_bytes = 10;
    });
    let mut client = Client::plain(proxy.addr);
    assert_eq!(client.send(local(299)).status(), 299);
    assert_eq!(client.sender.current_max_send_streams(), 3);

    let mut many = get("/");
    for n in 0..10 {
        many = many.header(format!("x-{n}"), "1");
    }
    assert_eq!(client.send(many.body(()).unwrap()).status(), 431);
    let large = get("/").header("x", "x".repeat(8 * 1024));
    assert_eq!(client.send(large.body(()).unwrap()).status(), 431);
    let long = get(&format!("/{}", "x".repeat(20 * 1024)));
    assert_eq!(client.send(long.body(()).unwrap()).status(), 431);

    let backend = Backend::saying("ok");
    let post = planned(&[backend.addr])
        .method("POST")
        .header("content-length", "11");
    let (response, _stream) = client.start(post.body(()).unwrap(), true);
    assert_eq!(client.read(response).unwrap().status(), 413);
    let post = planned(&[backend.addr]).method("POST");
    let (response, mut stream) = client.start(post.body(()).unwrap(), true);
    stream.send_data(vec![b'x'; 11].into(), true).unwrap();
    assert_eq!(client.read(response).unwrap().status(), 413);
    assert_eq!(
        client.send(local(299)).status(),
        299,
        "the connection lives"
    );
    assert_eq!(backend.count(), 0);
}

#[test]
fn connect_is_refused_plain_and_extended() {
    let proxy = Proxy::start();
    let mut client = Client::plain(proxy.addr);
    let connect = Request::connect("a.example:443").body(()).unwrap();
    let (response, _stream) = client.start(connect, true);
    assert_eq!(client.read(response).unwrap().status(), 405);

    // RFC 8441: a client may use :protocol only after a setting that is not sent here.
    let mut frames = Frames::connect(proxy.addr);
    frames.headers(
        1,
        0,
        &[
            (b":method", b"CONNECT"),
            (b":protocol", b"websocket"),
            (b":scheme", b"http"),
            (b":path", b"/"),
            (b":authority", b"a.example"),
        ],
    );
    assert_eq!(frames.outcome(1), Outcome::Reset);
}

#[test]
fn a_request_that_is_taken_back_is_taken_back_upstream() {
    let (closed, upstream) = mpsc::channel();
    let closed = Mutex::new(closed);
    let silent = Backend::scripted(move |peer| {
        peer.read();
        peer.wait_for_close();
        closed.lock().unwrap().send(()).unwrap();
    });
    let proxy = Proxy::start();
    let mut client = Client::plain(proxy.addr);
    let (_response, mut stream) = client.start(get_planned(&[silent.addr]), false);
    until("the request", || silent.count() == 1);
    stream.send_reset(Reason::CANCEL);
    upstream.recv_timeout(PATIENCE).unwrap();
    until("the count", || proxy.gateway.stats().client_aborts == 1);
    assert_eq!(client.send(local(299)).status(), 299);
}

#[test]
fn a_client_that_takes_its_requests_back_all_the_time_is_cut() {
    let silent = Backend::silent();
    let proxy = Proxy::with(|options| options.limits.http2.max_resets = 20);
    let mut other = Client::plain(proxy.addr);
    assert_eq!(other.send(local(299)).status(), 299);

    let mut client = Client::plain(proxy.addr);
    for n in 1..=21 {
        let (_response, mut stream) = client.start(get_planned(&[silent.addr]), false);
        // hyper has a limit of its own for those that were not even looked at.
        until("the request", || silent.count() == n);
        stream.send_reset(Reason::CANCEL);
    }
    until("the count", || proxy.gateway.stats().reset_floods == 1);
    let _ = client.ended();
    assert_eq!(other.send(local(299)).status(), 299);
}

#[test]
fn a_flood_of_resets_within_one_packet_is_cut() {
    let proxy = Proxy::start();
    let mut frames = Frames::connect(proxy.addr);
    let headers: [(&[u8], &[u8]); 4] = [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"a"),
    ];
    for n in 0..2000 {
        let stream = 2 * n + 1;
        frames.headers(stream, frames::END_STREAM, &headers);
        frames.send(frames::RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    }
    assert!(frames.ends());
    assert_eq!(Client::plain(proxy.addr).send(local(299)).status(), 299);
}

#[test]
fn an_idle_connection_is_ended_with_goaway() {
    let proxy = Proxy::with(|options| {
        options.limits.http2.idle_timeout = Duration::from_millis(50);
    });
    let mut client = Client::plain(proxy.addr);
    assert_eq!(client.send(local(299)).status(), 299);
    client.ended().unwrap();
    until("the end", || proxy.gateway.stats().open_connections == 0);

    // One that sends nothing but its preface, and one that ignores what it is told.
    let mut frames = Frames::connect(proxy.addr);
    assert!(frames.until(frames::GOAWAY).is_some());
    assert!(frames.ends());
}

#[test]
fn a_connection_with_a_request_in_flight_is_not_idle() {
    let (gate, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let slow = Backend::scripted(move |peer: &mut Peer| {
        peer.read();
        opened.lock().unwrap().recv().unwrap();
        peer.say("slow");
    });
    let proxy = Proxy::with(|options| {
        options.limits.http2.idle_timeout = Duration::from_millis(20);
    });
    let mut client = Client::plain(proxy.addr);
    let (response, _) = client.start(get_planned(&[slow.addr]), false);
    until("the request", || slow.count() == 1);
    // Another connection that is idle goes, and takes longer for it than the timeout.
    Client::plain(proxy.addr).ended().unwrap();
    gate.send(()).unwrap();
    assert_eq!(client.read(response).unwrap().text(), "slow");
}

#[test]
fn a_client_that_does_not_answer_pings_is_cut() {
    let proxy = Proxy::with(|options| {
        options.limits.http2.ping_interval = Duration::from_millis(20);
        options.limits.http2.ping_timeout = Duration::from_millis(20);
    });
    let silent = Backend::silent();
    let mut frames = Frames::connect(proxy.addr);
    let hex = plan(&[silent.addr]).hex();
    frames.headers(
        1,
        frames::END_STREAM,
        &[
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b":path", b"/"),
            (b":authority", b"a"),
            (b"x-test-plan", hex.as_bytes()),
        ],
    );
    assert!(frames.until(frames::PING).is_some());
    assert!(frames.ends());
}

#[test]
fn a_client_that_takes_nothing_of_a_response_is_cut() {
    let big: &'static str = Box::leak("0123456789abcdef".repeat(64 * 1024).into_boxed_str());
    let backend = Backend::saying(big);
    let proxy = Proxy::with(|options| {
        options.limits.write_timeout = Duration::from_millis(100);
    });
    let mut other = Client::plain(proxy.addr);
    let mut frames = Frames::connect(proxy.addr);
    let hex = plan(&[backend.addr]).hex();
    frames.headers(
        1,
        frames::END_STREAM,
        &[
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b":path", b"/"),
            (b":authority", b"a"),
            (b"x-test-plan", hex.as_bytes()),
        ],
    );
    // It reads, and never opens its window again.
    assert!(frames.until(frames::DATA).is_some());
    assert!(frames.ends());
    assert_eq!(proxy.gateway.stats().stalled_clients, 1);
    assert_eq!(other.send(local(299)).status(), 299);
}

#[test]
fn shutdown_sends_goaway_and_waits_for_requests_in_flight() {
    let (gate, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let slow = Backend::scripted(move |peer: &mut Peer| {
        peer.read();
        opened.lock().unwrap().recv().unwrap();
        peer.say("slow");
    });
    let proxy = Proxy::start();
    let mut client = Client::plain(proxy.addr);
    let (response, _) = client.start(get_planned(&[slow.addr]), false);
    until("the request", || slow.count() == 1);
    let drained = std::thread::scope(|scope| {
        let shutdown = scope.spawn(|| proxy.gateway.shutdown(PATIENCE));
        // A new request is not taken any more.
        until("the GOAWAY", || {
            let sender = client.sender.clone();
            let ready = client.runtime.block_on(within(sender.ready()));
            ready.is_err()
        });
        assert!(!shutdown.is_finished());
        gate.send(()).unwrap();
        assert_eq!(client.read(response).unwrap().text(), "slow");
        shutdown.join().unwrap()
    });
    assert_eq!(drained, Drained { cut: 0 });
    client.ended().unwrap();
}

#[test]
fn a_removed_listener_finishes_its_requests() {
    let proxy = Proxy::start();
    let mut client = Client::plain(proxy.addr);
    assert_eq!(client.send(local(299)).status(), 299);
    proxy.gateway.set_listeners(&[]).unwrap();
    client.ended().unwrap();
}

#[test]
fn a_trap_is_500_for_its_request_only() {
    let (gate, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let slow = Backend::scripted(move |peer: &mut Peer| {
        peer.read();
        opened.lock().unwrap().recv().unwrap();
        peer.say("slow");
    });
    let proxy = Proxy::start();
    let mut client = Client::plain(proxy.addr);
    let (response, _) = client.start(get_planned(&[slow.addr]), false);
    until("the request", || slow.count() == 1);
    let trap = get("/").header("x-test-trap", "request");
    assert_eq!(client.send(trap.body(()).unwrap()).status(), 500);
    assert_eq!(client.send(local(299)).status(), 299);
    gate.send(()).unwrap();
    assert_eq!(client.read(response).unwrap().text(), "slow");
}

#[test]
fn a_preface_that_stops_is_cut_in_time() {
    let proxy = Proxy::with(|options| {
        options.limits.header_read_timeout = Duration::from_millis(50);
    });
    for part in ["", "PRI", "PRI * HTTP/2.0\r\n\r\n"] {
        let mut client = proxy.connect();
        client.write(part.as_bytes());
        assert!(client.closes(), "{part:?}");
    }
}
