//! No table, no zone, no property, lost instances: each has a defined answer.

use silverback_emulator::{SharedStore, StoreOptions};

use crate::harness::{empty_node, get, model, node, publish, scenario, usual, who};
use crate::support::node::zone;
use crate::support::runtime::{Input, Output, Runtime};

fn unavailable(output: &Output) {
    let reply = output.reply.as_ref().expect("a reply");
    assert_eq!(reply.status, 503);
    let retry = ("retry-after".to_owned(), "1".to_owned());
    assert!(reply.headers.contains(&retry), "{:?}", reply.headers);
}

#[test]
fn without_a_table_requests_are_answered_503_and_told_to_come_back() {
    scenario("", empty_node, |worker| {
        let output = worker.request(&get("a.test", "/api"));
        unavailable(&output);
        assert_eq!(
            worker.log(),
            ["silverback: no routing table has been published yet"]
        );
        let again = worker.request(&get("a.test", "/api"));
        assert!(worker.log().is_empty(), "a lasting failure is logged once");
        vec![output, again]
    });
}

#[test]
fn a_zone_that_nobody_prepared_is_answered_503() {
    let bare = || SharedStore::new(zone(4));
    scenario("", bare, |worker| {
        let output = worker.request(&get("a.test", "/api"));
        unavailable(&output);
        vec![output]
    });
    let without_sentinel = || {
        let store = usual();
        let key = silverback_core::table::store::SENTINEL_KEY;
        let len = silverback_core::table::store::SENTINEL.len();
        store.put(key, &vec![b'x'; len]).expect("put");
        store
    };
    scenario("", without_sentinel, |worker| {
        let output = worker.request(&get("a.test", "/api"));
        unavailable(&output);
        let log = worker.log();
        assert!(log[0].contains("nginx_wasm_shm_kv_silverback"), "{log:?}");
        vec![output]
    });
}

#[test]
fn a_store_that_refuses_everything_is_503_natively_and_the_host_s_trap_in_kong() {
    let [native, wasm] = [false, true].map(|wasm| {
        let store = SharedStore::new(StoreOptions::new().strict(true));
        let mut worker = Runtime::start(wasm, "", store, 0).expect("starts");
        let output = worker.request(&get("a.test", "/api"));
        (worker.request(&get("a.test", "/api")), output)
    });
    unavailable(&native.0);
    unavailable(&native.1);
    // Kong facts 4.1: without any zone the host traps the get itself; nothing is proxied.
    for output in [wasm.0, wasm.1] {
        assert!(output.trapped && output.plan.is_none());
    }
}

#[test]
fn a_missing_request_property_is_503_and_says_what_to_load() {
    scenario("", usual, |worker| {
        let output = worker.request(&Input::default());
        assert_eq!(who(&output), "503");
        assert!(worker.log()[0].contains("plugins = bundled,silverback"));
        let after = worker.request(&get("a.test", "/api"));
        assert_eq!(who(&after), "api", "the next request is not concerned");
        vec![output, after]
    });
}

#[test]
fn a_request_property_that_cannot_be_read_is_500() {
    let good = get("a.test", "/api").message.expect("a message");
    let cases: Vec<(String, Vec<u8>)> = (0..good.len())
        .map(|end| (format!("cut at {end}"), good[..end].to_vec()))
        .chain([
            ("version 2".to_owned(), [&[2], &good[1..]].concat()),
            ("all ones".to_owned(), vec![0xff; 64]),
        ])
        .collect();
    scenario("", usual, |worker| {
        let mut outputs = Vec::new();
        for (name, message) in &cases {
            let input = Input {
                message: Some(message.clone()),
                ..Input::default()
            };
            let output = worker.request(&input);
            // An empty property reads as a missing one in proxy-wasm; both fail closed.
            let expected = if message.is_empty() { "50" } else { "500" };
            assert!(who(&output).starts_with(expected), "{name}");
            if !message.is_empty() {
                outputs.push(output);
            }
        }
        outputs
    });
}

#[test]
fn a_worker_that_lost_its_instance_serves_from_shared_data_at_once() {
    scenario("", usual, |worker| {
        let before = worker.request(&get("a.test", "/api"));
        worker.lose_instance("");
        let after = worker.request(&get("a.test", "/api"));
        assert_eq!(who(&after), "api");
        vec![before, after]
    });
}

#[test]
fn a_trap_costs_one_request_and_the_next_is_served() {
    let mut worker = Runtime::start(true, "", usual(), 0).expect("starts");
    let mut input = get("a.test", "/api");
    input.refuse_plan = true;
    assert!(
        worker.request(&input).trapped,
        "Kong facts 3: a refused property"
    );
    assert_eq!(who(&worker.request(&get("a.test", "/api"))), "api");
    if let Runtime::Wasm(worker) = &worker {
        assert_eq!(worker.worker.restarts(), 1);
    }
}

#[test]
fn a_new_table_is_in_effect_with_the_next_request() {
    for wasm in [false, true] {
        let store = usual();
        let mut worker = Runtime::start(wasm, "", store.clone(), 0).expect("starts");
        assert_eq!(who(&worker.request(&get("a.test", "/api"))), "api");
        publish(&store, &model(&[("new", "a.test", "/api", None)]));
        assert_eq!(who(&worker.request(&get("a.test", "/api"))), "new");
        assert_eq!(who(&worker.request(&get("any.test", "/"))), "404");
    }
}

#[test]
fn when_the_zone_is_emptied_the_loaded_table_serves_on() {
    for wasm in [false, true] {
        let store = node(&model(&[("api", "a.test", "/api", None)]));
        let mut worker = Runtime::start(wasm, "", store.clone(), 0).expect("starts");
        assert_eq!(who(&worker.request(&get("a.test", "/api"))), "api");
        store.reload(&zone(24));
        assert_eq!(who(&worker.request(&get("a.test", "/api"))), "api");
    }
}
