//! Requests that two parsers may read in two ways. Each is refused, or goes upstream in one form that
//! nobody can read differently; and never does what follows it go upstream as a request that was
//! not one here. docs/gateway.md has the same table for people.

use std::net::SocketAddr;

use crate::backend::{Backend, Seen};
use crate::frames::{self, Frames, Outcome};
use crate::support::{Proxy, plan, until};

/// What becomes of the bytes of one connection.
struct Case {
    name: &'static str,
    /// Request line and headers, without those that every request here has.
    head: &'static [u8],
    body: &'static [u8],
    /// Statuses of all responses to the end of the connection.
    statuses: &'static [u16],
    /// What the upstream sees, as [`shown`] shows it.
    seen: &'static [&'static str],
}

/// Another request in the connection's bytes, which asks for the end.
const LAST: &str = "GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n";
/// What the upstream sees of it.
const SEEN_LAST: &str = "GET /last HTTP/1.1";

/// One line: request line, framing, body.
fn shown(seen: &Seen) -> String {
    let mut text = seen.line.clone();
    for (name, value) in &seen.headers {
        if ["content-length", "transfer-encoding", "smuggled"].contains(&&**name) {
            text += &format!("; {name}: {}", String::from_utf8_lossy(value));
        }
    }
    if !seen.body.is_empty() {
        text += &format!("; {}", seen.body.escape_ascii());
    }
    text
}

/// Statuses of the responses of a connection, to its end.
fn statuses(proxy: &Proxy, bytes: &[u8]) -> Vec<u16> {
    let mut client = proxy.connect();
    client.write(bytes);
    std::iter::from_fn(|| client.try_read_reply(false))
        .map(|reply| reply.status)
        .collect()
}

fn run(cases: &[Case]) {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    let mut wrong = Vec::new();
    for case in cases {
        let before = backend.count();
        let mut bytes = case.head.to_vec();
        bytes.extend(format!("{plan}\r\n").as_bytes());
        bytes.extend(case.body);
        bytes.extend(format!("{LAST}{plan}\r\n").as_bytes());
        let statuses = statuses(&proxy, &bytes);
        let seen: Vec<_> = backend.seen()[before..].iter().map(shown).collect();
        if statuses != case.statuses || seen != case.seen {
            wrong.push(format!("{}: {statuses:?}, {seen:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

macro_rules! cases {
    ($($name:literal: $head:literal, $body:literal => $statuses:expr, $seen:expr;)*) => {
        &[$(Case {
            name: $name,
            head: $head,
            body: $body,
            statuses: &$statuses,
            seen: &$seen,
        },)*]
    };
}

#[test]
fn lengths_and_codings() {
    const CHUNKED: &str = r"POST / HTTP/1.1; transfer-encoding: chunked; 2\r\nab\r\n0\r\n\r\n";
    const LENGTH: &str = "POST / HTTP/1.1; content-length: 2; ab";
    run(cases! {
        // Taken as chunked, as RFC 9112 6.1 allows, and the connection ends: what follows counts
        // for nothing.
        "CL.TE": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [200], [CHUNKED];
        "TE.CL": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 6\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [200], [CHUNKED];
        "chunked": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [200, 200], [CHUNKED, SEEN_LAST];
        "chunked in capitals": b"POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: CHUNKED\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [200, 200], [CHUNKED, SEEN_LAST];
        "a tab before chunked": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\tchunked\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [200, 200], [CHUNKED, SEEN_LAST];
        "a vertical tab before chunked": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \x0bchunked\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [400], [];
        "TE folded": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n chunked\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [400], [];
        "space after the name": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [400], [];
        "another coding": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [400], [];
        "another coding and a length": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ntransfer-encoding: x\r\n",
            b"ab" => [400], [];
        "identity last": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [400], [];
        "identity first": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity, chunked\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [501], [];
        "gzip first": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [501], [];
        "chunked twice": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [501], [];
        "an empty coding": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n",
            b"" => [400], [];
        "a coding with a parameter": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked;q=1\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [400], [];
        "a quoted coding": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \"chunked\"\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [400], [];
        "one length": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n",
            b"ab" => [200, 200], [LENGTH, SEEN_LAST];
        "the same length twice": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 2\r\n",
            b"ab" => [200, 200], [LENGTH, SEEN_LAST];
        "two lengths": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 0\r\n",
            b"ab" => [400], [];
        "a list of lengths": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2, 2\r\n",
            b"ab" => [400], [];
        "a plus": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +2\r\n", b"ab" => [400], [];
        "a minus": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -2\r\n", b"ab" => [400], [];
        "hexadecimal": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x2\r\n", b"ab" => [400], [];
        "a letter behind": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2a\r\n", b"ab" => [400], [];
        "a space within": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0 2\r\n", b"ab" => [400], [];
        "spaces around": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length:  2 \r\n",
            b"ab" => [200, 200], [LENGTH, SEEN_LAST];
        "an empty length": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n", b"" => [400], [];
        "zeros before": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0002\r\n",
            b"ab" => [200, 200], [LENGTH, SEEN_LAST];
        "more than any number": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 18446744073709551618\r\n",
            b"ab" => [400], [];
        "a length folded": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n 2\r\n", b"ab" => [400], [];
        "a length that Connection names": b"POST / HTTP/1.1\r\nhost: a\r\nconnection: content-length\r\ncontent-length: 2\r\n",
            b"ab" => [200, 200], [LENGTH, SEEN_LAST];
        "a coding that Connection names": b"POST / HTTP/1.1\r\nhost: a\r\nconnection: transfer-encoding\r\ntransfer-encoding: chunked\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [200, 200], [CHUNKED, SEEN_LAST];
        "a coding in HTTP/1.0": b"POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n",
            b"2\r\nab\r\n0\r\n\r\n" => [400], [];
        "GET with a length": b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n",
            b"ab" => [200, 200], ["GET / HTTP/1.1; content-length: 2; ab", SEEN_LAST];
        "no framing, and bytes": b"POST / HTTP/1.1\r\nhost: a\r\n",
            b"(SMUGGLED)" => [200, 400], ["POST / HTTP/1.1"];
    });
}

#[test]
fn chunks() {
    const AB: &str = r"POST / HTTP/1.1; transfer-encoding: chunked; 2\r\nab\r\n0\r\n\r\n";
    macro_rules! chunks {
        ($($name:literal: $body:literal => $statuses:expr, $seen:expr;)*) => {
            cases! { $($name: b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n", $body
                => $statuses, $seen;)* }
        };
    }
    run(chunks! {
        "an extension": b"2;a=b\r\nab\r\n0\r\n\r\n" => [200, 200], [AB, SEEN_LAST];
        "a quoted extension": b"2;a=\"b\"\r\nab\r\n0;c\r\n\r\n" => [200, 200], [AB, SEEN_LAST];
        "an extension that ends with LF": b"2;a\nab\r\n0\r\n\r\n" => [400], [];
        "space behind the size": b"2 \r\nab\r\n0\r\n\r\n" => [200, 200], [AB, SEEN_LAST];
        "space before the size": b" 2\r\nab\r\n0\r\n\r\n" => [400], [];
        "zeros before the size": b"0002\r\nab\r\n000\r\n\r\n" => [200, 200], [AB, SEEN_LAST];
        "0x": b"0x2\r\nab\r\n0\r\n\r\n" => [400], [];
        "a plus": b"+2\r\nab\r\n0\r\n\r\n" => [400], [];
        "an underscore": b"0_2\r\nab\r\n0\r\n\r\n" => [400], [];
        "no size": b"\r\nab\r\n0\r\n\r\n" => [400], [];
        "a size that wraps round": b"10000000000000002\r\nab\r\n0\r\n\r\n" => [400], [];
        "LF behind the size": b"2\nab\r\n0\r\n\r\n" => [400], [];
        "LF behind the data": b"2\r\nab\n0\r\n\r\n" => [400], [];
        "CR behind the size": b"2\rab\r\n0\r\n\r\n" => [400], [];
        "data that is longer": b"2\r\nabc\r\n0\r\n\r\n" => [400], [];
        "a trailer that frames": b"2\r\nab\r\n0\r\ncontent-length: 5\r\nhost: b\r\n\r\n" => [200, 200], [AB, SEEN_LAST];
        "a folded trailer": b"2\r\nab\r\n0\r\nx: a\r\n b\r\n\r\n" => [400], [];
    });
}

#[test]
fn lines_and_names() {
    run(cases! {
        "LF between lines": b"GET / HTTP/1.1\nhost: a\n", b"" => [200, 200], ["GET / HTTP/1.1", SEEN_LAST];
        // A line of its own, for the filter too.
        "LF within a line": b"GET / HTTP/1.1\r\nhost: a\r\nx: y\nsmuggled: 1\r\n",
            b"" => [200, 200], ["GET / HTTP/1.1; smuggled: 1", SEEN_LAST];
        "CR within a value": b"GET / HTTP/1.1\r\nhost: a\r\nx: y\rsmuggled: 1\r\n", b"" => [400], [];
        "NUL in a value": b"GET / HTTP/1.1\r\nhost: a\r\nx: y\0smuggled: 1\r\n", b"" => [400], [];
        "DEL in a value": b"GET / HTTP/1.1\r\nhost: a\r\nx: y\x7f\r\n", b"" => [400], [];
        "space in a name": b"GET / HTTP/1.1\r\nhost: a\r\ncontent length: 5\r\n", b"" => [400], [];
        "tab behind a name": b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length\t: 5\r\n", b"" => [400], [];
        "no name": b"GET / HTTP/1.1\r\nhost: a\r\n: 5\r\n", b"" => [400], [];
        "no colon": b"GET / HTTP/1.1\r\nhost: a\r\nsmuggled\r\n", b"" => [400], [];
        "space before the first name": b"GET / HTTP/1.1\r\n host: a\r\n", b"" => [400], [];
        "folded": b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n\tsmuggled: 1\r\n", b"" => [400], [];
        "an empty line first": b"\r\nGET / HTTP/1.1\r\nhost: a\r\n", b"" => [200, 200], ["GET / HTTP/1.1", SEEN_LAST];
        "space before the method": b" GET / HTTP/1.1\r\nhost: a\r\n", b"" => [400], [];
        "two spaces": b"GET  / HTTP/1.1\r\nhost: a\r\n", b"" => [400], [];
        "a tab for a space": b"GET\t/\tHTTP/1.1\r\nhost: a\r\n", b"" => [400], [];
        "space in the target": b"GET /a b HTTP/1.1\r\nhost: a\r\n", b"" => [400], [];
        "space behind the version": b"GET / HTTP/1.1 \r\nhost: a\r\n", b"" => [400], [];
        "HTTP/0.9": b"GET /\r\nhost: a\r\n", b"" => [400], [];
        "HTTP/1.2": b"GET / HTTP/1.2\r\nhost: a\r\n", b"" => [400], [];
        "HTTP/2.0": b"GET / HTTP/2.0\r\nhost: a\r\n", b"" => [400], [];
        "http in small letters": b"GET / http/1.1\r\nhost: a\r\n", b"" => [400], [];
        "a bracket in the target": b"GET /a<b HTTP/1.1\r\nhost: a\r\n", b"" => [400], [];
        "no UTF-8 in the target": b"GET /a\xff HTTP/1.1\r\nhost: a\r\n", b"" => [400], [];
        "a method in small letters": b"get / HTTP/1.1\r\nhost: a\r\n", b"" => [200, 200], ["get / HTTP/1.1", SEEN_LAST];
        "a fragment": b"GET /a#b HTTP/1.1\r\nhost: a\r\n", b"" => [200, 200], ["GET /a HTTP/1.1", SEEN_LAST];
    });
}

#[test]
fn hosts() {
    fn host_seen(request: &str) -> (u16, Option<String>) {
        let backend = Backend::saying("ok");
        let proxy = Proxy::start();
        let plan = plan(&[backend.addr]).line();
        let reply = proxy.send(&format!("{request}{plan}\r\n"));
        let seen = backend.seen().pop();
        (reply.status, seen.and_then(|seen| seen.header("host")))
    }
    for (request, status, host) in [
        ("GET http://b/ HTTP/1.1\r\nhost: a\r\n", 200, Some("b")),
        ("GET http://b:8/ HTTP/1.1\r\nhost: a\r\n", 200, Some("b:8")),
        (
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: host\r\n",
            200,
            Some("a"),
        ),
        ("GET http://u@b/ HTTP/1.1\r\nhost: a\r\n", 400, None),
        ("GET http:///x HTTP/1.1\r\nhost: a\r\n", 400, None),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n", 400, None),
        ("GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n", 400, None),
        ("GET / HTTP/1.1\r\nhost: a b\r\n", 400, None),
        ("GET / HTTP/1.1\r\nhost: a/../b\r\n", 400, None),
        ("GET / HTTP/1.1\r\nhost: a\tb\r\n", 400, None),
        ("GET / HTTP/1.1\r\nhost: a@b\r\n", 400, None),
        ("GET / HTTP/1.1\r\nhost: a#b\r\n", 400, None),
    ] {
        assert_eq!(
            host_seen(request),
            (status, host.map(str::to_owned)),
            "{request:?}"
        );
    }
}

#[test]
fn a_body_that_is_cut_short_does_not_go_upstream_as_a_whole_one() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    for head in [
        format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n{plan}\r\nabc"),
        format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n{plan}\r\n5\r\nabc"),
        format!(
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n{plan}\r\n3\r\nabc\r\n0\r\n"
        ),
    ] {
        let mut client = proxy.connect();
        client.write(head.as_bytes());
        drop(client);
    }
    until("the ends", || proxy.gateway.stats().open_connections == 0);
    assert_eq!(backend.count(), 0);
}

/// A header as bytes.
type Header<'a> = (&'a [u8], &'a [u8]);

/// What becomes of an HTTP/2 request with these headers.
fn http2(addr: SocketAddr, headers: &[Header<'_>], data: Option<&[u8]>) -> Outcome {
    let mut frames = Frames::connect(addr);
    let end = if data.is_none() {
        frames::END_STREAM
    } else {
        0
    };
    frames.headers(1, end, headers);
    if let Some(data) = data {
        frames.send(frames::DATA, frames::END_STREAM, 1, data);
    }
    frames.outcome(1)
}

#[test]
fn http2_that_would_be_something_else_in_http1() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let hex = plan(&[backend.addr]).hex();
    let usual: [Header<'_>; 5] = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"a"),
        (b"x-test-plan", hex.as_bytes()),
    ];
    // Another value for one of the usual ones, or one more.
    let with = |header: Header<'_>, data: Option<&[u8]>| {
        let mut headers = usual
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .to_vec();
        let header = (header.0.to_vec(), header.1.to_vec());
        match headers.iter_mut().find(|(name, _)| *name == header.0) {
            Some(old) => *old = header,
            None => headers.push(header),
        }
        let headers: Vec<Header<'_>> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
        http2(proxy.addr, &headers, data)
    };
    let refused = [Outcome::Reset, Outcome::Ended, Outcome::Status(400)];
    let cases: &[(&str, Header<'_>, Option<&[u8]>)] = &[
        ("CRLF in a value", (b"x", b"y\r\nsmuggled: 1"), None),
        ("LF in a value", (b"x", b"y\nsmuggled: 1"), None),
        ("CR in a value", (b"x", b"y\rz"), None),
        ("NUL in a value", (b"x", b"y\0z"), None),
        ("CRLF in a name", (b"x: y\r\nsmuggled", b"1"), None),
        ("a colon in a name", (b"x:y", b"1"), None),
        ("space in a name", (b"content length", b"1"), None),
        ("a name in capitals", (b"Smuggled", b"1"), None),
        ("no name", (b"", b"1"), None),
        (
            "CRLF in the method",
            (b":method", b"GET / HTTP/1.1\r\nhost: b\r\n\r\nGET"),
            None,
        ),
        (
            "space in the method",
            (b":method", b"GET /smuggled HTTP/1.1"),
            None,
        ),
        (
            "CRLF in the path",
            (b":path", b"/ HTTP/1.1\r\nsmuggled: 1"),
            None,
        ),
        ("space in the path", (b":path", b"/ HTTP/1.1"), None),
        ("an empty path", (b":path", b""), None),
        ("a path without a slash", (b":path", b"smuggled"), None),
        ("an absolute path", (b":path", b"http://b/"), None),
        (
            "CRLF in the authority",
            (b":authority", b"a\r\nsmuggled: 1"),
            None,
        ),
        ("a path in the authority", (b":authority", b"a/b"), None),
        ("a user in the authority", (b":authority", b"b@a"), None),
        (
            "CRLF in the scheme",
            (b":scheme", b"http\r\nsmuggled: 1"),
            None,
        ),
        ("an unknown pseudo-header", (b":smuggled", b"1"), None),
        ("a pseudo-header behind others", (b":status", b"200"), None),
        ("another Host", (b"host", b"b"), None),
        (
            "transfer-encoding",
            (b"transfer-encoding", b"chunked"),
            Some(b"0\r\n\r\n"),
        ),
        ("connection", (b"connection", b"close"), None),
        ("keep-alive", (b"keep-alive", b"1"), None),
        ("proxy-connection", (b"proxy-connection", b"close"), None),
        ("upgrade", (b"upgrade", b"websocket"), None),
        ("te", (b"te", b"gzip"), None),
        ("a length without a body", (b"content-length", b"5"), None),
        (
            "a length that is too short",
            (b"content-length", b"1"),
            Some(b"abc"),
        ),
        (
            "a length that is too long",
            (b"content-length", b"5"),
            Some(b"abc"),
        ),
        (
            "a length with a plus",
            (b"content-length", b"+3"),
            Some(b"abc"),
        ),
        (
            "a list of lengths",
            (b"content-length", b"3, 3"),
            Some(b"abc"),
        ),
    ];
    let mut wrong = Vec::new();
    for (name, header, data) in cases {
        let outcome = with(*header, *data);
        if !refused.contains(&outcome) {
            wrong.push(format!("{name}: {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let seen: Vec<_> = backend.seen().iter().map(shown).collect();
    assert!(seen.is_empty(), "{seen:#?}");

    assert_eq!(with((b"x", b"y"), Some(b"abc")), Outcome::Status(200));
    assert_eq!(
        with((b"content-length", b"3"), Some(b"abc")),
        Outcome::Status(200)
    );
    let seen: Vec<_> = backend.seen().iter().map(shown).collect();
    assert_eq!(
        seen,
        [
            r"POST / HTTP/1.1; transfer-encoding: chunked; 3\r\nabc\r\n0\r\n\r\n",
            "POST / HTTP/1.1; content-length: 3; abc"
        ]
    );
}
