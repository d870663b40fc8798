//! Shared queues.

use silverback_emulator::{Exchange, StartError, StoreOptions};

use crate::support::{filter, lenient, strict, values};

#[test]
fn a_queue_must_be_declared_in_kong() {
    let refused = strict().configuration("jobs").try_start(&filter("queue"));
    let Err(StartError::Trapped(trap)) = refused else {
        panic!("it starts")
    };
    assert!(trap.message.contains("could not find queue"), "{trap}");
}

#[test]
fn items_come_out_in_order_and_in_any_worker() {
    let zones = StoreOptions::new().queue("jobs", 1 << 16);
    let setup = strict().zones(zones).configuration("jobs");
    let store = setup.store.clone();
    let mut a = setup.start("queue");
    let mut other = strict().configuration("jobs");
    other.store = store;
    let mut b = other.start("queue");
    a.request(&mut Exchange::new("GET", "/1")).expect("no trap");
    b.request(&mut Exchange::new("GET", "/2")).expect("no trap");
    let mut workers = [a, b];
    for (worker, item) in [(1, "tick: /1"), (0, "tick: /2"), (1, "tick: (empty)")] {
        let bench = &mut workers[worker];
        bench.advance(10);
        bench.worker.tick().expect("no trap");
        assert_eq!(bench.lines(), [item]);
    }
}

#[test]
fn a_full_queue_is_a_trap_in_kong_and_a_panic_of_the_sdk_elsewhere() {
    let mut bench = strict()
        .zones(StoreOptions::new().queue("jobs", 10))
        .configuration("jobs")
        .start("queue");
    bench
        .request(&mut Exchange::new("GET", "/12345"))
        .expect("room for one");
    let trap = bench
        .request(&mut Exchange::new("GET", "/1"))
        .expect_err("a trap");
    assert!(trap.message.contains("queue is full"), "{trap}");
}

#[test]
fn kong_neither_resolves_queues_nor_tells_that_one_is_ready() {
    let mut bench = strict()
        .zones(StoreOptions::new().queue("jobs", 1 << 16))
        .configuration("jobs")
        .start("queue");
    bench
        .request(&mut Exchange::new("GET", "/1"))
        .expect("no trap");
    bench.worker.notify_queues().expect("no trap");
    assert!(bench.lines().is_empty());
    bench
        .request(&mut Exchange::new("GET", "/").header("x-resolve", "jobs"))
        .expect_err("not implemented");
}

#[test]
fn lenient_mode_makes_queues_resolves_them_and_tells_that_one_is_ready() {
    let mut bench = lenient().configuration("jobs").start("queue");
    let mut exchange = Exchange::new("GET", "/1")
        .header("x-resolve", "jobs")
        .header("x-resolve", "none");
    bench.request(&mut exchange).expect("no trap");
    assert_eq!(values(&exchange, "x-resolved"), ["Some(0)"]);
    bench.worker.notify_queues().expect("no trap");
    bench.worker.notify_queues().expect("no trap");
    assert_eq!(bench.lines(), ["ready: /1"]);
}
