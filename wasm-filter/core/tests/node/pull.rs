//! Pull: a node comes to the publisher's table, whatever it has.

use silverback_core::node::MAX_BODY;
use silverback_core::node::commit::{Commit, CommitError, RootChange};
use silverback_core::node::pull::lease::TERM;
use silverback_core::node::pull::puller::{Outcome, PERIOD};
use silverback_core::node::pull::request::{MAX_REQUEST, PullRequest};

use crate::bytes::noise;
use crate::pull_rig::{Rig, TICK, WAIT};

#[test]
fn a_new_node_gets_the_whole_table_in_bodies_that_are_not_too_long() {
    let mut rig = Rig::new(1);
    for segment in 1..=20 {
        rig.publishing.set(segment, noise(segment, 30_000));
    }
    // One that no commit can hold.
    rig.publishing.set(300, noise(300, 2 * MAX_BODY + 5));
    let mut bodies = Vec::new();
    while !rig.is_current() {
        let ask = rig.until_asked(0);
        let answer = rig.publishing.answer(&ask);
        bodies.push(answer.as_ref().map_or(0, |(_, body)| body.len()));
        rig.answered(0, &answer);
    }
    assert!(bodies.iter().all(|len| *len <= MAX_BODY), "{bodies:?}");
    // Two commits bring 17 segments of the small ones; then three pieces.
    assert_eq!(bodies.len(), 6, "{bodies:?}");
    assert_eq!(rig.state().0, 1, "it is published once, whole");
}

#[test]
fn one_change_is_one_delta_below_16_kb() {
    let mut rig = Rig::new(1);
    for segment in 1..=20 {
        rig.publishing.set(segment, noise(segment, 9_000));
    }
    rig.settle(0);
    rig.publishing.set(7, noise(99, 9_100));
    let ask = rig.until_asked(0);
    let answer = rig.publishing.answer(&ask);
    let (status, body) = answer.clone().expect("an answer");
    assert_eq!(status, 200);
    assert!(body.len() < 16_384, "{}", body.len());
    let commit = Commit::decode(&body).expect("a commit");
    assert!(matches!(commit.root, RootChange::Delta { .. }));
    let outcome = rig.answered(0, &answer);
    assert!(matches!(outcome, Outcome::Published(published) if published.segments == 1));
    assert!(rig.is_current());
}

#[test]
fn a_publisher_that_knows_nothing_of_the_node_s_table_sends_only_what_differs() {
    let mut rig = Rig::new(1);
    for segment in 1..=10 {
        rig.publishing.set(segment, noise(segment, 20_000));
    }
    rig.settle(0);
    rig.publishing.set(3, noise(77, 20_000));
    rig.publishing.roots.clear();
    let mut segments = 0;
    while !rig.is_current() {
        let ask = rig.until_asked(0);
        let answer = rig.publishing.answer(&ask);
        let (_, body) = answer.as_ref().expect("an answer");
        segments += Commit::decode(body).expect("a commit").segments.len();
        rig.answered(0, &answer);
    }
    assert_eq!(segments, 1);
}

#[test]
fn an_answer_that_was_held_is_asked_for_again_at_once_and_one_that_was_not_after_a_pause() {
    let mut rig = Rig::new(1);
    rig.publishing.set(1, noise(1, 100));
    rig.settle(0);
    let ask = rig.until_asked(0);
    assert!(ask.timeout > WAIT);
    assert_eq!(PullRequest::decode(&ask.body).map(|r| r.wait), Ok(WAIT));
    let begun = rig.now;
    for _ in 0..u64::from(WAIT) / TICK {
        rig.now += TICK;
        assert_eq!(rig.tick(0), (None, Outcome::Nothing));
    }
    rig.answered(0, &Some((204, Vec::new())));
    assert!(rig.tick(0).0.is_some(), "it was held {WAIT} ms");

    rig.answered(0, &Some((204, Vec::new())));
    let answered = rig.now;
    rig.until_asked(0);
    assert!(rig.now - answered >= PERIOD);
    assert!(rig.now > begun);
}

#[test]
fn of_many_workers_one_asks() {
    let mut rig = Rig::new(8);
    rig.publishing.set(1, noise(1, 100));
    let mut asked = [0; 8];
    for _ in 0..100 {
        for (worker, asked) in asked.iter_mut().enumerate() {
            if let (Some(ask), _) = rig.tick(worker) {
                *asked += 1;
                let answer = rig.publishing.answer(&ask);
                rig.answered(worker, &answer);
            }
        }
        rig.now += TICK;
    }
    assert_eq!(
        asked.iter().filter(|asked| **asked > 0).count(),
        1,
        "{asked:?}"
    );
    assert!(rig.is_current());
}

#[test]
fn a_dead_holder_is_followed_by_another_worker_when_its_term_is_over() {
    let mut rig = Rig::new(2);
    rig.publishing.set(1, noise(1, 100));
    rig.until_asked(0);
    // Worker 0 says nothing more: it trapped, and its instance is gone.
    let died = rig.now;
    let ask = rig.until_asked(1);
    assert!(rig.now - died >= TERM && rig.now - died <= TERM + PERIOD + 3 * TICK);
    let answer = rig.publishing.answer(&ask);
    rig.answered(1, &answer);
    assert!(rig.is_current());
}

#[test]
fn ticks_that_multiply_after_a_trap_ask_no_more_often() {
    let mut rig = Rig::new(1);
    rig.publishing.set(1, noise(1, 100));
    rig.settle(0);
    rig.until_asked(0);
    for _ in 0..50 {
        for _ in 0..4 {
            assert_eq!(rig.tick(0), (None, Outcome::Nothing));
        }
        rig.now += TICK;
    }
}

#[test]
fn requests_are_read_as_they_are_written_and_anything_else_is_refused() {
    let request = PullRequest {
        wait: 5,
        epoch: 7,
        root: [1; 16],
        wanted: vec![[2; 16], [3; 16]],
    };
    let body = request.encode();
    assert_eq!(PullRequest::decode(&body), Ok(request.clone()));
    for len in 0..body.len() {
        let refused = PullRequest::decode(&body[..len]);
        assert!(matches!(refused, Err(CommitError::Malformed(_))), "{len}");
    }
    let longer = [&*body, &[0]].concat();
    assert_eq!(
        PullRequest::decode(&longer),
        Err(CommitError::Malformed("end"))
    );
    let mut other = body.clone();
    other[6] = 99;
    assert_eq!(PullRequest::decode(&other), Err(CommitError::Format(99)));
    let most = PullRequest {
        wanted: vec![[0; 16]; 5_000],
        ..request
    };
    assert_eq!(most.encode().len(), MAX_REQUEST);
    assert!(PullRequest::decode(&most.encode()).is_ok());
}
