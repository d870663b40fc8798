//! Policies in both forms of the filter: the same endpoints, cookies, metrics and host calls.

use std::time::Duration;

use silverback_core::contract::result::{Outcome, PlanResult, Try};
use silverback_core::table::model::{
    Algorithm, HashInput, PassiveChecks, ServicePort, UpstreamPolicy,
};
use silverback_emulator::SharedStore;

use crate::harness::{get, model, node, plan, scenario, usual, who};
use crate::support::runtime::{Input, Open, Output, Runtime};

const SECOND: Duration = Duration::from_secs(1);

/// A node whose only route, at a.test, has so many endpoints under a policy.
fn with(count: u8, policy: UpstreamPolicy) -> impl Fn() -> SharedStore {
    move || {
        let mut model = model(&[("web", "a.test", "/", None)]);
        let key = ServicePort {
            namespace: "ns".into(),
            name: "web".into(),
            port: 80,
        };
        let service = model.services.get_mut(&key).expect("the Service");
        service.endpoints = (1..=count).map(|n| ([10, 0, 0, n], 8080).into()).collect();
        service.settings.policy = Some(policy.clone());
        node(&model)
    }
}

fn policy(algorithm: Algorithm, hash_on: HashInput) -> UpstreamPolicy {
    UpstreamPolicy {
        algorithm,
        hash_on,
        passive: Some(PassiveChecks {
            tcp_failures: 2,
            timeouts: 2,
            http_failures: 2,
            codes: vec![503],
            successes: 1,
        }),
        ..UpstreamPolicy::default()
    }
}

fn result(status: u16, outcomes: &[Outcome]) -> PlanResult {
    let tries = (0..).zip(outcomes).map(|(endpoint, outcome)| Try {
        endpoint,
        outcome: *outcome,
    });
    PlanResult {
        status,
        tries: tries.collect(),
    }
}

fn first(output: &Output) -> String {
    plan(output).endpoints[0].ip().to_string()
}

/// The value of a metric; 0 if it has not been told.
fn metric(worker: &Runtime, name: &str) -> u64 {
    let all = worker.metrics();
    let found = all.iter().find(|(known, _)| known == name);
    found.map_or(0, |(_, value)| *value)
}

#[test]
fn requests_in_flight_count_until_they_end() {
    let least = policy(Algorithm::LeastConnections, HashInput::None);
    scenario("", with(2, least), |worker| {
        let ask = get("a.test", "/");
        let mut outputs = Vec::new();
        let mut open: Vec<(String, Open)> = Vec::new();
        for _ in 0..20 {
            let (output, handle) = worker.begin(&ask);
            open.push((first(&output), handle));
            outputs.push(output);
        }
        let of_one = open.iter().filter(|(ip, _)| ip == "10.0.0.1");
        assert_eq!(of_one.count(), 10);
        let (ended, left): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(ip, _)| ip == "10.0.0.2");
        for (_, handle) in ended {
            worker.end(handle, Some(&result(200, &[Outcome::Answered])));
        }
        for _ in 0..10 {
            let (output, handle) = worker.begin(&ask);
            assert_eq!(first(&output), "10.0.0.2");
            worker.end(handle, Some(&result(200, &[Outcome::Answered])));
            let calls = worker.calls();
            assert_eq!(calls.total, 5, "request, epoch, plan, result, clock");
            outputs.push(output);
        }
        // Nobody tells the end of these. After two periods of ten minutes they do not count any more.
        drop(left);
        worker.pass(Duration::from_secs(1_200));
        let after: Vec<_> = (0..40).map(|_| worker.request(&ask)).collect();
        let ones = after.iter().filter(|output| first(output) == "10.0.0.1");
        assert!((10..=30).contains(&ones.count()));
        outputs.extend(after);
        outputs
    });
}

#[test]
fn failures_told_by_the_result_eject_for_a_while() {
    let round_robin = policy(Algorithm::RoundRobin, HashInput::None);
    scenario("", with(4, round_robin), |worker| {
        let ask = get("a.test", "/");
        // The first request reads the table.
        let mut outputs = vec![worker.request(&ask)];
        let mut run = |worker: &mut Runtime, requests: usize, bad: &str| {
            let mut seen = 0;
            for _ in 0..requests {
                let (output, handle) = worker.begin(&ask);
                let fails = first(&output) == bad;
                seen += usize::from(first(&output) == "10.0.0.3");
                let told = match fails {
                    true => result(200, &[Outcome::Failed, Outcome::Answered]),
                    false => result(200, &[Outcome::Answered]),
                };
                worker.end(handle, Some(&told));
                assert!(worker.calls().total <= 7, "{:?}", worker.calls());
                outputs.push(output);
            }
            seen
        };
        assert_eq!(run(worker, 8, "10.0.0.3"), 2);
        assert_eq!(run(worker, 30, "10.0.0.3"), 0);
        worker.pass(9 * SECOND);
        assert_eq!(metric(worker, "silverback_ejections_total"), 1);
        assert_eq!(run(worker, 30, ""), 0);
        worker.pass(SECOND);
        assert_eq!(run(worker, 40, ""), 10);
        outputs
    });
}

#[test]
fn a_result_that_is_missing_or_cannot_be_read_ends_the_request_all_the_same() {
    let least = policy(Algorithm::LeastConnections, HashInput::None);
    scenario("", with(2, least), |worker| {
        let ask = get("a.test", "/");
        // Each ends before the next begins, so nothing is in flight and both are drawn.
        let outputs: Vec<_> = (0..60).map(|_| worker.request(&ask)).collect();
        let ones = outputs.iter().filter(|output| first(output) == "10.0.0.1");
        assert!((15..=45).contains(&ones.count()));
        outputs
    });
}

#[test]
fn a_cookie_is_set_once_and_leads_back() {
    let hashing = policy(
        Algorithm::ConsistentHashing,
        HashInput::Cookie("c".into(), "/".into()),
    );
    let sticky = policy(
        Algorithm::StickySessions,
        HashInput::Cookie("c".into(), "/".into()),
    );
    for policy in [hashing, sticky] {
        scenario("", with(20, policy), |worker| {
            let mut outputs = Vec::new();
            for _ in 0..10 {
                let new = worker.request(&get("a.test", "/"));
                let (name, cookie) = new.response[0].clone();
                assert_eq!((&*name, new.response.len()), ("set-cookie", 1));
                let pair = cookie
                    .strip_suffix("; Path=/; HttpOnly")
                    .expect("attributes");
                let headers = vec![("cookie".to_owned(), format!("a=b; {pair}").into_bytes())];
                let again = worker.request(&Input {
                    headers,
                    ..get("a.test", "/")
                });
                assert_eq!((first(&again), &*again.response), (first(&new), &[][..]));
                outputs.extend([new, again]);
            }
            outputs
        });
    }
}

#[test]
fn a_hash_of_a_header_is_one_more_host_call() {
    let hashing = UpstreamPolicy {
        passive: None,
        ..policy(
            Algorithm::ConsistentHashing,
            HashInput::Header("x-user".into()),
        )
    };
    scenario("", with(20, hashing), |worker| {
        let ask = Input {
            headers: vec![("x-user".to_owned(), b"42".to_vec())],
            ..get("a.test", "/")
        };
        let outputs: Vec<_> = (0..5).map(|_| worker.request(&ask)).collect();
        assert!(
            outputs
                .iter()
                .all(|output| first(output) == first(&outputs[0]))
        );
        assert_eq!(worker.calls().total, 4, "request, epoch, header, plan");
        outputs
    });
}

#[test]
fn requests_are_counted_by_outcome_and_told_by_the_tick() {
    scenario("", usual, |worker| {
        let mut outputs = Vec::new();
        for (host, target, expected) in [
            ("a.test", "/api", "api"),
            ("a.test", "/api", "api"),
            ("b.test", "/", "404"),
            ("a b", "/", "400"),
        ] {
            let output = worker.request(&get(host, target));
            assert_eq!(who(&output), expected);
            outputs.push(output);
        }
        assert_eq!(worker.metrics(), [], "a request tells nothing");
        worker.pass(SECOND);
        let told = |name: &str, value| (format!("silverback_{name}"), value);
        let mut expected = vec![
            told("requests_total_outcome=proxied", 2),
            told("requests_total_outcome=bad_request", 1),
            told("requests_total_outcome=no_route", 1),
            told(
                "segment_loads_total",
                worker
                    .metrics()
                    .iter()
                    .find(|(name, _)| name == "silverback_segment_loads_total")
                    .map_or(0, |(_, loads)| *loads),
            ),
            told("epoch", 1),
        ];
        expected.sort();
        let mut got = worker.metrics();
        got.sort();
        assert_eq!(got, expected);
        assert!(metric(worker, "silverback_segment_loads_total") >= 3);
        // Nothing new, nothing told but the time asked.
        worker.pass(SECOND);
        assert_eq!(worker.calls().total, 1);
        worker.request(&get("a.test", "/api"));
        worker.pass(SECOND);
        assert_eq!(
            metric(worker, "silverback_requests_total_outcome=proxied"),
            3
        );
        assert_eq!(worker.calls().total, 2, "the clock, and one counter");
        outputs
    });
}

#[test]
fn every_label_is_one_that_kong_takes_out_of_the_name() {
    let meta: serde_json::Value =
        serde_json::from_str(include_str!("../../silverback.meta.json")).expect("JSON");
    let pattern = meta["metrics"]["label_patterns"][0].clone();
    assert_eq!(pattern["label"], "outcome");
    let pattern = regex::Regex::new(pattern["pattern"].as_str().expect("text")).expect("a regex");
    scenario("", usual, |worker| {
        let outputs = vec![worker.request(&get("b.test", "/"))];
        worker.pass(SECOND);
        let metrics = worker.metrics();
        let name = metrics.iter().find(|(name, _)| name.contains("no_route"));
        let (name, _) = name.expect("counted");
        let found = pattern.captures(name).expect("a label");
        // Kong: the first group is what is removed from the name, the second the value.
        assert_eq!(name.replace(&found[1], ""), "silverback_requests_total");
        assert_eq!(&found[2], "no_route");
        outputs
    });
}
