//! Metrics (Kong facts 8).

use silverback_emulator::{Exchange, MetricKind, Metrics};

use crate::support::{lenient, strict, values};

#[test]
fn facts_8_metrics_are_shared_by_all_workers_and_survive_a_trap() {
    let metrics = Metrics::new();
    for worker in 0..2 {
        let mut setup = strict();
        setup.options.metrics = metrics.clone();
        setup.options.worker = worker;
        let mut bench = setup.start("metrics");
        bench
            .request(&mut Exchange::new("GET", "/abc"))
            .expect("no trap");
        bench
            .request(&mut Exchange::new("GET", "/").header("x-do", "unknown"))
            .expect_err("a trap");
    }
    assert_eq!(metrics.get("requests"), Some(4));
    assert_eq!(metrics.get("last"), Some(1));
    let kinds: Vec<_> = metrics.snapshot().into_iter().map(|m| m.kind).collect();
    assert_eq!(
        kinds,
        [
            MetricKind::Counter,
            MetricKind::Gauge,
            MetricKind::Histogram
        ]
    );
}

#[test]
fn a_histogram_counts_by_power_of_two() {
    let mut bench = strict().start("metrics");
    for path in ["/", "/a", "/ab", "/abc", "/abcd"] {
        bench
            .request(&mut Exchange::new("GET", path))
            .expect("no trap");
    }
    let sizes = bench.metrics.snapshot().pop().expect("a histogram");
    assert_eq!((sizes.value, sizes.sum), (5, 15));
    assert_eq!(sizes.buckets[..4], [1, 1, 2, 1], "up to 1, 2, 4, 8");
}

#[test]
fn what_a_metric_cannot_do_is_a_trap_in_kong_and_a_status_elsewhere() {
    let wrong = [
        ("record-counter", "BadArgument"),
        ("read-histogram", "BadArgument"),
        ("unknown", "NotFound"),
    ];
    for (what, status) in wrong {
        let mut bench = strict().start("metrics");
        bench
            .request(&mut Exchange::new("GET", "/").header("x-do", what))
            .expect_err(what);
        if what == "record-counter" {
            // The SDK panics on a status that it does not expect of this call.
            continue;
        }
        let mut bench = lenient().start("metrics");
        let mut exchange = Exchange::new("GET", "/").header("x-do", what);
        bench.request(&mut exchange).expect("no trap");
        assert_eq!(values(&exchange, "x-failed"), [status], "{what}");
    }
}

#[test]
fn a_metric_name_has_a_limit_and_kongs_prefix_counts() {
    let mut bench = strict().start("metrics");
    let trap = bench
        .request(&mut Exchange::new("GET", "/").header("x-do", "long-name"))
        .expect_err("a trap");
    assert!(trap.message.contains("too long"), "{trap}");
    assert_eq!(
        Metrics::exported_name("silverback", "requests.total"),
        "pw_silverback_requests_total"
    );
}
