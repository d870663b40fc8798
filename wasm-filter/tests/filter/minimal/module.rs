//! The real .wasm, in the emulator's strict mode without the shim: a property that Kong refuses is a trap there.

use silverback_emulator::{
    CallFault, CallFaults, Exchange, Properties, SharedStore, Worker, WorkerOptions,
};
use silverback_filter::minimal;

use crate::harness::usual;
use crate::pull::World;
use crate::rules::edited;
use crate::support::runtime::filter;

const CONFIGURATION: &str = r#"{"dataPlane":"kong-minimal"}"#;
/// The service's address (examples/kong/kong-minimal.yaml).
const SERVICE: (&str, u16) = ("224.0.0.1", 9);

fn start(store: SharedStore, call_faults: CallFaults) -> Worker {
    let options = WorkerOptions {
        root_id: "silverback".to_owned(),
        configuration: CONFIGURATION.as_bytes().to_vec(),
        call_faults,
        ..WorkerOptions::default()
    };
    Worker::start(filter(), store, options).expect("starts")
}

fn from(host: &[u8], path: &[u8]) -> Exchange {
    let mut properties = Properties::new();
    properties.set("ngx.remote_addr", "192.0.2.1");
    Exchange::new("GET", path)
        .header("host", host)
        .properties(properties)
}

/// One request; it is answered, or goes on to an endpoint.
fn run(worker: &mut Worker, exchange: &mut Exchange) {
    let id = worker.open().expect("no trap");
    worker.on_request_headers(id, exchange).expect("no trap");
    if exchange.local_response.is_none() {
        exchange.response_status = 200;
        worker.on_response_headers(id, exchange).expect("no trap");
    }
    worker.on_log(id, exchange).expect("no trap");
    worker.close(id, exchange).expect("no trap");
}

/// Where the retry goes, if the request is not answered.
fn endpoint(exchange: &Exchange) -> Result<String, u16> {
    if let Some(local) = &exchange.local_response {
        return Err(local.status);
    }
    let tries = exchange.kong_tries(SERVICE, 1);
    assert_eq!(tries.len(), 2);
    assert_eq!(tries[0].0, SERVICE.0, "the first try fails at once");
    let (host, port) = &tries[1];
    Ok(format!("{host}:{port}"))
}

fn clean(worker: &Worker) {
    assert!(worker.violations().is_empty(), "{:?}", worker.violations());
    let store = worker.store().expect("a store");
    assert!(store.violations().is_empty(), "{:?}", store.violations());
    assert_eq!(worker.restarts(), 0);
}

#[test]
fn the_module_tells_a_stock_kong_the_endpoint_and_the_client_s_host_stays() {
    let mut worker = start(usual(), CallFaults::new());
    for (host, path, expected) in [
        ("any.test", "/x%2Fy?q=1", Ok(())),
        ("a.test:8000", "/api/1", Ok(())),
        ("a.test", "/other", Err(404)),
        ("unknown.test", "/", Err(404)),
    ] {
        let mut exchange = from(host.as_bytes(), path.as_bytes());
        run(&mut worker, &mut exchange);
        let endpoint = endpoint(&exchange);
        assert_eq!(endpoint.as_ref().map(|_| ()), expected.as_ref().map(|_| ()));
        let Ok(endpoint) = endpoint else {
            continue;
        };
        let known = ["10.0.0.1:8080", "10.0.0.2:8080"];
        assert!(known.contains(&&*endpoint), "{host}: {endpoint}");
        let headers = exchange.upstream_request_headers();
        assert_eq!(headers.get("host"), Some(host.as_bytes()));
        assert_eq!(exchange.upstream_uri(), path.as_bytes());
        let scheme = exchange.properties.get(minimal::SCHEME);
        assert_eq!(scheme, Some(&b"http"[..]));
    }
    clean(&worker);
}

#[test]
fn headers_are_changed_as_a_rule_says_or_the_request_is_refused() {
    let mut worker = start(edited(), CallFaults::new());
    for (name, headers, expected) in [
        ("none of them", &[][..], Ok((&["1"][..], &["1"][..]))),
        (
            "one line each",
            &[("x-set", "0"), ("x-add", "0")],
            Ok((&["1"], &["0", "1"])),
        ),
        (
            "lines to add to",
            &[("x-add", "0"), ("x-add", "2")],
            Ok((&["1"], &["0", "2", "1"])),
        ),
        ("lines to set", &[("x-set", "0"), ("x-set", "2")], Err(500)),
        ("one to remove", &[("x-gone", "0")], Err(500)),
        ("an empty one to remove", &[("X-Gone", "")], Err(500)),
    ] {
        let mut exchange = from(b"a.test", b"/edits/x?y");
        for (name, value) in headers {
            exchange.request_headers.add(name, value);
        }
        run(&mut worker, &mut exchange);
        match expected {
            Err(status) => assert_eq!(endpoint(&exchange), Err(status), "{name}"),
            Ok((set, added)) => {
                assert!(endpoint(&exchange).is_ok(), "{name}");
                let upstream = exchange.upstream_request_headers();
                let lines = |header: &str| -> Vec<String> {
                    let all = upstream.get_all(header.as_bytes());
                    all.map(|line| String::from_utf8_lossy(line).into_owned())
                        .collect()
                };
                assert_eq!(lines("x-set"), set, "{name}");
                assert_eq!(lines("x-add"), added, "{name}");
                assert_eq!(lines("host"), ["b.test"], "{name}");
                assert_eq!(exchange.upstream_uri(), b"/new/x?y", "{name}");
            }
        }
    }
    clean(&worker);
}

#[test]
fn whatever_a_client_sends_nothing_traps_and_only_endpoints_are_targets() {
    let mut worker = start(usual(), CallFaults::new());
    let long = vec![b'a'; 70_000];
    let all: Vec<u8> = (0..=255).collect();
    let texts: [&[u8]; 14] = [
        b"",
        b"any.test",
        b"any.test:0",
        b"any.test:8000:1",
        b"[::1]:8080",
        b"10.9.9.9:80",
        b"any.test\r\nx-evil: 1",
        b"any.test\0",
        b"any.test/../..",
        b"\xff\xfe",
        b"*",
        b" ",
        &all,
        &long,
    ];
    for text in texts {
        for place in 0..8 {
            let name = format!("{} at {place}", text[..text.len().min(30)].escape_ascii());
            let mut exchange = from(b"any.test", b"/");
            let slash = [b"/", text].concat();
            let properties = &mut exchange.properties;
            match place {
                0 => exchange.request_headers.set("host", text),
                1 => exchange.path = text.to_vec(),
                2 => exchange.path = slash,
                3 => exchange.method = text.to_vec(),
                4 => exchange.scheme = text.to_vec(),
                5 => properties.set("ngx.ssl_server_name", text),
                6 => properties.set("ngx.remote_addr", text),
                _ => properties.set("ngx.server_port", text),
            }
            if place == 5 {
                exchange.scheme = b"https".to_vec();
            }
            run(&mut worker, &mut exchange);
            match endpoint(&exchange) {
                Ok(endpoint) => {
                    assert!(endpoint.starts_with("10.0.0."), "{name}: {endpoint}");
                    let headers = exchange.upstream_request_headers();
                    let host = headers.get("host").unwrap_or_default().to_vec();
                    assert!(host.starts_with(b"any.test"), "{name}");
                }
                Err(status) => {
                    assert!(
                        matches!(status, 400 | 404 | 421 | 500 | 503),
                        "{name}: {status}"
                    );
                }
            }
        }
    }
    clean(&worker);
}

#[test]
fn a_call_that_kong_does_not_do_fails_closed_in_the_module_too() {
    let faults = CallFaults::new();
    let mut worker = start(usual(), faults.clone());
    let mut warm = from(b"any.test", b"/");
    run(&mut worker, &mut warm);
    assert!(endpoint(&warm).is_ok());
    let (mut refused, mut struck) = (0, true);
    for number in 0.. {
        if !struck {
            break;
        }
        for status in [1, 2, 10] {
            faults.fail_nth(number, CallFault::Status(status));
            let mut exchange = from(b"any.test", b"/");
            let id = worker.open().expect("no trap");
            let action = worker.on_request_headers(id, &mut exchange);
            struck = !faults.clear().is_empty();
            action.expect("no trap");
            if exchange.local_response.is_some() {
                refused += 1;
            } else {
                let name = format!("call {number}, status {status}");
                let endpoint = endpoint(&exchange).expect("not answered");
                assert!(endpoint.starts_with("10.0.0."), "{name}: {endpoint}");
                let headers = exchange.upstream_request_headers();
                assert_eq!(headers.get("host"), Some(&b"any.test"[..]), "{name}");
            }
            worker.close(id, &mut exchange).expect("no trap");
        }
    }
    assert!(refused > 20, "{refused}");
    clean(&worker);
}

#[test]
fn the_module_pulls_its_table_and_serves_by_it_without_the_shim() {
    let configuration = r#"{"dataPlane":"kong-minimal","pull":{"upstream":"publisher:9090","token":"secret","pages":24}}"#;
    let mut world = World::with(2, configuration);
    let ask = |world: &mut World, worker: usize, host: &str| {
        let mut exchange = from(host.as_bytes(), b"/");
        run(&mut world.workers[worker], &mut exchange);
        endpoint(&exchange)
    };
    assert_eq!(ask(&mut world, 0, "a.test"), Err(503));
    world.publish(&[("a", "a.test", "/", None)]);
    world.until("a table", |world| ask(world, 0, "a.test").is_ok());
    assert!(ask(&mut world, 1, "a.test").is_ok(), "both workers");
    world.publish(&[("b", "b.test", "/", None)]);
    world.until("the next table", |world| ask(world, 0, "b.test").is_ok());
    assert_eq!(ask(&mut world, 1, "a.test"), Err(404));
    for worker in &world.workers {
        clean(worker);
    }
}
