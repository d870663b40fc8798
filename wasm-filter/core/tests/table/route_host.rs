//! Which host's routes a request belongs to.

use silverback_core::table::model::{Listener, ListenerKey, RouteKind, Scope};

use crate::sketch::{Sketch, get, host, matching, object};

#[test]
fn hosts_of_ingresses_and_routes() {
    let table = Sketch::default()
        .listener("")
        .ingress("exact", "a.test", "/")
        .ingress("wild", "*.test", "/")
        .ingress("only-foo", "c.test", "/foo")
        .ingress("both-i", "both.example", "/")
        .route("both-r", "", "both.example", "/")
        .route("many", "", "*.example", "/")
        .route("deeper", "", "*.b.example", "/")
        .route("second-foo", "", "d.example", "/foo");
    let any = table.clone().ingress("none", "", "/");
    for (name, host, path, expected) in [
        (
            "an exact host comes before a wildcard",
            "a.test",
            "/",
            "exact",
        ),
        ("an Ingress wildcard is one label", "b.test", "/", "wild"),
        (
            "an Ingress wildcard is not two labels",
            "x.b.test",
            "/",
            "404",
        ),
        ("an Ingress wildcard is not no label", "test", "/", "404"),
        (
            "the case of the host does not count",
            "A.TEST",
            "/",
            "exact",
        ),
        (
            "the port of the host does not count",
            "a.test:81",
            "/",
            "exact",
        ),
        ("the root dot does not count", "a.test.", "/", "exact"),
        (
            "where the path fails the next host is asked",
            "c.test",
            "/bar",
            "wild",
        ),
        ("and not where it fits", "c.test", "/foo", "only-foo"),
        (
            "Ingress comes before HTTPRoute on one host",
            "both.example",
            "/",
            "both-i",
        ),
        ("a Gateway wildcard is one label", "x.example", "/", "many"),
        (
            "a Gateway wildcard is many labels",
            "x.y.z.example",
            "/",
            "many",
        ),
        ("a Gateway wildcard is not no label", "example", "/", "404"),
        (
            "the longer wildcard comes first",
            "x.b.example",
            "/",
            "deeper",
        ),
        (
            "a wildcard's own name belongs to the shorter one",
            "b.example",
            "/",
            "many",
        ),
        (
            "an HTTPRoute's host too falls through",
            "d.example",
            "/bar",
            "many",
        ),
        ("an unknown host is not found", "nobody.invalid", "/", "404"),
        ("an empty host fits no named host", "", "/", "404"),
        ("no host at all can be a suffix", "st", "/", "404"),
    ] {
        let ask = get(host, path);
        assert_eq!(table.which(&ask), expected, "{name}");
        let last = if expected == "404" { "none" } else { expected };
        assert_eq!(any.which(&ask), last, "{name}, with routes for any host");
    }
}

#[test]
fn hosts_that_are_none_are_refused() {
    let table = Sketch::default().ingress("any", "", "/");
    for host in [
        "a b", "a..b", ".a", "a..", "a:x", "a/b", "u@a", "::1", "a\0", "[::1",
    ] {
        assert_eq!(table.which(&get(host, "/")), "400", "{host:?}");
    }
    for host in ["", "a", "[::1]:80", "127.0.0.1", "a_b", &"a".repeat(253)] {
        assert_eq!(table.which(&get(host, "/")), "any", "{host:?}");
    }
    assert_eq!(table.which(&get(&"a".repeat(254), "/")), "400");
}

#[test]
fn a_request_belongs_to_the_most_specific_listener_and_to_no_other() {
    let table = Sketch::default()
        .listener("")
        .listener("*.example")
        .listener("*.b.example")
        .listener("a.example")
        .route("l-any", "", "", "/")
        .route("l-any-named", "", "x.example", "/")
        .route("l-wild", "*.example", "*.example", "/w")
        .route("l-exact", "a.example", "a.example", "/e");
    for (name, host, path, expected) in [
        ("the exact hostname", "a.example", "/e", "l-exact"),
        (
            "isolation: not the wildcard's routes",
            "a.example",
            "/w",
            "404",
        ),
        (
            "isolation: not the routes of any host",
            "a.example",
            "/",
            "404",
        ),
        ("the wildcard hostname", "x.example", "/w", "l-wild"),
        (
            "isolation holds for a host that another names",
            "x.example",
            "/",
            "404",
        ),
        (
            "the longer wildcard hostname, which has no routes",
            "y.b.example",
            "/w",
            "404",
        ),
        (
            "the wildcard does not take its own name",
            "example",
            "/",
            "l-any",
        ),
        (
            "everything else is the listener without hostname",
            "other",
            "/",
            "l-any",
        ),
        ("an empty host too", "", "/", "l-any"),
    ] {
        assert_eq!(table.which(&get(host, path)), expected, "{name}");
    }
}

#[test]
fn a_hostname_comes_before_none_whatever_other_hostnames_there_are() {
    for hostname in ["a.example", "*.example"] {
        let table = Sketch::default()
            .listener("")
            .listener(hostname)
            .route("any", "", "", "/")
            .route("named", hostname, "a.example", "/");
        assert_eq!(table.which(&get("a.example", "/")), "named", "{hostname}");
        assert_eq!(table.which(&get("a.test", "/")), "any", "{hostname}");
    }
}

#[test]
fn each_of_many_listeners_is_found_by_its_port() {
    let ports = 8_000..8_020;
    let mut table = Sketch::default();
    for port in ports.clone() {
        let hostname = host("");
        let key = ListenerKey { port, hostname };
        table.model.listeners.insert(key, Listener::default());
        let scope = Scope::Listener {
            port,
            hostname: host(""),
        };
        let m = matching(RouteKind::HttpRoute, &format!("at-{port}"), "/");
        // Of one host, so that the base segment has nothing but listeners.
        table = table.add(scope, "a.test", m);
    }
    let built = table.built();
    let which = |port| {
        let mut ask = get("a.test", "/");
        ask.listener = Some(port);
        object(&built.answer(&ask, 1))
    };
    for port in ports.clone() {
        assert_eq!(which(port), format!("at-{port}"));
    }
    assert_eq!([which(ports.start - 1), which(ports.end)], ["404"; 2]);
}

#[test]
fn ports_and_tls_choose_the_listener() {
    let mut table = Sketch::default().listener("").route("plain", "", "", "/");
    let scope = Scope::Listener {
        port: 443,
        hostname: host(""),
    };
    table = table.add(scope, "", matching(RouteKind::HttpRoute, "secure", "/"));
    let key = ListenerKey {
        port: 443,
        hostname: host(""),
    };
    let listener = Listener {
        tls: true,
        ..Listener::default()
    };
    table.model.listeners.insert(key, listener);
    for (name, port, tls, expected) in [
        ("HTTP at the HTTP listener", Some(80), false, "plain"),
        ("TLS at the HTTP listener", Some(80), true, "404"),
        ("TLS at the TLS listener", Some(443), true, "secure"),
        ("HTTP at the TLS listener", Some(443), false, "404"),
        ("a port without listener", Some(81), false, "404"),
        ("a port for Ingress alone", None, false, "404"),
    ] {
        let mut ask = get("a", "/");
        (ask.listener, ask.tls) = (port, tls);
        assert_eq!(table.which(&ask), expected, "{name}");
    }
}

#[test]
fn ingresses_are_served_where_the_port_says_so_and_default_backends_last() {
    let default = matching(RouteKind::Ingress, "default", "/");
    let table = Sketch::default()
        .listener("")
        .ingress("named", "a.test", "/foo")
        .ingress("hostless", "", "/bar")
        .route("route", "", "", "/baz")
        .add(Scope::IngressDefault, "", default);
    for (name, path, ingress, expected) in [
        ("a named host", "/foo", true, "named"),
        (
            "an Ingress without host comes before the default",
            "/bar",
            true,
            "hostless",
        ),
        (
            "an HTTPRoute comes before the default",
            "/baz",
            true,
            "route",
        ),
        ("the default backend is last", "/other", true, "default"),
        ("no Ingress at another port", "/foo", false, "404"),
        ("no default backend at another port", "/other", false, "404"),
        ("but HTTPRoutes", "/baz", false, "route"),
    ] {
        let mut ask = get("a.test", path);
        ask.ingress = ingress;
        assert_eq!(table.which(&ask), expected, "{name}");
    }
}

#[test]
fn a_route_is_found_in_a_table_of_its_own() {
    let default = matching(RouteKind::Ingress, "r", "/");
    let grpc = |at: &str| {
        let scope = Scope::Grpc {
            port: 80,
            hostname: host(""),
        };
        let m = matching(RouteKind::GrpcRoute, "r", "/");
        Sketch::default().listener("").add(scope, at, m)
    };
    let route = |listener: &str, at: &str| {
        let table = Sketch::default().listener(listener);
        table.route("r", listener, at, "/")
    };
    let ingress = |at: &str| Sketch::default().ingress("r", at, "/");
    for (name, table) in [
        ("an Ingress of a host", ingress("a.test")),
        ("an Ingress of a wildcard", ingress("*.test")),
        ("an Ingress without host", ingress("")),
        (
            "a default backend",
            Sketch::default().add(Scope::IngressDefault, "", default),
        ),
        ("an HTTPRoute of a host", route("", "a.test")),
        ("an HTTPRoute of a wildcard", route("", "*.test")),
        ("an HTTPRoute without host", route("", "")),
        ("at a listener of a host", route("a.test", "a.test")),
        ("at a listener of a wildcard", route("*.test", "a.test")),
        ("a GRPCRoute of a host", grpc("a.test")),
        ("a GRPCRoute of a wildcard", grpc("*.test")),
        ("a GRPCRoute without host", grpc("")),
    ] {
        assert_eq!(table.which(&get("a.test", "/")), "r", "{name}");
    }
}
