//! Bodies (Kong facts 6).

use silverback_emulator::{Action, CLIENT_BODY_BUFFER_SIZE, Exchange, Trap};

use crate::support::{Bench, all, lenient, strict};

/// Runs a request with its body, and says what the filter saw.
fn seen(bench: &mut Bench, exchange: &mut Exchange) -> Result<Vec<String>, Trap> {
    let (id, _) = bench.request(exchange)?;
    bench.worker.on_request_body(id, exchange)?;
    bench.worker.on_request_body(id, exchange)?;
    bench.worker.on_response_headers(id, exchange)?;
    let seen = all(exchange.response_headers.get_all(b"x-seen"));
    exchange.response_headers.clear();
    bench.worker.close(id, exchange)?;
    Ok(seen)
}

#[test]
fn facts_6_the_request_body_comes_once_and_with_the_end_of_the_stream() {
    let mut bench = strict().start("bodies");
    let mut exchange = Exchange::new("POST", "/").body("hello");
    let seen = seen(&mut bench, &mut exchange).expect("no trap");
    // ngx_wasm_module takes no notice of `start`: 3 bytes from 2 are 3 bytes from 0.
    assert_eq!(seen, ["5 true hello hel"]);
}

#[test]
fn facts_6_without_a_body_the_callback_never_comes() {
    let mut bench = strict().start("bodies");
    for body in [None, Some(Vec::new())] {
        let mut exchange = Exchange::new("POST", "/");
        exchange.request_body = body;
        assert!(seen(&mut bench, &mut exchange).expect("no trap").is_empty());
    }
}

#[test]
fn facts_6_a_body_above_the_buffer_size_reads_as_none() {
    let mut bench = strict().start("bodies");
    let mut exchange = Exchange::new("POST", "/").body(vec![b'x'; CLIENT_BODY_BUFFER_SIZE]);
    assert_eq!(
        seen(&mut bench, &mut exchange).expect("no trap"),
        ["8192 true (8192 bytes) xxx"]
    );
    let mut exchange = Exchange::new("POST", "/").body(vec![b'x'; CLIENT_BODY_BUFFER_SIZE + 1]);
    assert_eq!(
        seen(&mut bench, &mut exchange).expect("no trap"),
        ["8193 true (none) (none)"]
    );
    assert!(
        bench
            .log
            .contains("cannot read request body buffered to file")
    );
}

#[test]
fn lenient_mode_reads_from_start() {
    let mut bench = lenient().start("bodies");
    let mut exchange = Exchange::new("POST", "/").body("hello");
    assert_eq!(
        seen(&mut bench, &mut exchange).expect("no trap"),
        ["5 true hello llo"]
    );
}

#[test]
fn a_filter_changes_the_request_body() {
    let mut bench = strict().start("bodies");
    for (how, body) in [
        ("prepend", "<>hello"),
        ("append", "hello<>"),
        ("replace", "<>"),
    ] {
        let mut exchange = Exchange::new("POST", "/")
            .header("x-request-body", how)
            .body("hello");
        seen(&mut bench, &mut exchange).expect("no trap");
        assert_eq!(
            exchange.request_body.as_deref(),
            Some(body.as_bytes()),
            "{how}"
        );
    }
}

#[test]
fn a_filter_changes_each_piece_of_the_response_body() {
    let mut bench = strict().start("bodies");
    for (how, body) in [
        ("prepend", "<>piece"),
        ("append", "piece<>"),
        ("replace", "<>"),
    ] {
        let mut exchange = Exchange::new("GET", "/").header("x-response-body", how);
        let (id, _) = bench.request(&mut exchange).expect("no trap");
        exchange.response_body = Some(b"piece".to_vec());
        let action = bench
            .worker
            .on_response_body(id, &mut exchange, false)
            .expect("no trap");
        assert_eq!(action, Action::Continue);
        assert_eq!(
            exchange.response_body.as_deref(),
            Some(body.as_bytes()),
            "{how}"
        );
    }
    let mut exchange = Exchange::new("GET", "/").header("x-response-body", "pause");
    let (id, _) = bench.request(&mut exchange).expect("no trap");
    exchange.response_body = Some(b"piece".to_vec());
    let action = bench
        .worker
        .on_response_body(id, &mut exchange, false)
        .expect("no trap");
    assert_eq!(
        action,
        Action::Pause,
        "the filter wants the embedder to gather the body"
    );
}

#[test]
fn ngx_wasm_module_cuts_the_body_at_start_and_the_data_at_size() {
    let how = [("middle", "h<>", "h<>lo"), ("longer", "<long", "<longer>")];
    for (how, kong, abi) in how {
        for (setup, body) in [(strict(), kong), (lenient(), abi)] {
            let mut bench = setup.start("bodies");
            let mut exchange = Exchange::new("POST", "/")
                .header("x-request-body", how)
                .body("hello");
            seen(&mut bench, &mut exchange).expect("no trap");
            assert_eq!(
                exchange.request_body.as_deref(),
                Some(body.as_bytes()),
                "{how}"
            );
        }
    }
}
