//! Gateway API: `HTTPQueryParamMatch`.

use serde_json::{Value, json};

use super::{http, rows, to};
use crate::ask::Ask;

fn with(params: Value) -> Vec<Value> {
    http(vec![to("one", json!([{"queryParams": params}]))])
}

fn get(target: &str) -> Ask {
    Ask::get("h.example", target)
}

fn q(value: &str) -> Vec<Value> {
    with(json!([{"name": "q", "value": value}]))
}

rows! {
    exact_matches_the_value: q("1"), get("/?q=1") => "one";
    exact_does_not_match_another_value: q("1"), get("/?q=11") => "404";
    exact_needs_the_parameter: q("1"), get("/?r=1") => "404";
    // "This must be an exact string match."
    the_name_is_case_sensitive: q("1"), get("/?Q=1") => "404";
    the_value_is_case_sensitive: q("a"), get("/?q=A") => "404";
    of_equal_names_the_first_entry_counts: with(json!([{"name": "q", "value": "1"}, {"name": "q", "value": "2"}])), get("/?q=1") => "one";
    of_equal_names_the_second_entry_is_ignored: with(json!([{"name": "q", "value": "1"}, {"name": "q", "value": "2"}])), get("/?q=2") => "404";
    // "It is *recommended* that implementations should match against the first value of the param."
    of_a_repeated_parameter_the_first_value_counts: q("1"), get("/?q=1&q=2") => "one";
    of_a_repeated_parameter_the_second_value_is_ignored: q("2"), get("/?q=1&q=2") => "404";
    escapes_are_decoded: q("a b"), get("/?q=a%20b") => "one";
    plus_is_a_space: q("a b"), get("/?q=a+b") => "one";
    an_encoded_plus_is_a_plus: q("a+b"), get("/?q=a%2Bb") => "one";
    names_are_decoded: q("1"), get("/?%71=1") => "one";
    all_parameters_must_match: with(json!([{"name": "q", "value": "1"}, {"name": "r", "value": "2"}])), get("/?q=1") => "404";
    all_parameters_match: with(json!([{"name": "q", "value": "1"}, {"name": "r", "value": "2"}])), get("/?r=2&q=1") => "one";
    a_regular_expression_matches_the_whole_value: with(json!([{"type": "RegularExpression", "name": "q", "value": "[0-9]+"}])), get("/?q=42") => "one";
    a_regular_expression_does_not_match_a_part: with(json!([{"type": "RegularExpression", "name": "q", "value": "[0-9]+"}])), get("/?q=42x") => "404";
}
