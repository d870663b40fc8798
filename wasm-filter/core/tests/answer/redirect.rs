//! Redirects, and what a rule that wants TLS answers.

use std::sync::Arc;

use silverback_core::table::model::{PathEdit, Redirect, RouteKind, RouteMatch, Rule, SchemeMatch};

use crate::world::{Ask, Seen, World, get, path, rule};

fn redirecting(redirect: Redirect) -> World {
    let mut rule = rule(RouteKind::HttpRoute);
    rule.backends.clear();
    rule.filters.redirect = Some(redirect);
    World::one(path("/foo"), rule, Default::default())
}

fn to(path: Option<PathEdit>) -> Redirect {
    Redirect {
        status: 302,
        tls: None,
        hostname: None,
        port: None,
        path,
    }
}

#[test]
fn a_redirect_needs_no_backend_and_has_the_rule_s_status() {
    for status in [301, 302, 303, 307, 308] {
        let redirect = Redirect { status, ..to(None) };
        let seen = redirecting(redirect).ask(&get("/foo/bar?x=1"));
        let location = "location: http://a.test/foo/bar?x=1".to_owned();
        assert_eq!(seen, Seen::Reply(status, vec![location]));
    }
}

#[test]
fn the_path_of_a_location_is_the_normal_form_or_the_filter_s() {
    let full = || Some(PathEdit::Full("/new".into()));
    let prefix = |with: &str| Some(PathEdit::Prefix(with.into()));
    for (edit, target, expected) in [
        (None, "//foo/./x?y=//", "/foo/x?y=//"),
        (None, "/foo/%7ea%2f", "/foo/~a%2F"),
        (full(), "/foo/x?y", "/new?y"),
        (full(), "/foo", "/new"),
        (prefix("/xyz"), "/foo/bar", "/xyz/bar"),
        (prefix("/xyz"), "/foo", "/xyz"),
        (prefix("/xyz"), "/foo/?q", "/xyz/?q"),
        (prefix(""), "/foo/bar", "/bar"),
        (prefix(""), "/foo", "/"),
    ] {
        let location = redirecting(to(edit)).ask(&get(target)).location();
        assert_eq!(location, format!("http://a.test{expected}"), "{target}");
    }
}

#[test]
fn the_port_is_the_listener_s_and_the_client_s_plays_no_part() {
    for (listener, expected) in [
        (Some(80), "http://a.test/foo"),
        (Some(8080), "http://a.test:8080/foo"),
        (None, "http://a.test/foo"),
    ] {
        let ask = Ask {
            host: b"A.test:9999".to_vec(),
            listener,
            ..get("/foo")
        };
        assert_eq!(redirecting(to(None)).ask(&ask).location(), expected);
    }
}

#[test]
fn there_is_no_absolute_location_without_a_host() {
    let ask = Ask {
        host: Vec::new(),
        ..get("/foo")
    };
    let seen = redirecting(to(None)).ask(&ask);
    assert_eq!(seen, Seen::Reply(400, Vec::new()));
    let named = Redirect {
        hostname: Some("b.test".into()),
        ..to(None)
    };
    assert_eq!(redirecting(named).ask(&ask).location(), "http://b.test/foo");
}

#[test]
fn a_backend_may_redirect_too() {
    let mut rule = rule(RouteKind::HttpRoute);
    rule.backends[0].filters.redirect = Some(Redirect {
        tls: Some(true),
        ..to(None)
    });
    let world = World::one(path("/"), rule, Default::default());
    assert_eq!(world.ask(&get("/x")).location(), "https://a.test/x");
}

fn wants_tls(rule: Rule, status: u16) -> World {
    let matched = RouteMatch {
        scheme: SchemeMatch::Tls { status },
        ..RouteMatch::new(path("/"), 0, Arc::new(rule))
    };
    let service = crate::world::service("a");
    let endpoints = crate::world::endpoints(1, Default::default());
    World::new(vec![matched], [(service, endpoints)])
}

#[test]
fn a_rule_that_wants_tls_says_so_in_kong_s_words() {
    let seen = wants_tls(rule(RouteKind::Ingress), 426).ask(&get("/x"));
    let headers = ["connection: Upgrade", "upgrade: TLS/1.2, HTTP/1.1"];
    assert_eq!(seen, Seen::Reply(426, headers.map(Into::into).to_vec()));
}

#[test]
fn or_redirects_to_https_without_port() {
    for status in [301, 302, 307, 308] {
        let ask = Ask {
            host: b"A.test:8000".to_vec(),
            listener: Some(8080),
            ..get("//x?y")
        };
        let seen = wants_tls(rule(RouteKind::Ingress), status).ask(&ask);
        let location = "location: https://a.test/x?y".to_owned();
        assert_eq!(seen, Seen::Reply(status, vec![location]));
    }
    let hostless = Ask {
        host: Vec::new(),
        ..get("/")
    };
    let seen = wants_tls(rule(RouteKind::Ingress), 301).ask(&hostless);
    assert_eq!(seen, Seen::Reply(400, Vec::new()));
}

#[test]
fn with_tls_it_is_proxied() {
    let ask = Ask {
        tls: true,
        ..get("/x")
    };
    let seen = wants_tls(rule(RouteKind::Ingress), 426).ask(&ask);
    assert!(matches!(seen, Seen::Proxy(..)), "{seen:?}");
}

/// The filter of the rule is not asked before.
#[test]
fn tls_comes_before_every_filter() {
    let mut rule = rule(RouteKind::HttpRoute);
    rule.filters.redirect = Some(to(None));
    let seen = wants_tls(rule, 308).ask(&get("/x"));
    assert_eq!(seen.location(), "https://a.test/x");
}
