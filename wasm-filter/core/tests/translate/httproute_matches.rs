//! `HTTPRouteMatch`.

use serde_json::{Value, json};

use crate::fixture::{TO_WEB, conditions, matches, paths, problems, rule};

fn with_matches(list: &str) -> crate::translate_support::World {
    rule(&format!("matches: {list}, {TO_WEB}"))
}

#[test]
fn paths_are_exact_prefixes_or_patterns() {
    for (path, expected) in [
        ("{}", "Prefix /"),
        ("{value: /a}", "Prefix /a"),
        ("{value: /a/}", "Prefix /a"),
        ("{value: ''}", "Prefix /"),
        ("{type: PathPrefix, value: /}", "Prefix /"),
        ("{type: Exact, value: /a}", "Exact /a"),
        ("{type: Exact, value: /a/}", "Exact /a/"),
        ("{type: Exact, value: '/a*(b)'}", "Exact /a*(b)"),
        (
            "{type: RegularExpression, value: '/v[0-9]+/x'}",
            "Regex /v[0-9]+/x",
        ),
        ("{type: RegularExpression, value: '.*'}", "Regex .*"),
    ] {
        let world = with_matches(&format!("[{{path: {path}}}]"));
        assert_eq!(paths(&world), [expected], "{path}");
        assert_eq!(problems(&world, "HTTPRoute", "warning"), [""; 0], "{path}");
    }
}

#[test]
fn a_rule_without_matches_takes_everything() {
    for members in ["", "matches: [],", "matches: null,"] {
        assert_eq!(paths(&rule(&format!("{members} {TO_WEB}"))), ["Prefix /"]);
    }
}

#[test]
fn a_match_that_cannot_be_read_is_not_programmed() {
    for (spec, code) in [
        ("{path: {value: a}}", "InvalidPath .path.value"),
        ("{path: {value: '/a?b'}}", "InvalidPath .path.value"),
        (
            "{path: {type: Glob, value: /a}}",
            "UnsupportedPathType .path.type",
        ),
        (
            "{path: {type: RegularExpression, value: ''}}",
            "MissingField .path.value",
        ),
        (
            "{path: {type: RegularExpression, value: '('}}",
            "InvalidRegex .path.value",
        ),
        (
            "{path: {type: RegularExpression, value: '(?=a)'}}",
            "InvalidRegex .path.value",
        ),
        (
            "{path: {type: RegularExpression, value: '(a)\\1'}}",
            "InvalidRegex .path.value",
        ),
        (
            "{path: {type: RegularExpression, value: '[a-z]{1,900}{1,900}'}}",
            "InvalidRegex .path.value",
        ),
        ("{path: 7}", "WrongType .path"),
        (
            "{path: {value: /a, ignoreCase: true}}",
            "UnsupportedField .path.ignoreCase",
        ),
        ("{method: get}", "InvalidMethod .method"),
        ("{method: 7}", "WrongType .method"),
        (
            "{headers: [{name: 'a b', value: b}]}",
            "InvalidHeader .headers[0].name",
        ),
        ("{headers: [{name: a}]}", "MissingField .headers[0].value"),
        ("{headers: [{value: a}]}", "MissingField .headers[0].name"),
        (
            "{headers: [{name: a, value: \"b\\n\"}]}",
            "InvalidHeader .headers[0].value",
        ),
        (
            "{headers: [{type: Prefix, name: a, value: b}]}",
            "UnsupportedField .headers[0].type",
        ),
        (
            "{headers: [{type: RegularExpression, name: a, value: '['}]}",
            "InvalidRegex .headers[0].value",
        ),
        (
            "{headers: [{name: a, value: b, invert: true}]}",
            "UnsupportedField .headers[0].invert",
        ),
        ("{headers: {a: b}}", "WrongType .headers"),
        (
            "{queryParams: [{name: '', value: b}]}",
            "MissingField .queryParams[0].name",
        ),
        (
            "{queryParams: [{type: Glob, name: a, value: b}]}",
            "UnsupportedField .queryParams[0].type",
        ),
        (
            "{queryParams: [{type: RegularExpression, name: a, value: '*'}]}",
            "InvalidRegex .queryParams[0].value",
        ),
        ("{somethingNew: 1}", "UnsupportedField .somethingNew"),
        ("7", "WrongType "),
        ("null", "MissingField "),
    ] {
        let world = with_matches(&format!("[{spec}]"));
        assert_eq!(paths(&world), [""; 0], "{spec}");
        let (code, field) = code.split_once(' ').unwrap();
        assert_eq!(
            problems(&world, "HTTPRoute", "warning"),
            [format!("{code} spec.rules[0].matches[0]{field}")],
            "{spec}"
        );
        assert_eq!(
            conditions(&world, "HTTPRoute"),
            [
                "Accepted=False/UnsupportedValue",
                "ResolvedRefs=True/ResolvedRefs"
            ],
            "{spec}"
        );
    }
}

#[test]
fn a_broken_match_costs_no_other_and_the_route_is_partially_invalid() {
    let world =
        with_matches("[{path: {value: /a}}, {method: get}, {path: {type: Exact, value: /b}}]");
    assert_eq!(paths(&world), ["Exact /b", "Prefix /a"]);
    assert_eq!(
        conditions(&world, "HTTPRoute"),
        [
            "Accepted=True/Accepted",
            "ResolvedRefs=True/ResolvedRefs",
            "PartiallyInvalid=True/UnsupportedValue"
        ]
    );
    let message = &world.status("HTTPRoute", "r")["parents"][0]["conditions"][2]["message"];
    assert!(
        message.as_str().unwrap().starts_with("Dropped Rule"),
        "{message}"
    );
}

#[test]
fn conditions_of_a_match_are_headers_query_and_method() {
    for (spec, member, expected) in [
        ("{method: GET}", "methods", json!(["GET"])),
        (
            "{headers: [{name: X, value: '1'}, {name: A, value: b c}]}",
            "headers",
            json!([{"name": "a", "value": "b c"}, {"name": "x", "value": "1"}]),
        ),
        (
            "{headers: [{type: RegularExpression, name: V, value: 'a|b'}]}",
            "headers",
            json!([{"name": "v", "regex": "a|b"}]),
        ),
        (
            "{queryParams: [{name: B, value: '1'}, {type: Exact, name: a, value: x}]}",
            "query",
            json!([{"name": "B", "value": "1"}, {"name": "a", "value": "x"}]),
        ),
        (
            "{queryParams: [{type: RegularExpression, name: 'q[]', value: '[0-9]+'}]}",
            "query",
            json!([{"name": "q[]", "regex": "[0-9]+"}]),
        ),
    ] {
        let world = with_matches(&format!("[{spec}]"));
        assert_eq!(matches(&world)[0][member], expected, "{spec}");
    }
}

#[test]
fn of_entries_with_equivalent_names_only_the_first_counts() {
    for (spec, member, expected) in [
        (
            "{headers: [{name: X, value: '1'}, {name: x, value: '2'}]}",
            "headers",
            json!([{"name": "x", "value": "1"}]),
        ),
        (
            "{queryParams: [{name: a, value: '1'}, {name: a, value: '2'}]}",
            "query",
            json!([{"name": "a", "value": "1"}]),
        ),
        // Names of query parameters are compared exactly.
        (
            "{queryParams: [{name: a, value: '1'}, {name: A, value: '2'}]}",
            "query",
            json!([{"name": "A", "value": "2"}, {"name": "a", "value": "1"}]),
        ),
    ] {
        let world = with_matches(&format!("[{spec}]"));
        assert_eq!(matches(&world)[0][member], expected, "{spec}");
        let told = problems(&world, "HTTPRoute", "warning").len();
        assert_eq!(told, 2 - expected.as_array().map_or(0, Vec::len), "{spec}");
    }
}

#[test]
fn what_means_something_else_in_kic_is_told() {
    for (members, field) in [
        (
            "matches: [{path: {value: /a/}}]",
            "spec.rules[0].matches[0].path.value",
        ),
        (
            "matches: [{path: {type: Exact, value: '/a+'}}]",
            "spec.rules[0].matches[0].path.value",
        ),
        (
            "matches: [{headers: [{type: RegularExpression, name: a, value: b}]}]",
            "spec.rules[0].matches[0].headers[0].value",
        ),
    ] {
        let world = rule(&format!("{members}, {TO_WEB}"));
        assert_eq!(
            problems(&world, "HTTPRoute", "info"),
            [format!("KicDiffers {field}")]
        );
    }
    let world = rule("backendRefs: [{name: web, port: 80, weight: 9}, {name: copy, port: 81}]");
    assert_eq!(
        problems(&world, "HTTPRoute", "info"),
        ["KicDiffers spec.rules[0].backendRefs"]
    );
    let world = rule("filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]");
    assert_eq!(
        problems(&world, "HTTPRoute", "info"),
        ["KicDiffers spec.rules[0].filters[0].requestRedirect"]
    );
}

#[test]
fn ten_thousand_rules_are_read() {
    let rules: Vec<Value> = (0..10_000)
        .map(|i| {
            json!({"matches": [{"path": {"type": "Exact", "value": format!("/r{i}")}}],
            "backendRefs": [{"name": "web", "port": 80}]})
        })
        .collect();
    let spec = json!({"parentRefs": [{"name": "gw", "sectionName": "any"}], "rules": rules});
    let world = crate::fixture::with(&crate::fixture::route("HTTPRoute", &spec.to_string()));
    assert_eq!(paths(&world).len(), 10_000);
}
