//! Limits of a whole request and of a whole try.

use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use silverback_core::contract::plan::Deadlines;
use silverback_core::contract::result::Outcome;

use crate::backend::{Backend, refused, unanswered};
use crate::support::{PlanHeader, Proxy, plan};

fn within<'a>(plan: PlanHeader<'a>, request: u32, attempt: u32) -> PlanHeader<'a> {
    plan.change(|plan| plan.deadlines = Deadlines { request, attempt })
}

fn outcomes(proxy: &Proxy) -> Vec<Outcome> {
    let result = proxy.results(1).remove(0);
    result.tries.iter().map(|t| t.outcome).collect()
}

#[test]
fn a_try_that_takes_too_long_goes_to_the_next_endpoint() {
    let ok = Backend::saying("ok");
    for slow in [Backend::silent().addr, unanswered()] {
        let proxy = Proxy::start();
        let endpoints = [slow, ok.addr];
        let get = within(plan(&endpoints).tries(2), 0, 50).get();
        assert_eq!(proxy.send(&get).text(), "ok");
        assert_eq!(outcomes(&proxy), [Outcome::TimedOut, Outcome::Answered]);
    }
}

#[test]
fn the_last_try_that_takes_too_long_is_504() {
    let silent = Backend::silent();
    let proxy = Proxy::start();
    let endpoints = [silent.addr];
    let get = within(plan(&endpoints).tries(3), 0, 20).get();
    assert_eq!(proxy.send(&get).status, 504);
    assert_eq!(silent.count(), 3);
}

#[test]
fn the_request_s_deadline_is_over_all_tries() {
    let silent = Backend::silent();
    let proxy = Proxy::start();
    let endpoints = [silent.addr];
    let get = within(plan(&endpoints).tries(255), 200, 60).get();
    let begun = Instant::now();
    assert_eq!(proxy.send(&get).status, 504);
    assert!(begun.elapsed() >= Duration::from_millis(200));
    // Three tries of 60 ms, and one that has the rest.
    assert!((2..=4).contains(&silent.count()), "{}", silent.count());
    assert_eq!(proxy.gateway.stats().upstream_failures, 1);
}

#[test]
fn the_request_s_deadline_ends_a_try_and_nothing_follows() {
    for slow in [Backend::silent().addr, unanswered()] {
        let ok = Backend::saying("ok");
        let proxy = Proxy::start();
        let endpoints = [slow, ok.addr];
        let get = within(plan(&endpoints).tries(2), 50, 0).get();
        assert_eq!(proxy.send(&get).status, 504);
        assert_eq!(ok.count(), 0);
        assert_eq!(outcomes(&proxy), [Outcome::TimedOut]);
    }
}

#[test]
fn an_endpoint_that_fails_in_time_is_502_as_ever() {
    let proxy = Proxy::start();
    let endpoints = [refused()];
    let get = within(plan(&endpoints).tries(2), 10_000, 10_000).get();
    assert_eq!(proxy.send(&get).status, 502);
}

#[test]
fn a_client_that_sends_its_body_too_slowly_meets_the_request_s_deadline() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let line = within(plan(&endpoints), 100, 0).line();
    let reply = proxy.send(&format!(
        "PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n{line}\r\na"
    ));
    assert_eq!(reply.status, 504);
}

#[test]
fn a_response_that_has_begun_may_take_as_long_as_it_likes() {
    let (go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let backend = Backend::scripted(move |peer| {
        peer.read();
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab");
        gate.lock().unwrap().recv().unwrap();
        peer.write("cd");
        peer.wait_for_close();
    });
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let mut client = proxy.connect();
    client.write(within(plan(&endpoints), 300, 300).get().as_bytes());
    assert_eq!(client.line().unwrap(), "HTTP/1.1 200 OK");
    // Not for luck: the deadline must have passed.
    std::thread::sleep(Duration::from_millis(350));
    go.send(()).unwrap();
    while client.line().unwrap() != "" {}
    assert_eq!(client.bytes(4), b"abcd");
}
