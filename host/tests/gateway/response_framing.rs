//! Responses whose length can be read in two ways: each goes to the client with one length, or not at all.

use crate::backend::Backend;
use crate::http2_client::{self, get_planned};
use crate::support::{Proxy, plan};

/// What an upstream says, and what a client gets of it.
struct Case {
    name: &'static str,
    head: &'static str,
    body: &'static str,
    status: u16,
    /// Content-Length at the client, and the body.
    length: Option<&'static str>,
    got: &'static str,
}

const CHUNKED: &str = "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n";

fn case(name: &'static str, head: &'static str, body: &'static str) -> Case {
    Case {
        name,
        head,
        body,
        status: 200,
        length: None,
        got: "helloworld",
    }
}

impl Case {
    fn length(mut self, length: &'static str, got: &'static str) -> Self {
        self.length = Some(length);
        self.got = got;
        self
    }

    fn refused(mut self) -> Self {
        self.status = 502;
        self
    }

    /// The same response again and again, and then closed.
    fn backend(&self) -> Backend {
        let (head, body) = (self.head, self.body);
        Backend::scripted(move |peer| {
            while peer.read() {
                if !peer.write(&format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}")) {
                    return;
                }
                if body == "coded" {
                    return;
                }
            }
        })
    }
}

#[test]
fn a_response_has_one_length() {
    for case in [
        case("chunked", "transfer-encoding: chunked\r\n", CHUNKED),
        case("capitals", "transfer-encoding: Chunked\r\n", CHUNKED),
        case(
            "CL.TE",
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            CHUNKED,
        ),
        case(
            "TE.CL",
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            CHUNKED,
        ),
        case("a length", "content-length: 5\r\n", "hello").length("5", "hello"),
        case("a list", "content-length: 5, 5\r\n", "hello").length("5", "hello"),
        case(
            "twice",
            "content-length: 5\r\ncontent-length: 5\r\n",
            "hello",
        )
        .length("5", "hello"),
        case("zeros", "content-length: 005\r\n", "hello").length("5", "hello"),
        case("only zeros", "content-length: 00\r\n", "").length("0", ""),
        case(
            "two lengths",
            "content-length: 5\r\ncontent-length: 6\r\n",
            "hello",
        )
        .refused(),
        case(
            "gzip, chunked",
            "transfer-encoding: gzip, chunked\r\n",
            CHUNKED,
        )
        .refused(),
        case(
            "gzip and chunked",
            "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
            CHUNKED,
        )
        .refused(),
        case(
            "chunked twice",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            CHUNKED,
        )
        .refused(),
        case(
            "chunked, chunked",
            "transfer-encoding: chunked, chunked\r\n",
            CHUNKED,
        )
        .refused(),
        case("gzip", "transfer-encoding: gzip\r\n", "coded").refused(),
        case("identity", "transfer-encoding: identity\r\n", "coded").refused(),
        case("empty", "transfer-encoding:\r\n", "coded").refused(),
        case(
            "a space before the colon",
            "content-length : 5\r\n",
            "hello",
        )
        .refused(),
    ] {
        let name = case.name;
        let backend = case.backend();
        let proxy = Proxy::start();
        let get = plan(&[backend.addr]).get();
        // A connection that is kept: a length that is wrong would be seen in the second response.
        let mut client = proxy.connect();
        let mut http2 = http2_client::Client::plain(proxy.addr);
        for _ in 0..2 {
            let reply = client.request(&get);
            assert_eq!(reply.status, case.status, "{name}");
            let other = http2.send(get_planned(&[backend.addr]));
            assert_eq!(other.status(), case.status, "{name}");
            if case.status != 200 {
                continue;
            }
            assert_eq!(reply.text(), case.got, "{name}");
            let lengths = reply.headers.get("content-length");
            let expected = case.length.map(|length| vec![length.to_owned()]);
            assert_eq!(lengths, expected.as_ref(), "{name}");
            assert_eq!(other.text(), case.got, "{name}");
            let lengths: Vec<_> = other
                .head
                .headers
                .get_all("content-length")
                .iter()
                .collect();
            assert_eq!(lengths, case.length.as_slice(), "{name}");
        }
        let stats = proxy.gateway.stats();
        let connections = if case.status == 200 { 1 } else { 4 };
        assert_eq!(stats.upstream_connections, connections, "{name}");
        assert_eq!(stats.broken_responses, 0, "{name}");
    }
}

#[test]
fn a_head_response_too() {
    for (head, expected) in [
        ("content-length: 5, 5\r\n", Some("5")),
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n", None),
    ] {
        let backend = Backend::scripted(move |peer| {
            while peer.read() && peer.write(&format!("HTTP/1.1 200 OK\r\n{head}\r\n")) {}
        });
        let proxy = Proxy::start();
        let head = plan(&[backend.addr]).get().replacen("GET", "HEAD", 1);
        let reply = proxy.send(&head);
        assert_eq!(
            (reply.status, reply.header("content-length")),
            (200, expected)
        );
    }
}
