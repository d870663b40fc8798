//! Services of 10,000 endpoints and of none, under every policy.

use std::collections::BTreeSet;

use silverback_core::contract::plan::OwnedPlan;
use silverback_core::table::model::{
    Algorithm, HashInput, PassiveChecks, ServicePort, UpstreamPolicy,
};
use silverback_emulator::SharedStore;

use crate::harness::{get, model, node, plan, who};
use crate::support::runtime::Runtime;

const MANY: usize = 10_000;

fn with(count: usize, policy: UpstreamPolicy) -> SharedStore {
    let mut model = model(&[("web", "a.test", "/", None)]);
    let key = ServicePort {
        namespace: "ns".into(),
        name: "web".into(),
        port: 80,
    };
    let service = model.services.get_mut(&key).expect("the Service");
    service.endpoints = (0..count)
        .map(|n| ([10, 0, (n / 250) as u8, (n % 250) as u8], 8080).into())
        .collect();
    service.settings.policy = Some(policy);
    node(&model)
}

fn policies() -> Vec<UpstreamPolicy> {
    let inputs = [
        HashInput::None,
        HashInput::Ip,
        HashInput::Path,
        HashInput::Consumer,
        HashInput::Header("x-user".into()),
        HashInput::Cookie("c".into(), "/".into()),
        HashInput::Query("q".into()),
        HashInput::Capture("user".into()),
    ];
    let algorithms = [
        Algorithm::RoundRobin,
        Algorithm::ConsistentHashing,
        Algorithm::LeastConnections,
        Algorithm::Latency,
        Algorithm::StickySessions,
    ];
    let mut out = Vec::new();
    for algorithm in algorithms {
        for hash_on in inputs.clone() {
            for passive in [
                None,
                Some(PassiveChecks {
                    tcp_failures: 1,
                    timeouts: 1,
                    http_failures: 1,
                    codes: vec![503],
                    successes: 1,
                }),
            ] {
                out.push(UpstreamPolicy {
                    algorithm,
                    hash_on: hash_on.clone(),
                    fallback: HashInput::Path,
                    passive,
                });
            }
        }
    }
    out
}

#[test]
fn ten_thousand_endpoints_are_served_under_every_policy() {
    for policy in policies() {
        let store = with(MANY, policy.clone());
        let mut worker = Runtime::start(true, "", store, 0).expect("starts");
        let mut firsts = BTreeSet::new();
        for n in 0..6 {
            let mut input = get("a.test", format!("/{n}?q={n}"));
            input.headers = vec![
                ("x-user".to_owned(), format!("user {n}").into_bytes()),
                ("cookie".to_owned(), format!("c={n}").into_bytes()),
            ];
            let output = worker.request(&input);
            assert_eq!(who(&output), "web", "{policy:?}");
            let plan: OwnedPlan = plan(&output);
            let known = |ip: &std::net::SocketAddr| ip.ip().to_string().starts_with("10.0.");
            assert!(!plan.endpoints.is_empty() && plan.endpoints.iter().all(known));
            firsts.insert(plan.endpoints[0]);
        }
        // By the client's address all requests are one client's.
        let one = policy.hash_on == HashInput::Ip || policy.hash_on == HashInput::Consumer;
        assert!(one || firsts.len() > 1, "{policy:?}: {firsts:?}");
    }
}

#[test]
fn a_service_without_endpoints_is_503_under_every_policy() {
    for policy in policies() {
        let mut worker = Runtime::start(true, "", with(0, policy.clone()), 0).expect("starts");
        for _ in 0..3 {
            let output = worker.request(&get("a.test", "/"));
            assert_eq!(who(&output), "503", "{policy:?}");
        }
    }
}
