//! RequestRedirect and URLRewrite.

use serde_json::{Value, json};

use crate::fixture::{TO_WEB, conditions, matches, problems, rule, targets};

#[test]
fn redirects_keep_what_they_do_not_name() {
    for (config, expected) in [
        ("{}", json!({"status": 302})),
        ("{scheme: https}", json!({"status": 302, "scheme": "https"})),
        (
            "{scheme: http, port: 8080}",
            json!({"status": 302, "scheme": "http", "port": 8080}),
        ),
        (
            "{hostname: A.com, statusCode: 301}",
            json!({"status": 301, "hostname": "a.com"}),
        ),
        ("{statusCode: 303}", json!({"status": 303})),
        ("{statusCode: 307}", json!({"status": 307})),
        ("{statusCode: 308}", json!({"status": 308})),
        (
            "{path: {type: ReplaceFullPath, replaceFullPath: /x}}",
            json!({"status": 302, "path": {"full": "/x"}}),
        ),
        (
            "{path: {type: ReplacePrefixMatch, replacePrefixMatch: /x/}}",
            json!({"status": 302, "path": {"prefix": "/x"}}),
        ),
    ] {
        let world = rule(&format!(
            "filters: [{{type: RequestRedirect, requestRedirect: {config}}}]"
        ));
        assert_eq!(
            matches(&world)[0]["filters"]["redirect"],
            expected,
            "{config}"
        );
        assert_eq!(
            problems(&world, "HTTPRoute", "warning"),
            [""; 0],
            "{config}"
        );
    }
}

#[test]
fn rewrites_replace_host_and_path() {
    for (config, expected) in [
        ("{}", json!({})),
        ("{hostname: b.com}", json!({"hostname": "b.com"})),
        (
            "{path: {type: ReplaceFullPath, replaceFullPath: /x/}}",
            json!({"path": {"full": "/x/"}}),
        ),
        (
            "{path: {type: ReplaceFullPath, replaceFullPath: ''}}",
            json!({"path": {"full": "/"}}),
        ),
        (
            "{path: {type: ReplacePrefixMatch, replacePrefixMatch: /x}}",
            json!({"path": {"prefix": "/x"}}),
        ),
        (
            "{path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}",
            json!({"path": {"prefix": "/"}}),
        ),
        (
            "{path: {type: ReplacePrefixMatch, replacePrefixMatch: ''}}",
            json!({"path": {"prefix": "/"}}),
        ),
    ] {
        let world = rule(&format!(
            "filters: [{{type: URLRewrite, urlRewrite: {config}}}], {TO_WEB}"
        ));
        assert_eq!(
            matches(&world)[0]["filters"]["rewrite"],
            expected,
            "{config}"
        );
        assert_eq!(
            problems(&world, "HTTPRoute", "warning"),
            [""; 0],
            "{config}"
        );
    }
}

#[test]
fn a_value_that_cannot_be_read_answers_500() {
    for (config, code) in [
        ("{scheme: ftp}", "InvalidValue .scheme"),
        ("{statusCode: 300}", "InvalidValue .statusCode"),
        ("{statusCode: '302'}", "WrongType .statusCode"),
        ("{port: 0}", "InvalidPort .port"),
        ("{hostname: '*.a.com'}", "InvalidHost .hostname"),
        ("{hostname: 10.0.0.1}", "InvalidHost .hostname"),
        ("{path: {}}", "MissingField .path.type"),
        ("{path: {type: Regex}}", "UnsupportedField .path.type"),
        (
            "{path: {type: ReplaceFullPath}}",
            "MissingField .path.replaceFullPath",
        ),
        (
            "{path: {type: ReplacePrefixMatch}}",
            "MissingField .path.replacePrefixMatch",
        ),
        (
            "{path: {type: ReplaceFullPath, replaceFullPath: x}}",
            "InvalidPath .path.replaceFullPath",
        ),
        (
            "{path: {type: ReplaceFullPath, replaceFullPath: '/a?b'}}",
            "InvalidPath .path.replaceFullPath",
        ),
        (
            "{path: {type: ReplacePrefixMatch, replacePrefixMatch: x}}",
            "InvalidPath .path.replacePrefixMatch",
        ),
    ] {
        let world = rule(&format!(
            "filters: [{{type: RequestRedirect, requestRedirect: {config}}}]"
        ));
        assert_eq!(matches(&world)[0]["filters"], Value::Null, "{config}");
        let (code, field) = code.split_once(' ').unwrap();
        assert_eq!(
            problems(&world, "HTTPRoute", "warning"),
            [format!(
                "{code} spec.rules[0].filters[0].requestRedirect{field}"
            )],
            "{config}"
        );
    }
}

/// "ReplacePrefixMatch is only compatible with a PathPrefix HTTPRouteMatch."
#[test]
fn replacing_a_prefix_needs_prefixes() {
    let rewrite = "{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /x}}}";
    for (path, fits) in [
        ("{value: /a}", true),
        ("{type: Exact, value: /a}", false),
        ("{type: RegularExpression, value: /a}", false),
    ] {
        let world = rule(&format!(
            "matches: [{{path: {path}}}], filters: [{rewrite}], {TO_WEB}"
        ));
        let accepted = conditions(&world, "HTTPRoute")[0].clone();
        if fits {
            assert_eq!(targets(&world), ["shop/web:80*1"]);
            assert_eq!(accepted, "Accepted=True/Accepted");
        } else {
            assert_eq!(targets(&world), [""; 0], "{path}");
            assert_eq!(accepted, "Accepted=False/UnsupportedValue");
            assert_eq!(
                problems(&world, "HTTPRoute", "warning"),
                ["IncompatibleFilters spec.rules[0].filters"]
            );
        }
        // Of a backend it costs the backend's share.
        let world = rule(&format!(
            "matches: [{{path: {path}}}], backendRefs: [{{name: web, port: 80, filters: [{rewrite}]}}]"
        ));
        let expected = if fits { "shop/web:80*1" } else { "500*1" };
        assert_eq!(targets(&world), [expected], "{path}");
    }
}
