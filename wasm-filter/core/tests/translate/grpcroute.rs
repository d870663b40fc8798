//! GRPCRoute.

use serde_json::json;

use crate::fixture::{
    BASE, TO_WEB, conditions, matches, one_rule, paths, problems, route, targets, with,
};
use crate::translate_support::{World, any_class};

fn rule(members: &str) -> World {
    with(&one_rule("GRPCRoute", members))
}

#[test]
fn service_and_method_are_a_path() {
    for (method, expected) in [
        ("{service: foo.Bar, method: Get}", "Exact /foo.Bar/Get"),
        ("{type: Exact, service: foo.Bar}", "Prefix /foo.Bar"),
        ("{service: .foo.Bar}", "Prefix /.foo.Bar"),
        ("{method: Get}", "Regex /[^/]+/Get$"),
        ("{service: '', method: Get}", "Regex /[^/]+/Get$"),
        (
            "{type: RegularExpression, service: 'foo\\..*'}",
            "Regex /(?:foo\\..*)/.",
        ),
        (
            "{type: RegularExpression, method: 'Get|Put'}",
            "Regex /[^/]+/(?:Get|Put)$",
        ),
        (
            "{type: RegularExpression, service: a, method: b}",
            "Regex /(?:a)/(?:b)$",
        ),
        ("null", "Prefix /"),
    ] {
        let world = rule(&format!("matches: [{{method: {method}}}], {TO_WEB}"));
        assert_eq!(paths(&world), [expected], "{method}");
        assert_eq!(problems(&world, "GRPCRoute", "info"), [""; 0], "{method}");
    }
}

#[test]
fn a_match_that_cannot_be_read_is_not_programmed() {
    for (spec, code) in [
        ("{method: {}}", "MissingField .method"),
        ("{method: {service: a/b}}", "InvalidPath .method.service"),
        ("{method: {service: a..b}}", "InvalidPath .method.service"),
        (
            "{method: {service: a, method: b.c}}",
            "InvalidPath .method.method",
        ),
        (
            "{method: {service: a, method: 1b}}",
            "InvalidPath .method.method",
        ),
        (
            "{method: {type: Glob, service: a}}",
            "UnsupportedPathType .method.type",
        ),
        (
            "{method: {type: RegularExpression, service: '('}}",
            "InvalidRegex .method.service",
        ),
        // Together they would be an expression.
        (
            "{method: {type: RegularExpression, service: 'a)', method: '(b'}}",
            "InvalidRegex .method.service",
        ),
        ("{method: {service: 7}}", "WrongType .method.service"),
        (
            "{method: {service: a, new: b}}",
            "UnsupportedField .method.new",
        ),
        ("{headers: [{name: a}]}", "MissingField .headers[0].value"),
        (
            "{queryParams: [{name: a, value: b}]}",
            "UnsupportedField .queryParams",
        ),
        ("{path: {value: /a}}", "UnsupportedField .path"),
    ] {
        let world = rule(&format!("matches: [{spec}], {TO_WEB}"));
        assert_eq!(paths(&world), [""; 0], "{spec}");
        let (code, field) = code.split_once(' ').unwrap();
        assert_eq!(
            problems(&world, "GRPCRoute", "warning"),
            [format!("{code} spec.rules[0].matches[0]{field}")],
            "{spec}"
        );
        assert_eq!(
            conditions(&world, "GRPCRoute")[0],
            "Accepted=False/UnsupportedValue"
        );
    }
}

#[test]
fn a_rule_without_matches_takes_everything_and_a_route_without_rules_nothing() {
    assert_eq!(paths(&rule(TO_WEB)), ["Prefix /"]);
    let world = with(&route(
        "GRPCRoute",
        "{parentRefs: [{name: gw, sectionName: any}]}",
    ));
    assert_eq!(paths(&world), [""; 0]);
    assert_eq!(conditions(&world, "GRPCRoute")[0], "Accepted=True/Accepted");
}

#[test]
fn headers_are_exact_or_patterns() {
    let world = rule(&format!(
        "matches: [{{headers: [{{name: V, value: '2'}}, {{type: RegularExpression, name: W, value: 'a+'}}]}}], {TO_WEB}"
    ));
    assert_eq!(
        matches(&world)[0]["headers"],
        json!([{"name": "v", "value": "2"}, {"name": "w", "regex": "a+"}])
    );
}

#[test]
fn grpc_routes_have_scopes_of_their_own() {
    let world = with(&format!(
        "{}{}",
        one_rule("GRPCRoute", TO_WEB),
        one_rule("HTTPRoute", TO_WEB)
    ));
    let scopes: Vec<_> = matches(&world)
        .iter()
        .map(|m| (m["scope"].clone(), m["route"]["kind"].clone()))
        .collect();
    assert!(
        scopes.contains(&("grpc:80/*".into(), "GRPCRoute".into())),
        "{scopes:?}"
    );
    assert!(
        scopes.contains(&("port:80/*".into(), "HTTPRoute".into())),
        "{scopes:?}"
    );
    // Both count.
    assert_eq!(
        world.status("Gateway", "gw")["listeners"][0]["attachedRoutes"],
        2
    );
}

#[test]
fn filters_are_fewer_than_those_of_http() {
    for (filter, honoured) in [
        (
            "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}",
            true,
        ),
        (
            "{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [a]}}",
            true,
        ),
        (
            "{type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 81}}}",
            true,
        ),
        (
            "{type: ExtensionRef, extensionRef: {group: configuration.konghq.com, kind: KongPlugin, name: a}}",
            true,
        ),
        ("{type: URLRewrite, urlRewrite: {hostname: a.com}}", false),
        ("{type: CORS, cors: {}}", false),
        ("{type: RequestRedirect, requestRedirect: {}}", false),
    ] {
        let world = rule(&format!("filters: [{filter}], {TO_WEB}"));
        let expected: &[&str] = if honoured { &["shop/web:80*1"] } else { &[] };
        assert_eq!(targets(&world), expected, "{filter}");
        assert_eq!(
            problems(&world, "GRPCRoute", "warning").len(),
            usize::from(!honoured),
            "{filter}"
        );
    }
}

#[test]
fn timeouts_are_no_field_of_grpc_routes() {
    let world = rule(&format!("timeouts: {{request: 1s}}, {TO_WEB}"));
    assert_eq!(
        problems(&world, "GRPCRoute", "warning"),
        ["UnsupportedField spec.rules[0].timeouts"]
    );
}

#[test]
fn a_listener_may_allow_one_kind_only() {
    for (kinds, http, grpc) in [
        ("[{kind: GRPCRoute}]", false, true),
        ("[{kind: HTTPRoute}]", true, false),
        ("[{kind: HTTPRoute}, {kind: GRPCRoute}]", true, true),
        ("[]", true, true),
        ("[{group: x.io, kind: HTTPRoute}]", false, false),
    ] {
        let listener =
            format!("{{name: any, port: 80, protocol: HTTP, allowedRoutes: {{kinds: {kinds}}}}}");
        let base = BASE.replace("{name: any, port: 80, protocol: HTTP}", &listener);
        for (kind, allowed) in [("HTTPRoute", http), ("GRPCRoute", grpc)] {
            let world = World::of(any_class(), &format!("{base}{}", one_rule(kind, TO_WEB)));
            let expected = if allowed {
                "Accepted=True/Accepted"
            } else {
                "Accepted=False/NotAllowedByListeners"
            };
            assert_eq!(conditions(&world, kind)[0], expected, "{kinds} {kind}");
        }
    }
}
