//! Consistent hashing: what is hashed, how evenly, and what moves when endpoints change.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use proptest::prelude::*;
use silverback_core::contract::result::Outcome;
use silverback_core::table::model::{Algorithm, HashInput, UpstreamPolicy};

use crate::world::{Ask, Worker, World, hashing, passive, pod, pods, result};

fn by_header() -> Option<UpstreamPolicy> {
    Some(hashing(HashInput::Header("x-user".into())))
}

fn user(n: usize) -> Ask {
    Ask::get("/web").header("x-user", &format!("user-{n}"))
}

/// The lists of so many users.
fn lists(world: &World, worker: &mut Worker, users: usize) -> Vec<Vec<SocketAddr>> {
    let list = |n| worker.send(world, &user(n)).expect("a plan").endpoints;
    (0..users).map(list).collect()
}

#[test]
fn what_is_hashed() {
    let input = |name: &str| -> HashInput {
        match name {
            "ip" => HashInput::Ip,
            "path" => HashInput::Path,
            "header" => HashInput::Header("x-user".into()),
            "query" => HashInput::Query("q".into()),
            _ => HashInput::Cookie("c".into(), "/".into()),
        }
    };
    let get = |n: usize| Ask::get(&format!("/web/{n}?q={n}&r=1")).from(&format!("10.0.0.{n}"));
    let ask = |n: usize| {
        get(n)
            .header("x-user", &n.to_string())
            .header("cookie", &format!("a=1; c={n};d=2"))
    };
    for name in ["ip", "path", "header", "query", "cookie"] {
        let world = World::web(50, Some(hashing(input(name))));
        let firsts: Vec<_> = (0..200)
            .map(|n| Worker::new(n as u64).first(&world, &ask(n)))
            .collect();
        let distinct: std::collections::BTreeSet<_> = firsts.iter().collect();
        assert!(distinct.len() >= 40, "{name} counts");
        // Nothing else counts: another worker, other values of everything else.
        for (n, first) in firsts.iter().enumerate() {
            let other = match name {
                "ip" => Ask::get("/web/x").from(&format!("10.0.0.{n}")),
                "path" => Ask::get(&format!("/web/%2{}/../{n}?q=x", n % 10)),
                "header" => Ask::get("/web/x").header("X-User", &n.to_string()),
                "query" => Ask::get(&format!("/web/x?r=7&q={n}")),
                _ => Ask::get("/web/x").header("cookie", &format!("c={n}")),
            };
            assert_eq!(Worker::new(999).first(&world, &other), *first, "{name} {n}");
        }
    }
}

#[test]
fn a_group_of_the_path_s_pattern_by_name_or_number() {
    for group in ["tenant", "1"] {
        let mut world = World::default();
        world.pattern("web", "/t/(?P<tenant>[a-z]+)/");
        let policy = hashing(HashInput::Capture(group.into()));
        world.service("web", pods(50), Some(policy));
        world.commit();
        let first = |tenant: &str, rest: usize| {
            let ask = Ask::get(&format!("/t/{tenant}/{rest}"));
            Worker::new(rest as u64).first(&world, &ask)
        };
        let a = first("a", 0);
        assert!((0..20).all(|rest| first("a", rest) == a), "{group}");
        let others = ["b", "c", "d", "e", "f"].map(|tenant| first(tenant, 0));
        assert!(others.iter().any(|other| *other != a));
    }
    // A group that there is not: in turn.
    let mut world = World::default();
    world.pattern("web", "/t/([a-z]+)/");
    let policy = hashing(HashInput::Capture("tenant".into()));
    world.service("web", pods(10), Some(policy));
    world.commit();
    let counts = Worker::new(0).spread(&world, 10, |_| Ask::get("/t/a/"));
    assert_eq!(counts.len(), 10);
}

#[test]
fn without_a_value_the_fallback_counts_and_without_that_endpoints_take_turns() {
    let mut policy = hashing(HashInput::Header("x-user".into()));
    let world = World::web(20, Some(policy.clone()));
    for ask in [Ask::get("/web"), Ask::get("/web").header("x-user", "")] {
        let counts = Worker::new(0).spread(&world, 20, |_| ask.clone());
        assert_eq!(counts.len(), 20, "in turn");
    }
    policy.fallback = HashInput::Ip;
    let world = World::web(20, Some(policy.clone()));
    let by_ip = World::web(20, Some(hashing(HashInput::Ip)));
    for n in 0..50u64 {
        let ask = Ask::get("/web").from(&format!("10.1.1.{n}"));
        let expected = Worker::new(0).first(&by_ip, &ask);
        assert_eq!(Worker::new(n).first(&world, &ask), expected);
        // A value there is counts alone.
        let named = ask.header("x-user", "u");
        let by_user = World::web(20, by_header());
        let expected = Worker::new(0).first(&by_user, &named);
        assert_eq!(Worker::new(n).first(&world, &named), expected);
    }
    // Who the consumer is the filter does not know.
    policy.hash_on = HashInput::Consumer;
    let world = World::web(20, Some(policy));
    let ask = Ask::get("/web").from("10.1.1.1");
    let expected = Worker::new(0).first(&by_ip, &ask);
    assert_eq!(Worker::new(7).first(&world, &ask), expected);
}

#[test]
fn a_client_without_the_cookie_is_given_one_that_leads_back() {
    for fallback in [false, true] {
        let cookie = HashInput::Cookie("session".into(), "/web".into());
        let mut policy = hashing(cookie.clone());
        if fallback {
            policy = hashing(HashInput::Header("x-user".into()));
            policy.fallback = cookie;
        }
        let world = World::web(50, Some(policy));
        let mut worker = Worker::new(77);
        let mut firsts = std::collections::BTreeSet::new();
        for n in 0..100 {
            let sent = worker.send(&world, &Ask::get("/web")).expect("a plan");
            let cookie = sent.cookie.expect("a cookie");
            let (pair, attributes) = cookie.split_once("; ").expect("attributes");
            assert_eq!(attributes, "Path=/web; HttpOnly");
            assert!(
                pair.starts_with("session=") && pair.len() == 8 + 16,
                "{pair}"
            );
            // Another worker, much later.
            let again = Ask::get("/web").header("cookie", &format!("x=y; {pair}"));
            let sent_again = Worker::new(n).send(&world, &again).expect("a plan");
            assert_eq!(sent_again.endpoints, sent.endpoints);
            assert_eq!(sent_again.cookie, None, "it has one");
            firsts.insert(sent.endpoints[0]);
        }
        assert!(
            firsts.len() >= 35,
            "new clients are spread: {}",
            firsts.len()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_endpoint_that_goes_takes_only_its_own_requests_with_it(
        count in 2usize..80,
        gone in any::<prop::sample::Index>(),
    ) {
        let gone = pod(gone.index(count));
        let world = World::web(count, by_header());
        let mut less = World::web(count, by_header());
        let left = pods(count).into_iter().filter(|e| *e != gone).collect();
        less.service("web", left, by_header());
        less.commit();
        let before = lists(&world, &mut Worker::new(0), 400);
        let after = lists(&less, &mut Worker::new(1), 400);
        for (before, after) in before.iter().zip(&after) {
            // Not only the first: the whole order stays, without the one.
            let order: Vec<_> = before.iter().filter(|e| **e != gone).collect();
            let same = order.iter().zip(after).all(|(a, b)| *a == b);
            prop_assert!(same, "{before:?} {after:?}");
        }
    }

    #[test]
    fn all_workers_agree_whatever_order_endpoints_come_in_and_whatever_was_before(
        count in 1usize..60,
        order in any::<u64>(),
    ) {
        let world = World::web(count, by_header());
        let mut other = World::web(40, by_header());
        let mut worker = Worker::new(order);
        lists(&other, &mut worker, 10);
        let mut endpoints = pods(count);
        endpoints.sort_by_key(|e| (u64::from(e.port()) ^ order)
            .wrapping_mul(0x9e37_79b9).wrapping_add(match e.ip() {
                std::net::IpAddr::V4(ip) => u64::from(u32::from(ip)).wrapping_mul(order | 1),
                std::net::IpAddr::V6(_) => 0,
            }));
        other.service("web", endpoints, by_header());
        other.commit();
        prop_assert_eq!(
            lists(&world, &mut Worker::new(5), 60),
            lists(&other, &mut worker, 60)
        );
    }
}

#[test]
fn loads_are_even() {
    for (count, users) in [(2, 20_000), (3, 20_000), (10, 50_000), (100, 100_000)] {
        let world = World::web(count, by_header());
        let counts = Worker::new(0).spread(&world, users, user);
        let average = users as f64 / count as f64;
        let most = *counts.values().max().expect("one") as f64 / average;
        // 1.05 by the paper, and three standard deviations of the sample.
        assert!(most < 1.05 + 3.0 / average.sqrt() + 0.03, "{count}: {most}");
        assert_eq!(counts.len(), count);
    }
}

#[test]
fn ten_thousand_endpoints_of_which_one_goes() {
    let mut world = World::web(10_000, by_header());
    let mut worker = Worker::new(0);
    let before = lists(&world, &mut worker, 5_000);
    let counts = before.iter().fold(BTreeMap::new(), |mut counts, list| {
        *counts.entry(list[0]).or_insert(0) += 1;
        counts
    });
    assert!(counts.len() > 3_500 && *counts.values().max().unwrap() <= 6);
    let gone = before[0][0];
    let left = pods(10_000).into_iter().filter(|e| *e != gone).collect();
    world.service("web", left, by_header());
    world.commit();
    let after = lists(&world, &mut worker, 5_000);
    let moved = before.iter().zip(&after).filter(|(a, b)| a[0] != b[0]);
    assert_eq!(moved.count(), counts[&gone]);
}

#[test]
fn an_ejected_endpoint_s_requests_move_as_if_it_were_gone_and_come_back() {
    let mut policy = passive(Algorithm::ConsistentHashing);
    policy.hash_on = HashInput::Header("x-user".into());
    let world = World::web(10, Some(policy.clone()));
    let mut worker = Worker::new(0);
    let before = lists(&world, &mut worker, 300);
    let bad = before[0][0];
    for _ in 0..3 {
        let sent = worker.send(&world, &user(0)).expect("a plan");
        assert_eq!(sent.endpoints[0], bad);
        worker.end(&sent, &result(503, &[Outcome::Answered]));
    }
    let during = lists(&world, &mut worker, 300);
    let mut less = World::web(10, None);
    let left = pods(10).into_iter().filter(|e| *e != bad).collect();
    less.service("web", left, Some(policy));
    less.commit();
    assert_eq!(during, lists(&less, &mut Worker::new(9), 300));
    worker.pass(10_000);
    assert_eq!(lists(&world, &mut worker, 300), before);
}
