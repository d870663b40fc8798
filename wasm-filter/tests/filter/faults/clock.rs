//! The clock goes back, stands still, and goes far ahead.

use std::time::Duration;

use silverback_emulator::CallFaults;

use super::story::{Tables, serves, start};

#[test]
fn whatever_the_clock_does_requests_are_served() {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let now = Duration::from_secs(1_800_000_000);
    let tables = Tables::new();
    let mut worker = start(&tables.store, CallFaults::new()).expect("starts");
    let times = [
        now,
        now - YEAR,
        now,
        now + 30 * YEAR,
        Duration::ZERO,
        Duration::from_nanos(1),
        now,
        Duration::from_nanos(u64::MAX),
        Duration::from_nanos(u64::MAX - 1),
        now,
        now,
    ];
    for (n, time) in times.into_iter().enumerate() {
        worker.clock.set(time);
        serves(&mut worker, 1, &format!("time {n}"));
        worker.worker.tick().expect("no trap");
        serves(&mut worker, 1, &format!("time {n}, after the tick"));
    }
    assert_eq!(worker.worker.restarts(), 0);
}
