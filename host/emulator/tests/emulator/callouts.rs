//! HTTP calls from requests and ticks (Kong facts 5).

use std::time::Duration;

use silverback_emulator::{Action, CallResponse, Exchange, Resumed};

use crate::support::{lenient, strict, values};

fn calling(n: usize) -> Exchange {
    Exchange::new("GET", "/").header("x-calls", n.to_string())
}

#[test]
fn a_request_waits_for_its_call_and_goes_on() {
    let mut bench = strict().start("callout");
    let mut exchange = calling(1);
    let (id, action) = bench.request(&mut exchange).expect("no trap");
    assert_eq!(action, Action::Pause);
    let calls = bench.worker.pending_calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].context, Some(id));
    assert_eq!(calls[0].upstream, b"127.0.0.1:80");
    assert_eq!(calls[0].headers.get(":path"), Some(&b"/a"[..]));
    assert_eq!(
        (calls[0].body.as_slice(), calls[0].timeout),
        (&b"body"[..], Duration::from_millis(250))
    );
    assert_eq!(calls[0].trailers.get("t"), Some(&b"1"[..]));
    assert!(
        bench.worker.pending_calls().is_empty(),
        "each call is handed out once"
    );

    let answer = CallResponse::new(201, "made").header("x-own", "yes");
    let resumed =
        bench
            .worker
            .on_http_call_response(calls[0].token, Some(answer), Some(&mut exchange));
    assert_eq!(
        resumed.expect("no trap"),
        Resumed {
            request: true,
            response: false
        }
    );
    assert_eq!(values(&exchange, "x-called"), ["201 yes made 1/4/0"]);
}

#[test]
fn facts_5_a_failed_call_arrives_with_0_headers() {
    let mut bench = strict().start("callout");
    let mut exchange = calling(1);
    bench.request(&mut exchange).expect("no trap");
    let token = bench.worker.pending_calls()[0].token;
    bench
        .worker
        .on_http_call_response(token, None, Some(&mut exchange))
        .expect("no trap");
    assert_eq!(values(&exchange, "x-called"), ["   0/0/0"]);
}

#[test]
fn a_request_with_several_calls_goes_on_after_the_last() {
    let mut bench = strict().start("callout");
    let mut exchange = calling(2);
    bench.request(&mut exchange).expect("no trap");
    let calls = bench.worker.pending_calls();
    assert_ne!(calls[0].token, calls[1].token);
    let answer = |n: u16| Some(CallResponse::new(n, ""));
    let first =
        bench
            .worker
            .on_http_call_response(calls[1].token, answer(200), Some(&mut exchange));
    assert!(!first.expect("no trap").request);
    let last = bench
        .worker
        .on_http_call_response(calls[0].token, answer(204), Some(&mut exchange));
    assert!(last.expect("no trap").request);
}

#[test]
fn the_answer_for_a_request_that_is_over_does_nothing() {
    let mut bench = strict().start("callout");
    let mut exchange = calling(1);
    let (id, _) = bench.request(&mut exchange).expect("no trap");
    let token = bench.worker.pending_calls()[0].token;
    bench.worker.close(id, &mut exchange).expect("no trap");
    let resumed = bench.worker.on_http_call_response(
        token,
        Some(CallResponse::new(200, "")),
        Some(&mut exchange),
    );
    assert_eq!(resumed.expect("no trap"), Resumed::default());
    assert!(values(&exchange, "x-called").is_empty());
}

#[test]
fn a_local_response_cancels_the_requests_calls() {
    let mut bench = strict().start("callout");
    let mut exchange = calling(2).header("x-then-answer", "yes");
    bench.request(&mut exchange).expect("no trap");
    assert!(exchange.local_response.is_some());
    assert!(bench.worker.pending_calls().is_empty());
}

#[test]
fn facts_5_a_tick_can_make_calls() {
    let mut bench = strict().configuration("tick").start("callout");
    bench.advance(100);
    bench.worker.tick().expect("no trap");
    let calls = bench.worker.pending_calls();
    assert_eq!((calls.len(), calls[0].context), (1, None));
    let answer = CallResponse::new(200, "table");
    bench
        .worker
        .on_http_call_response(calls[0].token, Some(answer), None)
        .expect("no trap");
    assert!(
        bench
            .lines()
            .contains(&"tick call: 200  table 0/5/0".to_owned())
    );
}

#[test]
fn a_call_without_a_method_is_a_trap_in_kong_and_a_bad_argument_elsewhere() {
    let mut bench = strict().start("callout");
    let trap = bench
        .request(&mut calling(1).header("x-method", ""))
        .expect_err("a trap");
    assert!(
        trap.message.contains("dispatch failed: no :method"),
        "{trap}"
    );

    let mut bench = lenient().start("callout");
    let mut exchange = calling(1).header("x-method", "");
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(values(&exchange, "x-failed"), ["BadArgument"]);
}
