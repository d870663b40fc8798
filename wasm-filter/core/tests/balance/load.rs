//! Least connections: the less loaded of two.

use std::collections::BTreeMap;

use silverback_core::contract::result::Outcome;
use silverback_core::table::model::{Algorithm, UpstreamPolicy};

use crate::world::{Ask, Worker, World, passive, pod, result};

const PERIOD: u64 = 600_000;

fn least(algorithm: Algorithm) -> Option<UpstreamPolicy> {
    Some(UpstreamPolicy {
        algorithm,
        ..UpstreamPolicy::default()
    })
}

#[test]
fn of_two_endpoints_the_one_with_fewer_requests_in_flight_is_first() {
    for algorithm in [Algorithm::LeastConnections, Algorithm::Latency] {
        let world = World::web(2, least(algorithm));
        let mut worker = Worker::new(1);
        let ask = Ask::get("/web");
        let mut open = Vec::new();
        for _ in 0..20 {
            open.push(worker.send(&world, &ask).expect("a plan"));
        }
        let of = |n| {
            open.iter()
                .filter(|sent| sent.endpoints[0] == pod(n))
                .count()
        };
        assert_eq!((of(0), of(1)), (10, 10));
        // All of one endpoint's end: the next ten are its.
        for sent in open.iter().filter(|sent| sent.endpoints[0] == pod(1)) {
            worker.end(sent, &result(200, &[Outcome::Answered]));
        }
        for _ in 0..10 {
            let sent = worker.send(&world, &ask).expect("a plan");
            assert_eq!(sent.endpoints, [pod(1), pod(0)], "the other is tried next");
        }
    }
}

#[test]
fn the_load_of_many_is_even_and_the_slow_one_gets_less() {
    let world = World::web(100, least(Algorithm::LeastConnections));
    let ask = Ask::get("/web");
    let mut worker = Worker::new(2);
    let mut counts = BTreeMap::new();
    let sent: Vec<_> = (0..10_000)
        .map(|_| worker.send(&world, &ask).expect("a plan"))
        .collect();
    for sent in &sent {
        *counts.entry(sent.endpoints[0]).or_insert(0i32) += 1;
    }
    // Mitzenmacher: the most loaded has ln ln n / ln 2 more than the average, about two.
    assert_eq!(counts.len(), 100);
    assert!(
        counts.values().all(|n| (90..=105).contains(n)),
        "{counts:?}"
    );

    // One endpoint never answers, the others at once.
    let mut worker = Worker::new(3);
    let mut stuck = 0;
    for _ in 0..10_000 {
        let sent = worker.send(&world, &ask).expect("a plan");
        if sent.endpoints[0] == pod(42) {
            stuck += 1;
        } else {
            worker.end(&sent, &result(200, &[Outcome::Answered]));
        }
    }
    assert!((1..=3).contains(&stuck), "{stuck} requests wait");
}

#[test]
fn what_is_never_told_to_be_over_expires() {
    let world = World::web(2, least(Algorithm::LeastConnections));
    let ask = Ask::get("/web");
    let mut worker = Worker::new(1);
    // 100 requests whose end nobody tells, all but one at one endpoint.
    let mut first = None;
    for _ in 0..100 {
        let sent = worker.send(&world, &ask).expect("a plan");
        let lost = *first.get_or_insert(sent.endpoints[0]);
        if sent.endpoints[0] != lost {
            worker.end(&sent, &result(200, &[Outcome::Answered]));
        }
    }
    let lost = first.expect("one");
    let other = if lost == pod(0) { pod(1) } else { pod(0) };
    for _ in 0..20 {
        assert_eq!(worker.first(&world, &ask), other, "still counted");
    }
    worker.pass(2 * PERIOD);
    let counts = worker.spread(&world, 200, |_| ask.clone());
    assert!(counts[&lost] > 60, "{counts:?}");
}

#[test]
fn counts_survive_a_change_of_the_table() {
    let mut world = World::web(2, least(Algorithm::LeastConnections));
    let ask = Ask::get("/web");
    let mut worker = Worker::new(1);
    let busy = worker.send(&world, &ask).expect("a plan");
    let mut endpoints: Vec<_> = (0..2).map(pod).collect();
    endpoints.push(([9, 0, 0, 1], 80).into());
    world.service("web", endpoints, least(Algorithm::LeastConnections));
    world.commit();
    let counts = worker.spread(&world, 3_000, |_| ask.clone());
    // The busy one loses every draw; of the others each wins against the other half of the time.
    assert_eq!(counts.get(&busy.endpoints[0]), None, "{counts:?}");
    assert_eq!(counts.len(), 2);
}

#[test]
fn an_ejected_endpoint_is_not_drawn() {
    let world = World::web(4, Some(passive(Algorithm::LeastConnections)));
    let ask = Ask::get("/web");
    let mut worker = Worker::new(1);
    // Requests to endpoint 0 fail; it is ejected after three.
    let mut failed = 0;
    for _ in 0..1_000 {
        let sent = worker.send(&world, &ask).expect("a plan");
        if sent.endpoints[0] == pod(0) {
            failed += 1;
            worker.end(&sent, &result(502, &[Outcome::Failed]));
        } else {
            worker.end(&sent, &result(200, &[Outcome::Answered]));
        }
    }
    assert_eq!((failed, worker.scratch.balancer.ejections()), (3, 1));
    let sent = worker.send(&world, &ask).expect("a plan");
    assert_eq!(sent.endpoints.len(), 3, "nor tried after others");
    assert!(!sent.endpoints.contains(&pod(0)));
}
