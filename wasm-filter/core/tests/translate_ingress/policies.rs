//! KongUpstreamPolicy (kic-map 1.4): into the table, its problems, its status.

use silverback_core::problem::Code;
use silverback_core::table::model::{Algorithm, HashInput, PassiveChecks, UpstreamPolicy};

use crate::world::{World, ingress, path, service};

fn world(spec: &str) -> World {
    let ingress = ingress("i", "", &[path("Prefix", "/", "a")]);
    let service = service("a", 1).replace(
        "metadata: {name: a}",
        "metadata: {name: a, annotations: {konghq.com/upstream-policy: p}}",
    );
    World::of(&format!(
        "{ingress}{service}---
apiVersion: configuration.konghq.com/v1beta1
kind: KongUpstreamPolicy
metadata: {{name: p, generation: 3}}
spec: {spec}
"
    ))
}

fn policy(world: &World) -> UpstreamPolicy {
    use silverback_core::route::balance;
    use silverback_core::table::model::ServicePort;
    let id = ServicePort {
        namespace: "default".into(),
        name: "a".into(),
        port: 80,
    }
    .id();
    let (_, endpoints) = balance::service(world, id)
        .expect("readable")
        .expect("a Service");
    endpoints
        .settings()
        .expect("readable")
        .policy()
        .map(|policy| policy.to_model())
        .unwrap_or_default()
}

#[test]
fn what_a_policy_says() {
    let default = UpstreamPolicy::default;
    for (spec, expected) in [
        ("{}", default()),
        (
            "{algorithm: least-connections}",
            UpstreamPolicy {
                algorithm: Algorithm::LeastConnections,
                ..default()
            },
        ),
        (
            "{algorithm: latency}",
            UpstreamPolicy {
                algorithm: Algorithm::Latency,
                ..default()
            },
        ),
        (
            "{algorithm: consistent-hashing, hashOn: {header: X-User}, hashOnFallback: {input: ip}}",
            UpstreamPolicy {
                algorithm: Algorithm::ConsistentHashing,
                hash_on: HashInput::Header("x-user".into()),
                fallback: HashInput::Ip,
                passive: None,
            },
        ),
        (
            "{algorithm: consistent-hashing, hashOn: {cookie: c, cookiePath: /x}}",
            UpstreamPolicy {
                algorithm: Algorithm::ConsistentHashing,
                hash_on: HashInput::Cookie("c".into(), "/x".into()),
                ..default()
            },
        ),
        (
            "{algorithm: consistent-hashing, hashOn: {queryArg: q}, hashOnFallback: {uriCapture: g}}",
            UpstreamPolicy {
                algorithm: Algorithm::ConsistentHashing,
                hash_on: HashInput::Query("q".into()),
                fallback: HashInput::Capture("g".into()),
                passive: None,
            },
        ),
        (
            "{algorithm: sticky-sessions, stickySessions: {cookie: s}}",
            UpstreamPolicy {
                algorithm: Algorithm::StickySessions,
                hash_on: HashInput::Cookie("s".into(), "/".into()),
                ..default()
            },
        ),
        (
            "{healthchecks: {passive: {type: tcp, unhealthy: {tcpFailures: 1, httpFailures: 3}}}}",
            UpstreamPolicy {
                passive: Some(PassiveChecks {
                    tcp_failures: 1,
                    codes: vec![429, 500, 503],
                    ..PassiveChecks::default()
                }),
                ..default()
            },
        ),
        (
            "{healthchecks: {passive: {type: http, unhealthy: {}, healthy: {}}}}",
            UpstreamPolicy {
                passive: Some(PassiveChecks {
                    codes: vec![429, 500, 503],
                    ..PassiveChecks::default()
                }),
                ..default()
            },
        ),
        (
            "{healthchecks: {passive: {unhealthy: {tcpFailures: 1, timeouts: 2, httpFailures: 3}, healthy: {successes: 4}}}}",
            UpstreamPolicy {
                passive: Some(PassiveChecks {
                    tcp_failures: 1,
                    timeouts: 2,
                    http_failures: 3,
                    codes: vec![429, 500, 503],
                    successes: 4,
                }),
                ..default()
            },
        ),
    ] {
        let world = world(spec);
        assert_eq!(policy(&world), expected, "{spec}");
        let problems = world.problems();
        let told: Vec<_> = problems.iter().map(|p| (p.code, &*p.field)).collect();
        let expected = match () {
            () if spec.contains("latency") => vec![(Code::UnsupportedField, "spec.algorithm")],
            () if spec.contains("Failures") => {
                vec![(Code::KicDiffers, "spec.healthchecks.passive")]
            }
            () => Vec::new(),
        };
        assert_eq!(told, expected, "{spec}");
    }
}

#[test]
fn what_cannot_be_read_is_told_and_left_at_its_default() {
    for (spec, field) in [
        ("{algorithm: fastest}", "spec.algorithm"),
        ("{algorithm: consistent-hashing}", "spec.hashOn"),
        ("{hashOn: {input: moon}}", "spec.hashOn.input"),
        ("{hashOn: {header: a, queryArg: b}}", "spec.hashOn"),
        ("{hashOn: {header: 'a b'}}", "spec.hashOn.header"),
        ("{algorithm: sticky-sessions}", "spec.stickySessions.cookie"),
        ("{stickySessions: {cookie: c}}", "spec.stickySessions"),
        ("{slots: 100}", "spec.slots"),
        (
            "{healthchecks: {active: {type: http}}}",
            "spec.healthchecks.active",
        ),
        (
            "{healthchecks: {threshold: 50}}",
            "spec.healthchecks.threshold",
        ),
        (
            "{healthchecks: {passive: {type: moon}}}",
            "spec.healthchecks.passive.type",
        ),
        (
            "{healthchecks: {passive: {healthy: {httpStatuses: [200]}}}}",
            "spec.healthchecks.passive.healthy.httpStatuses",
        ),
        (
            "{healthchecks: {passive: {unhealthy: {interval: 5}}}}",
            "spec.healthchecks.passive.unhealthy.interval",
        ),
        (
            "{healthchecks: {passive: {unhealthy: {httpStatuses: [42]}}}}",
            "spec.healthchecks.passive.unhealthy.httpStatuses[0]",
        ),
        (
            "{algorithm: consistent-hashing, hashOn: {input: consumer}}",
            "spec.hashOn.input",
        ),
        (
            "{healthchecks: {passive: {unhealthy: {timeouts: 256}}}}",
            "spec.healthchecks.passive.unhealthy.timeouts",
        ),
        ("[]", "spec"),
    ] {
        let world = world(spec);
        let fields: Vec<_> = world
            .problems()
            .iter()
            .map(|p| p.field.to_string())
            .collect();
        assert_eq!(fields, [field], "{spec}");
        assert_eq!(world.get("h", "/"), "a", "{spec}");
    }
}

#[test]
fn its_status_names_the_services_that_it_is_in_effect_for() {
    let mut world = world("{algorithm: latency}");
    let status = |world: &World| {
        let mut all = world.0.statuses();
        all.find(|(key, _)| &*key.kind == "KongUpstreamPolicy")
            .map(|(_, json)| json)
    };
    let json: serde_json::Value =
        serde_json::from_str(&status(&world).expect("one")).expect("JSON");
    let ancestor = &json["ancestors"][0];
    assert_eq!(ancestor["ancestorRef"]["name"], "a");
    assert_eq!(ancestor["ancestorRef"]["kind"], "Service");
    assert_eq!(ancestor["conditions"][0]["type"], "Accepted");
    assert_eq!(ancestor["conditions"][0]["observedGeneration"], 3);
    world.apply(&service("a", 1));
    assert_eq!(status(&world), None);
    assert_eq!(policy(&world), UpstreamPolicy::default());
}
