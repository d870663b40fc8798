//! Passive ejection through whole requests.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use proptest::prelude::*;
use silverback_core::contract::result::Outcome;
use silverback_core::table::model::{Algorithm, UpstreamPolicy};

use crate::world::{Ask, Worker, World, passive, pod, pods, result};

const ASK: &str = "/web";

fn round_robin() -> Option<UpstreamPolicy> {
    Some(passive(Algorithm::RoundRobin))
}

/// Sends requests in turn; those whose first endpoint is bad end so. How often each was first.
fn run(
    worker: &mut Worker,
    world: &World,
    requests: usize,
    bad: &[SocketAddr],
    (status, outcome): (u16, Outcome),
) -> BTreeMap<SocketAddr, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        let sent = worker.send(world, &Ask::get(ASK)).expect("a plan");
        *counts.entry(sent.endpoints[0]).or_default() += 1;
        let fails = bad.contains(&sent.endpoints[0]);
        let result = match (fails, outcome) {
            (false, _) => result(200, &[Outcome::Answered]),
            (true, Outcome::Answered) => result(status, &[Outcome::Answered]),
            // The next endpoint answers, so the client sees nothing of it.
            (true, outcome) => result(status, &[outcome, Outcome::Answered]),
        };
        worker.end(&sent, &result);
    }
    counts
}

#[test]
fn three_failures_in_a_row_eject_and_what_is_left_shares_evenly() {
    for (name, how) in [
        ("refused", (200, Outcome::Failed)),
        ("timeout", (200, Outcome::TimedOut)),
        ("a listed status", (503, Outcome::Answered)),
    ] {
        let world = World::web(4, round_robin());
        let mut worker = Worker::new(1);
        run(&mut worker, &world, 12, &[pod(1)], how);
        assert_eq!(worker.scratch.balancer.ejections(), 1, "{name}");
        let counts = run(&mut worker, &world, 30, &[pod(1)], how);
        assert_eq!(counts.get(&pod(1)), None, "{name}");
        assert!(counts.values().all(|n| *n == 10), "{name}: {counts:?}");
        // The end of one request that began before says nothing.
        worker.pass(9_999);
        assert!(!run(&mut worker, &world, 12, &[], how).contains_key(&pod(1)));
        worker.pass(1);
        assert!(run(&mut worker, &world, 4, &[], how).contains_key(&pod(1)));
    }
}

#[test]
fn what_does_not_eject() {
    for (name, how) in [
        ("a status that is not listed", (502, Outcome::Answered)),
        ("a client that went away", (499, Outcome::Failed)),
        (
            "a client that went away before any try",
            (499, Outcome::Answered),
        ),
    ] {
        let world = World::web(4, round_robin());
        let mut worker = Worker::new(1);
        for _ in 0..100 {
            let sent = worker.send(&world, &Ask::get(ASK)).expect("a plan");
            let tries: &[_] = if name.contains("any") { &[] } else { &[how.1] };
            worker.end(&sent, &result(how.0, tries));
        }
        assert_eq!(worker.scratch.balancer.ejections(), 0, "{name}");
    }
    // Without thresholds nothing is told at all.
    let mut none = passive(Algorithm::RoundRobin);
    none.passive = Some(Default::default());
    for policy in [none, UpstreamPolicy::default()] {
        let world = World::web(4, Some(policy));
        let sent = Worker::new(1).send(&world, &Ask::get(ASK)).expect("a plan");
        assert!(sent.ticket.is_none());
    }
}

#[test]
fn results_that_do_not_fit_the_plan_are_harmless() {
    let world = World::web(2, round_robin());
    let mut worker = Worker::new(1);
    for count in [0, 1, 3, 255] {
        let sent = worker.send(&world, &Ask::get(ASK)).expect("a plan");
        // Also endpoints that the plan does not have.
        worker.end(&sent, &result(0, &vec![Outcome::Failed; count]));
        let ticket = sent.ticket.expect("a ticket");
        worker.scratch.balancer.done(&ticket, None);
    }
}

#[test]
fn an_endpoint_on_probation_is_ejected_by_one_failure_for_twice_as_long() {
    let world = World::web(4, round_robin());
    let mut worker = Worker::new(1);
    let how = (200, Outcome::Failed);
    run(&mut worker, &world, 12, &[pod(2)], how);
    for seconds in [10, 20, 40, 80, 160, 300, 300] {
        worker.pass(seconds * 1_000 - 1);
        assert!(!run(&mut worker, &world, 8, &[pod(2)], how).contains_key(&pod(2)));
        worker.pass(1);
        assert_eq!(run(&mut worker, &world, 8, &[pod(2)], how)[&pod(2)], 1);
    }
    worker.pass(300_000);
    run(&mut worker, &world, 8, &[], how);
    // Two successes: three failures are needed again.
    assert_eq!(run(&mut worker, &world, 20, &[pod(2)], how)[&pod(2)], 3);
}

#[test]
fn state_survives_changes_of_the_table_and_the_ceiling_holds_when_endpoints_go() {
    let mut world = World::web(10, round_robin());
    let mut worker = Worker::new(1);
    let bad: Vec<_> = (0..5).map(pod).collect();
    let how = (503, Outcome::Answered);
    run(&mut worker, &world, 60, &bad, how);
    assert_eq!(worker.scratch.balancer.ejections(), 5);
    world.service("web", pods(11), round_robin());
    world.commit();
    let counts = run(&mut worker, &world, 60, &bad, how);
    assert_eq!(counts.len(), 6, "{counts:?}");
    // Of 6 endpoints 5 are ejected: two must return.
    world.service("web", pods(6), round_robin());
    world.commit();
    let counts = run(&mut worker, &world, 60, &[], how);
    assert_eq!(counts.len(), 3, "{counts:?}");
    // None of two is enough to eject the other; of one none is.
    world.service("web", pods(1), round_robin());
    world.commit();
    assert_eq!(run(&mut worker, &world, 10, &pods(1), how)[&pod(0)], 10);
}

#[test]
fn everything_failing_ejects_half() {
    for count in [1, 2, 3, 9, 10, 1_000] {
        let world = World::web(count, round_robin());
        let mut worker = Worker::new(1);
        let all = pods(count);
        let how = (503, Outcome::Answered);
        run(&mut worker, &world, count * 8, &all, how);
        let counts = run(&mut worker, &world, count * 2, &[], how);
        assert_eq!(counts.len(), count - count / 2, "{count}");
    }
}

#[test]
fn a_clock_that_jumps_ejects_nobody_for_good() {
    let world = World::web(4, round_robin());
    let mut worker = Worker::new(1);
    let how = (200, Outcome::Failed);
    run(&mut worker, &world, 12, &[pod(2)], how);
    worker.at(5);
    assert!(run(&mut worker, &world, 4, &[], how).contains_key(&pod(2)));
    worker.at(u64::MAX);
    run(&mut worker, &world, 40, &[pod(1)], how);
    worker.at(1_000);
    assert!(run(&mut worker, &world, 4, &[], how).contains_key(&pod(1)));
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    /// A request whose tries fail while this says so, one bit for each endpoint.
    Request {
        bad: u16,
    },
    Pass(u64),
    Resize(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => any::<u16>().prop_map(|bad| Step::Request { bad }),
        2 => (1u64..30_000).prop_map(Step::Pass),
        1 => (1usize..16).prop_map(Step::Resize),
    ];
    prop::collection::vec(step, 1..400)
}

/// What a slow reader of the rules would do: no ceiling but by counting, every list made afresh.
#[derive(Default)]
struct Oracle {
    failures: BTreeMap<SocketAddr, [u32; 2]>,
    out: BTreeMap<SocketAddr, (u64, u64)>,
    times: BTreeMap<SocketAddr, u32>,
}

impl Oracle {
    fn fit(&mut self, endpoints: usize, now: u64) {
        self.out
            .retain(|e, (_, until)| *until > now && pods(endpoints).contains(e));
        while self.out.len() > endpoints / 2 {
            let first = self
                .out
                .values()
                .map(|(_, until)| *until)
                .min()
                .expect("one");
            let earliest: Vec<_> = self.out.iter().filter(|(_, (_, u))| *u == first).collect();
            // Ties are not the oracle's to decide: it gives up on them.
            let gone = *earliest[0].0;
            self.out.remove(&gone);
        }
    }

    fn take(&mut self, endpoint: SocketAddr, failed: bool, endpoints: usize, now: u64) {
        if self.out.contains_key(&endpoint) {
            return;
        }
        let [failures, successes] = self.failures.entry(endpoint).or_default();
        let times = self.times.entry(endpoint).or_default();
        if !failed {
            (*failures, *successes) = (0, *successes + 1);
            if *successes >= 2 {
                *times = 0;
            }
            return;
        }
        (*failures, *successes) = (*failures + 1, 0);
        if (*failures >= 3 || *times > 0) && self.out.len() < endpoints / 2 {
            let time = (10_000u64 << (*times).min(5)).min(300_000);
            self.out.insert(endpoint, (now, now + time));
            (*failures, *times) = (0, *times + 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn histories_agree_with_a_slow_reader_of_the_rules(steps in steps()) {
        let mut endpoints = 6;
        let mut world = World::web(endpoints, round_robin());
        let mut worker = Worker::new(1);
        let mut oracle = Oracle::default();
        for step in steps {
            match step {
                Step::Pass(time) => worker.pass(time),
                Step::Resize(to) => {
                    // Everybody returns: who of several with the same time is first is not a rule.
                    worker.pass(400_000);
                    endpoints = to;
                    world.service("web", pods(endpoints), round_robin());
                    world.commit();
                }
                Step::Request { bad } => {
                    oracle.fit(endpoints, worker.now);
                    let sent = worker.send(&world, &Ask::get(ASK)).expect("a plan");
                    prop_assert!(oracle.out.len() <= endpoints / 2);
                    for endpoint in &sent.endpoints {
                        prop_assert!(!oracle.out.contains_key(endpoint));
                    }
                    let usable = endpoints - oracle.out.len();
                    prop_assert_eq!(sent.endpoints.len(), usable.min(6));
                    let number = |e: &SocketAddr| pods(16).iter().position(|p| p == e).unwrap_or(0);
                    let is_bad = |e: &SocketAddr| bad >> number(e) & 1 == 1;
                    let failed = sent.endpoints.iter().take_while(|e| is_bad(e)).count();
                    let mut outcomes = vec![Outcome::Failed; failed];
                    if failed < sent.endpoints.len() {
                        outcomes.push(Outcome::Answered);
                    }
                    worker.end(&sent, &result(200, &outcomes));
                    for (endpoint, outcome) in sent.endpoints.iter().zip(&outcomes) {
                        oracle.take(*endpoint, *outcome == Outcome::Failed, endpoints, worker.now);
                    }
                }
            }
        }
    }
}
