//! Churn: objects change, tables are published, workers answer, and everything that can go wrong on
//! the way does. Every answer must be, whole, that of a table that was in effect: the newest one
//! where nothing was disturbed, else that or one the worker had before.
//!
//! ```text
//! world ─ objects ─► translator ─ commit ─► node::serve ─ pages ─► zone ─► views ─► answer
//!   └──────────── oracle: what each table must answer ────────────────────────────► judged
//! ```
//! `SILVERBACK_COMMITS`, `SILVERBACK_LOOKUPS` and `SILVERBACK_SEED` override the run (`just churn`).
//! All of it happens in one thread, and the interleavings are made by hand: at any call to shared data
//! another publisher, a worker or a commit may come in between. So a seed gives the same run again.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod history;
mod oracle;
mod publish;
mod sim;
mod tally;
mod worker;
mod world;
mod zone;

use std::time::Instant;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn every_answer_is_that_of_a_whole_table_however_tables_change_and_whatever_fails() {
    let commits = number("SILVERBACK_COMMITS", 4_000);
    let lookups = number("SILVERBACK_LOOKUPS", 200_000);
    let seed = number("SILVERBACK_SEED", 7);
    println!("SILVERBACK_COMMITS={commits} SILVERBACK_LOOKUPS={lookups} SILVERBACK_SEED={seed}");
    let began = Instant::now();
    let sim = sim::Sim::new(seed);
    let step = (commits / 50).max(1);
    let mut next = step;
    sim.run(commits, lookups, |sim| {
        if sim.commits.get() >= next && commits > 10_000 {
            next += step;
            println!(
                "{} commits, {} lookups, {:.0} s",
                sim.commits.get(),
                sim.lookups.get(),
                began.elapsed().as_secs_f64()
            );
        }
    });
    println!(
        "{} commits, {} tables in effect, {} lookups, {} of them proxied, no wrong answer, {:.0} s",
        sim.commits.get(),
        sim.history.borrow().seq(),
        sim.lookups.get(),
        sim.plans.get(),
        began.elapsed().as_secs_f64()
    );
    let short = sim.tally.judge(commits, lookups);
    assert!(short.is_empty(), "too few faults: {short:?}");
    assert!(sim.plans.get() >= lookups / 5, "too few plans");
    assert!(sim.tally.get("answered from an older table") >= lookups / 10_000);
}
