//! Round-robin within a Service.

use silverback_core::table::model::UpstreamPolicy;

use crate::world::{Ask, Worker, World, pod, pods};

#[test]
fn every_endpoint_has_its_turn_once_a_cycle_wherever_that_begins() {
    for policy in [None, Some(UpstreamPolicy::default())] {
        for count in [1, 2, 3, 7, 100, 10_000] {
            let world = World::web(count, policy.clone());
            let mut worker = Worker::new(11);
            (0..count / 3).for_each(|_| {
                worker.first(&world, &Ask::get("/web"));
            });
            let counts = worker.spread(&world, count, |_| Ask::get("/web"));
            assert_eq!(counts.len(), count, "{policy:?}");
        }
    }
}

#[test]
fn tries_go_on_with_the_endpoints_whose_turns_are_next() {
    let world = World::web(10, None);
    let mut worker = Worker::new(4);
    for _ in 0..30 {
        let sent = worker.send(&world, &Ask::get("/web")).expect("a plan");
        assert_eq!(sent.endpoints.len(), 6, "a first try and five retries");
        let at = |endpoint| (0..10).position(|n| pod(n) == endpoint).expect("a pod");
        for pair in sent.endpoints.windows(2) {
            assert_eq!(at(pair[1]), (at(pair[0]) + 1) % 10);
        }
        assert!(sent.ticket.is_none(), "nothing must be told");
    }
}

#[test]
fn the_turn_survives_a_change_of_the_table() {
    let mut world = World::web(100, None);
    let mut worker = Worker::new(4);
    let mut seen = std::collections::BTreeSet::new();
    for n in 0..100 {
        seen.insert(worker.first(&world, &Ask::get("/web")));
        // Another Service changes with every request.
        world.service("other", pods(n + 1), None);
        world.commit();
    }
    assert_eq!(seen.len(), 100);
    // Endpoints go: what is left takes turns.
    world.service("web", pods(3), None);
    world.commit();
    let counts = worker.spread(&world, 30, |_| Ask::get("/web"));
    assert!(counts.values().all(|count| *count == 10), "{counts:?}");
}

#[test]
fn workers_begin_at_different_endpoints() {
    let world = World::web(50, None);
    let mut firsts = std::collections::BTreeMap::new();
    for spin in 0..500 {
        let first = Worker::new(spin).first(&world, &Ask::get("/web"));
        *firsts.entry(first).or_insert(0) += 1;
    }
    assert!(firsts.len() == 50 && firsts.values().all(|n| (8..=12).contains(n)));
}
