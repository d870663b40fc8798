//! Gateway API: precedence of `HTTPRouteRule.matches`, line by line; docs/routing.md, order of
//! candidates.

use serde_json::{Value, json};

use super::{http, open_gateway, path, paths, route, rows, to};
use crate::ask::Ask;

/// Two rules of one route: what comes second is better unless a tie is meant.
fn two(first: Value, second: Value) -> Vec<Value> {
    http(vec![to("one", json!([first])), to("two", json!([second]))])
}

fn ask() -> Ask {
    Ask::get("h.example", "/foo/bar?q=1&r=2")
        .header("a", "1")
        .header("b", "2")
}

fn prefix(value: &str) -> Value {
    json!({"type": "PathPrefix", "value": value})
}

fn created(mut object: Value, time: &str) -> Value {
    object["metadata"]["creationTimestamp"] = time.into();
    object
}

/// Two routes that differ in name and age.
fn routes(names: [&str; 2], times: [&str; 2]) -> Vec<Value> {
    let route = |index: usize, service| {
        let route = route(
            "HTTPRoute",
            names[index],
            &[],
            json!([to(service, json!([]))]),
        );
        if times[index].is_empty() {
            route
        } else {
            created(route, times[index])
        }
    };
    vec![open_gateway(), route(0, "one"), route(1, "two")]
}

const OLD: &str = "2020-01-01T00:00:00Z";
const NEW: &str = "2021-01-01T00:00:00Z";

rows! {
    exact_path_before_prefix: two(json!({"path": prefix("/foo/bar")}), json!({"path": {"type": "Exact", "value": "/foo/bar"}})), ask() => "two";
    exact_path_before_method: two(json!({"path": prefix("/foo/bar"), "method": "GET"}), json!({"path": {"type": "Exact", "value": "/foo/bar"}})), ask() => "two";
    exact_path_before_regular_expression: two(json!({"path": {"type": "RegularExpression", "value": "/foo/bar.*"}}), json!({"path": {"type": "Exact", "value": "/foo/bar"}})), ask() => "two";
    regular_expression_before_prefix: two(json!({"path": prefix("/foo/bar")}), json!({"path": {"type": "RegularExpression", "value": "/f"}})), ask() => "two";
    longer_regular_expression_first: two(json!({"path": {"type": "RegularExpression", "value": "/f"}}), json!({"path": {"type": "RegularExpression", "value": "/foo"}})), ask() => "two";
    longer_prefix_first: two(json!({"path": prefix("/foo")}), json!({"path": prefix("/foo/bar")})), ask() => "two";
    longer_prefix_before_method: two(json!({"path": prefix("/foo"), "method": "GET"}), json!({"path": prefix("/foo/bar")})), ask() => "two";
    a_trailing_slash_adds_no_length: two(json!({"path": prefix("/foo")}), json!({"path": prefix("/foo/")})), ask() => "one";
    method_before_none: two(json!({}), json!({"method": "GET"})), ask() => "two";
    method_before_headers: two(json!({"headers": [{"name": "a", "value": "1"}]}), json!({"method": "GET"})), ask() => "two";
    more_headers_first: two(json!({"headers": [{"name": "a", "value": "1"}]}), json!({"headers": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]})), ask() => "two";
    headers_that_are_ignored_do_not_count: two(json!({"headers": [{"name": "a", "value": "1"}]}), json!({"headers": [{"name": "a", "value": "1"}, {"name": "A", "value": "1"}]})), ask() => "one";
    headers_before_query_parameters: two(json!({"queryParams": [{"name": "q", "value": "1"}, {"name": "r", "value": "2"}]}), json!({"headers": [{"name": "a", "value": "1"}]})), ask() => "two";
    more_query_parameters_first: two(json!({"queryParams": [{"name": "q", "value": "1"}]}), json!({"queryParams": [{"name": "q", "value": "1"}, {"name": "r", "value": "2"}]})), ask() => "two";
    // "The oldest Route based on creation timestamp."
    older_route_first: routes(["x", "y"], [NEW, OLD]), ask() => "two";
    a_route_without_time_is_newest: routes(["x", "y"], ["", NEW]), ask() => "two";
    // "The Route appearing first in alphabetical order by "{namespace}/{name}"."
    first_name_first: routes(["y", "x"], [OLD, OLD]), ask() => "two";
    conditions_before_age: {
        let mut objects = routes(["x", "y"], [OLD, NEW]);
        objects[2]["spec"]["rules"][0]["matches"] = json!([{"method": "GET"}]);
        objects
    }, ask() => "two";
    // "The FIRST matching rule (in list order) with a match meeting the above criteria."
    first_rule_first: two(json!({"path": prefix("/foo")}), json!({"path": prefix("/foo")})), ask() => "one";
    a_better_match_that_does_not_fit_is_passed_over: two(json!({"path": prefix("/foo")}), json!({"path": prefix("/foo/bar"), "method": "PUT"})), ask() => "one";

    ingress_longer_path_first: paths(vec![path("Prefix", "/foo", "one"), path("Prefix", "/foo/bar", "two")]), ask() => "two";
    ingress_older_first: {
        let mut first = paths(vec![path("Prefix", "/", "one")]);
        let mut second = paths(vec![path("Prefix", "/", "two")]);
        second[0]["metadata"]["name"] = "j".into();
        second[0] = created(second[0].clone(), OLD);
        first[0] = created(first[0].clone(), NEW);
        first.extend(second);
        first
    }, ask() => "two";
    ingress_with_methods_first: {
        let mut first = paths(vec![path("Prefix", "/", "one")]);
        let mut second = paths(vec![path("Prefix", "/", "two")]);
        second[0]["metadata"]["name"] = "j".into();
        second[0]["metadata"]["annotations"]["konghq.com/methods"] = "GET".into();
        first.extend(second);
        first
    }, ask() => "two";
}
