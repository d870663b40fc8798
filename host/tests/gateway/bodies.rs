//! Bodies stream both ways, with trailers, and break where they must.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::mpsc;

use crate::backend::Backend;
use crate::support::{Proxy, plan, until};

#[test]
fn a_large_body_streams_in_both_directions() {
    let big: &'static str = Box::leak("0123456789abcdef".repeat(256 * 1024).into_boxed_str());
    let backend = Backend::saying(big);
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    let mut client = proxy.connect();
    client.write(
        format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n{plan}\r\n",
            big.len()
        )
        .as_bytes(),
    );
    client.write(big.as_bytes());
    assert!(client.read_reply(false).body == big.as_bytes());
    assert!(backend.seen()[0].body == big.as_bytes());
}

#[test]
fn a_response_is_passed_on_piece_by_piece() {
    let (go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let backend = Backend::scripted(move |peer| {
        peer.read();
        peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        gate.lock().unwrap().recv().unwrap();
        peer.write("6\r\nsecond\r\n0\r\n\r\n");
        peer.wait_for_close();
    });
    let proxy = Proxy::start();
    let mut client = proxy.connect();
    client.write(plan(&[backend.addr]).get().as_bytes());
    // The first piece arrives although the second is not there yet.
    while client.line().unwrap() != "first" {}
    go.send(()).unwrap();
    assert_eq!(client.line().unwrap(), "6");
    assert_eq!(client.line().unwrap(), "second");
    assert_eq!(client.line().unwrap(), "0");
}

/// An upload that an early answer overtakes goes on although its client does not read yet.
#[test]
fn a_request_goes_on_while_its_answer_waits_for_the_client() {
    // More than the buffers on the way hold.
    const UP: usize = 32 << 20;
    const DOWN: usize = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = listener.local_addr().unwrap();
    let backend = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            head.read_line(&mut line).unwrap();
        }
        let answer = std::thread::spawn(move || {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {DOWN}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&vec![b'd'; DOWN]).unwrap();
        });
        let mut body = vec![0; UP];
        head.read_exact(&mut body).unwrap();
        answer.join().unwrap();
        body
    });
    let proxy = Proxy::start();
    let plan = plan(&[upstream]).line();
    let mut client = proxy.connect();
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {UP}\r\n{plan}\r\n");
    client.write(head.as_bytes());
    client.write(&vec![b'u'; UP]);
    assert!(client.read_reply(false).body == vec![b'd'; DOWN]);
    assert!(backend.join().unwrap() == vec![b'u'; UP]);
}

#[test]
fn the_head_of_a_response_that_breaks_at_once_arrives() {
    for rest in ["", "zz\r\n", "5\r\n"] {
        let backend = Backend::scripted(move |peer| {
            peer.read();
            peer.write(&format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{rest}"
            ));
        });
        let proxy = Proxy::start();
        let mut client = proxy.connect();
        client.write(plan(&[backend.addr]).get().as_bytes());
        assert_eq!(
            client.line().as_deref(),
            Some("HTTP/1.1 200 OK"),
            "{rest:?}"
        );
        let mut chunked = false;
        while let Some(line) = client.line() {
            chunked |= line == "transfer-encoding: chunked";
            assert_ne!(line, "0", "{rest:?}");
        }
        assert!(chunked, "{rest:?}");
        until("it is counted", || {
            proxy.gateway.stats().broken_responses == 1
        });
    }
}

#[test]
fn what_came_of_a_response_that_breaks_arrives() {
    for (head, piece, rest) in [
        ("content-length: 100", "0123456789", ""),
        (
            "transfer-encoding: chunked",
            "a\r\n0123456789\r\n",
            "zz\r\n",
        ),
    ] {
        let backend = Backend::scripted(move |peer| {
            peer.read();
            peer.write(&format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{piece}{rest}"));
        });
        let proxy = Proxy::start();
        let endpoints = [backend.addr];
        let plan = plan(&endpoints);
        for _ in 0..20 {
            let mut client = proxy.connect();
            client.write(plan.get().as_bytes());
            let lines = client.head();
            assert_eq!(lines.first().map(String::as_str), Some("HTTP/1.1 200 OK"));
            let body = client.rest();
            assert!(body.windows(10).any(|seen| seen == b"0123456789"), "{head}");
            assert!(!body.ends_with(b"0\r\n\r\n"), "{head}");
        }
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
    let plan = plan(&[backend.addr]).line();
    let reply = proxy.send(&format!(
        "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\ntrailer: x-end\r\ntransfer-encoding: chunked\r\n{plan}\r\n\
         2\r\nab\r\n0\r\nx-end: END\r\n\r\n"
    ));
    assert_eq!(reply.text(), "ok");
    assert_eq!(reply.trailers, ["x-sum: 7"]);
    let body = String::from_utf8(backend.seen()[0].body.clone()).unwrap();
    assert_eq!(body, "2\r\nab\r\n0\r\nx-end: END\r\n\r\n");
}

#[test]
fn a_get_with_a_chunked_body_keeps_it() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    let reply = proxy.send(&format!(
        "GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n{plan}\r\n2\r\nab\r\n0\r\n\r\n"
    ));
    assert_eq!(reply.text(), "ok");
    assert_eq!(backend.seen()[0].body, b"2\r\nab\r\n0\r\n\r\n");
}

#[test]
fn the_client_is_told_to_go_on_when_the_body_is_wanted() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    let mut client = proxy.connect();
    client.write(
        format!(
            "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n{plan}\r\n"
        )
        .as_bytes(),
    );
    assert_eq!(client.line().unwrap(), "HTTP/1.1 100 Continue");
    assert_eq!(client.line().unwrap(), "");
    client.write(b"abc");
    assert_eq!(client.read_reply(false).text(), "ok");
}

#[test]
fn responses_without_a_body_keep_the_connections() {
    let backend = Backend::scripted(|peer| {
        while peer.read() {
            let head = match peer.number {
                0 => "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n",
                _ => "HTTP/1.1 204 No Content\r\n\r\n",
            };
            if !peer.write(head) {
                return;
            }
        }
    });
    let proxy = Proxy::start();
    let head = plan(&[backend.addr]).get().replacen("GET", "HEAD", 1);
    let mut client = proxy.connect();
    for _ in 0..3 {
        client.write(head.as_bytes());
        let reply = client.read_reply(true);
        assert_eq!(reply.header("content-length"), Some("1000"));
    }
    assert_eq!(proxy.gateway.stats().upstream_connections, 1);
}

#[test]
fn an_upstream_that_breaks_off_breaks_the_response() {
    let backend = Backend::scripted(|peer| {
        peer.read();
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
    });
    let proxy = Proxy::start();
    let mut client = proxy.connect();
    client.write(plan(&[backend.addr]).get().as_bytes());
    assert!(client.try_read_reply(false).is_none());
    until("the count", || proxy.gateway.stats().broken_responses == 1);
}

#[test]
fn an_upstream_that_stalls_in_the_body_is_cut() {
    let backend = Backend::scripted(|peer| {
        peer.read();
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc");
        peer.wait_for_close();
    });
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let plan = plan(&endpoints).timeouts(1000, 1000, 50);
    let mut client = proxy.connect();
    client.write(plan.get().as_bytes());
    assert!(client.try_read_reply(false).is_none());
    until("the count", || proxy.gateway.stats().broken_responses == 1);
}

#[test]
fn a_client_that_goes_away_ends_the_request_and_its_context() {
    let silent = Backend::silent();
    let proxy = Proxy::start();
    let mut client = proxy.connect();
    client.write(plan(&[silent.addr]).get().as_bytes());
    until("the request", || silent.count() == 1);
    drop(client);
    until("the abort", || proxy.gateway.stats().client_aborts == 1);
    let event = proxy.events.lock().unwrap()[0].clone();
    assert_eq!(event.status, 499, "{}", event.text);
    until("on_log", || proxy.log.contains("result"));
}

#[test]
fn a_slow_client_is_not_the_upstreams_fault() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::with(|options| {
        options.limits.body_read_timeout = std::time::Duration::from_millis(100);
    });
    let endpoints = [backend.addr];
    let plan = plan(&endpoints).tries(3).timeouts(1000, 20, 1000).line();
    // The body never comes: it is the client's timeout that ends this, as 400.
    let reply = proxy.send(&format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n{plan}\r\na"
    ));
    assert_eq!(reply.status, 400, "{reply:?}");
}
