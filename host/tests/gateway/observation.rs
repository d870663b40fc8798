//! What can be seen of requests and workers: access events, counters, restarts after traps.

use std::sync::{Arc, Mutex};

use silverback::gateway::{AccessEvent, Answer, Gateway, GatewayOptions};
use silverback_core::contract::result::Outcome;
use silverback_core::table::store::publish::{Publisher, pages_in_zone};
use silverback_core::translate::{Options, Translator};
use silverback_emulator::{
    Budget, Eviction, Filter, Interruption, SharedStore, StoreOptions, WorkerOptions,
};

use crate::backend::Backend;
use crate::support::{Client, Proxy, any_port, plan, tcp, until};

/// What an access event says, owned.
#[derive(Clone, Debug)]
struct Seen {
    status: u16,
    answer: Answer,
    attempts: Vec<(std::net::SocketAddr, Outcome)>,
    received: u64,
    sent: u64,
    version: http::Version,
    port: u16,
    tls: bool,
    rule: u64,
    worker: usize,
    took: (std::time::Duration, Option<std::time::Duration>),
}

type Events = Arc<Mutex<Vec<Seen>>>;

fn collect(options: &mut GatewayOptions) -> Events {
    let events = Events::default();
    let sink = Arc::clone(&events);
    options.on_access = Some(Arc::new(move |event: &AccessEvent<'_>| {
        sink.lock().unwrap().push(Seen {
            status: event.status,
            answer: event.answer,
            attempts: event.attempts.iter().collect(),
            received: event.received,
            sent: event.sent,
            version: event.version,
            port: event.port,
            tls: event.tls,
            rule: event.rule,
            worker: event.worker,
            took: (event.latency, event.upstream_latency),
        });
    }));
    events
}

fn watched(change: impl FnOnce(&mut GatewayOptions)) -> (Proxy, Events) {
    let mut events = Events::default();
    let proxy = Proxy::with(|options| {
        events = collect(options);
        change(options);
    });
    (proxy, events)
}

fn only(events: &Events) -> Seen {
    until("the access event", || !events.lock().unwrap().is_empty());
    let mut events = events.lock().unwrap();
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

#[test]
fn an_event_says_what_went_through_and_how_each_try_ended() {
    let (good, events) = (Backend::saying("12345"), watched(|_| {}));
    let (proxy, events) = events;
    // Nobody listens there.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = dead.local_addr().unwrap();
    drop(dead);
    let endpoints = [gone, good.addr];
    let line = plan(&endpoints).tries(2).line();
    let reply = proxy.send(&format!(
        "POST / HTTP/1.1\r\nhost: a\r\n{line}content-length: 3\r\n\r\nabc"
    ));
    assert_eq!(reply.status, 200);
    let seen = only(&events);
    assert_eq!((seen.status, seen.answer), (200, Answer::Proxied));
    let attempts = [(gone, Outcome::Failed), (good.addr, Outcome::Answered)];
    assert_eq!(seen.attempts, attempts);
    assert_eq!((seen.received, seen.sent), (3, 5));
    assert_eq!(seen.version, http::Version::HTTP_11);
    assert_eq!((seen.port, seen.tls), (8000, false));
    let (all, upstream) = seen.took;
    assert!(upstream.is_some_and(|upstream| upstream <= all), "{seen:?}");

    let stats = proxy.gateway.stats();
    assert_eq!(stats.answers[Answer::Proxied as usize], [0, 1, 0, 0, 0]);
    assert_eq!(stats.tries, [1, 1, 0]);
    assert_eq!((stats.received_bytes, stats.sent_bytes), (3, 5));
    assert_eq!(
        (stats.latency.count(), stats.upstream_latency.count()),
        (1, 1)
    );
}

#[test]
fn requests_without_an_upstream_are_counted_by_who_answered() {
    let (proxy, events) = watched(|_| {});
    let local = proxy.send("GET / HTTP/1.0\r\nhost: a\r\nx-test-local: 418\r\n\r\n");
    let seen = only(&events);
    assert_eq!((seen.status, seen.answer), (418, Answer::Local));
    assert_eq!(seen.sent, local.body.len() as u64);
    assert_eq!(seen.version, http::Version::HTTP_10);
    assert_eq!((seen.attempts.len(), seen.took.1), (0, None));
    // Never shown to the filter.
    let refused = proxy.send("GET / HTTP/1.1\r\nhost: a b\r\n\r\n");
    let seen = only(&events);
    assert_eq!((seen.status, seen.answer), (400, Answer::Gateway));
    assert_eq!(seen.sent, refused.body.len() as u64);
    let stats = proxy.gateway.stats();
    assert_eq!(stats.answers[Answer::Local as usize], [0, 0, 0, 1, 0]);
    assert_eq!(stats.answers[Answer::Gateway as usize], [0, 0, 0, 1, 0]);
    assert_eq!(
        (stats.latency.count(), stats.upstream_latency.count()),
        (2, 0)
    );
}

#[test]
fn who_gave_up_waiting_is_known_with_its_rule() {
    let (proxy, events) = watched(|_| {});
    let silent = Backend::scripted(|peer| {
        peer.read();
        peer.read();
    });
    let mut client = tcp(proxy.addr);
    let line = plan(&[silent.addr]).get();
    std::io::Write::write_all(&mut client, line.as_bytes()).unwrap();
    until("the request upstream", || silent.count() == 1);
    drop(client);
    let seen = only(&events);
    assert_eq!((seen.status, seen.answer), (499, Answer::Aborted));
    assert_eq!(seen.rule, 42);
    assert!(seen.took.1.is_some());
    let stats = proxy.gateway.stats();
    assert_eq!(stats.answers[Answer::Aborted as usize], [0, 0, 0, 1, 0]);
}

/// Connections until there is one to each of two workers.
fn to_both(proxy: &Proxy, events: &Events, line: &str) -> [Client; 2] {
    let mut clients = [None, None];
    while clients.iter().any(Option::is_none) {
        let mut client = proxy.connect();
        assert_eq!(client.request(line).status, 200);
        let seen = only(events);
        clients[seen.worker].get_or_insert(client);
    }
    clients.map(|client| client.unwrap())
}

#[test]
fn a_trap_restarts_its_own_worker_and_no_other() {
    let (gate, opened) = std::sync::mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let (quick, slow) = (
        Backend::saying("ok"),
        Backend::scripted(move |peer| {
            peer.read();
            opened.lock().unwrap().recv().unwrap();
            peer.say("slow");
        }),
    );
    let (proxy, events) = watched(|options| options.workers = 2);
    let line = plan(&[quick.addr]).get();
    let [mut one, mut other] = to_both(&proxy, &events, &line);
    // In flight while the other worker's filter traps three times.
    other.write(plan(&[slow.addr]).get().as_bytes());
    until("the slow request", || slow.count() == 1);
    let trap = "GET / HTTP/1.1\r\nhost: a\r\nx-test-trap: request\r\n\r\n";
    for n in 1..=3 {
        assert_eq!(one.request(trap).status, 500);
        assert_eq!(one.request(&line).text(), "ok");
        let workers = proxy.gateway.monitor().workers();
        assert_eq!((workers[0].traps, workers[0].restarts), (n, n));
        assert_eq!((workers[1].traps, workers[1].restarts), (0, 0));
    }
    gate.send(()).unwrap();
    assert_eq!(other.read_reply(false).text(), "slow");
    let stats = proxy.gateway.stats();
    assert_eq!((stats.traps, stats.restarts), (3, 3));
    assert_eq!(stats.answers[Answer::Gateway as usize][4], 3);
}

const SHOP: &[&str] = &[
    r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"shop"},
        "spec":{"ports":[{"name":"http","port":80}]}}"#,
    r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"shop","namespace":"shop"},
        "spec":{"rules":[{"host":"shop.example.com","http":{"paths":[
            {"path":"/","pathType":"Prefix","backend":{"service":{"name":"web","port":{"number":80}}}}]}}]}}"#,
];

/// silverback.wasm with a table: after a trap the new instance finds it in shared data.
#[test]
fn the_filter_goes_on_with_the_table_in_shared_data_after_a_trap() {
    const ZONE: usize = 4 << 20;
    let good = "GET / HTTP/1.1\r\nhost: shop.example.com\r\n\r\n";
    let backend = Backend::saying("from the table");
    let mut translator = Translator::new(Options {
        accept_all_classes: true,
        allow_local_addresses: true,
        ..Options::default()
    });
    let slice = format!(
        r#"{{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","addressType":"IPv4",
            "metadata":{{"name":"web-1","namespace":"shop","labels":{{"kubernetes.io/service-name":"web"}}}},
            "ports":[{{"name":"http","port":{}}}],"endpoints":[{{"addresses":["{}"]}}]}}"#,
        backend.addr.port(),
        backend.addr.ip(),
    );
    for object in SHOP.iter().copied().chain([&*slice]) {
        translator.apply(object.as_bytes());
    }
    translator.commit();
    let store = SharedStore::new(StoreOptions::new().zone("silverback", ZONE, Eviction::None));
    let node = silverback::publish::EmulatorStore(store.clone());
    let mut publisher = Publisher::open(&node, pages_in_zone(ZONE)).unwrap();
    let table = translator.table();
    let content = |index| table.segment(index).map(|segment| &segment.bytes[..]);
    publisher.publish(&node, table.root(), content).unwrap();

    let wasm = silverback_guests::FILTER_WASM;
    let filter = Filter::compile_with(wasm, Interruption::Fuel).unwrap();
    let start = |fuel| {
        let mut options = GatewayOptions {
            workers: 1,
            store: store.clone(),
            ..GatewayOptions::default()
        };
        options.filter = WorkerOptions {
            root_id: "silverback".to_owned(),
            configuration: br#"{"ports":[{"port":8000,"ingress":true}]}"#.to_vec(),
            budget: Budget::Fuel(fuel),
            ..WorkerOptions::default()
        };
        let gateway = Gateway::start(&filter, options).ok()?;
        gateway.set_listeners(&[any_port(8000)]).unwrap();
        Some(gateway)
    };
    let serves = |fuel| {
        let gateway = start(fuel)?;
        let mut client = Client::connect(gateway.listeners()[0].addr);
        (client.request(good).status == 200).then_some(gateway)
    };
    // As much fuel as a new instance needs for this request, and not enough for a long path.
    let (mut little, mut enough) = (0_u64, 1 << 30);
    while enough - little > 1_000 {
        let middle = little.midpoint(enough);
        match serves(middle) {
            Some(_) => enough = middle,
            None => little = middle,
        }
    }
    let gateway = start(enough).unwrap();
    let mut client = Client::connect(gateway.listeners()[0].addr);
    assert_eq!(client.request(good).text(), "from the table");
    let path = "%61".repeat(5_000);
    let hungry = format!("GET /{path} HTTP/1.1\r\nhost: shop.example.com\r\n\r\n");
    let traps = || gateway.stats().traps;
    for n in 1..=3 {
        assert_eq!(client.request(&hungry).status, 500);
        assert_eq!((traps(), gateway.stats().restarts), (n, n - 1));
        assert_eq!(client.request(good).text(), "from the table");
        assert_eq!((traps(), gateway.stats().restarts), (n, n));
    }
}
