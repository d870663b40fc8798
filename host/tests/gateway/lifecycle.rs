//! Listeners come and go, filters are swapped, shutdown drains.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use silverback::gateway::{Drained, ListenerSpec};
use silverback_core::contract::request::RequestInfo;
use silverback_emulator::Filter;

use crate::backend::Backend;
use crate::support::{Client, PATIENCE, Proxy, any_port, filter, plan, unhex, until};

fn port_seen(addr: SocketAddr) -> u16 {
    let reply =
        Client::connect(addr).request("GET / HTTP/1.1\r\nhost: a\r\nx-test-local: 200\r\n\r\n");
    RequestInfo::decode(&unhex(&reply.text())).unwrap().port
}

#[test]
fn listeners_are_added_and_removed_at_run_time() {
    let proxy = Proxy::with(|options| options.workers = 2);
    let gateway = &proxy.gateway;
    gateway
        .set_listeners(&[any_port(8000), any_port(9000)])
        .unwrap();
    let both = gateway.listeners();
    assert_eq!(both[0].addr, proxy.addr, "what stays keeps its socket");
    assert_eq!(
        (port_seen(both[0].addr), port_seen(both[1].addr)),
        (8000, 9000)
    );

    let mut idle = Client::connect(proxy.addr);
    assert_eq!(
        idle.request("GET / HTTP/1.1\r\nhost: a\r\n\r\n").status,
        503
    );
    gateway.set_listeners(&[any_port(9000)]).unwrap();
    assert!(TcpStream::connect(proxy.addr).is_err());
    assert!(idle.closes(), "an idle connection of a removed listener");
    assert_eq!(port_seen(both[1].addr), 9000);
    // The port is free at once.
    TcpListener::bind(proxy.addr).unwrap();
}

#[test]
fn a_listener_changes_its_port_for_the_filter_without_being_closed() {
    let proxy = Proxy::start();
    let fixed = |proxy_port| ListenerSpec {
        bind: SocketAddr::from(([127, 0, 0, 1], proxy.addr.port())),
        proxy_port,
        tls: false,
    };
    proxy.gateway.set_listeners(&[]).unwrap();
    for port in [1, 2, 3] {
        proxy.gateway.set_listeners(&[fixed(port)]).unwrap();
        assert_eq!(port_seen(proxy.addr), port);
    }
}

#[test]
fn an_address_in_use_is_named_and_the_others_are_in_effect() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let proxy = Proxy::start();
    let errors = proxy
        .gateway
        .set_listeners(&[any_port(8000), ListenerSpec::http(addr), any_port(9000)])
        .unwrap_err();
    assert!(errors.to_string().contains(&addr.to_string()));
    assert_eq!((errors.0.len(), errors.0[0].addr), (1, addr));
    assert!(errors.0[0].in_use());
    assert_eq!(proxy.gateway.listeners().len(), 2);
}

#[test]
fn two_gateways_cannot_listen_at_one_address() {
    let (one, two) = (Proxy::start(), Proxy::start());
    let error = two
        .gateway
        .set_listeners(&[ListenerSpec::http(one.addr)])
        .unwrap_err();
    assert!(error.0[0].in_use(), "{error}");
}

#[test]
fn a_request_on_a_removed_listener_is_finished() {
    let (gate, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let slow = Backend::scripted(move |peer| {
        peer.read();
        opened.lock().unwrap().recv().unwrap();
        peer.say("slow");
    });
    let proxy = Proxy::start();
    let mut client = proxy.connect();
    client.write(plan(&[slow.addr]).get().as_bytes());
    until("the request", || slow.count() == 1);
    proxy.gateway.set_listeners(&[]).unwrap();
    gate.send(()).unwrap();
    let reply = client.read_reply(false);
    assert_eq!(
        (reply.text().as_str(), reply.header("connection")),
        ("slow", Some("close"))
    );
    assert!(client.closes());
}

#[test]
fn shutdown_waits_for_requests_in_flight() {
    let (gate, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let slow = Backend::scripted(move |peer| {
        peer.read();
        opened.lock().unwrap().recv().unwrap();
        peer.say("slow");
    });
    let proxy = Proxy::with(|options| options.workers = 2);
    let (mut busy, mut idle) = (proxy.connect(), proxy.connect());
    assert_eq!(
        idle.request("GET / HTTP/1.1\r\nhost: a\r\n\r\n").status,
        503
    );
    busy.write(plan(&[slow.addr]).get().as_bytes());
    until("the request", || slow.count() == 1);
    let drained = std::thread::scope(|scope| {
        let shutdown = scope.spawn(|| proxy.gateway.shutdown(PATIENCE));
        assert!(idle.closes());
        until("the socket to be closed", || {
            TcpStream::connect(proxy.addr).is_err()
        });
        assert!(!shutdown.is_finished());
        gate.send(()).unwrap();
        assert_eq!(busy.read_reply(false).text(), "slow");
        shutdown.join().unwrap()
    });
    assert_eq!(drained, Drained { cut: 0 });
}

#[test]
fn shutdown_cuts_what_is_left_at_the_deadline_and_logs_it() {
    let silent = Backend::silent();
    let proxy = Proxy::start();
    let mut client = proxy.connect();
    client.write(plan(&[silent.addr]).get().as_bytes());
    until("the request", || silent.count() == 1);
    assert_eq!(
        proxy.gateway.shutdown(Duration::from_millis(10)),
        Drained { cut: 1 }
    );
    assert!(client.closes());
    assert!(
        proxy.log.contains("result"),
        "the context is logged and closed"
    );
    // Nothing is left to talk to, and nothing panics.
    assert!(proxy.gateway.replace_filter(&filter()).is_err());
}

#[test]
fn a_filter_is_swapped_between_requests_and_a_bad_one_is_not_taken() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::with(|options| options.workers = 2);
    let get = plan(&[backend.addr]).get();
    let mut client = proxy.connect();
    assert_eq!(client.request(&get).text(), "ok");
    proxy.gateway.replace_filter(&filter()).unwrap();
    assert_eq!(client.request(&get).text(), "ok");

    // A module without the ABI's callbacks and memory is refused when it is compiled, one that
    // does not start when it is put in place.
    assert!(Filter::compile(b"\0asm\x01\0\0\0").is_err());
    assert!(proxy.gateway.reconfigure(b"no hex").is_err());
    assert_eq!(client.request(&get).text(), "ok");
}

#[test]
fn a_request_in_flight_is_finished_by_the_filter_that_began_it() {
    let (gate, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let slow = Backend::scripted(move |peer| {
        peer.read();
        opened.lock().unwrap().recv().unwrap();
        peer.say("slow");
    });
    let proxy = Proxy::start();
    let mut client = proxy.connect();
    let line = plan(&[slow.addr]).line();
    let head = "GET / HTTP/1.1\r\nhost: a\r\nx-test-response: x-seen=by the old filter\r\n";
    client.write(format!("{head}{line}\r\n").as_bytes());
    until("the request", || slow.count() == 1);
    for _ in 0..2 {
        proxy.gateway.replace_filter(&filter()).unwrap();
    }
    gate.send(()).unwrap();
    let reply = client.read_reply(false);
    assert_eq!(reply.text(), "slow");
    assert_eq!(reply.header("x-seen"), Some("by the old filter"));
    assert_eq!(proxy.gateway.stats().traps, 0);
}

#[test]
fn a_configuration_reaches_every_worker() {
    let backend = Backend::saying("by configuration");
    let proxy = Proxy::with(|options| options.workers = 3);
    proxy
        .gateway
        .reconfigure(plan(&[backend.addr]).hex().as_bytes())
        .unwrap();
    let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    // More connections than workers, all open at once.
    let mut clients: Vec<Client> = (0..12).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.request(get).text(), "by configuration");
    }
}

#[test]
fn every_worker_counts() {
    let proxy = Proxy::with(|options| options.workers = 3);
    let mut clients: Vec<Client> = (0..9).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client.request("GET / HTTP/1.1\r\nhost: a\r\nx-test-local: 204\r\n\r\n");
    }
    let stats = proxy.gateway.stats();
    assert_eq!(
        (stats.requests, stats.local[1], stats.open_connections),
        (9, 9, 9)
    );
    drop(clients);
    until("the connections to close", || {
        proxy.gateway.stats().open_connections == 0
    });
}
