//! Gateway API: `HTTPHeaderMatch`; the annotation `konghq.com/headers.NAME`.

use serde_json::{Value, json};

use super::{http, path, paths, rows, to};
use crate::ask::Ask;

fn with(headers: Value) -> Vec<Value> {
    http(vec![to("one", json!([{"headers": headers}]))])
}

fn ask() -> Ask {
    Ask::get("h.example", "/")
}

fn annotated(value: &str) -> Vec<Value> {
    let mut objects = paths(vec![path("Prefix", "/", "one")]);
    objects[0]["metadata"]["annotations"]["konghq.com/headers.X-Env"] = value.into();
    objects
}

rows! {
    exact_matches_the_value: with(json!([{"name": "version", "value": "v1"}])), ask().header("version", "v1") => "one";
    exact_does_not_match_another_value: with(json!([{"name": "version", "value": "v1"}])), ask().header("version", "v12") => "404";
    exact_needs_the_header: with(json!([{"name": "version", "value": "v1"}])), ask() => "404";
    the_value_is_case_sensitive: with(json!([{"name": "version", "value": "v1"}])), ask().header("version", "V1") => "404";
    // "Name matching MUST be case-insensitive."
    the_name_is_case_insensitive: with(json!([{"name": "Version", "value": "v1"}])), ask().header("vErsion", "v1") => "one";
    // "Only the first entry with an equivalent name MUST be considered for a match."
    of_equivalent_names_the_first_entry_counts: with(json!([{"name": "foo", "value": "1"}, {"name": "Foo", "value": "2"}])), ask().header("foo", "1") => "one";
    of_equivalent_names_the_second_entry_is_ignored: with(json!([{"name": "foo", "value": "1"}, {"name": "Foo", "value": "2"}])), ask().header("foo", "2") => "404";
    all_headers_must_match: with(json!([{"name": "a", "value": "1"}, {"name": "b", "value": "2"}])), ask().header("a", "1") => "404";
    all_headers_match: with(json!([{"name": "a", "value": "1"}, {"name": "b", "value": "2"}])), ask().header("b", "2").header("a", "1") => "one";
    of_a_repeated_header_the_first_value_counts: with(json!([{"name": "a", "value": "1"}])), ask().header("a", "2").header("a", "1") => "404";
    a_regular_expression_matches_the_whole_value: with(json!([{"type": "RegularExpression", "name": "a", "value": "v[0-9]"}])), ask().header("a", "v1") => "one";
    a_regular_expression_does_not_match_a_part: with(json!([{"type": "RegularExpression", "name": "a", "value": "v[0-9]"}])), ask().header("a", "v12") => "404";
    a_regular_expression_is_case_sensitive: with(json!([{"type": "RegularExpression", "name": "a", "value": "v[0-9]"}])), ask().header("a", "V1") => "404";

    annotation_matches_one_of_its_values: annotated("t,p"), ask().header("x-env", "p") => "one";
    annotation_does_not_match_other_values: annotated("t,p"), ask().header("x-env", "x") => "404";
    annotation_pattern_matches_anywhere: annotated("~*e[0-9]"), ask().header("x-env", "abe1c") => "one";
    annotation_pattern_does_not_count_case: annotated("~*e[0-9]"), ask().header("x-env", "E1") => "one";

    methods_match: http(vec![to("one", json!([{"method": "GET"}]))]), ask() => "one";
    other_methods_do_not_match: http(vec![to("one", json!([{"method": "GET"}]))]), ask().method("POST") => "404";
    methods_are_case_sensitive: http(vec![to("one", json!([{"method": "GET"}]))]), ask().method("get") => "404";
    // "For a request to match against this rule, a request must satisfy EITHER of the two conditions".
    matches_are_alternatives: http(vec![to("one", json!([{"method": "PUT"}, {"headers": [{"name": "a", "value": "1"}]}]))]), ask().header("a", "1") => "one";
}
