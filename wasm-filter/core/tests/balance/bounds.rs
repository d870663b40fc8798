//! What a worker remembers is bounded and forgotten.

use silverback_core::contract::result::Outcome;
use silverback_core::table::model::{Algorithm, HashInput};

use crate::world::{Ask, Worker, World, hashing, passive, pod, pods, result};

#[test]
fn forty_thousand_services_and_rules_are_served_however_many_are_remembered() {
    // Names are all that differs, so one table after the other does.
    let mut worker = Worker::new(1);
    for n in 0..200 {
        let mut world = World::default();
        for m in 0..200 {
            let (name, other) = (format!("s{n}-{m}"), format!("t{n}-{m}"));
            world.rule(&name, &[(1, &name), (1, &other)]);
            world.service(&name, pods(2), None);
            world.service(&other, pods(2), None);
        }
        world.commit();
        for m in 0..200 {
            let ask = Ask::get(&format!("/s{n}-{m}"));
            let counts = worker.spread(&world, 4, |_| ask.clone());
            assert_eq!(counts.len(), 2, "{n} {m}");
        }
    }
}

#[test]
fn a_service_of_ten_thousand_endpoints_works_under_every_policy() {
    for (algorithm, hash_on) in [
        (Algorithm::RoundRobin, HashInput::None),
        (Algorithm::LeastConnections, HashInput::None),
        (Algorithm::Latency, HashInput::None),
        (Algorithm::ConsistentHashing, HashInput::Ip),
        (
            Algorithm::StickySessions,
            HashInput::Cookie("c".into(), "/".into()),
        ),
    ] {
        let mut policy = passive(algorithm);
        policy.hash_on = hash_on;
        let mut world = World::web(10_000, Some(policy.clone()));
        let mut worker = Worker::new(1);
        let mut firsts = std::collections::BTreeSet::new();
        for n in 0..2_000u32 {
            // Endpoints come and go all the time, and a third of the tries fails.
            if n % 100 == 0 {
                world.service("web", pods(10_000 - n as usize), Some(policy.clone()));
                world.commit();
            }
            let ask = Ask::get("/web").from(&n.to_string());
            let sent = worker.send(&world, &ask).expect("a plan");
            assert_eq!(sent.endpoints.len(), 6);
            firsts.insert(sent.endpoints[0]);
            let outcome = [Outcome::Failed, Outcome::TimedOut, Outcome::Answered];
            worker.end(&sent, &result(503, &[outcome[n as usize % 3]]));
            worker.pass(50);
        }
        assert!(firsts.len() > 1_500, "{algorithm:?} {}", firsts.len());
    }
}

#[test]
fn what_is_not_used_for_ten_minutes_is_forgotten() {
    let policy = passive(Algorithm::RoundRobin);
    let world = World::web(4, Some(policy));
    let ask = Ask::get("/web");
    let fail = |worker: &mut Worker, requests: usize| {
        for _ in 0..requests {
            let sent = worker.send(&world, &ask).expect("a plan");
            let bad = sent.endpoints[0] == pod(0);
            let outcome = if bad {
                Outcome::Failed
            } else {
                Outcome::Answered
            };
            worker.end(&sent, &result(200, &[outcome]));
        }
    };
    let mut worker = Worker::new(1);
    fail(&mut worker, 12);
    assert_eq!(worker.scratch.balancer.ejections(), 1);
    worker.pass(601_000);
    for _ in 0..100 {
        worker.scratch.balancer.sweep();
    }
    // No probation is left of it: three failures are needed again.
    fail(&mut worker, 8);
    assert_eq!(worker.scratch.balancer.ejections(), 1);
    fail(&mut worker, 4);
    assert_eq!(worker.scratch.balancer.ejections(), 2);
}

#[test]
fn a_service_that_is_gone_or_loses_its_policy_begins_anew() {
    let mut world = World::web(4, Some(passive(Algorithm::RoundRobin)));
    let mut worker = Worker::new(1);
    let ask = Ask::get("/web");
    for _ in 0..12 {
        let sent = worker.send(&world, &ask).expect("a plan");
        let bad = sent.endpoints[0] == pod(0);
        let outcome = if bad {
            Outcome::Failed
        } else {
            Outcome::Answered
        };
        worker.end(&sent, &result(200, &[outcome]));
    }
    assert_eq!(worker.spread(&world, 30, |_| ask.clone()).len(), 3);
    world.service("web", pods(4), None);
    world.commit();
    assert_eq!(worker.spread(&world, 40, |_| ask.clone()).len(), 4);
    // From one policy to another.
    world.service("web", pods(4), Some(hashing(HashInput::Path)));
    world.commit();
    assert_eq!(worker.spread(&world, 40, |_| ask.clone()).len(), 1);
}
