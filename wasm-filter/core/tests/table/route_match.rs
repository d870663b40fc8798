//! Methods, headers, and what decides between two matches that both fit.

use std::sync::Arc;

use silverback_core::contract::request::RequestInfo;
use silverback_core::route::answer::{Scratch, answer};
use silverback_core::route::balance::Spin;
use silverback_core::route::rank::Rank;
use silverback_core::route::select::Entry;
use silverback_core::table::model::{
    Anchor, HeaderMatch, PathMatch, QueryMatch, RouteKind, RouteMatch, Scope, ValueMatch,
};

use crate::sketch::{Sketch, get, header, host, matching};
use crate::support::built::AskHeaders;
use crate::support::random::regex;

fn scope() -> Scope {
    Scope::Listener {
        port: 80,
        hostname: host(""),
    }
}

fn route(name: &str, path: &str, change: impl FnOnce(&mut RouteMatch)) -> RouteMatch {
    let mut m = matching(RouteKind::HttpRoute, name, path);
    change(&mut m);
    m
}

/// A query parameter that is 1.
fn query(name: &str) -> QueryMatch {
    QueryMatch {
        name: name.into(),
        value: ValueMatch::OneOf(vec!["1".into()]),
    }
}

/// Changes the object of a match.
fn object(m: &mut RouteMatch, namespace: &str, created: Option<i64>) {
    let rule = Arc::make_mut(&mut m.rule);
    let object = Arc::make_mut(&mut rule.object);
    object.namespace = namespace.into();
    object.created = created;
}

fn table(matches: Vec<RouteMatch>) -> Sketch {
    let table = Sketch::default().listener("");
    matches
        .into_iter()
        .fold(table, |table, m| table.add(scope(), "", m))
}

#[test]
fn methods_and_headers_all_have_to_fit() {
    let table = table(vec![
        route("post", "/", |m| m.methods = vec!["POST".into()]),
        route("both", "/h", |m| {
            m.headers = vec![header("x-a", "1"), header("x-b", "2")];
        }),
    ]);
    for (name, method, headers, path, expected) in [
        ("another method", "GET", vec![], "/", "404"),
        ("the method", "POST", vec![], "/", "post"),
        ("its case counts", "post", vec![], "/", "404"),
        ("one header of two", "GET", vec![("x-a", "1")], "/h", "404"),
        (
            "both",
            "GET",
            vec![("x-a", "1"), ("x-b", "2")],
            "/h",
            "both",
        ),
        (
            "names in any case",
            "GET",
            vec![("X-A", "1"), ("X-b", "2")],
            "/h",
            "both",
        ),
        (
            "another value",
            "GET",
            vec![("x-a", "1"), ("x-b", "3")],
            "/h",
            "404",
        ),
        (
            "a part of the value",
            "GET",
            vec![("x-a", "1"), ("x-b", "22")],
            "/h",
            "404",
        ),
        (
            "the first value",
            "GET",
            vec![("x-a", "1"), ("x-b", "2"), ("x-b", "3")],
            "/h",
            "both",
        ),
        (
            "not a later one",
            "GET",
            vec![("x-a", "1"), ("x-b", "3"), ("x-b", "2")],
            "/h",
            "404",
        ),
        (
            "a shorter path where the headers fail",
            "POST",
            vec![],
            "/h",
            "post",
        ),
    ] {
        let mut ask = get("a", path);
        ask.method = method.into();
        ask.headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
            .collect();
        assert_eq!(table.which(&ask), expected, "{name}");
    }
}

#[test]
fn a_value_that_is_one_of_none_is_no_value() {
    let table = table(vec![route("none", "/", |m| {
        m.headers = vec![HeaderMatch {
            name: "x-a".into(),
            value: ValueMatch::OneOf(Vec::new()),
        }];
    })]);
    for value in ["", "1"] {
        let mut ask = get("a", "/");
        ask.headers = vec![("x-a".into(), value.into())];
        assert_eq!(table.which(&ask), "404", "{value:?}");
    }
}

#[test]
fn each_step_of_the_precedence_decides_where_all_before_it_are_equal() {
    let two = || vec![header("x-a", "1"), header("x-b", "1")];
    for (name, better, worse) in [
        (
            "1. an exact path before a prefix with method and headers",
            route("w", "=/p", |_| ()),
            route("l", "/p", |m| {
                (m.methods, m.headers) = (vec!["GET".into()], two())
            }),
        ),
        (
            "1. an exact path before a pattern",
            route("w", "=/p", |_| ()),
            route("l", "/", |m| {
                m.path = PathMatch::Regex(regex("/p.*", Anchor::Start, false));
            }),
        ),
        (
            "a pattern before a longer prefix with a method",
            route("w", "/", |m| {
                m.path = PathMatch::Regex(regex("/", Anchor::Start, false));
            }),
            route("l", "/p", |m| m.methods = vec!["GET".into()]),
        ),
        (
            "2. the longer prefix before method and headers",
            route("w", "/p", |_| ()),
            route("l", "/", |m| {
                (m.methods, m.headers) = (vec!["GET".into()], two())
            }),
        ),
        (
            "3. a method before more headers",
            route("w", "/p", |m| m.methods = vec!["GET".into()]),
            route("l", "/p", |m| m.headers = two()),
        ),
        (
            "4. more headers before an older object",
            route("w", "/p", |m| m.headers = two()),
            route("l", "/p", |m| {
                m.headers = vec![header("x-a", "1")];
                object(m, "ns", Some(0));
            }),
        ),
        (
            "5. more query parameters before an older object",
            route("w", "/p", |m| m.queries = vec![query("q"), query("r")]),
            route("l", "/p", |m| {
                m.queries = vec![query("q")];
                object(m, "ns", Some(0));
            }),
        ),
        (
            "server names before an older object",
            route("w", "/p", |m| m.snis = vec![host("a")]),
            route("l", "/p", |m| object(m, "ns", Some(0))),
        ),
        (
            "6. the older object before the alphabet",
            route("w", "/p", |m| object(m, "ns", Some(1))),
            route("l", "/p", |m| object(m, "a", Some(2))),
        ),
        (
            "6. a known time before an unknown one",
            route("w", "/p", |m| object(m, "ns", Some(i64::MAX - 1))),
            route("l", "/p", |m| object(m, "a", None)),
        ),
        (
            "7. the namespace in the alphabet",
            route("w", "/p", |m| object(m, "a", None)),
            route("l", "/p", |m| object(m, "b", None)),
        ),
        (
            "7. the text namespace/name: `-` comes before `/`",
            route("w", "/p", |m| object(m, "a-b", None)),
            route("l", "/p", |m| object(m, "a", None)),
        ),
        (
            "7. the name in the alphabet",
            route("w-a", "/p", |_| ()),
            route("w-b", "/p", |_| ()),
        ),
    ] {
        assert!(Rank::of(&better) < Rank::of(&worse), "{name}: the ranks");
        let winner = better.rule.object.name.to_string();
        let mut ask = get("a", "/p?q=1&r=1");
        ask.headers = vec![("x-a".into(), b"1".to_vec()), ("x-b".into(), b"1".to_vec())];
        for matches in [vec![better.clone(), worse.clone()], vec![worse, better]] {
            let only_loser = table(vec![matches[0].clone()]);
            assert_ne!(only_loser.which(&ask), "404", "{name}: each fits by itself");
            assert_eq!(table(matches).which(&ask), winner, "{name}");
        }
    }
}

/// GRPCRoute: "Characters in a matching service", then "in a matching method".
#[test]
fn a_service_of_a_grpc_call_comes_before_its_method() {
    let scope = Scope::Grpc {
        port: 80,
        hostname: host(""),
    };
    let prefix = |name: &str, path| matching(RouteKind::GrpcRoute, name, path);
    let pattern = |name: &str, pattern: &str| {
        let mut m = matching(RouteKind::GrpcRoute, name, "/");
        m.path = PathMatch::Regex(regex(pattern, Anchor::Start, false));
        m
    };
    for (name, better, worse) in [
        (
            "a service before a method",
            prefix("w", "/s"),
            pattern("l", "/[^/]+/Get$"),
        ),
        (
            "a service by pattern before a method",
            pattern("w", "/(?:s)/(?:[^/]+)$"),
            pattern("l", "/[^/]+/(?:[A-Z][a-z]+)$"),
        ),
        (
            "the longer service by pattern",
            pattern("w", "/(?:[s])/(?:[^/]+)$"),
            pattern("l", "/(?:s)/(?:[^/]+)$"),
        ),
        (
            "a method before none",
            pattern("w", "/[^/]+/Get$"),
            prefix("l", "/"),
        ),
    ] {
        assert!(Rank::of(&better) < Rank::of(&worse), "{name}: the ranks");
        let table = Sketch::default().listener("");
        let table = table.add(scope.clone(), "", worse);
        assert_eq!(table.which(&get("a", "/s/Get")), "l", "{name}: it fits");
        let table = table.add(scope.clone(), "", better);
        assert_eq!(table.which(&get("a", "/s/Get")), "w", "{name}");
    }
}

#[test]
fn within_an_object_the_first_rule_and_its_first_match_win() {
    let at = |rule: u16, index: u16, path: &str| {
        route("r", path, |m| {
            Arc::make_mut(&mut m.rule).index = rule;
            m.index = index;
        })
    };
    let table = table(vec![at(1, 0, "/p"), at(0, 1, "/p"), at(0, 0, "/p")]);
    let seen = format!("{:?}", table.built().answer(&get("a", "/p"), 1));
    assert!(seen.contains("httproute.ns.r.0.0"), "{seen}");
}

#[test]
fn headers_are_asked_only_where_a_candidate_asks_for_them() {
    let table = table(vec![
        route("plain", "/plain", |_| ()),
        route("head", "/head", |m| m.headers = vec![header("x-a", "1")]),
    ])
    .built();
    for (path, expected) in [("/plain", 0), ("/other", 0), ("/head", 1)] {
        let ask = get("a", path);
        let headers = AskHeaders::new(&ask);
        let info = RequestInfo {
            path: &ask.target,
            method: b"GET",
            ..RequestInfo::default()
        };
        let entry = Entry {
            ingress: true,
            listener: Some(80),
        };
        let mut scratch = Scratch::default();
        answer(&table, 1, entry, &info, &headers, Spin(1), &mut scratch).expect("answered");
        assert_eq!(headers.asked.get(), expected, "{path}");
    }
}
