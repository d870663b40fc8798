//! Which backend and endpoints: exact weights, shares of what is not there, order of tries.

use std::collections::BTreeMap;
use std::sync::Arc;

use silverback_core::table::model::{Backend, BackendTarget, RouteKind, Scope, ServiceEndpoints};

use crate::sketch::{Sketch, get, host, matching, pods, service};
use crate::support::built::Built;
use crate::support::oracle::Seen;

/// A route with these backends: `None` is an invalid one.
fn table(backends: &[(u32, Option<(&str, u8)>)]) -> Built {
    let mut m = matching(RouteKind::HttpRoute, "r", "/");
    Arc::make_mut(&mut m.rule).backends = backends
        .iter()
        .map(|(weight, target)| {
            let target = target.map_or(BackendTarget::Invalid, |(name, _)| {
                BackendTarget::Service(service(name))
            });
            Backend::new(*weight, target)
        })
        .collect();
    let scope = Scope::Listener {
        port: 80,
        hostname: host(""),
    };
    let mut table = Sketch::default().listener("").add(scope, "", m);
    for (name, count) in backends.iter().filter_map(|(_, target)| *target) {
        // Every Service has addresses of its own: its first letter says whose they are.
        let octet = name.as_bytes()[0];
        let endpoints = (1..=count).map(|n| ([10, 0, octet, n], 80).into());
        let endpoints = ServiceEndpoints {
            endpoints: endpoints.collect(),
            ..ServiceEndpoints::default()
        };
        table.model.services.insert(service(name), endpoints);
    }
    table.built()
}

/// Who answered how often: the Service's letter, or the status.
fn spread(table: &Built, requests: u64) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for spin in 1..=requests {
        let who = match table.answer(&get("a", "/"), spin) {
            Seen::Reply(status) => status.to_string(),
            Seen::Proxy { endpoints, .. } => match endpoints[0].ip() {
                core::net::IpAddr::V4(ip) => char::from(ip.octets()[2]).to_string(),
                core::net::IpAddr::V6(_) => "v6".to_owned(),
            },
        };
        *counts.entry(who).or_default() += 1;
    }
    counts
}

#[test]
fn weights_are_kept_within_two_of_ten_thousand() {
    for (name, weights) in [
        ("a canary", vec![1, 99]),
        ("halves", vec![1, 1]),
        ("thirds", vec![1, 1, 1]),
        ("uneven", vec![7, 2, 1]),
        ("large numbers", vec![1_000_000, 1_000_000, 500_000]),
        ("one of a thousand", vec![1, 999]),
        ("zero gets nothing", vec![0, 3, 1]),
    ] {
        let names = ["a", "b", "c"];
        let backends: Vec<_> = weights
            .iter()
            .zip(names)
            .map(|(weight, name)| (*weight, Some((name, 1))))
            .collect();
        let counts = spread(&table(&backends), 10_000);
        let total: u32 = weights.iter().sum();
        for (weight, name_of) in weights.iter().zip(names) {
            let exact = f64::from(*weight) * 10_000.0 / f64::from(total);
            let got = counts.get(name_of).copied().unwrap_or(0) as f64;
            let allowed = if *weight == 0 { 0.0 } else { 2.0 };
            assert!((got - exact).abs() <= allowed, "{name}: {got} of {exact}");
        }
    }
}

#[test]
fn an_invalid_backend_s_share_is_answered_500() {
    let counts = spread(&table(&[(1, None), (3, Some(("a", 1)))]), 1_000);
    assert!((counts["500"] - 250).abs() <= 2, "{counts:?}");
    assert_eq!(counts["500"] + counts["a"], 1_000);
}

#[test]
fn a_service_without_endpoints_has_its_share_answered_503() {
    let counts = spread(&table(&[(1, Some(("e", 0))), (1, Some(("a", 1)))]), 1_000);
    assert!((counts["503"] - 500).abs() <= 2, "{counts:?}");
}

#[test]
fn rules_that_nobody_can_serve() {
    for (name, backends, status) in [
        ("no backend", vec![], "500"),
        ("weight 0 alone", vec![(0, Some(("a", 1)))], "500"),
        (
            "all weights 0",
            vec![(0, Some(("a", 1))), (0, Some(("b", 1)))],
            "500",
        ),
        ("invalid alone", vec![(1, None)], "500"),
        (
            "invalid with weight 0 beside nothing",
            vec![(0, None)],
            "500",
        ),
        (
            "a Service without endpoints",
            vec![(1, Some(("a", 0)))],
            "503",
        ),
    ] {
        let counts = spread(&table(&backends), 20);
        assert_eq!(counts.get(status), Some(&20), "{name}: {counts:?}");
    }
    let mut unknown = Sketch::default().ingress("gone", "a.test", "/");
    unknown.model.services.clear();
    assert_eq!(
        unknown.which(&get("a.test", "/")),
        "503",
        "a Service that the table does not know"
    );
}

#[test]
fn tries_go_round_the_ring_from_an_evenly_chosen_endpoint() {
    for count in [1u8, 2, 5, 6, 7, 16, 40] {
        let mut table = Sketch::default().ingress("i", "a.test", "/");
        table.model.services.insert(service("i"), pods(count));
        let built = table.built();
        let mut firsts = BTreeMap::new();
        for spin in 1..=4_000 {
            let Seen::Proxy { endpoints, .. } = built.answer(&get("a.test", "/"), spin) else {
                panic!("{count} endpoints and no plan");
            };
            assert_eq!(
                endpoints.len(),
                usize::from(count.min(6)),
                "at most six tries"
            );
            for pair in endpoints.windows(2) {
                let last = |at: usize| match pair[at].ip() {
                    core::net::IpAddr::V4(ip) => ip.octets()[3],
                    core::net::IpAddr::V6(_) => 0,
                };
                assert_eq!(last(1), last(0) % count + 1, "the next one, round the end");
            }
            *firsts.entry(endpoints[0]).or_insert(0i64) += 1;
        }
        assert_eq!(
            firsts.len(),
            usize::from(count),
            "every endpoint is first at times"
        );
        let even = 4_000 / i64::from(count);
        let worst = firsts.values().map(|n| (n - even).abs()).max();
        assert!(worst <= Some(6), "{count} endpoints: {worst:?} off {even}");
    }
}

#[test]
fn the_choice_of_backend_does_not_skew_the_choice_of_endpoint() {
    let built = table(&[(1, Some(("a", 4))), (1, Some(("b", 4)))]);
    let mut counts = BTreeMap::new();
    for spin in 1..=8_000 {
        if let Seen::Proxy { endpoints, .. } = built.answer(&get("a", "/"), spin) {
            *counts.entry(endpoints[0]).or_insert(0i64) += 1;
        }
    }
    assert_eq!(counts.len(), 8);
    assert!(
        counts.values().all(|n| (n - 1_000).abs() <= 20),
        "{counts:?}"
    );
}

#[test]
fn endpoints_are_sorted_and_doubles_removed_whatever_their_order() {
    let mut one = Sketch::default().ingress("i", "a.test", "/");
    let mut other = one.clone();
    let list = |texts: &[&str]| ServiceEndpoints {
        endpoints: texts
            .iter()
            .map(|t| t.parse().expect("an address"))
            .collect(),
        ..ServiceEndpoints::default()
    };
    let orders = [
        list(&[
            "[fd00::1]:80",
            "10.0.0.2:80",
            "10.0.0.1:81",
            "10.0.0.1:80",
            "10.0.0.2:80",
        ]),
        list(&["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:80", "10.0.0.1:81"]),
    ];
    let [a, b] = orders;
    one.model.services.insert(service("i"), a);
    other.model.services.insert(service("i"), b);
    assert_eq!(one.built().segments, other.built().segments);
}
