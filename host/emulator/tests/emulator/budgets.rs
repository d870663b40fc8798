//! Guests that never end, and how they are stopped. Kong stops none; the embedder may.

use std::time::Duration;

use silverback_emulator::{Budget, Exchange, Interruption, StartError};

use crate::hostile::{compile, guest};
use crate::support::strict;

#[test]
fn a_loop_without_end_is_stopped_by_fuel() {
    let looping = guest("", "", "(loop $l (br $l)) i32.const 0");
    let filter = compile(&looping, Interruption::Fuel).expect("it compiles");
    let mut setup = strict();
    setup.options.budget = Budget::Fuel(100_000);
    let mut bench = setup.try_start(&filter).expect("it starts");
    for _ in 0..2 {
        let trap = bench
            .request(&mut Exchange::new("GET", "/"))
            .expect_err("a trap");
        assert!(trap.message.contains("fuel"), "{trap}");
    }
    assert_eq!(bench.worker.restarts(), 1);
}

#[test]
fn a_loop_without_end_is_stopped_after_a_time() {
    let looping = guest("", "", "(loop $l (br $l)) i32.const 0");
    let filter = compile(&looping, Interruption::Epoch).expect("it compiles");
    let mut setup = strict();
    setup.options.budget = Budget::Time(Duration::from_millis(5));
    let mut bench = setup.try_start(&filter).expect("it starts");
    let trap = bench
        .request(&mut Exchange::new("GET", "/"))
        .expect_err("a trap");
    assert!(trap.message.contains("interrupt"), "{trap}");
}

#[test]
fn a_budget_needs_a_filter_that_was_compiled_for_it() {
    let filter = compile(&guest("", "", "i32.const 0"), Interruption::None).expect("it compiles");
    let mut setup = strict();
    setup.options.budget = Budget::Fuel(1);
    let refused = setup.try_start(&filter).map(drop);
    assert!(
        matches!(refused, Err(StartError::Budget { .. })),
        "{refused:?}"
    );
    for interruption in [Interruption::Fuel, Interruption::Epoch] {
        let filter = compile(&guest("", "", "i32.const 0"), interruption).expect("it compiles");
        let mut bench = strict()
            .try_start(&filter)
            .expect("an unlimited budget fits all");
        bench
            .request(&mut Exchange::new("GET", "/"))
            .expect("no trap");
    }
}
