//! Gateway API: `GRPCMethodMatch` and the precedence of `GRPCRouteRule.matches`.

use serde_json::{Value, json};

use super::{open_gateway, route, rows, to};
use crate::ask::Ask;

fn grpc(rules: Vec<Value>) -> Vec<Value> {
    vec![open_gateway(), route("GRPCRoute", "r", &[], rules.into())]
}

fn one(method: Value) -> Vec<Value> {
    grpc(vec![to("one", json!([{"method": method}]))])
}

fn two(first: Value, second: Value) -> Vec<Value> {
    grpc(vec![to("one", json!([first])), to("two", json!([second]))])
}

fn call(target: &str) -> Ask {
    Ask::get("h.example", target)
        .method("POST")
        .header("a", "1")
}

rows! {
    no_match_matches_every_call: grpc(vec![to("one", json!([]))]), call("/foo.Bar/Get") => "one";
    service_and_method: one(json!({"service": "foo.Bar", "method": "Get"})), call("/foo.Bar/Get") => "one";
    another_method: one(json!({"service": "foo.Bar", "method": "Get"})), call("/foo.Bar/GetAll") => "404";
    another_service: one(json!({"service": "foo.Bar", "method": "Get"})), call("/foo.Baz/Get") => "404";
    // "If left empty or omitted, will match all services."
    service_alone: one(json!({"service": "foo.Bar"})), call("/foo.Bar/Any") => "one";
    service_alone_is_a_whole_name: one(json!({"service": "foo.Bar"})), call("/foo.BarX/Any") => "404";
    method_alone: one(json!({"method": "Get"})), call("/any.Service/Get") => "one";
    method_alone_is_a_whole_name: one(json!({"method": "Get"})), call("/any.Service/GetAll") => "404";
    matching_is_case_sensitive: one(json!({"service": "foo.Bar", "method": "Get"})), call("/foo.bar/get") => "404";
    // "Patterns match each as a whole" (docs/routing.md).
    a_service_pattern: one(json!({"type": "RegularExpression", "service": r"foo\.(Bar|Baz)"})), call("/foo.Baz/Any") => "one";
    a_service_pattern_is_of_the_whole_name: one(json!({"type": "RegularExpression", "service": "foo"})), call("/foo.Bar/Any") => "404";
    a_method_pattern: one(json!({"type": "RegularExpression", "method": "[GS]et"})), call("/any.Service/Set") => "one";
    a_method_pattern_is_of_the_whole_name: one(json!({"type": "RegularExpression", "method": "[GS]et"})), call("/any.Service/SetAll") => "404";
    both_patterns_are_of_their_own_name: one(json!({"type": "RegularExpression", "service": "a|b", "method": "G|Get"})), call("/b/Get") => "one";
    alternatives_of_one_do_not_take_the_other_in: one(json!({"type": "RegularExpression", "service": "a|b", "method": "G|Get"})), call("/a/x") => "404";
    headers_must_match: grpc(vec![to("one", json!([{"headers": [{"name": "A", "value": "1"}]}]))]), call("/x/Y") => "one";
    headers_that_differ_do_not: grpc(vec![to("one", json!([{"headers": [{"name": "A", "value": "2"}]}]))]), call("/x/Y") => "404";

    // "Characters in a matching service. Characters in a matching method. Header matches."
    service_before_method: two(json!({"method": {"method": "Get"}}), json!({"method": {"service": "s"}})), call("/s/Get") => "two";
    service_and_method_before_service: two(json!({"method": {"service": "s"}}), json!({"method": {"service": "s", "method": "Get"}})), call("/s/Get") => "two";
    method_before_none: two(json!({}), json!({"method": {"method": "Get"}})), call("/s/Get") => "two";
    service_before_headers: two(json!({"headers": [{"name": "a", "value": "1"}]}), json!({"method": {"service": "s"}})), call("/s/Get") => "two";
    a_service_pattern_with_a_method_before_the_same_without: two(json!({"method": {"type": "RegularExpression", "service": "s.*"}}), json!({"method": {"type": "RegularExpression", "service": "s.*", "method": "G"}})), call("/s/G") => "two";
    more_headers_first: two(json!({}), json!({"headers": [{"name": "a", "value": "1"}]})), call("/s/Get") => "two";
    first_rule_first: two(json!({}), json!({})), call("/s/Get") => "one";
}
