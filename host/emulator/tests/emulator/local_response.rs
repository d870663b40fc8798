//! Responses that the filter sends by itself (Kong facts 2).

use silverback_emulator::{Action, Exchange};

use crate::support::{lenient, strict};

fn asking(when: &str) -> Exchange {
    Exchange::new("POST", "/")
        .header("x-answer", when)
        .body("x")
}

#[test]
fn facts_2_a_local_response_works_in_the_request_header_and_body_phases() {
    let mut bench = strict().start("local_response");
    for when in ["headers", "body"] {
        let mut exchange = asking(when);
        let (id, mut action) = bench.request(&mut exchange).expect("no trap");
        if when == "body" {
            assert_eq!(
                (action, &exchange.local_response),
                (Action::Continue, &None)
            );
            action = bench
                .worker
                .on_request_body(id, &mut exchange)
                .expect("no trap");
        }
        assert_eq!(action, Action::Pause);
        let response = exchange.local_response.clone().expect("a response");
        assert_eq!(response.status, 418);
        assert_eq!(
            response.body, b"short and stout\n",
            "ngx_wasm_module ends the body with a line feed"
        );
        bench
            .worker
            .close(id, &mut Exchange::default())
            .expect("no trap");
    }
}

#[test]
fn facts_2_of_a_repeated_header_only_the_last_is_sent() {
    let mut bench = strict().start("local_response");
    let mut exchange = asking("headers");
    bench.request(&mut exchange).expect("no trap");
    let headers = exchange.local_response.clone().expect("a response").headers;
    assert_eq!(
        headers.iter().collect::<Vec<_>>(),
        [(&b"x-a"[..], &b"2"[..]), (b"x-b", b"3")]
    );
}

#[test]
fn a_local_response_stands_whatever_the_callback_returns() {
    let mut bench = strict().start("local_response");
    let mut exchange = asking("headers").header("x-action", "continue");
    let (_, action) = bench.request(&mut exchange).expect("no trap");
    assert_eq!(action, Action::Pause);
    assert!(exchange.local_response.is_some());
}

#[test]
fn a_second_local_response_is_a_trap() {
    let mut bench = strict().start("local_response");
    let trap = bench.request(&mut asking("twice")).expect_err("a trap");
    assert!(
        trap.message.contains("local response already stashed"),
        "{trap}"
    );
}

#[test]
fn in_the_response_header_phase_status_and_body_are_replaced_and_headers_are_not() {
    let mut bench = strict().start("local_response");
    let mut exchange = asking("response");
    let (id, _) = bench.request(&mut exchange).expect("no trap");
    bench
        .worker
        .on_response_headers(id, &mut exchange)
        .expect("no trap");
    let response = exchange.local_response.clone().expect("a response");
    assert_eq!((response.status, response.headers.len()), (418, 0));
}

#[test]
fn in_the_response_body_phase_it_is_too_late() {
    let mut bench = strict().start("local_response");
    let mut exchange = asking("too-late");
    let (id, _) = bench.request(&mut exchange).expect("no trap");
    exchange.response_body = Some(b"x".to_vec());
    let trap = bench
        .worker
        .on_response_body(id, &mut exchange, true)
        .expect_err("a trap");
    assert!(trap.message.contains("response already sent"), "{trap}");
}

#[test]
fn ngx_wasm_module_takes_no_notice_of_a_grpc_status() {
    let mut bench = strict().start("local_response");
    let mut exchange = asking("grpc");
    bench.request(&mut exchange).expect("no trap");
    let response = exchange.local_response.clone().expect("a response");
    assert_eq!((response.status, response.grpc_status), (200, None));
}

#[test]
fn lenient_mode_sends_what_the_filter_gave() {
    let mut bench = lenient().start("local_response");
    let mut exchange = asking("headers");
    bench.request(&mut exchange).expect("no trap");
    let response = exchange.local_response.clone().expect("a response");
    assert_eq!(response.body, b"short and stout");
    assert_eq!(response.headers.len(), 3);

    let mut exchange = asking("grpc");
    bench.request(&mut exchange).expect("no trap");
    let response = exchange.local_response.clone().expect("a response");
    assert_eq!((response.status, response.grpc_status), (200, Some(14)));
}
