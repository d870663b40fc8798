//! Requests that HTTP does not allow, byte by byte, and some that look so.

use std::time::Duration;

use crate::backend::Backend;
use crate::support::{Proxy, plan};

struct Case {
    name: &'static str,
    request: Vec<u8>,
    status: u16,
}

fn case(name: &'static str, request: impl Into<Vec<u8>>, status: u16) -> Case {
    Case {
        name,
        request: request.into(),
        status,
    }
}

/// The end of a request that the filter answers with 299.
const OK: &str = "x-test-local: 299\r\n\r\n";

#[test]
fn each_malformed_request_has_its_answer() {
    let long = "x".repeat(16 * 1024);
    let cases = [
        case("plain", format!("GET / HTTP/1.1\r\nhost: a\r\n{OK}"), 299),
        case("no Host", format!("GET / HTTP/1.1\r\n{OK}"), 400),
        case("no Host in 1.0", format!("GET / HTTP/1.0\r\n{OK}"), 299),
        case(
            "empty Host",
            format!("GET / HTTP/1.1\r\nhost:\r\n{OK}"),
            299,
        ),
        case(
            "two Hosts",
            format!("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n{OK}"),
            400,
        ),
        case(
            "Host with a path",
            format!("GET / HTTP/1.1\r\nhost: a/b\r\n{OK}"),
            400,
        ),
        case(
            "Host with a user",
            format!("GET / HTTP/1.1\r\nhost: u@a\r\n{OK}"),
            400,
        ),
        case(
            "absolute",
            format!("GET http://b/ HTTP/1.1\r\nhost: a\r\n{OK}"),
            299,
        ),
        case(
            "absolute without Host",
            format!("GET http://b/ HTTP/1.1\r\n{OK}"),
            400,
        ),
        case(
            "asterisk",
            format!("OPTIONS * HTTP/1.1\r\nhost: a\r\n{OK}"),
            400,
        ),
        case(
            "CONNECT",
            format!("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n{OK}"),
            405,
        ),
        case("TRACE", format!("TRACE / HTTP/1.1\r\nhost: a\r\n{OK}"), 405),
        case(
            "no slash",
            format!("GET abc HTTP/1.1\r\nhost: a\r\n{OK}"),
            400,
        ),
        case(
            "long target",
            format!("GET /{long} HTTP/1.1\r\nhost: a\r\n{OK}"),
            414,
        ),
        case(
            "very long target",
            format!("GET /{} HTTP/1.1\r\nhost: a\r\n{OK}", long.repeat(4)),
            431,
        ),
        case(
            "64 KiB in one header",
            format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n{OK}", long.repeat(4)),
            431,
        ),
        case(
            "2 MiB in one header",
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n{OK}",
                long.repeat(128)
            ),
            431,
        ),
        case(
            "63 KiB of headers",
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n{OK}",
                "x".repeat(63 * 1024)
            ),
            299,
        ),
        case(
            "100 headers",
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\nx-test-local: 299\r\n{}\r\n",
                "x: y\r\n".repeat(98)
            ),
            299,
        ),
        case(
            "101 headers",
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\nx-test-local: 299\r\n{}\r\n",
                "x: y\r\n".repeat(99)
            ),
            431,
        ),
        case(
            "bytes above ASCII",
            [
                b"GET / HTTP/1.1\r\nhost: a\r\nx: \xff\xfe\x80\r\n".as_slice(),
                OK.as_bytes(),
            ]
            .concat(),
            299,
        ),
        case(
            "Host above ASCII",
            [
                b"GET / HTTP/1.1\r\nhost: \xff\r\n".as_slice(),
                OK.as_bytes(),
            ]
            .concat(),
            299,
        ),
        case(
            "NUL in a value",
            format!("GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n{OK}"),
            400,
        ),
        case(
            "NUL in a name",
            format!("GET / HTTP/1.1\r\nhost: a\r\nx\0: b\r\n{OK}"),
            400,
        ),
        case(
            "space before the colon",
            format!("GET / HTTP/1.1\r\nhost: a\r\nx : b\r\n{OK}"),
            400,
        ),
        case(
            "bare CR in a value",
            format!("GET / HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n{OK}"),
            400,
        ),
        case(
            "obs-fold",
            format!("GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n{OK}"),
            400,
        ),
        case(
            "obs-fold first",
            format!("GET / HTTP/1.1\r\n host: a\r\n{OK}"),
            400,
        ),
        case(
            "version 3.0",
            format!("GET / HTTP/3.0\r\nhost: a\r\n{OK}"),
            400,
        ),
        case(
            "a method with a brace",
            format!("G{{T / HTTP/1.1\r\nhost: a\r\n{OK}"),
            400,
        ),
        case(
            "lengths that differ",
            format!(
                "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n{OK}ab"
            ),
            400,
        ),
        case(
            "lengths in a list",
            format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 2\r\n{OK}ab"),
            400,
        ),
        case(
            "a negative length",
            format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n{OK}"),
            400,
        ),
        case(
            "a length with a plus",
            format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n{OK}a"),
            400,
        ),
        case(
            "TE not chunked last",
            format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n{OK}"),
            400,
        ),
        case(
            "TE in 1.0",
            format!("POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n{OK}0\r\n\r\n"),
            400,
        ),
    ];
    let proxy = Proxy::start();
    for Case {
        name,
        request,
        status,
    } in cases
    {
        let mut client = proxy.connect();
        client.write(&request);
        let Some(reply) = client.try_read_reply(false) else {
            panic!("{name}: no response");
        };
        assert_eq!(reply.status, status, "{name}: {reply:?}");
        if status != 299 {
            let json = reply.json();
            assert!(json["message"].is_string(), "{name}: {reply:?}");
            assert_eq!(json["request_id"].as_str().unwrap().len(), 32, "{name}");
        }
    }
}

#[test]
fn a_request_with_both_framings_is_chunked_and_the_last_of_its_connection() {
    // RFC 9112 6.1 lets a server take Transfer-Encoding if it closes afterwards; what goes
    // upstream has one framing.
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    for framing in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
    ] {
        let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
        let mut client = proxy.connect();
        let request = format!(
            "POST / HTTP/1.1\r\nhost: a\r\n{framing}{plan}\r\n1\r\nz\r\n0\r\n\r\n{smuggled}"
        );
        assert_eq!(client.request(&request).text(), "ok");
        assert!(client.closes());
        let seen = backend.seen().pop().unwrap();
        assert_eq!(seen.body, b"1\r\nz\r\n0\r\n\r\n");
        assert_eq!(seen.header("content-length"), None);
    }
    assert!(
        backend
            .seen()
            .iter()
            .all(|seen| !seen.line.contains("smuggled"))
    );
}

#[test]
fn a_bad_chunk_is_refused_and_not_completed_upstream() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).tries(3).line();
    for chunks in [
        "zz\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "-1\r\na\r\n",
        "ffffffffffffffffff\r\na",
    ] {
        let reply = proxy.send(&format!(
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n{plan}\r\n{chunks}"
        ));
        assert_eq!(reply.status, 400, "{chunks:?} {reply:?}");
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (one, two) = (Backend::saying("one"), Backend::saying("two"));
    let proxy = Proxy::start();
    let mut client = proxy.connect();
    let (first, second) = (plan(&[one.addr]).get(), plan(&[two.addr]).get());
    let with_body = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n{}\r\nabc",
        plan(&[one.addr]).line()
    );
    client.write(format!("{first}{second}{with_body}{second}").as_bytes());
    let answers: Vec<String> = (0..4).map(|_| client.read_reply(false).text()).collect();
    assert_eq!(answers, ["one", "two", "one", "two"]);
    assert_eq!(one.seen()[1].body, b"abc");
}

#[test]
fn a_client_that_sends_nothing_is_closed() {
    let proxy = Proxy::with(|options| {
        options.limits.header_read_timeout = Duration::from_millis(50);
    });
    assert!(proxy.connect().closes());
    let mut client = proxy.connect();
    client.write(b"GET / HTTP/1.1\r\nhost:");
    client.try_read_reply(false);
    assert!(client.closes());
}
