//! How many headers a response may have.

use std::fmt::Write as _;

use http::Response;
use silverback_core::contract::plan::Protocol;

use crate::async_backend::AsyncBackend;
use crate::backend::Backend;
use crate::support::{Proxy, plan};

#[test]
fn as_many_lines_as_a_request() {
    for (lines, status) in [(99, 200), (100, 200), (101, 502)] {
        let backend = Backend::scripted(move |peer| {
            peer.read();
            let mut text = String::from("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n");
            for n in 1..lines {
                let _ = write!(text, "x-{n}: 1\r\n");
            }
            peer.write(&format!("{text}\r\n"));
            peer.wait_for_close();
        });
        let proxy = Proxy::start();
        let reply = proxy.send(&plan(&[backend.addr]).get());
        assert_eq!(reply.status, status, "{lines}");
    }
}

#[test]
fn over_http2_as_many_bytes_as_a_request() {
    const MAX: usize = 256 * 1024;
    for (bytes, status) in [(MAX - 1024, 200), (2 * MAX, 502)] {
        let backend = AsyncBackend::http2(None, move |mut stream| {
            Box::pin(async move {
                let mut response = Response::builder();
                for n in 0..64 {
                    response = response.header(format!("x-{n}"), "x".repeat(bytes / 64));
                }
                let response = response.body(()).unwrap();
                let _ = stream.respond.send_response(response, true);
            })
        });
        let proxy = Proxy::with(|options| options.limits.max_header_bytes = MAX);
        let endpoints = [backend.addr];
        let line = plan(&endpoints)
            .change(|plan| plan.protocol = Protocol::H2c)
            .line();
        let reply = proxy.send(&format!("GET / HTTP/1.1\r\nhost: a\r\n{line}\r\n"));
        assert_eq!(reply.status, status, "{bytes}");
    }
}
