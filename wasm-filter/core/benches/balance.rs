//! `cargo bench -p silverback-core --bench balance`: a whole answer (rule, endpoints, plan) under each
//! policy, by the number of endpoints; what the end of a request costs; and the first request after an
//! endpoint has come or gone. `no policy` is the baseline: what the others take beyond it is theirs.
#![allow(missing_docs, reason = "a bench has no readers of its documentation")]

use divan::{Bencher, black_box};
use silverback_core::contract::result::{Outcome, PlanResult};
use silverback_core::table::model::{Algorithm, HashInput, UpstreamPolicy};

#[allow(dead_code, reason = "shared with the tests, a bench uses a part of it")]
#[path = "../tests/balance/world.rs"]
mod world;
use world::{Ask, Worker, World, hashing, passive, pods, result};

const COUNTS: [usize; 3] = [3, 100, 10_000];

fn main() {
    divan::main();
}

/// Requests of 1,000 users.
fn users() -> Vec<Ask> {
    let ask = |n| Ask::get("/web/orders/42").header("x-user", &format!("user-{n}"));
    (0..1_000).map(ask).collect()
}

fn run(bencher: Bencher<'_, '_>, world: &World) {
    let asks = users();
    let mut worker = Worker::new(1);
    let mut n = 0;
    bencher.bench_local(|| {
        n = (n + 1) % asks.len();
        worker.answer(black_box(world), &asks[n])
    });
}

/// The same, and the end of each request with its result, after so many others.
fn run_with_end(bencher: Bencher<'_, '_>, world: &World, told: &PlanResult, before: usize) {
    let asks = users();
    let mut worker = Worker::new(1);
    let mut n = 0;
    let mut one = || {
        n = (n + 1) % asks.len();
        worker.answer(black_box(world), &asks[n]);
        if let Some(ticket) = worker.scratch.ticket.take() {
            worker.scratch.balancer.done(&ticket, Some(told));
        }
    };
    (0..before).for_each(|_| one());
    bencher.bench_local(one);
}

fn only(algorithm: Algorithm, hash_on: HashInput) -> Option<UpstreamPolicy> {
    Some(UpstreamPolicy {
        passive: None,
        hash_on,
        ..passive(algorithm)
    })
}

fn by_user() -> HashInput {
    HashInput::Header("x-user".into())
}

#[divan::bench(args = COUNTS, sample_size = 1_000)]
fn a_no_policy(bencher: Bencher<'_, '_>, count: usize) {
    run(bencher, &World::web(count, None));
}

/// Several backends by weight.
#[divan::bench(args = [2, 16], sample_size = 1_000)]
fn b_weighted_backends(bencher: Bencher<'_, '_>, backends: u32) {
    let names: Vec<String> = (0..backends).map(|n| format!("s{n}")).collect();
    let mut world = World::default();
    let list: Vec<_> = (1..).zip(names.iter().map(String::as_str)).collect();
    world.rule("web", &list);
    for name in &names {
        world.service(name, pods(3), None);
    }
    world.commit();
    run(bencher, &world);
}

#[divan::bench(args = COUNTS, sample_size = 1_000)]
fn c_round_robin_with_passive_checks(bencher: Bencher<'_, '_>, count: usize) {
    let world = World::web(count, Some(passive(Algorithm::RoundRobin)));
    run_with_end(bencher, &world, &result(200, &[Outcome::Answered]), 0);
}

/// Half of the endpoints are ejected.
#[divan::bench(args = COUNTS, sample_size = 1_000)]
fn d_round_robin_half_ejected(bencher: Bencher<'_, '_>, count: usize) {
    let world = World::web(count, Some(passive(Algorithm::RoundRobin)));
    run_with_end(
        bencher,
        &world,
        &result(503, &[Outcome::Answered]),
        count * 8,
    );
}

#[divan::bench(args = COUNTS, sample_size = 1_000)]
fn e_least_connections(bencher: Bencher<'_, '_>, count: usize) {
    let world = World::web(count, only(Algorithm::LeastConnections, HashInput::None));
    run_with_end(bencher, &world, &result(200, &[Outcome::Answered]), 0);
}

#[divan::bench(args = COUNTS, sample_size = 1_000)]
fn f_consistent_hashing(bencher: Bencher<'_, '_>, count: usize) {
    run(
        bencher,
        &World::web(count, only(Algorithm::ConsistentHashing, by_user())),
    );
}

/// Every request is of a new client, which gets a cookie.
#[divan::bench(args = COUNTS, sample_size = 1_000)]
fn g_sticky_new_client(bencher: Bencher<'_, '_>, count: usize) {
    let cookie = HashInput::Cookie("c".into(), "/".into());
    run(
        bencher,
        &World::web(count, only(Algorithm::StickySessions, cookie)),
    );
}

#[divan::bench(args = COUNTS, sample_size = 1_000)]
fn h_sticky_known_client(bencher: Bencher<'_, '_>, count: usize) {
    let cookie = HashInput::Cookie("c".into(), "/".into());
    let world = World::web(count, only(Algorithm::StickySessions, cookie));
    let mut worker = Worker::new(1);
    let asks: Vec<_> = (0..1_000)
        .map(|_| {
            let sent = worker.send(&world, &Ask::get("/web")).expect("a plan");
            let cookie = sent.cookie.expect("a cookie");
            Ask::get("/web").header("cookie", cookie.split(';').next().unwrap_or_default())
        })
        .collect();
    let mut n = 0;
    bencher.bench_local(|| {
        n = (n + 1) % asks.len();
        worker.answer(black_box(&world), &asks[n])
    });
}

/// The first request after an endpoint has come or gone: the ring is made anew.
#[divan::bench(args = COUNTS, sample_size = 20)]
fn i_consistent_hashing_after_a_change(bencher: Bencher<'_, '_>, count: usize) {
    let policy = Some(hashing(by_user()));
    let before = World::web(count, policy.clone());
    let mut after = World::web(count, policy.clone());
    after.service("web", pods(count - 1), policy);
    after.commit();
    let asks = users();
    let mut worker = Worker::new(1);
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        let world = if n % 2 == 0 { &before } else { &after };
        worker.answer(black_box(world), &asks[n % asks.len()])
    });
}

/// The same without a ring.
#[divan::bench(args = COUNTS, sample_size = 20)]
fn j_passive_checks_after_a_change(bencher: Bencher<'_, '_>, count: usize) {
    let policy = Some(passive(Algorithm::RoundRobin));
    let before = World::web(count, policy.clone());
    let mut after = World::web(count, policy.clone());
    after.service("web", pods(count - 1), policy);
    after.commit();
    let asks = users();
    let mut worker = Worker::new(1);
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        let world = if n % 2 == 0 { &before } else { &after };
        worker.answer(black_box(world), &asks[n % asks.len()])
    });
}
