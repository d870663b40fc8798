//! HTTP/2 from clients: what passes, and how.

use std::sync::{Mutex, mpsc};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue, Request};
use silverback_core::contract::request::RequestInfo;

use crate::backend::{Backend, Peer};
use crate::certs::{Authority, certificates};
use crate::frames::{Frames, Outcome};
use crate::http2_client::{Client, get, get_planned, local, planned};
use crate::support::{PATIENCE, Proxy, any_tls_port, plan, unhex, until};

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
