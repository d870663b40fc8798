//! Pull when things go wrong: the table before stays in effect, and it heals by itself.

use std::cell::RefCell;

use silverback_core::node::commit::Commit;
use silverback_core::node::pull::failure::Failure;
use silverback_core::node::pull::lease::{LEASE_KEY, TERM};
use silverback_core::node::pull::puller::{FIRST_PAUSE, MOST_PAUSE, Outcome, PATIENCE};
use silverback_core::table::store::publish::Publisher;
use silverback_core::table::store::{MemoryStore, SharedData, StoreError};

use crate::bytes::noise;
use crate::pull_rig::{PAGES, Publishing, Rig, TICK, WAIT};

fn running() -> Rig {
    let mut rig = Rig::new(1);
    rig.publishing.set(1, noise(1, 5_000));
    rig.publishing.set(2, noise(2, 5_000));
    rig.settle(0);
    assert!(rig.is_current());
    rig
}

#[test]
fn failures_are_told_and_pauses_double_up_to_the_most() {
    let mut rig = running();
    let gone = || (None, Failure::Unanswered);
    let rows = [
        (Some((401, b"{}".to_vec())), Failure::Status(401)),
        (Some((503, Vec::new())), Failure::Status(503)),
        (Some((200, b"<html>".to_vec())), Failure::Malformed("magic")),
        gone(),
        gone(),
        gone(),
        gone(),
        gone(),
        gone(),
    ];
    let mut failed = None;
    for (number, (answer, failure)) in (1..).zip(rows) {
        rig.until_asked(0);
        if let Some(failed) = failed {
            let pause = (FIRST_PAUSE << (number - 2)).min(MOST_PAUSE);
            let waited = rig.now - failed;
            assert!(
                waited >= pause / 2 && waited <= pause + TICK,
                "{number}: {waited}"
            );
        }
        assert_eq!(rig.answered(0, &answer), Outcome::Failed(failure, number));
        failed = Some(rig.now);
    }
}

#[test]
fn a_publisher_that_is_back_is_asked_without_a_pause_again() {
    let mut rig = running();
    for _ in 0..5 {
        rig.until_asked(0);
        rig.answered(0, &None);
    }
    rig.publishing.set(3, noise(3, 100));
    rig.settle(0);
    assert!(rig.is_current());
    rig.until_asked(0);
    assert_eq!(
        rig.answered(0, &None),
        Outcome::Failed(Failure::Unanswered, 1)
    );
}

#[test]
fn an_answer_that_the_host_never_tells_of_is_given_up() {
    let mut rig = running();
    rig.until_asked(0);
    let asked = rig.now;
    let outcome = loop {
        rig.now += TICK;
        match rig.tick(0) {
            (None, Outcome::Nothing) => {}
            other => break other,
        }
    };
    assert_eq!(outcome, (None, Outcome::Failed(Failure::Unanswered, 1)));
    assert!(rig.now - asked > u64::from(WAIT + PATIENCE));
    // When it does come nobody waits for it.
    assert_eq!(rig.answered(0, &Some((200, Vec::new()))), Outcome::Nothing);
}

#[test]
fn a_damaged_answer_never_gets_into_effect() {
    let mut rig = running();
    rig.publishing.set(2, noise(9, 3_000));
    let ask = rig.until_asked(0);
    let (_, body) = rig.publishing.answer(&ask).expect("an answer");
    rig.answered(0, &None);
    let before = rig.state();
    let published = rig.publishing.table.clone();
    for at in (0..body.len()).step_by(7) {
        for damaged in [
            body[..at].to_vec(),
            {
                let mut flipped = body.clone();
                flipped[at] ^= 1 << (at % 8);
                flipped
            },
            [&body[..at], &[0], &body[at..]].concat(),
        ] {
            rig.until_asked(0);
            let outcome = rig.answered(0, &Some((200, damaged)));
            match outcome {
                Outcome::Failed(..) => assert_eq!(rig.state(), before, "{at}"),
                // `adopt` and the publisher's id are nothing to a node that asks.
                Outcome::Published(_) => {
                    assert!(rig.is_current(), "{at}");
                    rig = running();
                    rig.publishing.set(2, noise(9, 3_000));
                    assert_eq!(rig.publishing.table.root_digest(), published.root_digest());
                }
                Outcome::Nothing => {
                    assert_eq!(rig.state(), before, "{at}");
                }
            }
        }
    }
    rig.settle(0);
    assert!(rig.is_current());
}

#[test]
fn an_answer_without_what_it_names_is_asked_for_and_then_given_up_for_a_while() {
    let mut rig = running();
    rig.publishing.set(5, noise(5, 4_000));
    let strip = |publishing: &Publishing, ask: &_| {
        let (status, body) = publishing.answer(ask).expect("an answer");
        let mut commit = Commit::decode(&body).expect("a commit");
        commit.segments.clear();
        Some((status, commit.encode().expect("shorter")))
    };
    let ask = rig.until_asked(0);
    let answer = strip(&rig.publishing, &ask);
    assert_eq!(rig.answered(0, &answer), Outcome::Nothing);
    let ask = rig.until_asked(0);
    let answer = strip(&rig.publishing, &ask);
    let outcome = rig.answered(0, &answer);
    assert_eq!(outcome, Outcome::Failed(Failure::Lacking, 1));
    rig.settle(0);
    assert!(rig.is_current());
}

#[test]
fn a_table_that_does_not_fit_leaves_the_one_before() {
    let mut rig = running();
    let before = rig.state();
    for segment in 10..30 {
        rig.publishing.set(segment, noise(segment, 200_000));
    }
    let outcome = loop {
        let ask = rig.until_asked(0);
        let answer = rig.publishing.answer(&ask);
        match rig.answered(0, &answer) {
            Outcome::Nothing => {}
            outcome => break outcome,
        }
    };
    let full = |failure: &Failure| matches!(failure, Failure::Full(260, pages) if *pages == usize::from(PAGES));
    assert!(
        matches!(outcome, Outcome::Failed(failure, 1) if full(&failure)),
        "{outcome:?}"
    );
    assert_eq!(rig.state(), before);
    for segment in 10..30 {
        rig.publishing.set(segment, Vec::new());
    }
    rig.publishing.set(1, noise(8, 50));
    rig.settle(0);
    assert!(rig.is_current());
}

#[test]
fn somebody_else_s_table_is_seen_and_replaced() {
    let mut rig = running();
    rig.publishing.set(2, noise(5, 100));
    let ask = rig.until_asked(0);
    let answer = rig.publishing.answer(&ask);
    let mut other = Publisher::open(&rig.store, PAGES).expect("a store");
    let root = silverback_core::table::root::Root::default();
    other
        .publish(&rig.store, &root, |_| None)
        .expect("published");
    assert_eq!(rig.answered(0, &answer), Outcome::Failed(Failure::Raced, 1));
    rig.settle(0);
    assert!(rig.is_current());
}

#[test]
fn a_holder_that_lost_the_lease_does_nothing_with_its_answer() {
    let mut rig = Rig::new(2);
    rig.publishing.set(1, noise(1, 100));
    let ask = rig.until_asked(0);
    let answer = rig.publishing.answer(&ask);
    // Worker 0 is held up for so long that worker 1 asks.
    rig.until_asked(1);
    assert_eq!(rig.answered(0, &answer), Outcome::Nothing);
    assert_eq!(rig.state().0, 0);
    assert_eq!(rig.tick(0), (None, Outcome::Nothing));
    rig.answered(1, &answer);
    assert!(rig.is_current());
}

#[test]
fn a_clock_that_jumps_costs_an_answer_at_most() {
    for jump in [-3_600_000, -TICK.cast_signed(), 3_600_000, 86_400_000_000] {
        let mut rig = Rig::new(2);
        rig.publishing.set(1, noise(1, 100));
        rig.settle(0);
        rig.until_asked(0);
        rig.publishing.set(1, noise(2, 100));
        rig.now = rig.now.saturating_add_signed(jump);
        let jumped = rig.now;
        while !rig.is_current() {
            for worker in 0..2 {
                if let (Some(ask), _) = rig.tick(worker) {
                    let answer = rig.publishing.answer(&ask);
                    rig.answered(worker, &answer);
                }
            }
            rig.now += TICK;
            let most = u64::from(WAIT + 2 * PATIENCE) + 2 * TERM;
            assert!(rig.now - jumped < most, "{jump}: never");
        }
    }
}

/// A store as Envoy's: a cas of 0 writes over whatever is there.
#[derive(Default)]
struct Unconditional {
    store: MemoryStore,
    /// What a get of the lease says once, though it is there: the other worker has created it since.
    hidden: RefCell<u32>,
}

impl SharedData for Unconditional {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
        let mut hidden = self.hidden.borrow_mut();
        if key == LEASE_KEY && *hidden > 0 {
            *hidden -= 1;
            return Ok(None);
        }
        self.store.get(key)
    }

    fn set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError> {
        let current = self.store.get(key)?.map_or(0, |(_, cas)| cas);
        self.store
            .set(key, value, if cas == 0 { current } else { cas })
    }
}

#[test]
fn workers_that_create_the_lease_at_once_in_envoy_do_not_both_hold_it() {
    let mut rig = Rig::with(Unconditional::default(), 2);
    rig.publishing.set(1, noise(1, 100));
    // Worker 0 creates and takes it; worker 1 looked before that, and creates it once more.
    rig.tick(0);
    rig.now += TICK;
    rig.tick(0);
    *rig.store.hidden.borrow_mut() = 1;
    rig.tick(1);
    rig.tick(1);
    rig.now += TICK;
    let mut asked = 0;
    for _ in 0..20 {
        for worker in 0..2 {
            asked += u32::from(rig.tick(worker).0.is_some());
        }
        rig.now += TICK;
    }
    assert_eq!(asked, 1);
}
