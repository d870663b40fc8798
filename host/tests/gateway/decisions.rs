//! What becomes of a request by what the filter says: nothing, a response, a plan, a trap.

use silverback::gateway::Gateway;
use silverback_core::contract::request::RequestInfo;

use crate::backend::Backend;
use crate::support::{Proxy, filter, plan, unhex, until};

/// The request message that the filter got.
fn request_message(proxy: &Proxy, request: &str) -> Vec<u8> {
    let reply = proxy.send(request);
    assert_eq!(reply.status, 200, "{reply:?}");
    unhex(&reply.text())
}

#[test]
fn the_filter_gets_the_request_as_the_contract_says() {
    let proxy = Proxy::start();
    let local = "x-test-local: 200\r\n\r\n";
    let message = request_message(
        &proxy,
        &format!("PATCH /a%2Fb?c=d&e HTTP/1.1\r\nHost: Shop.Example:81\r\n{local}"),
    );
    let expected = RequestInfo {
        tls: false,
        port: 8000,
        host: b"Shop.Example:81",
        path: b"/a%2Fb?c=d&e",
        method: b"PATCH",
        sni: b"",
        source: b"127.0.0.1",
    };
    assert_eq!(RequestInfo::decode(&message).unwrap(), expected);

    for (request, host) in [
        (
            format!("GET http://uri:1/x HTTP/1.1\r\nhost: header\r\n{local}"),
            "uri:1",
        ),
        (format!("GET /x HTTP/1.0\r\n{local}"), ""),
        (format!("GET /x HTTP/1.1\r\nhost:\r\n{local}"), ""),
    ] {
        let message = request_message(&proxy, &request);
        let info = RequestInfo::decode(&message).unwrap();
        assert_eq!(
            (info.host, info.path),
            (host.as_bytes(), b"/x".as_slice()),
            "{request}"
        );
    }
}

#[test]
fn a_local_response_is_sent_with_the_last_of_a_repeated_header() {
    let proxy = Proxy::start();
    let reply = proxy.send("GET / HTTP/1.1\r\nhost: a\r\nx-test-local: 418\r\n\r\n");
    assert_eq!(reply.status, 418);
    assert_eq!(reply.headers["x-twice"], ["2"]);
    until("the count", || {
        proxy.gateway.stats().local == [0, 0, 0, 1, 0]
    });
}

#[test]
fn neither_answer_nor_plan_fails_closed() {
    let proxy = Proxy::start();
    let reply = proxy.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(reply.status, 503);
    assert!(
        reply.json()["message"]
            .as_str()
            .unwrap()
            .starts_with("no plan")
    );
    assert_eq!(proxy.gateway.stats().no_plan, 1);
}

#[test]
fn a_plan_that_cannot_be_read_is_500_and_counted() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let good = plan(&endpoints).hex();
    let no_slash = plan(&endpoints).change(|plan| plan.uri = Some(b"x")).hex();
    // Another version, cut short, an unknown field, a path that is none.
    let bad = [
        format!("02{}", &good[2..]),
        good[..good.len() - 2].to_owned(),
        format!("{good}630000"),
        no_slash,
    ];
    for (n, plan) in bad.iter().enumerate() {
        let reply = proxy.send(&format!(
            "GET / HTTP/1.1\r\nhost: a\r\nx-test-plan: {plan}\r\n\r\n"
        ));
        assert_eq!(reply.status, 500, "{plan}");
        assert_eq!(proxy.gateway.stats().bad_plans, n as u64 + 1);
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_trap_is_500_and_the_next_request_works() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let mut client = proxy.connect();
    let line = plan(&[backend.addr]).line();
    let good = format!("GET / HTTP/1.1\r\nhost: a\r\n{line}\r\n");
    for (n, phase) in ["request", "response"].into_iter().enumerate() {
        let reply = client.request(&format!(
            "GET / HTTP/1.1\r\nhost: a\r\nx-test-trap: {phase}\r\n{line}\r\n"
        ));
        assert_eq!(reply.status, 500, "{phase}");
        assert_eq!(proxy.gateway.stats().traps, n as u64 + 1);
        assert_eq!(client.request(&good).text(), "ok");
    }
    let reply = client.request(&format!(
        "GET / HTTP/1.1\r\nhost: a\r\nx-test-trap: log\r\n{line}\r\n"
    ));
    assert_eq!(reply.status, 200, "on_log comes after the response");
    until("the trap in on_log", || proxy.gateway.stats().traps == 3);
    assert_eq!(client.request(&good).text(), "ok");
}

#[test]
fn a_request_in_flight_survives_a_trap_of_another() {
    let (gate, opened) = std::sync::mpsc::channel::<()>();
    let opened = std::sync::Mutex::new(opened);
    let slow = Backend::scripted(move |peer| {
        peer.read();
        opened.lock().unwrap().recv().unwrap();
        peer.say("slow");
    });
    let proxy = Proxy::start();
    let mut waiting = proxy.connect();
    waiting.write(plan(&[slow.addr]).get().as_bytes());
    until("the slow request", || slow.count() == 1);
    let trap = "GET / HTTP/1.1\r\nhost: a\r\nx-test-trap: request\r\n\r\n";
    assert_eq!(proxy.send(trap).status, 500);
    gate.send(()).unwrap();
    assert_eq!(waiting.read_reply(false).text(), "slow");
}

#[test]
fn a_filter_that_waits_for_the_body_gets_it_and_it_is_still_sent() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let line = plan(&[backend.addr]).line();
    let post = |body: &str, framing: &str| {
        format!("POST / HTTP/1.1\r\nhost: a\r\nx-test-body: 1\r\n{line}{framing}\r\n\r\n{body}")
    };
    assert_eq!(proxy.send(&post("go on", "content-length: 5")).text(), "ok");
    assert_eq!(
        proxy
            .send(&post("2\r\ngo\r\n0\r\n\r\n", "transfer-encoding: chunked"))
            .text(),
        "ok"
    );
    assert_eq!(proxy.send(&post("stop", "content-length: 4")).status, 503);
    let bodies: Vec<_> = backend.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(
        bodies,
        [b"go on".to_vec(), b"2\r\ngo\r\n0\r\n\r\n".to_vec()]
    );
}

#[test]
fn a_body_that_is_too_large_for_the_filter_is_413() {
    let proxy = Proxy::with(|options| options.limits.max_buffered_body = 10);
    let reply = proxy.send(
        "POST / HTTP/1.1\r\nhost: a\r\nx-test-body: 1\r\ncontent-length: 11\r\n\r\n12345678901",
    );
    assert_eq!(reply.status, 413);
}

#[test]
fn a_filter_that_does_not_start_is_an_error() {
    let options = silverback::gateway::GatewayOptions {
        filter: silverback_emulator::WorkerOptions {
            configuration: b"no hex".to_vec(),
            ..Default::default()
        },
        ..Default::default()
    };
    let error = Gateway::start(&filter(), options).err().unwrap();
    assert!(error.to_string().contains("configuration"), "{error}");
}
