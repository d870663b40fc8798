//! Copies of requests.

use std::sync::Arc;

use silverback_core::contract::plan::{MAX_MIRRORS, Protocol};
use silverback_core::table::model::{
    Mirror, RouteKind, RouteMatch, ServiceSettings, UpstreamProtocol,
};

use crate::world::{World, backend, endpoints, get, path, rule, service};

fn mirror(name: &str, numerator: u32, denominator: u32) -> Mirror {
    Mirror {
        service: service(name),
        numerator,
        denominator,
    }
}

/// Services `a`, `b` and `m` with endpoints, `m` with TLS; `empty` without.
fn world(kind: RouteKind, mirrors: Vec<Mirror>, of_backend: Vec<Mirror>) -> World {
    let mut rule = rule(kind);
    rule.filters.mirrors = mirrors;
    rule.backends[0].filters.mirrors = of_backend;
    rule.backends.push(backend("b", 1));
    let tls = ServiceSettings {
        protocol: UpstreamProtocol::Https,
        ..ServiceSettings::default()
    };
    let services = [
        (service("a"), endpoints(2, ServiceSettings::default())),
        (service("b"), endpoints(2, ServiceSettings::default())),
        (service("m"), endpoints(5, tls)),
        (service("empty"), endpoints(0, ServiceSettings::default())),
    ];
    World::new(
        vec![RouteMatch::new(path("/"), 0, Arc::new(rule))],
        services,
    )
}

#[test]
fn a_mirror_has_endpoints_and_protocol_of_its_own() {
    let world = world(RouteKind::HttpRoute, vec![mirror("m", 1, 1)], Vec::new());
    let mirrors = world.ask(&get("/")).plan().mirrors;
    assert_eq!(mirrors.len(), 1);
    assert_eq!(mirrors[0].protocol, Protocol::Https);
    assert_eq!(mirrors[0].endpoints.len(), 3);
}

#[test]
fn of_the_denominator_the_numerator_is_copied_whatever_the_backend() {
    for (numerator, denominator) in [(0, 1), (1, 1), (20, 100), (1, 3), (999, 1000), (0, 100)] {
        let mirrors = vec![mirror("m", numerator, denominator)];
        let world = world(RouteKind::HttpRoute, mirrors, Vec::new());
        let mut copies = [0u32; 2];
        for spin in 0..2000 {
            let plan = world.spin(&get("/"), spin).plan();
            let backend = usize::from(plan.service_name.is_empty());
            copies[backend] += plan.mirrors.len() as u32;
        }
        let expected = 2000 * numerator / denominator;
        let total = copies[0] + copies[1];
        assert!(
            total.abs_diff(expected) <= 3,
            "{numerator}/{denominator}: {total}"
        );
    }
}

#[test]
fn weights_and_mirrors_do_not_depend_on_each_other() {
    // Half of the requests go to `a`, whose filter copies half of them.
    let of_backend = vec![mirror("m", 1, 2)];
    let world = world(RouteKind::HttpRoute, Vec::new(), of_backend);
    let copies = (0..4000)
        .filter(|spin| !world.spin(&get("/"), *spin).plan().mirrors.is_empty())
        .count();
    assert!(copies.abs_diff(1000) <= 20, "{copies}");
}

#[test]
fn rule_and_backend_may_both_copy_and_what_has_no_endpoint_gets_none() {
    let of_rule = vec![
        mirror("m", 1, 1),
        mirror("empty", 1, 1),
        mirror("none", 1, 1),
    ];
    let mut rule = rule(RouteKind::GrpcRoute);
    rule.filters.mirrors = of_rule;
    rule.backends[0].filters.mirrors = vec![mirror("a", 1, 1)];
    let services = ["a", "m"].map(|name| (service(name), endpoints(1, Default::default())));
    let services = services
        .into_iter()
        .chain([(service("empty"), endpoints(0, Default::default()))]);
    let world = World::new(
        vec![RouteMatch::new(path("/"), 0, Arc::new(rule))],
        services,
    );
    let mirrors = world.ask(&get("/")).plan().mirrors;
    assert_eq!(mirrors.len(), 2);
    assert!(
        mirrors
            .iter()
            .all(|mirror| mirror.protocol == Protocol::Grpc)
    );
}

#[test]
fn there_are_never_more_copies_than_a_plan_has_room_for() {
    let mirrors = (0..16).map(|_| mirror("m", 1, 1)).collect();
    let world = world(RouteKind::HttpRoute, mirrors, Vec::new());
    assert_eq!(world.ask(&get("/")).plan().mirrors.len(), MAX_MIRRORS);
}
