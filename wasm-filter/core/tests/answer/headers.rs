//! Headers that rule and backend change.

use silverback_core::table::model::{Header, HeaderEdits, Rewrite, RouteKind, Rule};

use crate::world::{Seen, World, get, path, rule};

fn headers(list: &[(&str, &str)]) -> Vec<Header> {
    let header = |(name, value): &(&str, &str)| Header {
        name: (*name).into(),
        value: (*value).into(),
    };
    list.iter().map(header).collect()
}

fn edits(remove: &[&str], set: &[(&str, &str)], add: &[(&str, &str)]) -> HeaderEdits {
    HeaderEdits {
        remove: remove.iter().map(|name| (*name).into()).collect(),
        set: headers(set),
        add: headers(add),
    }
}

fn world(rule: Rule) -> World {
    World::one(path("/"), rule, Default::default())
}

fn text(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    pairs
        .iter()
        .map(|(name, value)| format!("{}: {}", text(name), text(value)))
        .collect()
}

#[test]
fn a_backend_changes_the_request_after_the_rule() {
    let mut rule = rule(RouteKind::HttpRoute);
    rule.filters.request_headers = edits(
        &["gone", "back"],
        &[("set", "1"), ("dropped", "1")],
        &[("more", "1"), ("reset", "1")],
    );
    rule.backends[0].filters.request_headers = edits(
        &["dropped"],
        &[("set", "2"), ("reset", "2")],
        &[("more", "2"), ("back", "2")],
    );
    let plan = world(rule).ask(&get("/")).plan();
    let removed: [&[u8]; 3] = [b"gone", b"back", b"dropped"];
    assert_eq!(plan.remove_headers, removed);
    assert_eq!(text(&plan.set_headers), ["set: 2", "reset: 2"]);
    assert_eq!(text(&plan.add_headers), ["more: 1", "more: 2", "back: 2"]);
}

#[test]
fn a_backend_changes_the_response_after_the_rule() {
    let mut rule = rule(RouteKind::HttpRoute);
    rule.filters.response_headers = edits(&["a"], &[("b", "1")], &[("c", "1")]);
    rule.backends[0].filters.response_headers = edits(&["b"], &[("c", "2")], &[("a", "2")]);
    let Seen::Proxy(_, edits) = world(rule).ask(&get("/")) else {
        panic!("proxied")
    };
    assert_eq!(edits, ["-a", "=b: 1", "+c: 1", "-b", "=c: 2", "+a: 2"]);
}

#[test]
fn a_rule_without_changes_has_none() {
    let Seen::Proxy(plan, edits) = world(rule(RouteKind::HttpRoute)).ask(&get("/")) else {
        panic!("proxied")
    };
    assert_eq!(edits, [""; 0]);
    assert!(plan.set_headers.is_empty() && plan.add_headers.is_empty());
    assert!(plan.remove_headers.is_empty() && plan.host.is_none());
}

#[test]
fn the_host_is_a_field_of_its_own_and_a_rewrite_wins() {
    type Row = (HeaderEdits, HeaderEdits, Option<&'static str>, &'static str);
    let none = HeaderEdits::default;
    let set = |value| edits(&[], &[("host", value)], &[]);
    let rows: [Row; 7] = [
        (none(), none(), None, "client's"),
        (set("a"), none(), None, "a"),
        (set("a"), set("b"), None, "b"),
        (edits(&[], &[], &[("host", "a")]), none(), None, "a"),
        (edits(&["host"], &[], &[]), none(), None, "10.0.0.1:8080"),
        (set("a"), edits(&["host"], &[], &[]), None, "10.0.0.1:8080"),
        (set("a"), set("b"), Some("c"), "c"),
    ];
    for (of_rule, of_backend, rewrite, expected) in rows {
        let mut rule = rule(RouteKind::HttpRoute);
        rule.filters.request_headers = of_rule.clone();
        rule.backends[0].filters.request_headers = of_backend.clone();
        rule.filters.rewrite = rewrite.map(|host: &str| Rewrite {
            hostname: Some(host.into()),
            path: None,
        });
        let plan = world(rule).ask(&get("/")).plan();
        let host = plan.host.unwrap_or_else(|| b"client's".to_vec());
        let host = String::from_utf8_lossy(&host).into_owned();
        assert_eq!(host, expected, "{of_rule:?} {of_backend:?} {rewrite:?}");
        assert!(plan.set_headers.is_empty() && plan.remove_headers.is_empty());
    }
}

#[test]
fn a_header_that_no_plan_may_set_is_answered_500() {
    for name in ["content-length", "transfer-encoding", "connection", "a b"] {
        let mut rule = rule(RouteKind::HttpRoute);
        rule.filters.request_headers = edits(&[], &[(name, "1")], &[]);
        let seen = world(rule).ask(&get("/"));
        assert_eq!(seen, Seen::Reply(500, Vec::new()), "{name}");
    }
}
