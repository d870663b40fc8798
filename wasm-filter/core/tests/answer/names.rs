//! Names for logs and metrics: those that KIC gives (kic-map 2.2, 2.4).

use silverback_core::table::model::RouteKind;

use crate::world::{World, get, path, rule};

#[test]
fn names_are_kic_s() {
    for (kind, route, service) in [
        (RouteKind::Ingress, "ns.route.a..80", "ns.a.80"),
        (
            RouteKind::HttpRoute,
            "httproute.ns.route.0.0",
            "httproute.ns.route.0",
        ),
        (
            RouteKind::GrpcRoute,
            "grpcroute.ns.route.0.0",
            "grpcroute.ns.route.0",
        ),
    ] {
        let world = World::one(path("/"), rule(kind), Default::default());
        let plan = world.ask(&get("/")).plan();
        assert_eq!(String::from_utf8(plan.route_name).unwrap(), route);
        assert_eq!(String::from_utf8(plan.service_name).unwrap(), service);
    }
}
