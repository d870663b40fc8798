//! What of a request reaches the upstream, and what of a response the client.

use crate::backend::{Backend, Seen};
use crate::support::{Proxy, plan};

/// Sends a request whose last lines are `rest` and says what the upstream saw.
fn upstream_sees(proxy: &Proxy, backend: &Backend, request: &str) -> Seen {
    let reply = proxy.send(request);
    assert_eq!(reply.text(), "ok", "{reply:?}");
    backend.seen().pop().unwrap()
}

#[test]
fn the_upstream_sees_kongs_headers() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    let seen = upstream_sees(
        &proxy,
        &backend,
        &format!(
            "GET /a?b HTTP/1.1\r\nHost: Shop:81\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n\
             Via: 1.0 fred\r\n{plan}\r\n"
        ),
    );
    assert_eq!(seen.line, "GET /a?b HTTP/1.1");
    for (name, value) in [
        ("host", "Shop:81"),
        ("x-forwarded-for", "1.1.1.1, 127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "shop"),
        ("x-forwarded-port", "8000"),
        ("x-forwarded-path", "/a"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.0 fred, 1.1 silverback"),
    ] {
        assert_eq!(seen.header(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn the_upstream_of_another_try_sees_the_same_headers() {
    let (first, second) = (Backend::closing(), Backend::saying("ok"));
    let proxy = Proxy::start();
    let endpoints = [first.addr, second.addr];
    let plan = plan(&endpoints).tries(2).line();
    let reply = proxy.send(&format!(
        "GET /a HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 1.1.1.1\r\nVia: 1.0 fred\r\n\
         Connection: x-hop\r\nX-Hop: 1\r\nX-Forwarded-Prefix: /p\r\n{plan}\r\n"
    ));
    assert_eq!(reply.text(), "ok");
    let (first, second) = (first.seen().remove(0), second.seen().remove(0));
    assert_eq!(second.headers, first.headers);
    for (name, value) in [
        ("x-forwarded-for", Some("1.1.1.1, 127.0.0.1")),
        ("via", Some("1.0 fred, 1.1 silverback")),
        ("x-hop", None),
        ("x-forwarded-prefix", None),
    ] {
        assert_eq!(second.header(name).as_deref(), value, "{name}");
    }
}

#[test]
fn hop_by_hop_headers_stay_on_their_connection() {
    let backend = Backend::scripted(|peer| {
        while peer.read()
            && peer.write(
                "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=9\r\n\
                 x-end: 2\r\ncontent-length: 2\r\n\r\nok",
            )
        {}
    });
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    let request = format!(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: X-Hop, upgrade\r\nx-hop: 1\r\nkeep-alive: 5\r\n\
         proxy-connection: keep-alive\r\nte: gzip, trailers\r\nupgrade: h2c\r\nexpect: 100-continue\r\n\
         x-end: 2\r\n{plan}\r\n"
    );
    let reply = proxy.send(&request);
    assert_eq!(reply.text(), "ok");
    assert_eq!(reply.header("x-end"), Some("2"));
    assert_eq!(reply.header("via"), Some("1.1 silverback"));
    assert_eq!(
        (reply.header("x-hop"), reply.header("keep-alive")),
        (None, None)
    );
    let seen = backend.seen().pop().unwrap();
    assert_eq!(seen.header("x-end").as_deref(), Some("2"));
    assert_eq!(seen.header("te").as_deref(), Some("trailers"));
    for name in [
        "connection",
        "x-hop",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "expect",
    ] {
        assert_eq!(seen.header(name), None, "{name}");
    }
}

#[test]
fn the_plan_sets_host_and_target_and_removes_headers() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let plan = plan(&endpoints)
        .change(|plan| {
            plan.host = Some(b"other:8080");
            plan.uri = Some(b"/new%20path?x=1");
            plan.remove_headers = &[b"x-secret", b"cookie"];
        })
        .line();
    let request = format!(
        "GET /old HTTP/1.1\r\nhost: a\r\nX-Secret: 1\r\nCookie: c\r\nCookie: d\r\nx-kept: 1\r\n{plan}\r\n"
    );
    let seen = upstream_sees(&proxy, &backend, &request);
    assert_eq!(seen.line, "GET /new%20path?x=1 HTTP/1.1");
    assert_eq!(seen.header("host").as_deref(), Some("other:8080"));
    assert_eq!(seen.header("x-forwarded-host").as_deref(), Some("a"));
    assert_eq!(seen.header("x-forwarded-path").as_deref(), Some("/old"));
    assert_eq!(
        (seen.header("x-secret"), seen.header("cookie")),
        (None, None)
    );
    assert!(seen.header("x-kept").is_some());
}

#[test]
fn targets_become_origin_form_and_a_missing_host_the_endpoint() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    for (request, line, host) in [
        (
            format!("GET http://b/x?y HTTP/1.1\r\nhost: a\r\n{plan}\r\n"),
            "GET /x?y HTTP/1.1",
            "b".to_owned(),
        ),
        (
            format!("GET http://b HTTP/1.1\r\nhost: a\r\n{plan}\r\n"),
            "GET / HTTP/1.1",
            "b".to_owned(),
        ),
        (
            format!("GET http://b?y HTTP/1.1\r\nhost: a\r\n{plan}\r\n"),
            "GET /?y HTTP/1.1",
            "b".to_owned(),
        ),
        (
            format!("GET /x HTTP/1.0\r\n{plan}\r\n"),
            "GET /x HTTP/1.1",
            backend.addr.to_string(),
        ),
        (
            format!("GET /x HTTP/1.1\r\nhost:\r\n{plan}\r\n"),
            "GET /x HTTP/1.1",
            String::new(),
        ),
    ] {
        let seen = upstream_sees(&proxy, &backend, &request);
        assert_eq!(seen.line, line);
        assert_eq!(seen.header("host"), Some(host), "{request}");
    }
}

#[test]
fn header_bytes_above_ascii_pass_unchanged_both_ways() {
    let backend = Backend::scripted(|peer| {
        peer.read();
        peer.write("HTTP/1.1 200 OK\r\nx-back: gr\u{fc}n\r\ncontent-length: 2\r\n\r\nok");
    });
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    let mut client = proxy.connect();
    client.write(b"GET / HTTP/1.1\r\nhost: a\r\nx-bytes: \xff\xfe\x80\r\n");
    client.write(format!("{plan}\r\n").as_bytes());
    let reply = client.read_reply(false);
    assert_eq!(reply.header("x-back"), Some("gr\u{fc}n"));
    let seen = backend.seen().pop().unwrap();
    let (_, value) = seen
        .headers
        .iter()
        .find(|(name, _)| name == "x-bytes")
        .unwrap();
    assert_eq!(value, b"\xff\xfe\x80");
}

#[test]
fn what_the_filter_sets_is_sent() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    let reply = proxy.send(&format!(
        "GET / HTTP/1.1\r\nhost: a\r\nx-test-set: x-new=1\r\nx-test-response: x-back=2\r\n\
         x-forwarded-for: 1.1.1.1\r\nvia: 1.0 fred\r\nconnection: x-hop\r\nx-hop: 1\r\n{plan}\r\n"
    ));
    assert_eq!(reply.header("x-back"), Some("2"));
    let seen = backend.seen().pop().unwrap();
    for (name, value) in [
        ("x-new", Some("1")),
        ("host", Some("a")),
        // What comes from the client is not lost by it.
        ("x-forwarded-for", Some("1.1.1.1, 127.0.0.1")),
        ("via", Some("1.0 fred, 1.1 silverback")),
        ("x-hop", None),
    ] {
        assert_eq!(seen.header(name).as_deref(), value, "{name}");
    }
}
