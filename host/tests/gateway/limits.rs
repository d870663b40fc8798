//! Clients that are too many, too slow, or send too much; and a worker's filter that dies. Each is
//! answered or cut off, and nobody else notices.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use crate::backend::{Backend, Peer};
use crate::support::{Client, Proxy, any_port, plan, tcp, until};

const LOCAL: &str = "GET / HTTP/1.1\r\nhost: a\r\nx-test-local: 299\r\n\r\n";

#[test]
fn a_listener_has_so_many_connections_and_others_have_their_own() {
    let proxy = Proxy::with(|options| {
        options.workers = 3;
        options.limits.max_connections = 4;
    });
    let specs = [any_port(8000), any_port(9000)];
    proxy.gateway.set_listeners(&specs).unwrap();
    let mut open: Vec<Client> = (0..4).map(|_| proxy.connect()).collect();
    for client in &mut open {
        assert_eq!(client.request(LOCAL).status, 299);
    }
    assert!(proxy.connect().closes());
    assert_eq!(proxy.gateway.stats().too_many_connections, 1);
    let other = proxy.gateway.listeners()[1].addr;
    assert_eq!(Client::connect(other).request(LOCAL).status, 299);
    for client in &mut open {
        assert_eq!(client.request(LOCAL).status, 299);
    }
    // One goes, and there is room for one.
    open.pop();
    until("a place", || {
        let mut client = proxy.connect();
        client.write(LOCAL.as_bytes());
        client.try_read_reply(false).is_some()
    });
}

#[test]
fn a_body_is_as_large_as_it_may_be() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::with(|options| options.limits.max_body_bytes = 10);
    let line = plan(&[backend.addr]).line();
    let post = |rest: &str| {
        proxy
            .send(&format!("POST / HTTP/1.1\r\nhost: a\r\n{line}{rest}"))
            .status
    };
    assert_eq!(post("content-length: 10\r\n\r\n0123456789"), 200);
    assert_eq!(
        post("transfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n"),
        200
    );
    // What says so itself is refused before anything of it is read.
    assert_eq!(post("content-length: 11\r\n\r\n"), 413);
    assert_eq!(
        post("content-length: 11\r\nexpect: 100-continue\r\n\r\n"),
        413
    );
    assert_eq!(
        post("transfer-encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n"),
        413
    );
    assert_eq!(
        post("transfer-encoding: chunked\r\n\r\n6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n"),
        413
    );
    // The filter waits for the body, and does not get it.
    let waiting =
        "x-test-body: 1\r\ntransfer-encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n";
    assert_eq!(post(waiting), 413);
    // Nothing of them is a request upstream.
    assert_eq!(backend.count(), 2);
}

#[test]
fn a_client_that_pauses_within_its_body_is_answered_and_cut() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::with(|options| {
        options.limits.body_read_timeout = Duration::from_millis(50);
    });
    let line = plan(&[backend.addr]).line();
    let mut client = proxy.connect();
    client.write(
        format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n{line}\r\nabc").as_bytes(),
    );
    assert_eq!(client.read_reply(false).status, 400);
    assert!(client.closes());
    assert_eq!(backend.count(), 0);
}

#[test]
fn a_client_that_takes_nothing_of_a_response_is_cut() {
    let big: &'static str = Box::leak("0123456789abcdef".repeat(1024 * 1024).into_boxed_str());
    let backend = Backend::saying(big);
    let proxy = Proxy::with(|options| {
        options.limits.write_timeout = Duration::from_millis(100);
    });
    let mut other = proxy.connect();
    let mut client = proxy.connect();
    client.write(plan(&[backend.addr]).get().as_bytes());
    until("the cut", || proxy.gateway.stats().stalled_clients == 1);
    until("the end", || proxy.gateway.stats().open_connections == 1);
    assert_eq!(other.request(LOCAL).status, 299);
}

#[test]
fn a_kept_connection_that_is_not_used_is_closed() {
    let proxy = Proxy::with(|options| {
        options.limits.header_read_timeout = Duration::from_millis(50);
    });
    let mut client = proxy.connect();
    assert_eq!(client.request(LOCAL).status, 299);
    assert!(client.closes());
}

#[test]
fn http_1_0_clients_are_served_as_they_expect() {
    let backend = Backend::scripted(|peer| {
        while peer.read() {
            peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        }
    });
    let proxy = Proxy::start();
    let line = plan(&[backend.addr]).line();
    // No chunks, which it does not know, and the end of the connection is that of the body.
    let mut client = proxy.connect();
    client.write(format!("GET / HTTP/1.0\r\nhost: a\r\n{line}\r\n").as_bytes());
    let head = client.head();
    assert_eq!(head[0], "HTTP/1.0 200 OK");
    assert!(
        !head
            .iter()
            .any(|line| line.starts_with("transfer-encoding")),
        "{head:?}"
    );
    assert!(
        head.iter().any(|line| line.starts_with("date: ")),
        "{head:?}"
    );
    assert_eq!(client.rest(), b"ok");
    let seen = backend.seen().pop().unwrap();
    assert_eq!(seen.line, "GET / HTTP/1.1");
    assert_eq!(seen.header("via").as_deref(), Some("1.0 silverback"));

    // It is told nothing about going on, and keeps its connection if it asks.
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.write(
            b"POST / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\nexpect: 100-continue\r\n\
              content-length: 2\r\nx-test-local: 299\r\n\r\nab",
        );
        let reply = client.head();
        assert!(reply[0].starts_with("HTTP/1.0 299"), "{reply:?}");
        assert!(
            reply.contains(&"connection: keep-alive".to_owned()),
            "{reply:?}"
        );
        let length = reply
            .iter()
            .find_map(|line| line.strip_prefix("content-length: "));
        client.bytes(length.unwrap().parse().unwrap());
    }
}

#[test]
fn a_trap_costs_its_own_request_and_the_other_workers_do_not_notice() {
    let (gate, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let slow = Backend::scripted(move |peer: &mut Peer| {
        peer.read();
        opened.lock().unwrap().recv().unwrap();
        peer.say("slow");
    });
    let quick = Backend::saying("quick");
    let proxy = Proxy::with(|options| options.workers = 4);
    let (slow_get, quick_get) = (plan(&[slow.addr]).get(), plan(&[quick.addr]).get());
    // More connections than workers, so that each worker has some.
    let mut waiting: Vec<Client> = (0..12).map(|_| proxy.connect()).collect();
    for client in &mut waiting {
        client.write(slow_get.as_bytes());
    }
    until("the requests", || slow.count() == 12);

    let mut clients: Vec<Client> = (0..12).map(|_| proxy.connect()).collect();
    let trap = "GET / HTTP/1.1\r\nhost: a\r\nx-test-trap: request\r\n\r\n";
    for (n, client) in clients.iter_mut().enumerate() {
        let reply = client.request(trap);
        assert_eq!(reply.status, 500);
        assert_eq!(proxy.gateway.stats().traps, n as u64 + 1);
        // The same worker again, with a new instance.
        assert_eq!(client.request(&quick_get).text(), "quick");
    }
    for client in &mut clients {
        assert_eq!(client.request(&quick_get).text(), "quick");
    }
    for _ in &waiting {
        gate.send(()).unwrap();
    }
    for client in &mut waiting {
        assert_eq!(client.read_reply(false).text(), "slow");
    }
    assert_eq!(proxy.gateway.stats().traps, 12);
    let traps = proxy.events.lock().unwrap();
    assert_eq!(traps.iter().filter(|event| event.status == 500).count(), 12);
}

#[test]
fn a_flood_of_connections_that_say_nothing_harms_nobody() {
    let proxy = Proxy::with(|options| {
        options.limits.header_read_timeout = Duration::from_millis(200);
    });
    let silent: Vec<_> = (0..200).map(|_| tcp(proxy.addr)).collect();
    assert_eq!(proxy.connect().request(LOCAL).status, 299);
    until("the end", || proxy.gateway.stats().open_connections == 0);
    drop(silent);
}
