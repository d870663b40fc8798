//! Tries: which endpoint comes when, what is sent twice and what never.

use std::sync::Mutex;
use std::sync::mpsc;

use silverback_core::contract::result::{Outcome, Try};

use crate::backend::{Backend, refused, unanswered};
use crate::support::{Proxy, plan, until};

fn tried(endpoint: u8, outcome: Outcome) -> Try {
    Try { endpoint, outcome }
}

#[test]
fn endpoints_are_tried_in_order_until_one_answers() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let reply = proxy.send(&plan(&[refused(), refused(), backend.addr]).tries(5).get());
    assert_eq!(reply.text(), "ok");
    let result = proxy.results(1).remove(0);
    assert_eq!(result.status, 200);
    assert_eq!(
        result.tries,
        [
            tried(0, Outcome::Failed),
            tried(1, Outcome::Failed),
            tried(2, Outcome::Answered)
        ]
    );
    assert_eq!(proxy.gateway.stats().retries, 2);
}

#[test]
fn the_list_wraps_round_and_tries_end_it() {
    let proxy = Proxy::start();
    let reply = proxy.send(&plan(&[refused(), refused()]).tries(5).get());
    assert_eq!(reply.status, 502);
    assert!(reply.json()["request_id"].is_string());
    let result = proxy.results(1).remove(0);
    let endpoints: Vec<u8> = result.tries.iter().map(|t| t.endpoint).collect();
    assert_eq!((result.status, endpoints), (502, vec![0, 1, 0, 1, 0]));
    until("the event", || !proxy.events.lock().unwrap().is_empty());
    let event = proxy.events.lock().unwrap()[0].clone();
    assert_eq!((event.status, event.tries), (502, 5));
    assert_eq!(proxy.gateway.stats().upstream_failures, 1);
}

#[test]
fn fewer_tries_than_endpoints_leave_some_alone() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let reply = proxy.send(&plan(&[refused(), backend.addr]).tries(1).get());
    assert_eq!((reply.status, backend.count()), (502, 0));
}

#[test]
fn a_connection_that_does_not_come_about_in_time_goes_on() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let endpoints = [unanswered(), backend.addr];
    let plan = plan(&endpoints).tries(2).timeouts(50, 60_000, 60_000);
    assert_eq!(proxy.send(&plan.get()).text(), "ok");
    let result = proxy.results(1).remove(0);
    assert_eq!(
        result.tries,
        [tried(0, Outcome::TimedOut), tried(1, Outcome::Answered)]
    );
}

#[test]
fn an_upstream_that_never_answers_is_504() {
    let silent = Backend::silent();
    let proxy = Proxy::start();
    let endpoints = [silent.addr];
    let plan = plan(&endpoints).tries(2).timeouts(1000, 1000, 50);
    assert_eq!(proxy.send(&plan.get()).status, 504);
    assert_eq!(silent.count(), 2);
    let outcomes: Vec<_> = proxy.results(1)[0]
        .tries
        .iter()
        .map(|t| t.outcome)
        .collect();
    assert_eq!(outcomes, [Outcome::TimedOut, Outcome::TimedOut]);
}

#[test]
fn a_post_is_not_sent_twice() {
    for method in ["POST", "PATCH"] {
        for backend in [Backend::silent(), Backend::closing()] {
            let other = Backend::saying("ok");
            let proxy = Proxy::start();
            let endpoints = [backend.addr, other.addr];
            let plan = plan(&endpoints).tries(3).timeouts(1000, 1000, 50).line();
            let reply = proxy.send(&format!(
                "{method} / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n{plan}\r\nabc"
            ));
            assert!(matches!(reply.status, 502 | 504), "{reply:?}");
            assert_eq!((backend.count(), other.count()), (1, 0));
        }
    }
}

#[test]
fn a_post_that_was_not_sent_goes_on() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let plan = plan(&[refused(), backend.addr]).tries(2).line();
    let reply = proxy.send(&format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n{plan}\r\nabc"
    ));
    assert_eq!(reply.text(), "ok");
    assert_eq!(backend.seen()[0].body, b"abc");
}

#[test]
fn an_idempotent_request_is_sent_again_with_its_body_and_headers() {
    for (framing, body, wire) in [
        ("content-length: 3", "abc", "abc"),
        (
            "transfer-encoding: chunked",
            "3\r\nabc\r\n0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
        ),
    ] {
        let (bad, good) = (Backend::closing(), Backend::saying("ok"));
        let proxy = Proxy::start();
        let plan = plan(&[bad.addr, good.addr]).tries(2).line();
        let reply = proxy.send(&format!(
            "PUT /p HTTP/1.1\r\nhost: a\r\nx-kept: 1\r\n{framing}\r\n{plan}\r\n{body}"
        ));
        assert_eq!(reply.text(), "ok");
        let (first, second) = (bad.seen().remove(0), good.seen().remove(0));
        assert_eq!(second.body, wire.as_bytes());
        assert_eq!(first.line, second.line);
        let sorted = |mut headers: Vec<(String, Vec<u8>)>| {
            headers.sort();
            headers
        };
        assert_eq!(sorted(first.headers), sorted(second.headers));
    }
}

#[test]
fn a_body_that_is_too_large_to_keep_is_not_sent_again() {
    let (bad, good) = (Backend::closing(), Backend::saying("ok"));
    let proxy = Proxy::with(|options| options.limits.replay_bytes = 1024);
    let plan = plan(&[bad.addr, good.addr]).tries(2).line();
    let body = "x".repeat(2048);
    let reply = proxy.send(&format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2048\r\n{plan}\r\n{body}"
    ));
    assert_eq!((reply.status, good.count()), (502, 0));
}

#[test]
fn an_error_status_is_an_answer() {
    let broken = Backend::scripted(|peer| {
        while peer.read() && peer.write("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n") {}
    });
    let other = Backend::saying("ok");
    let proxy = Proxy::start();
    let reply = proxy.send(&plan(&[broken.addr, other.addr]).tries(2).get());
    assert_eq!((reply.status, other.count()), (503, 0));
}

#[test]
fn a_broken_answer_is_502() {
    let broken = Backend::scripted(|peer| {
        peer.read();
        peer.write("SSH-2.0-OpenSSH\r\n\r\n");
    });
    let proxy = Proxy::start();
    assert_eq!(proxy.send(&plan(&[broken.addr]).get()).status, 502);
}

#[test]
fn connections_are_kept_and_used_again() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let mut client = proxy.connect();
    for _ in 0..5 {
        assert_eq!(client.request(&plan(&[backend.addr]).get()).text(), "ok");
    }
    assert_eq!(proxy.send(&plan(&[backend.addr]).get()).text(), "ok");
    assert!(backend.seen().iter().all(|seen| seen.connection == 0));
    assert_eq!(proxy.gateway.stats().upstream_connections, 1);
}

/// A backend whose first connection answers once, waits for a second request and closes without
/// an answer; others answer. That is what a keep-alive timeout looks like that meets a request on
/// the way.
fn closes_under_the_second() -> Backend {
    Backend::scripted(|peer| {
        while peer.read() {
            let first = peer.number == 0;
            if first && !peer.say("first") || !first && !peer.say("fresh") {
                return;
            }
            if first {
                peer.read();
                return;
            }
        }
    })
}

#[test]
fn a_stale_connection_costs_no_try() {
    let backend = closes_under_the_second();
    let proxy = Proxy::start();
    let get = plan(&[backend.addr]).tries(1).get();
    assert_eq!(proxy.send(&get).text(), "first");
    assert_eq!(proxy.send(&get).text(), "fresh");
    assert_eq!(proxy.gateway.stats().stale_connections, 1);
    let result = proxy.results(2).remove(1);
    assert_eq!(result.tries, [tried(0, Outcome::Answered)]);
}

#[test]
fn a_post_on_a_stale_connection_is_not_sent_twice() {
    let backend = closes_under_the_second();
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let plan = plan(&endpoints).tries(3);
    assert_eq!(proxy.send(&plan.get()).text(), "first");
    let reply = proxy.send(&format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n{}\r\nabc",
        plan.line()
    ));
    assert_eq!((reply.status, backend.count()), (502, 2));
}

#[test]
fn a_connection_that_was_closed_while_idle_is_not_used() {
    let (closed, ready) = mpsc::channel();
    let closed = Mutex::new(closed);
    let backend = Backend::scripted(move |peer| {
        peer.read();
        peer.say("ok");
        // The thread ends, and with it the connection.
        closed.lock().unwrap().send(()).unwrap();
    });
    let proxy = Proxy::start();
    let post = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n{}\r\nabc",
        plan(&[backend.addr]).line()
    );
    for n in 1..4 {
        // A POST, which must not be sent twice: it succeeds only on a new connection, unless it
        // meets the close on its way.
        let reply = proxy.send(&post);
        assert!(reply.status == 200 || n > 1, "{reply:?}");
        if reply.status == 200 {
            ready.recv().unwrap();
        }
    }
}
