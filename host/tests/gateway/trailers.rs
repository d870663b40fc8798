//! What may be a trailer and what may not, whatever is spoken on either side.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use silverback_core::contract::plan::Protocol;

use crate::async_backend::AsyncBackend;
use crate::backend::Backend;
use crate::http2_client::{self, planned};
use crate::support::{Proxy, plan};

/// Trailers that would be a header's, and must not pass.
const FORBIDDEN: [&str; 16] = [
    "connection: close",
    "keep-alive: timeout=5",
    "proxy-connection: close",
    "te: trailers",
    "trailer: x",
    "transfer-encoding: chunked",
    "upgrade: h2c",
    "content-length: 5",
    "content-type: text/html",
    "host: b",
    "x-forwarded-for: 1.2.3.4",
    "x-real-ip: 1.2.3.4",
    "via: 1.1 b",
    "authorization: Basic YQ==",
    "set-cookie: a=b",
    "cache-control: no-store",
];

/// Trailers of gRPC, and one of an application.
const ALLOWED: [&str; 4] = [
    "grpc-status: 0",
    "grpc-message: fine",
    "grpc-status-details-bin: AA",
    "x-end: END",
];

fn names(lines: &[&str]) -> Vec<String> {
    let name = |line: &&str| line.split(':').next().unwrap().to_owned();
    lines.iter().map(name).collect()
}

/// What follows `TE: trailers` or a status line: a chunked body with these trailers.
fn chunked(trailers: &[&str]) -> String {
    format!(
        "trailer: {}\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n{}\r\n\r\n",
        names(trailers).join(", "),
        trailers.join("\r\n")
    )
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}

/// Answers with the names of the trailers that came.
fn naming() -> AsyncBackend {
    AsyncBackend::http2(None, |mut stream| {
        Box::pin(async move {
            let (_, trailers) = stream.read().await;
            let trailers = trailers.unwrap_or_default();
            let names: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
            stream.say(&names.join(" "));
        })
    })
}

#[test]
fn of_a_request_to_http2() {
    let backend = naming();
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    for protocol in [Protocol::H2c, Protocol::Grpc] {
        let line = plan(&endpoints)
            .timeouts(2000, 2000, 2000)
            .change(|plan| plan.protocol = protocol)
            .line();
        let names_seen = |trailers: &[&str]| {
            let rest = chunked(trailers);
            let reply = proxy.send(&format!("POST / HTTP/1.1\r\nhost: a\r\n{line}{rest}"));
            assert_eq!(reply.status, 200, "{trailers:?}");
            sorted(reply.text().split_whitespace().map(str::to_owned).collect())
        };
        assert_eq!(names_seen(&ALLOWED), sorted(names(&ALLOWED)));
        for forbidden in FORBIDDEN {
            assert!(names_seen(&[forbidden]).is_empty(), "{forbidden}");
            assert_eq!(names_seen(&[forbidden, "x-end: END"]), ["x-end"]);
        }
    }
    assert_eq!(proxy.gateway.stats().upstream_failures, 0);
}

#[test]
fn of_a_request_to_http1() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let line = plan(&[backend.addr]).line();
    for forbidden in FORBIDDEN {
        let rest = chunked(&[forbidden, "x-end: END"]);
        let reply = proxy.send(&format!("POST / HTTP/1.1\r\nhost: a\r\n{line}{rest}"));
        assert_eq!(reply.status, 200, "{forbidden}");
        let body = backend.seen().pop().unwrap().body;
        assert_eq!(
            String::from_utf8_lossy(&body),
            "2\r\nab\r\n0\r\nx-end: END\r\n\r\n",
            "{forbidden}"
        );
    }
}

#[test]
fn of_a_response_of_http1() {
    let backend = Backend::scripted(|peer| {
        while peer.read() {
            let line = peer.last_line();
            let number = line.split(['/', ' ']).nth(2).unwrap().parse::<usize>();
            let mut trailers = ALLOWED.to_vec();
            trailers.extend(number.map(|number| FORBIDDEN[number]));
            if !peer.write(&format!("HTTP/1.1 200 OK\r\n{}", chunked(&trailers))) {
                return;
            }
        }
    });
    let proxy = Proxy::start();
    let mut http2 = http2_client::Client::plain(proxy.addr);
    let line = plan(&[backend.addr]).line();
    for (number, forbidden) in FORBIDDEN.iter().enumerate() {
        let reply = proxy.send(&format!(
            "GET /{number} HTTP/1.1\r\nhost: a\r\nte: trailers\r\n{line}\r\n"
        ));
        let mut lines = reply.trailers;
        lines.sort_unstable();
        assert_eq!(
            lines,
            sorted(ALLOWED.map(str::to_owned).to_vec()),
            "{forbidden}"
        );

        let request = planned(&[backend.addr]).uri(format!("http://a.example/{number}"));
        let reply = http2.send(request.body(()).unwrap());
        assert_eq!(reply.text(), "ab", "{forbidden}");
        let trailers = reply.trailers.unwrap();
        let seen = trailers.keys().map(ToString::to_string).collect();
        assert_eq!(sorted(seen), sorted(names(&ALLOWED)), "{forbidden}");
    }
}

#[test]
fn of_a_response_of_http2() {
    let backend = AsyncBackend::http2(None, |mut stream| {
        Box::pin(async move {
            let response = Response::builder().header("trailer", "x-end, x-real-ip, set-cookie");
            let response = response.body(()).unwrap();
            let mut body = stream.respond.send_response(response, false).unwrap();
            body.send_data(Bytes::from_static(b"ok"), false).unwrap();
            let mut trailers = HeaderMap::new();
            for name in ["x-end", "x-real-ip", "set-cookie"] {
                trailers.insert(name, HeaderValue::from_static("1"));
            }
            body.send_trailers(trailers).unwrap();
        })
    });
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let line = plan(&endpoints)
        .change(|plan| plan.protocol = Protocol::H2c)
        .line();
    let reply = proxy.send(&format!(
        "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\n{line}\r\n"
    ));
    assert_eq!(
        (reply.text(), reply.trailers),
        ("ok".to_owned(), vec!["x-end: 1".to_owned()])
    );
}
