//! `timeouts`, `retry`, `name`, `sessionPersistence` of rules.

use serde_json::{Value, json};

use crate::fixture::{TO_WEB, conditions, matches, problems, route, rule, targets, with};

#[test]
fn timeouts_are_milliseconds_and_zero_is_none() {
    for (timeouts, expected, told) in [
        ("{request: 10s}", json!({"request": 10_000}), 0),
        (
            "{request: 1m30s, backendRequest: 500ms}",
            json!({"request": 90_000, "backendRequest": 500}),
            0,
        ),
        (
            "{request: 0s, backendRequest: 5s}",
            json!({"request": 0, "backendRequest": 5000}),
            0,
        ),
        (
            "{request: 5s, backendRequest: 0s}",
            json!({"request": 5000, "backendRequest": 0}),
            0,
        ),
        (
            "{request: 5s, backendRequest: 5s}",
            json!({"request": 5000, "backendRequest": 5000}),
            0,
        ),
        // "no more than the value of the Request timeout"
        (
            "{request: 5s, backendRequest: 6s}",
            json!({"request": 5000}),
            1,
        ),
        (
            "{request: soon, backendRequest: 6s}",
            json!({"backendRequest": 6000}),
            1,
        ),
        ("{request: 99999h}", json!({"request": 0x7fff_fffe}), 1),
        ("{request: 5}", Value::Null, 1),
        ("{request: 5s, idle: 1s}", json!({"request": 5000}), 1),
        ("{}", Value::Null, 0),
        ("7", Value::Null, 1),
    ] {
        let world = rule(&format!("timeouts: {timeouts}, {TO_WEB}"));
        assert_eq!(matches(&world)[0]["timeouts"], expected, "{timeouts}");
        assert_eq!(
            problems(&world, "HTTPRoute", "warning").len(),
            told,
            "{timeouts}"
        );
        assert_eq!(targets(&world), ["shop/web:80*1"], "{timeouts}");
        assert_eq!(conditions(&world, "HTTPRoute").len(), 2, "{timeouts}");
    }
}

#[test]
fn retries_have_attempts_codes_and_backoff() {
    for (retry, expected, told) in [
        ("{}", json!({"attempts": 5, "backoff": 0, "codes": []}), 0),
        (
            "{attempts: 2, codes: [503, 500, 503], backoff: 100ms}",
            json!({"attempts": 2, "backoff": 100, "codes": [500, 503]}),
            0,
        ),
        (
            "{codes: [399, 400, 599, 600, x]}",
            json!({"attempts": 5, "backoff": 0, "codes": [400, 599]}),
            3,
        ),
        (
            "{attempts: 0}",
            json!({"attempts": 0, "backoff": 0, "codes": []}),
            1,
        ),
        (
            "{attempts: 1000}",
            json!({"attempts": 254, "backoff": 0, "codes": []}),
            1,
        ),
        (
            "{attempts: 1, backoff: x}",
            json!({"attempts": 1, "backoff": 0, "codes": []}),
            1,
        ),
        ("[]", Value::Null, 1),
    ] {
        let world = rule(&format!("retry: {retry}, {TO_WEB}"));
        assert_eq!(matches(&world)[0]["retry"], expected, "{retry}");
        assert_eq!(
            problems(&world, "HTTPRoute", "warning").len(),
            told,
            "{retry}"
        );
        assert_eq!(targets(&world), ["shop/web:80*1"], "{retry}");
    }
}

#[test]
fn names_of_rules_are_unique() {
    let world = with(&route(
        "HTTPRoute",
        &format!(
            "{{parentRefs: [{{name: gw, sectionName: any}}], rules: [\
             {{name: a, matches: [{{path: {{value: /1}}}}], {TO_WEB}}}, \
             {{name: a, matches: [{{path: {{value: /2}}}}], {TO_WEB}}}, \
             {{name: b, matches: [{{path: {{value: /3}}}}], {TO_WEB}}}, \
             {{name: 'b b', matches: [{{path: {{value: /4}}}}], {TO_WEB}}}]}}"
        ),
    ));
    let names: Vec<_> = matches(&world)
        .iter()
        .map(|m| m["ruleName"].as_str().unwrap_or("-").to_owned())
        .collect();
    assert_eq!(names, ["a", "-", "b", "-"]);
    assert_eq!(
        problems(&world, "HTTPRoute", "warning"),
        [
            "DuplicateName spec.rules[1].name",
            "InvalidName spec.rules[3].name"
        ]
    );
}

#[test]
fn what_is_experimental_or_new_only_warns() {
    let world = rule(&format!(
        "sessionPersistence: {{sessionName: a}}, loadBalancing: {{a: b}}, {TO_WEB}"
    ));
    assert_eq!(targets(&world), ["shop/web:80*1"]);
    assert_eq!(
        problems(&world, "HTTPRoute", "warning"),
        [
            "UnsupportedField spec.rules[0].sessionPersistence",
            "UnsupportedField spec.rules[0].loadBalancing"
        ]
    );
}
