//! HTTP/2 clients that are too many, too slow or hostile, and the end of a connection.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use h2::Reason;
use silverback::gateway::Drained;

use crate::backend::{Backend, Peer};
use crate::frames::{self, Frames, Outcome};
use crate::http2_client::{Client, get, get_planned, local, planned, within};
use crate::support::{PATIENCE, Proxy, plan, until};

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
    // The pieces of a cookie are one header.
    let mut crumbs = local(299);
    for n in 0..100 {
        let crumb = format!("c{n}=1").parse().unwrap();
        crumbs.headers_mut().append("cookie", crumb);
    }
    assert_eq!(client.send(crumbs).status(), 299);
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
fn a_response_that_its_client_does_not_take_ends_and_the_others_go_on() {
    let big: &'static str = Box::leak("0123456789abcdef".repeat(64 * 1024).into_boxed_str());
    let (gate, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let slow = Backend::scripted(move |peer: &mut Peer| {
        peer.read();
        opened.lock().unwrap().recv().unwrap();
        peer.say("slow");
    });
    let backend = Backend::saying(big);
    let proxy = Proxy::with(|options| {
        options.limits.write_timeout = Duration::from_millis(100);
    });
    let mut frames = Frames::connect(proxy.addr);
    let mut get = |stream, hex: &str| {
        let headers: [(&[u8], &[u8]); 5] = [
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b":path", b"/"),
            (b":authority", b"a"),
            (b"x-test-plan", hex.as_bytes()),
        ];
        frames.headers(stream, frames::END_STREAM, &headers);
    };
    get(1, &plan(&[slow.addr]).hex());
    until("the request", || slow.count() == 1);
    // It reads, and never opens the window of this one again.
    get(3, &plan(&[backend.addr]).hex());
    frames.send(frames::WINDOW_UPDATE, 0, 0, &(1_u32 << 20).to_be_bytes());
    let reset = frames.until(frames::RST_STREAM).unwrap();
    assert_eq!(reset.stream, 3);
    until("the count", || proxy.gateway.stats().stalled_clients == 1);
    gate.send(()).unwrap();
    assert_eq!(frames.outcome(1), Outcome::Status(200));
    assert_eq!(frames.until(frames::DATA).unwrap().payload, b"slow");
}

#[test]
fn responses_that_are_not_taken_are_not_requests_taken_back() {
    const COUNT: u32 = 6;
    let big: &'static str = Box::leak("0123456789abcdef".repeat(64 * 1024).into_boxed_str());
    let backend = Backend::saying(big);
    let proxy = Proxy::with(|options| {
        options.limits.write_timeout = Duration::from_millis(100);
        options.limits.http2.max_resets = 1;
    });
    let mut frames = Frames::connect(proxy.addr);
    let hex = plan(&[backend.addr]).hex();
    for n in 0..COUNT {
        let headers: [(&[u8], &[u8]); 5] = [
            (b":method", b"GET"),
            (b":scheme", b"http"),
            (b":path", b"/"),
            (b":authority", b"a"),
            (b"x-test-plan", hex.as_bytes()),
        ];
        frames.headers(2 * n + 1, frames::END_STREAM, &headers);
    }
    // The connection's window is shut too: all of them wait.
    for _ in 0..COUNT {
        assert!(frames.until(frames::RST_STREAM).is_some());
    }
    frames.send(frames::PING, 0, 0, &[0; 8]);
    assert!(frames.until(frames::PING).is_some(), "the connection lives");
    assert_eq!(proxy.gateway.stats().reset_floods, 0);
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
