//! How an upstream is spoken to.

use silverback_core::contract::plan::{Deadlines, OwnedRetryOn, Protocol};
use silverback_core::table::model::{
    Forwarding, NameToResolve, PluginRef, Retry, Rewrite, RouteKind, Rule, ServiceEndpoints,
    ServiceSettings, Timeouts, UpstreamProtocol,
};

use crate::world::{Ask, Seen, World, endpoints, get, path, rule, service};

fn plan(rule: Rule, settings: ServiceSettings) -> silverback_core::contract::plan::OwnedPlan {
    World::one(path("/"), rule, settings).ask(&get("/")).plan()
}

#[test]
fn a_plain_rule_is_kong_s_default() {
    let plan = plan(rule(RouteKind::Ingress), ServiceSettings::default());
    assert_eq!(plan.protocol, Protocol::Http);
    assert_eq!((plan.tries, plan.retry), (6, None));
    assert_eq!(plan.timeouts, Default::default());
    assert_eq!(plan.deadlines, Deadlines::default());
    assert_eq!((plan.host, plan.uri, plan.tls), (None, None, None));
    assert_eq!((plan.plugin_set, plan.mirrors.len()), (0, 0));
    assert_eq!(plan.tags, b"");
}

fn host(settings: ServiceSettings, endpoint: &str) -> String {
    let mut rule = rule(RouteKind::Ingress);
    rule.forwarding.preserve_host = false;
    let matched = silverback_core::table::model::RouteMatch::new(path("/"), 0, rule.into());
    let endpoints = ServiceEndpoints {
        endpoints: vec![endpoint.parse().expect("an endpoint")],
        settings,
    };
    let world = World::new(vec![matched], [(service("a"), endpoints)]);
    let host = world.ask(&get("/")).plan().host.expect("a host");
    String::from_utf8(host).expect("text")
}

#[test]
fn a_host_that_is_not_preserved_is_the_service_s_or_the_endpoint_s() {
    use UpstreamProtocol::{Grpc, Grpcs, H2c, Http, Https};
    let speaks = |protocol| ServiceSettings {
        protocol,
        ..ServiceSettings::default()
    };
    for (protocol, endpoint, expected) in [
        (Http, "10.0.0.1:8080", "10.0.0.1:8080"),
        (Http, "10.0.0.1:80", "10.0.0.1"),
        (Http, "10.0.0.1:443", "10.0.0.1:443"),
        (Https, "10.0.0.1:443", "10.0.0.1"),
        (Https, "10.0.0.1:80", "10.0.0.1:80"),
        (Grpc, "10.0.0.1:80", "10.0.0.1"),
        (Grpcs, "10.0.0.1:443", "10.0.0.1"),
        (H2c, "10.0.0.1:80", "10.0.0.1"),
        (Http, "[2001:db8::1]:8080", "[2001:db8::1]:8080"),
        (Http, "[2001:db8::1]:80", "[2001:db8::1]"),
    ] {
        assert_eq!(host(speaks(protocol), endpoint), expected, "{protocol:?}");
    }
    let external = |port| ServiceSettings {
        external: Some(NameToResolve {
            name: "api.example".into(),
            port,
        }),
        ..ServiceSettings::default()
    };
    assert_eq!(host(external(80), "192.0.2.1:80"), "api.example");
    assert_eq!(host(external(8080), "192.0.2.1:8080"), "api.example:8080");
    let named = ServiceSettings {
        host_header: Some("named.example".into()),
        ..external(8080)
    };
    assert_eq!(host(named, "192.0.2.1:8080"), "named.example");
}

#[test]
fn a_preserved_host_is_the_client_s_whatever_the_service_says() {
    let settings = ServiceSettings {
        host_header: Some("named.example".into()),
        ..ServiceSettings::default()
    };
    assert_eq!(plan(rule(RouteKind::Ingress), settings).host, None);
}

#[test]
fn tls_upstreams_are_asked_for_the_host_s_name() {
    let settings = || ServiceSettings {
        protocol: UpstreamProtocol::Https,
        ..ServiceSettings::default()
    };
    let rewrite = |host: &str| Rewrite {
        hostname: Some(host.into()),
        path: None,
    };
    let mut moved = rule(RouteKind::HttpRoute);
    moved.filters.rewrite = Some(rewrite("b.test"));
    let mut address = rule(RouteKind::HttpRoute);
    address.forwarding.preserve_host = false;
    for (rule, expected) in [
        (rule(RouteKind::HttpRoute), "a.test"),
        (moved, "b.test"),
        // RFC 6066: "Literal IPv4 and IPv6 addresses are not permitted".
        (address, ""),
    ] {
        let plan = plan(rule, settings());
        assert_eq!(plan.protocol, Protocol::Https);
        assert_eq!(plan.tls, Some((0, expected.as_bytes().to_vec())));
    }
    let grpc = plan(rule(RouteKind::GrpcRoute), ServiceSettings::default());
    assert_eq!((grpc.protocol, grpc.tls), (Protocol::Grpc, None));
}

#[test]
fn limits_and_tries_come_from_service_and_rule() {
    let settings = ServiceSettings {
        connect_timeout: Some(1000),
        write_timeout: Some(2000),
        read_timeout: Some(3000),
        retries: Some(2),
        ..ServiceSettings::default()
    };
    let of_service = plan(rule(RouteKind::Ingress), settings.clone());
    let limits = |plan: &silverback_core::contract::plan::OwnedPlan| {
        let timeouts = plan.timeouts;
        [timeouts.connect, timeouts.send, timeouts.read]
    };
    assert_eq!(limits(&of_service), [1000, 2000, 3000]);
    assert_eq!(of_service.tries, 3);

    let mut strict = rule(RouteKind::HttpRoute);
    strict.timeouts = Timeouts {
        request: Some(10_000),
        backend_request: Some(2500),
    };
    strict.retry = Some(Retry {
        attempts: 4,
        backoff: 25,
        codes: vec![500, 503],
    });
    let of_rule = plan(strict, settings);
    assert_eq!(limits(&of_rule), [1000, 2000, 2500]);
    let deadlines = Deadlines {
        request: 10_000,
        attempt: 2500,
    };
    assert_eq!(of_rule.deadlines, deadlines);
    assert_eq!(of_rule.tries, 5);
    let retry = OwnedRetryOn {
        backoff: 25,
        codes: vec![500, 503],
    };
    assert_eq!(of_rule.retry, Some(retry));
}

#[test]
fn a_plan_has_as_many_endpoints_as_tries() {
    for (retries, expected) in [(0, 1), (2, 3), (9, 9)] {
        let settings = ServiceSettings {
            retries: Some(retries),
            ..ServiceSettings::default()
        };
        let matched = silverback_core::table::model::RouteMatch::new(
            path("/"),
            0,
            rule(RouteKind::Ingress).into(),
        );
        let world = World::new(vec![matched], [(service("a"), endpoints(9, settings))]);
        let plan = world.ask(&get("/")).plan();
        assert_eq!(plan.endpoints.len(), expected, "{retries} retries");
    }
}

#[test]
fn plugins_and_tags_are_the_rule_s() {
    let mut rule = rule(RouteKind::Ingress);
    rule.plugins.plugins.push(PluginRef {
        namespace: "ns".into(),
        name: "auth".into(),
    });
    rule.tags = vec!["a".into(), "b".into()];
    let id = rule.plugins.id();
    let plan = plan(rule, ServiceSettings::default());
    assert_eq!((plan.plugin_set, &*plan.tags), (id, &b"a,b"[..]));
}

#[test]
fn what_is_no_backend_is_answered_500_and_no_endpoint_503() {
    let mut none = rule(RouteKind::HttpRoute);
    none.backends.clear();
    let mut zero = rule(RouteKind::HttpRoute);
    zero.backends[0].weight = 0;
    let mut unknown = rule(RouteKind::HttpRoute);
    unknown.backends = vec![crate::world::backend("b", 1)];
    for (rule, status) in [(none, 500), (zero, 500), (unknown, 503)] {
        let world = World::one(path("/"), rule, ServiceSettings::default());
        assert_eq!(world.ask(&get("/")), Seen::Reply(status, Vec::new()));
    }
}

#[test]
fn what_follows_the_matched_part_does_not_depend_on_the_host() {
    let mut rule = rule(RouteKind::Ingress);
    rule.forwarding = Forwarding {
        strip_path: true,
        preserve_host: false,
        path_v1: false,
    };
    let world = World::one(path("/x"), rule, ServiceSettings::default());
    let ask = Ask {
        host: Vec::new(),
        ..get("/x/y?z")
    };
    let plan = world.ask(&ask).plan();
    assert_eq!(plan.uri.as_deref(), Some(&b"/y?z"[..]));
    assert_eq!(plan.host.as_deref(), Some(&b"10.0.0.1:8080"[..]));
}
