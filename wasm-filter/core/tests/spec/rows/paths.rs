//! Gateway API: `PathMatchType`, and the normal form of docs/routing.md.

use serde_json::{Value, json};

use super::{http, rows, to};
use crate::ask::Ask;

fn one(kind: &str, value: &str) -> Vec<Value> {
    http(vec![to(
        "one",
        json!([{"path": {"type": kind, "value": value}}]),
    )])
}

fn get(target: &str) -> Ask {
    Ask::get("h.example", target)
}

rows! {
    // "An exact path match on `/abc` will only match requests to `/abc`, NOT `/abc/`, `/Abc`, or
    // `/abcd`."
    exact_abc_matches_abc: one("Exact", "/abc"), get("/abc") => "one";
    exact_abc_does_not_match_abc_slash: one("Exact", "/abc"), get("/abc/") => "404";
    exact_abc_does_not_match_upper_case: one("Exact", "/abc"), get("/Abc") => "404";
    exact_abc_does_not_match_abcd: one("Exact", "/abc"), get("/abcd") => "404";
    // "The paths `/abc`, `/abc/`, and `/abc/def` would all match the prefix `/abc`, but the path
    // `/abcd` would not."
    prefix_abc_matches_abc: one("PathPrefix", "/abc"), get("/abc") => "one";
    prefix_abc_matches_abc_slash: one("PathPrefix", "/abc"), get("/abc/") => "one";
    prefix_abc_matches_abc_def: one("PathPrefix", "/abc"), get("/abc/def") => "one";
    prefix_abc_does_not_match_abcd: one("PathPrefix", "/abc"), get("/abcd") => "404";
    prefix_trailing_slash_is_ignored: one("PathPrefix", "/abc/"), get("/abc") => "one";
    prefix_is_the_default_type: http(vec![to("one", json!([{"path": {"value": "/abc"}}]))]), get("/abc/def") => "one";
    root_is_the_default_value: http(vec![to("one", json!([{"path": {"type": "PathPrefix"}}]))]), get("/abc") => "one";
    no_match_is_prefix_root: http(vec![to("one", json!([]))]), get("/any") => "one";
    regular_expression_matches_from_the_start: one("RegularExpression", "/a[0-9]"), get("/a1/x") => "one";
    regular_expression_does_not_match_elsewhere: one("RegularExpression", "/a[0-9]"), get("/x/a1") => "404";
    regular_expression_is_case_sensitive: one("RegularExpression", "/abc"), get("/ABC") => "404";

    unreserved_escapes_are_decoded: one("Exact", "/abc"), get("/%61b%63") => "one";
    other_escapes_are_in_upper_case: one("Exact", "/a%C3%A9"), get("/a%c3%a9") => "one";
    dot_segments_are_removed: one("Exact", "/abc"), get("/x/../y/.././abc") => "one";
    encoded_dot_segments_are_removed: one("Exact", "/abc"), get("/x/%2e%2E/abc") => "one";
    dots_above_the_root_stay_at_the_root: one("Exact", "/abc"), get("/../../abc") => "one";
    repeated_slashes_are_merged: one("Exact", "/abc/d"), get("//abc///d") => "one";
    encoded_slash_is_no_boundary: one("PathPrefix", "/abc"), get("/abc%2Fdef") => "404";
    encoded_slash_stays: one("PathPrefix", "/abc"), get("/abc/d%2fe") => "one";
    a_broken_escape_is_refused: one("PathPrefix", "/"), get("/a%zz") => "400";
    a_short_escape_is_refused: one("PathPrefix", "/"), get("/a%4") => "400";
    a_path_without_slash_is_refused: one("PathPrefix", "/"), get("abc") => "400";
    a_control_character_is_refused: one("PathPrefix", "/"), get("/a\u{1}") => "400";
    the_query_is_no_part_of_the_path: one("Exact", "/abc"), get("/abc?x=/def") => "one";
}
