//! Status codes that are worth another try, and the pause before it.

use std::time::{Duration, Instant};

use silverback_core::contract::plan::{Deadlines, RetryOn};
use silverback_core::contract::result::Outcome;

use crate::backend::{Backend, refused};
use crate::support::{PlanHeader, Proxy, plan};

fn retry<'a>(plan: PlanHeader<'a>, backoff: u32, codes: &'a [u16]) -> PlanHeader<'a> {
    plan.change(|plan| plan.retry = Some(RetryOn { backoff, codes }))
}

/// Answers every request with this status and body.
fn answering(status: u16, body: &'static str) -> Backend {
    Backend::scripted(move |peer| {
        let length = body.len();
        let reply = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
        while peer.read() && peer.write(&reply) {}
    })
}

#[test]
fn a_listed_code_goes_to_the_next_endpoint_whatever_the_method() {
    for method in ["GET", "POST"] {
        for body in ["", "busy"] {
            let (busy, ok) = (answering(503, body), Backend::saying("ok"));
            let proxy = Proxy::start();
            let endpoints = [busy.addr, ok.addr];
            let line = retry(plan(&endpoints).tries(2), 0, &[502, 503]).line();
            let reply = proxy.send(&format!(
                "{method} / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n{line}\r\nabc"
            ));
            assert_eq!((reply.status, reply.text()), (200, "ok".to_owned()));
            assert_eq!(ok.seen()[0].body, b"abc");
            let tries = proxy.results(1).remove(0).tries;
            let outcomes: Vec<_> = tries.iter().map(|t| t.outcome).collect();
            assert_eq!(outcomes, [Outcome::Failed, Outcome::Answered]);
            assert_eq!(proxy.gateway.stats().retries, 1);
        }
    }
}

#[test]
fn the_last_answer_stands() {
    let (first, second) = (answering(503, "first"), answering(500, "second"));
    let proxy = Proxy::start();
    let endpoints = [first.addr, second.addr];
    let get = retry(plan(&endpoints).tries(2), 0, &[500, 503]).get();
    let reply = proxy.send(&get);
    assert_eq!((reply.status, reply.text()), (500, "second".to_owned()));
    let tries = proxy.results(1).remove(0).tries;
    assert_eq!(tries.last().unwrap().outcome, Outcome::Answered);
}

#[test]
fn a_code_that_is_not_listed_is_an_answer() {
    let (broken, ok) = (answering(500, "broken"), Backend::saying("ok"));
    let proxy = Proxy::start();
    let endpoints = [broken.addr, ok.addr];
    let get = retry(plan(&endpoints).tries(2), 0, &[503]).get();
    assert_eq!((proxy.send(&get).status, ok.count()), (500, 0));
}

#[test]
fn a_body_that_is_too_large_to_keep_leaves_the_first_answer() {
    let (busy, ok) = (answering(503, "busy"), Backend::saying("ok"));
    let proxy = Proxy::with(|options| options.limits.replay_bytes = 1024);
    let endpoints = [busy.addr, ok.addr];
    let line = retry(plan(&endpoints).tries(2), 0, &[503]).line();
    let body = "x".repeat(2048);
    let reply = proxy.send(&format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2048\r\n{line}\r\n{body}"
    ));
    assert_eq!((reply.status, ok.count()), (503, 0));
}

#[test]
fn an_answer_without_a_body_leaves_its_connection_for_others() {
    let (busy, ok) = (answering(503, ""), Backend::saying("ok"));
    let proxy = Proxy::start();
    let endpoints = [busy.addr, ok.addr];
    let get = retry(plan(&endpoints).tries(2), 0, &[503]).get();
    for _ in 0..3 {
        assert_eq!(proxy.send(&get).text(), "ok");
    }
    assert_eq!(proxy.gateway.stats().upstream_connections, 2);
}

#[test]
fn the_pause_is_doubled_before_each_further_try() {
    let busy = answering(503, "");
    for endpoint in [busy.addr, refused()] {
        let proxy = Proxy::start();
        let endpoints = [endpoint];
        let get = retry(plan(&endpoints).tries(3), 40, &[503]).get();
        let begun = Instant::now();
        assert!(matches!(proxy.send(&get).status, 502 | 503));
        assert!(begun.elapsed() >= Duration::from_millis(40 + 80));
    }
    assert_eq!(busy.count(), 3);
}

#[test]
fn a_pause_that_ends_after_the_deadline_is_not_made() {
    let busy = answering(503, "");
    for (endpoint, status) in [(busy.addr, 503), (refused(), 504)] {
        let proxy = Proxy::start();
        let endpoints = [endpoint];
        let get = retry(plan(&endpoints).tries(3), 600_000, &[503]).change(|plan| {
            plan.deadlines = Deadlines {
                request: 60_000,
                attempt: 0,
            };
        });
        assert_eq!(proxy.send(&get.get()).status, status);
    }
    assert_eq!(busy.count(), 1);
}
