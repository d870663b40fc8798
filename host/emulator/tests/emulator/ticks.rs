//! Tick timers (Kong facts 5).

use std::time::Duration;

use silverback_emulator::Exchange;

use crate::support::{Bench, doing, lenient, strict};

fn ticks(bench: &mut Bench) -> usize {
    bench.worker.tick().expect("no trap");
    bench
        .lines()
        .iter()
        .filter(|line| line.starts_with("tick"))
        .count()
}

fn trap(bench: &mut Bench) {
    bench.request(&mut doing(&["panic"])).expect_err("a trap");
}

#[test]
fn facts_5_ticks_come_before_any_request_and_as_often_as_the_period_says() {
    let mut bench = strict().configuration("tick=100").start("counter");
    assert_eq!(bench.worker.tick_period(), Some(Duration::from_millis(100)));
    assert_eq!(
        bench.worker.next_tick(),
        Some(Duration::new(1_700_000_000, 223_456_789))
    );
    assert_eq!(ticks(&mut bench), 0);
    bench.advance(99);
    assert_eq!(ticks(&mut bench), 0);
    bench.advance(1);
    assert_eq!(ticks(&mut bench), 1);
    assert_eq!(ticks(&mut bench), 0);
    bench.advance(1000);
    assert_eq!(ticks(&mut bench), 1, "a late timer fires once");
}

#[test]
fn facts_5_ticks_run_in_every_worker() {
    let a = strict().configuration("tick=100 zone=own");
    let store = a.store.clone();
    let mut a = a.start("counter");
    let mut b = strict().configuration("tick=100 zone=own");
    b.store = store.clone();
    let mut b = b.start("counter");
    for bench in [&mut a, &mut b] {
        bench.advance(100);
        assert_eq!(ticks(bench), 1);
    }
    assert_eq!(
        store.get(b"own/ticks").expect("there"),
        (2u64.to_le_bytes().to_vec(), 2)
    );
}

#[test]
fn facts_5_each_re_creation_adds_another_tick_timer_when_a_request_comes_first() {
    let mut bench = strict().configuration("tick=100").start("counter");
    for timers in 2..5 {
        trap(&mut bench);
        bench.request(&mut doing(&[])).expect("a new instance");
        assert_eq!(bench.worker.tick_timers(), timers);
        bench.advance(100);
        assert_eq!(ticks(&mut bench), timers);
        bench.advance(100);
        assert_eq!(ticks(&mut bench), timers, "and it stays so");
    }
}

#[test]
fn facts_5_each_re_creation_adds_another_tick_timer_when_a_tick_comes_first() {
    let mut bench = strict().configuration("tick=100").start("counter");
    trap(&mut bench);
    bench.advance(100);
    assert_eq!(
        ticks(&mut bench),
        1,
        "the old timer makes the instance anew and ticks in it"
    );
    assert_eq!(bench.worker.tick_timers(), 2);
    bench.advance(100);
    assert_eq!(ticks(&mut bench), 2);
    assert_eq!(bench.worker.restarts(), 1);
}

#[test]
fn facts_5_a_changed_configuration_leaves_the_old_root_context_ticking() {
    let mut bench = strict().configuration("tick=100").start("counter");
    bench
        .worker
        .reconfigure(b"tick=50".to_vec())
        .expect("accepted");
    bench.lines();
    bench.advance(50);
    assert_eq!(ticks(&mut bench), 1, "the new one");
    bench.advance(50);
    bench.worker.tick().expect("no trap");
    let mut roots = bench.lines();
    roots.sort();
    roots.dedup();
    assert_eq!(
        roots.iter().filter(|line| line.starts_with("tick")).count(),
        2,
        "both, under their own ids"
    );
    assert_eq!(bench.worker.tick_timers(), 2);
}

#[test]
fn a_trap_in_a_tick_leaves_the_timer_running() {
    let mut bench = strict().configuration("tick=100").start("callout");
    // This filter's tick works; the trap is in another callback, between two ticks.
    bench.advance(100);
    bench.worker.tick().expect("no trap");
    assert_eq!(bench.worker.tick_timers(), 0, "`tick=100` is not its word");

    let mut bench = strict()
        .zones(silverback_emulator::StoreOptions::new())
        .configuration("tick=100")
        .start("counter");
    for _ in 0..3 {
        bench.advance(100);
        bench.worker.tick().expect_err("no zone: every tick traps");
    }
    assert!(bench.worker.tick_timers() >= 3);
}

#[test]
fn only_a_root_context_may_set_the_tick_period_and_only_once() {
    let mut bench = strict().configuration("tick=100").start("counter");
    let trap = bench.request(&mut doing(&["tick"])).expect_err("a trap");
    assert!(
        trap.message
            .contains("can only set tick_period in root context"),
        "{trap}"
    );
    let Err(refused) = strict()
        .configuration("tick=100 tick=50")
        .try_start(&crate::support::filter("counter"))
    else {
        panic!("it starts")
    };
    assert!(
        refused.to_string().contains("tick_period already set"),
        "{refused}"
    );
}

#[test]
fn lenient_mode_has_one_timer_whatever_happens() {
    let mut bench = lenient().configuration("tick=100 tick=50").start("counter");
    assert_eq!(bench.worker.tick_period(), Some(Duration::from_millis(50)));
    bench
        .worker
        .reconfigure(b"tick=20".to_vec())
        .expect("accepted");
    assert_eq!(bench.worker.tick_timers(), 1);
    trap(&mut bench);
    bench
        .request(&mut Exchange::new("GET", "/"))
        .expect("a new instance");
    assert_eq!(bench.worker.tick_timers(), 1);
}
