//! Backends by weight: exact over every cycle, and never far off in between.

use proptest::prelude::*;

use crate::world::{Ask, INVALID, Worker, World, pods};

/// Names of backends; each has one endpoint, and its number is in the third octet.
const NAMES: [&str; 16] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p",
];

fn set(world: &mut World, weights: &[u32]) {
    let backends: Vec<_> = weights.iter().copied().zip(NAMES).collect();
    world.rule("r", &backends);
    for (n, name) in (0..).zip(NAMES) {
        world.service(name, vec![([10, 0, n, 1], 80).into()], None);
    }
    world.commit();
}

/// The backend of the next request.
fn next(worker: &mut Worker, world: &World) -> usize {
    let sent = worker.send(world, &Ask::get("/r")).expect("a plan");
    match sent.endpoints[0].ip() {
        std::net::IpAddr::V4(ip) => usize::from(ip.octets()[2]),
        std::net::IpAddr::V6(_) => unreachable!(),
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn shares_are_exact_over_every_cycle_and_never_far_off(
        weights in prop::collection::vec(0u32..=60, 1..=16),
        spin in any::<u64>(),
        skipped in 0usize..200,
    ) {
        let total: u32 = weights.iter().sum();
        prop_assume!(total > 0);
        let unit = weights.iter().copied().fold(0, gcd);
        let cycle = (total / unit) as usize;
        let mut world = World::default();
        set(&mut world, &weights);
        let mut worker = Worker::new(spin);
        (0..skipped).for_each(|_| { next(&mut worker, &world); });
        let mut counts = vec![0u32; weights.len()];
        for n in 1..=cycle {
            counts[next(&mut worker, &world)] += 1;
            for (count, weight) in counts.iter().zip(&weights) {
                let exact = n as f64 * f64::from(*weight) / f64::from(total);
                prop_assert!((f64::from(*count) - exact).abs() < 4.0, "{n}: {counts:?} of {weights:?}");
            }
        }
        let exact: Vec<_> = weights.iter().map(|weight| weight / unit).collect();
        prop_assert_eq!(counts, exact);
    }
}

#[test]
fn a_canary_of_one_in_a_hundred_gets_every_hundredth_request() {
    let mut world = World::default();
    set(&mut world, &[99, 1]);
    let mut worker = Worker::new(7);
    let at: Vec<_> = (0..1_000)
        .filter(|_| next(&mut worker, &world) == 1)
        .collect();
    assert_eq!(at.len(), 10);
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] == 100));
}

#[test]
fn workers_that_see_few_requests_send_a_canary_its_share_too() {
    let mut world = World::default();
    set(&mut world, &[9, 1]);
    let first = (0..1_000u64).filter(|spin| next(&mut Worker::new(*spin), &world) == 1);
    let share = first.count();
    assert!((98..=102).contains(&share), "{share} of 1,000 workers");
}

#[test]
fn two_rules_with_the_same_backends_do_not_take_each_other_s_turns() {
    let mut world = World::default();
    set(&mut world, &[1, 1]);
    world.rule("s", &[(1, "a"), (1, "b")]);
    world.commit();
    let mut worker = Worker::new(1);
    let mut counts = [0; 2];
    for _ in 0..50 {
        // In lockstep: with one sequence for both each rule would see one backend only.
        counts[next(&mut worker, &world)] += 1;
        worker.send(&world, &Ask::get("/s")).expect("a plan");
    }
    assert_eq!(counts, [25, 25]);
}

#[test]
fn a_change_of_weights_is_in_effect_at_once_and_takes_no_share_from_small_ones() {
    // A rollout that changes the weights more often than a worker completes a cycle.
    let mut world = World::default();
    let mut worker = Worker::new(5);
    let mut canary = 0;
    for step in 0..400u32 {
        set(&mut world, &[97 - step % 3, 3 + step % 3]);
        canary += (0..10).filter(|_| next(&mut worker, &world) == 1).count();
    }
    // 4 % of 4,000.
    assert!((130..=190).contains(&canary), "{canary}");
    set(&mut world, &[0, 1]);
    assert!((0..50).all(|_| next(&mut worker, &world) == 1));
}

#[test]
fn both_levels_are_exact() {
    let mut world = World::default();
    let of = |octet: u8, count: u8| (1..=count).map(move |n| ([10, 0, octet, n], 80).into());
    world.rule("r", &[(3, "a"), (1, "b")]);
    world.service("a", of(0, 3).collect(), None);
    world.service("b", of(1, 5).collect(), None);
    world.commit();
    let mut worker = Worker::new(3);
    // 15 times 3 of 4 for 3 endpoints, 15 for 5.
    let counts = worker.spread(&world, 60, |_| Ask::get("/r"));
    assert_eq!(counts.len(), 8);
    for (endpoint, count) in counts {
        let expected = if endpoint.to_string().starts_with("10.0.0.") {
            15
        } else {
            3
        };
        assert_eq!(count, expected, "{endpoint}");
    }
}

#[test]
fn shares_of_backends_that_are_not_there_are_exact_too() {
    let mut world = World::default();
    world.rule("r", &[(1, INVALID), (2, "web"), (1, "empty")]);
    world.service("web", pods(1), None);
    world.service("empty", Vec::new(), None);
    world.commit();
    let mut worker = Worker::new(9);
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..400 {
        let status = worker.send(&world, &Ask::get("/r")).err().unwrap_or(200);
        *counts.entry(status).or_insert(0) += 1;
    }
    assert_eq!(counts, [(200, 200), (500, 100), (503, 100)].into());
}
