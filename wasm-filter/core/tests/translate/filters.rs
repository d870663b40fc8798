//! Filters of rules and backendRefs, apart from those of paths.

use serde_json::{Value, json};

use crate::fixture::{BASE, TO_WEB, conditions, matches, one_rule, problems, rule, targets, with};
use crate::translate_support::{World, any_class};

/// The filters of the rule with this list.
fn filters(list: &str) -> (World, Value) {
    let world = rule(&format!("filters: {list}, {TO_WEB}"));
    let filters = matches(&world)[0]["filters"].clone();
    (world, filters)
}

#[test]
fn header_modifiers_set_add_and_remove() {
    for (kind, config, expected) in [
        (
            "RequestHeaderModifier",
            "{set: [{name: X-A, value: '1'}], add: [{name: x-b, value: 'a,b'}], remove: [X-C, x-d]}",
            json!({"requestHeaders": {"set": [["x-a", "1"]], "add": [["x-b", "a,b"]], "remove": ["x-c", "x-d"]}}),
        ),
        (
            "ResponseHeaderModifier",
            "{set: [{name: X-A, value: '1'}, {name: x-a, value: '2'}]}",
            json!({"responseHeaders": {"set": [["x-a", "1"]]}}),
        ),
        // Responses may name any host.
        (
            "ResponseHeaderModifier",
            "{set: [{name: Host, value: a}]}",
            json!({"responseHeaders": {"set": [["host", "a"]]}}),
        ),
        ("RequestHeaderModifier", "{}", Value::Null),
    ] {
        let member = kind[..1].to_lowercase() + &kind[1..];
        let (world, filters) = filters(&format!("[{{type: {kind}, {member}: {config}}}]"));
        assert_eq!(filters, expected, "{config}");
        assert_eq!(targets(&world), ["shop/web:80*1"]);
    }
}

#[test]
fn a_filter_that_cannot_be_honoured_answers_500() {
    let modifier =
        |config: &str| format!("{{type: RequestHeaderModifier, requestHeaderModifier: {config}}}");
    let mirror = |config: &str| format!("{{type: RequestMirror, requestMirror: {config}}}");
    for (filter, code) in [
        ("{type: ExternalAuth, externalAuth: {}}".into(), "UnsupportedField .type"),
        ("{}".into(), "MissingField .type"),
        ("7".into(), "WrongType "),
        ("null".into(), "MissingField "),
        ("{type: URLRewrite}".into(), "MissingField .urlRewrite"),
        (modifier("{set: [{name: a}]}"), "MissingField .requestHeaderModifier.set[0].value"),
        (modifier("{set: [{name: a, value: ''}]}"), "MissingField .requestHeaderModifier.set[0].value"),
        (modifier("{set: [{name: 'a:', value: b}]}"), "InvalidHeader .requestHeaderModifier.set[0].name"),
        (modifier("{set: [{name: a, value: \"b\\r\\nc: d\"}]}"), "InvalidHeader .requestHeaderModifier.set[0].value"),
        (modifier("{add: 7}"), "WrongType .requestHeaderModifier.add"),
        (modifier("{remove: [7]}"), "WrongType .requestHeaderModifier.remove[0]"),
        (modifier("{remove: ['']}"), "MissingField .requestHeaderModifier.remove[0]"),
        // "Only one action for a given header name is permitted."
        (
            modifier("{set: [{name: a, value: b}], remove: [A]}"),
            "DuplicateName .requestHeaderModifier.remove[0]",
        ),
        // Headers that frame the message or choose the host are not a filter's business.
        (modifier("{remove: [Content-Length]}"), "InvalidHeader .requestHeaderModifier.remove[0]"),
        (modifier("{set: [{name: Host, value: a.com}]}"), "InvalidHeader .requestHeaderModifier.set[0].name"),
        (mirror("{}"), "MissingField .requestMirror.backendRef"),
        (mirror("{backendRef: {name: copy, port: 81}, percent: 101}"), "InvalidValue .requestMirror.percent"),
        (mirror("{backendRef: {name: copy, port: 81}, percent: -1}"), "InvalidValue .requestMirror.percent"),
        (
            mirror("{backendRef: {name: copy, port: 81}, percent: 1, fraction: {numerator: 1}}"),
            "InvalidValue .requestMirror.fraction",
        ),
        (
            mirror("{backendRef: {name: copy, port: 81}, fraction: {numerator: 3, denominator: 2}}"),
            "InvalidValue .requestMirror.fraction.numerator",
        ),
        (
            mirror("{backendRef: {name: copy, port: 81}, fraction: {numerator: 0, denominator: 0}}"),
            "InvalidValue .requestMirror.fraction.denominator",
        ),
        (
            mirror("{backendRef: {name: copy, port: 81}, fraction: {}}"),
            "MissingField .requestMirror.fraction.numerator",
        ),
        (
            "{type: ExtensionRef, extensionRef: {group: configuration.konghq.com, kind: KongPlugin}}".into(),
            "MissingField .extensionRef.name",
        ),
    ] {
        let (world, found) = filters(&format!("[{filter}]"));
        assert_eq!(found, Value::Null, "{filter}");
        assert_eq!(targets(&world), [""; 0], "{filter}");
        let (code, field) = code.split_once(' ').unwrap();
        assert_eq!(
            problems(&world, "HTTPRoute", "warning"),
            [format!("{code} spec.rules[0].filters[0]{field}")],
            "{filter}"
        );
        assert_eq!(
            conditions(&world, "HTTPRoute"),
            ["Accepted=False/UnsupportedValue", "ResolvedRefs=True/ResolvedRefs"],
            "{filter}"
        );
    }
}

#[test]
fn filters_that_exclude_each_other_answer_500() {
    let redirect = "{type: RequestRedirect, requestRedirect: {hostname: a.com}}";
    let rewrite = "{type: URLRewrite, urlRewrite: {hostname: a.com}}";
    let cors = "{type: CORS, cors: {}}";
    let headers = "{type: RequestHeaderModifier, requestHeaderModifier: {}}";
    for (members, field) in [
        (format!("filters: [{redirect}, {rewrite}]"), "filters"),
        (format!("filters: [{redirect}], {TO_WEB}"), "filters"),
        (
            format!("filters: [{redirect}, {redirect}]"),
            "filters[1].type",
        ),
        (
            format!("filters: [{rewrite}, {rewrite}], {TO_WEB}"),
            "filters[1].type",
        ),
        (
            format!("filters: [{cors}, {cors}], {TO_WEB}"),
            "filters[1].type",
        ),
        (
            format!("filters: [{headers}, {headers}], {TO_WEB}"),
            "filters[1].type",
        ),
    ] {
        let world = rule(&members);
        assert_eq!(targets(&world), [""; 0], "{members}");
        assert_eq!(matches(&world)[0]["filters"], Value::Null, "{members}");
        assert_eq!(
            problems(&world, "HTTPRoute", "warning"),
            [format!("IncompatibleFilters spec.rules[0].{field}")],
            "{members}"
        );
        assert_eq!(
            conditions(&world, "HTTPRoute")[0],
            "Accepted=False/IncompatibleFilters",
            "{members}"
        );
    }
}

#[test]
fn mirrors_copy_some_or_all_requests() {
    for (share, numerator, denominator) in [
        ("", 1, 1),
        (", percent: 0", 0, 100),
        (", percent: 42", 42, 100),
        (", fraction: {numerator: 1}", 1, 100),
        (", fraction: {numerator: 2, denominator: 3}", 2, 3),
    ] {
        let (world, filters) = filters(&format!(
            "[{{type: RequestMirror, requestMirror: {{backendRef: {{name: copy, port: 81}}{share}}}}}]"
        ));
        let expected = json!([{"service": "shop/copy:81", "numerator": numerator, "denominator": denominator}]);
        assert_eq!(filters["mirrors"], expected, "{share}");
        // Its endpoints are published too.
        assert!(
            world
                .rest()
                .iter()
                .any(|l| l.starts_with("service shop/copy:81"))
        );
    }
}

#[test]
fn a_mirror_that_cannot_be_resolved_is_dropped_and_the_rule_goes_on() {
    for (backend, reason, field) in [
        ("{name: gone, port: 80}", "BackendNotFound", ".name"),
        ("{name: copy, port: 80}", "BackendNotFound", ".port"),
        (
            "{name: far, namespace: other, port: 80}",
            "RefNotPermitted",
            ".namespace",
        ),
        ("{name: copy, kind: Pod}", "InvalidKind", ".kind"),
    ] {
        let mirror =
            |b: &str| format!("{{type: RequestMirror, requestMirror: {{backendRef: {b}}}}}");
        let good = mirror("{name: copy, port: 81}");
        let (world, filters) = filters(&format!("[{}, {good}]", mirror(backend)));
        assert_eq!(
            filters["mirrors"].as_array().map(Vec::len),
            Some(1),
            "{backend}"
        );
        assert_eq!(targets(&world), ["shop/web:80*1"], "{backend}");
        assert_eq!(
            problems(&world, "HTTPRoute", "warning"),
            [format!(
                "{reason} spec.rules[0].filters[0].requestMirror.backendRef{field}"
            )]
        );
        assert_eq!(
            conditions(&world, "HTTPRoute"),
            [
                "Accepted=True/Accepted".to_owned(),
                format!("ResolvedRefs=False/{reason}")
            ]
        );
    }
}

#[test]
fn a_mirror_into_another_namespace_needs_a_grant() {
    let route = one_rule(
        "HTTPRoute",
        &format!(
            "filters: [{{type: RequestMirror, requestMirror: {{backendRef: {{name: far, namespace: other, port: 80}}}}}}], {TO_WEB}"
        ),
    );
    let grant = "
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: g, namespace: other}
spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}], to: [{group: '', kind: Service}]}
";
    let world = World::of(any_class(), &format!("{BASE}{route}{grant}"));
    assert_eq!(
        matches(&world)[0]["filters"]["mirrors"][0]["service"],
        "other/far:80"
    );
}

#[test]
fn cors_is_read_and_its_broken_entries_are_left_out() {
    let (world, filters) = filters(
        "[{type: CORS, cors: {allowOrigins: ['https://A.com:443', 'https://*.b.com', nonsense, '*'], \
         allowCredentials: true, allowMethods: [GET, PUT, get], allowHeaders: [X-A, 'b c'], \
         exposeHeaders: ['*'], maxAge: 60}}]",
    );
    assert_eq!(
        filters["cors"],
        json!({"allowOrigins": ["https://a.com", "https://*.b.com"], "allowCredentials": true,
            "allowMethods": ["GET", "PUT"], "allowHeaders": ["X-A"], "exposeHeaders": ["*"], "maxAge": 60})
    );
    let place = "InvalidValue spec.rules[0].filters[0].cors";
    assert_eq!(
        problems(&world, "HTTPRoute", "warning"),
        [
            format!("{place}.allowOrigins[2]"),
            format!("{place}.allowOrigins[3]"),
            format!("{place}.allowMethods[2]"),
            format!("{place}.allowHeaders[1]"),
        ]
    );
    assert_eq!(targets(&world), ["shop/web:80*1"]);
}

#[test]
fn cors_defaults_to_five_seconds_and_no_credentials() {
    for config in [
        "{allowOrigins: ['*']}",
        "{allowOrigins: ['*'], maxAge: 0}",
        "{allowOrigins: ['*'], allowCredentials: x}",
    ] {
        let (_, filters) = filters(&format!("[{{type: CORS, cors: {config}}}]"));
        let cors = &filters["cors"];
        assert_eq!(cors["allowOrigins"], json!(["*"]));
        assert_eq!(
            (&cors["maxAge"], &cors["allowCredentials"]),
            (&json!(5), &json!(false))
        );
    }
}

#[test]
fn extensions_are_kong_plugins_of_the_routes_namespace() {
    let plugin = |name: &str| {
        format!(
            "{{type: ExtensionRef, extensionRef: {{group: configuration.konghq.com, kind: KongPlugin, name: {name}}}}}"
        )
    };
    let world = rule(&format!(
        "filters: [{}, {}, {}], {TO_WEB}",
        plugin("b"),
        plugin("a"),
        plugin("b")
    ));
    assert_eq!(
        matches(&world)[0]["plugins"]["names"],
        json!(["shop/a", "shop/b"])
    );
    for kind in [
        "{group: example.com, kind: KongPlugin, name: a}",
        "{kind: Foo, name: a}",
        "{group: configuration.konghq.com, kind: KongClusterPlugin, name: a}",
    ] {
        let world = rule(&format!(
            "filters: [{{type: ExtensionRef, extensionRef: {kind}}}], {TO_WEB}"
        ));
        assert_eq!(targets(&world), [""; 0], "{kind}");
        assert_eq!(
            conditions(&world, "HTTPRoute"),
            ["Accepted=True/Accepted", "ResolvedRefs=False/InvalidKind"],
            "{kind}"
        );
    }
}

#[test]
fn filters_of_a_backend_are_its_own_and_cost_only_its_share() {
    let headers =
        "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}";
    let bad = "{type: New}";
    let plugin = "{type: ExtensionRef, extensionRef: {group: configuration.konghq.com, kind: KongPlugin, name: a}}";
    for (filters, expected, problem) in [
        (headers, ["shop/web:80*1", "shop/copy:81*1"], None),
        (
            bad,
            ["500*1", "shop/copy:81*1"],
            Some("UnsupportedField spec.rules[0].backendRefs[0].filters[0].type"),
        ),
        // Kong runs plugins for whole routes.
        (
            plugin,
            ["500*1", "shop/copy:81*1"],
            Some("UnsupportedField spec.rules[0].backendRefs[0].filters[0].extensionRef"),
        ),
    ] {
        let world = rule(&format!(
            "backendRefs: [{{name: web, port: 80, filters: [{filters}]}}, {{name: copy, port: 81}}]"
        ));
        assert_eq!(targets(&world), expected);
        let told: Vec<_> = problem.map(str::to_owned).into_iter().collect();
        assert_eq!(problems(&world, "HTTPRoute", "warning"), told);
        assert_eq!(conditions(&world, "HTTPRoute").len(), 2 + told.len());
        if told.is_empty() {
            let backends = &matches(&world)[0]["backends"];
            assert_eq!(
                backends[0]["filters"]["requestHeaders"]["set"],
                json!([["a", "b"]])
            );
            assert_eq!(backends[1]["filters"], Value::Null);
        }
    }
}

#[test]
fn a_field_that_is_not_known_is_a_warning() {
    let (world, _) =
        filters("[{type: URLRewrite, urlRewrite: {hostname: a.com, new: 1}, cors: {maxAge: 1}}]");
    assert_eq!(targets(&world), ["shop/web:80*1"]);
    assert_eq!(
        problems(&world, "HTTPRoute", "warning"),
        [
            "UnsupportedField spec.rules[0].filters[0].cors",
            "UnsupportedField spec.rules[0].filters[0].urlRewrite.new",
        ]
    );
    assert_eq!(problems(&with(""), "HTTPRoute", "info"), [""; 0]);
}

#[test]
fn a_request_has_four_mirrors_and_the_rest_is_told() {
    let mirrors = |count: usize| {
        let mirror = "{type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 81}}}";
        vec![mirror; count].join(", ")
    };
    for (of_rule, of_backend, kept, dropped) in [
        (4, 0, (4, 0), None),
        (5, 0, (4, 0), Some(("filters", 1))),
        (7, 0, (4, 0), Some(("filters", 3))),
        (2, 2, (2, 2), None),
        (2, 3, (2, 2), Some(("backendRefs[0].filters", 1))),
        (0, 6, (0, 4), Some(("backendRefs[0].filters", 2))),
        (4, 1, (4, 0), Some(("backendRefs[0].filters", 1))),
    ] {
        let world = rule(&format!(
            "filters: [{}], backendRefs: [{{name: web, port: 80, filters: [{}]}}]",
            mirrors(of_rule),
            mirrors(of_backend)
        ));
        let what = format!("{of_rule} and {of_backend}");
        let m = &matches(&world)[0];
        let count = |filters: &Value| filters["mirrors"].as_array().map_or(0, Vec::len);
        let seen = (count(&m["filters"]), count(&m["backends"][0]["filters"]));
        assert_eq!(seen, kept, "{what}");
        let told = problems(&world, "HTTPRoute", "warning");
        let expected = dropped.map(|(field, _)| format!("TooMany spec.rules[0].{field}"));
        assert_eq!(told, Vec::from_iter(expected), "{what}");
        if let Some((_, dropped)) = dropped {
            let message = format!(
                "at most 4 mirrors, those of its rule and backend together; the last {dropped} "
            );
            assert!(
                world.problems().iter().any(|p| p.contains(&message)),
                "{what}"
            );
        }
        assert_eq!(
            conditions(&world, "HTTPRoute")[0],
            "Accepted=True/Accepted",
            "{what}"
        );
    }
}

#[test]
fn an_extension_that_does_not_exist_is_an_unresolved_reference() {
    for (kind, name, resolved) in [
        ("KongPlugin", "a", "ResolvedRefs=True/ResolvedRefs"),
        ("KongPlugin", "none", "ResolvedRefs=False/BackendNotFound"),
        ("Secret", "a", "ResolvedRefs=False/InvalidKind"),
    ] {
        for route in ["HTTPRoute", "GRPCRoute"] {
            let world = with(&one_rule(
                route,
                &format!(
                    "filters: [{{type: ExtensionRef, extensionRef: {{group: configuration.konghq.com, \
                 kind: {kind}, name: {name}}}}}], {TO_WEB}"
                ),
            ));
            let what = format!("{route} {kind} {name}");
            let told = conditions(&world, route);
            assert_eq!(told[..2], ["Accepted=True/Accepted", resolved], "{what}");
            // Closed, and not without the filter.
            let closed = resolved.contains("False");
            assert_eq!(targets(&world).is_empty(), closed, "{what}");
        }
    }
    // What an annotation names is no reference of the API.
    let text = one_rule("HTTPRoute", TO_WEB).replace(
        "generation: 7",
        "generation: 7, annotations: {konghq.com/plugins: none}",
    );
    let world = with(&text);
    assert_eq!(
        conditions(&world, "HTTPRoute")[1],
        "ResolvedRefs=True/ResolvedRefs"
    );
    assert!(targets(&world).is_empty());
}

#[test]
fn a_mirror_that_must_be_verified_is_dropped() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: safe, namespace: shop, annotations: \
        {konghq.com/protocol: https, konghq.com/tls-verify: 'true'}}\n\
        spec: {ports: [{port: 443}]}\n---\n";
    let route = one_rule(
        "HTTPRoute",
        &format!(
            "filters: [{{type: RequestMirror, requestMirror: {{backendRef: {{name: safe, port: 443}}}}}}], {TO_WEB}"
        ),
    );
    let world = World::of(any_class(), &format!("{BASE}{service}{route}"));
    assert_eq!(matches(&world)[0]["filters"]["mirrors"], Value::Null);
    assert_eq!(targets(&world), ["shop/web:80*1"]);
    assert_eq!(
        conditions(&world, "HTTPRoute")[1],
        "ResolvedRefs=False/UnsupportedValue"
    );
    assert_eq!(
        problems(&world, "HTTPRoute", "error"),
        ["UnsupportedField spec.rules[0].filters[0].requestMirror.backendRef.name"]
    );
}
