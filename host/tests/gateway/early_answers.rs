//! Answers that are given before the request's body was read. The client may still send: it gets the
//! answer all the same, and knows whether the connection goes on.

use std::io::{Read, Write};

use crate::backend::Backend;
use crate::support::{Proxy, plan, tcp};

/// More than the socket's buffers take, in pieces.
static MORE: [u8; 64 * 1024] = [b'x'; 64 * 1024];
const PIECES: usize = 8;

/// Sends a head, reads the answer's head, and then sends the rest.
fn sends_on(proxy: &Proxy, head: &str) -> String {
    let mut stream = tcp(proxy.addr);
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = Vec::new();
    while !reply.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        reply.extend(byte);
    }
    for _ in 0..PIECES {
        stream.write_all(&MORE).unwrap();
    }
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    String::from_utf8(reply).unwrap().to_ascii_lowercase()
}

#[test]
fn a_client_that_still_sends_gets_its_answer_and_is_told_of_the_end() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::with(|options| options.limits.max_body_bytes = 1 << 20);
    let line = plan(&[backend.addr]).line();
    let cases = [
        (
            "413",
            format!("host: a\r\n{line}content-length: 9999999\r\n"),
        ),
        (
            "400",
            "host: a\r\nhost: b\r\ncontent-length: 999999\r\n".to_owned(),
        ),
        (
            "404",
            "host: a\r\nx-test-local: 404\r\ncontent-length: 999999\r\n".to_owned(),
        ),
        (
            "404",
            "host: a\r\nx-test-local: 404\r\ntransfer-encoding: chunked\r\n".to_owned(),
        ),
        (
            "404",
            "host: a\r\nx-test-local: 404\r\nexpect: 100-continue\r\ncontent-length: 999999\r\n"
                .to_owned(),
        ),
        ("503", "host: a\r\ncontent-length: 999999\r\n".to_owned()),
    ];
    for (status, head) in cases {
        let reply = sends_on(&proxy, &format!("POST / HTTP/1.1\r\n{head}\r\n"));
        assert!(
            reply.starts_with(&format!("http/1.1 {status} ")),
            "{head}: {reply}"
        );
        assert!(
            reply.contains("\r\nconnection: close\r\n"),
            "{head}: {reply}"
        );
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn an_upstream_that_answers_early_and_closes_does_not_cut_the_client() {
    let backend = Backend::scripted(|peer| {
        peer.read_head();
        peer.write("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
    });
    let proxy = Proxy::start();
    let line = plan(&[backend.addr]).line();
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{line}content-length: 9999999\r\n\r\n");
    let reply = sends_on(&proxy, &head);
    assert!(reply.starts_with("http/1.1 403 "), "{reply}");
}

#[test]
fn a_body_that_is_there_costs_no_connection() {
    let proxy = Proxy::start();
    let mut client = proxy.connect();
    for body in [
        "content-length: 2\r\n\r\nab",
        "transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    ] {
        for _ in 0..2 {
            let reply = client.request(&format!(
                "POST / HTTP/1.1\r\nhost: a\r\nx-test-local: 299\r\n{body}"
            ));
            assert_eq!((reply.status, reply.header("connection")), (299, None));
        }
    }
}
