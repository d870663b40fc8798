//! Kubernetes, Ingress: the tables "Multiple matches" / "Examples" of path types, and docs/routing.md
//! "Paths of Ingress".

use serde_json::json;

use super::{ingress, path, paths, rows};
use crate::ask::Ask;

fn get(target: &str) -> Ask {
    Ask::get("h.example", target)
}

fn one(kind: &str, value: &str) -> Vec<serde_json::Value> {
    paths(vec![path(kind, value, "one")])
}

fn nested() -> Vec<serde_json::Value> {
    paths(vec![
        path("Prefix", "/", "one"),
        path("Prefix", "/aaa", "two"),
        path("Prefix", "/aaa/bbb", "three"),
    ])
}

rows! {
    prefix_root_matches_all_paths: one("Prefix", "/"), get("/any/thing") => "one";
    exact_foo_matches_foo: one("Exact", "/foo"), get("/foo") => "one";
    exact_foo_does_not_match_bar: one("Exact", "/foo"), get("/bar") => "404";
    exact_foo_does_not_match_foo_slash: one("Exact", "/foo"), get("/foo/") => "404";
    exact_foo_slash_does_not_match_foo: one("Exact", "/foo/"), get("/foo") => "404";
    prefix_foo_matches_foo: one("Prefix", "/foo"), get("/foo") => "one";
    prefix_foo_matches_foo_slash: one("Prefix", "/foo"), get("/foo/") => "one";
    prefix_foo_slash_matches_foo: one("Prefix", "/foo/"), get("/foo") => "one";
    prefix_foo_slash_matches_foo_slash: one("Prefix", "/foo/"), get("/foo/") => "one";
    prefix_aaa_bb_does_not_match_aaa_bbb: one("Prefix", "/aaa/bb"), get("/aaa/bbb") => "404";
    prefix_aaa_bbb_matches_aaa_bbb: one("Prefix", "/aaa/bbb"), get("/aaa/bbb") => "one";
    prefix_aaa_bbb_slash_ignores_trailing_slash: one("Prefix", "/aaa/bbb/"), get("/aaa/bbb") => "one";
    prefix_aaa_bbb_matches_trailing_slash: one("Prefix", "/aaa/bbb"), get("/aaa/bbb/") => "one";
    prefix_aaa_bbb_matches_subpath: one("Prefix", "/aaa/bbb"), get("/aaa/bbb/ccc") => "one";
    prefix_aaa_bbb_does_not_match_string_prefix: one("Prefix", "/aaa/bbb"), get("/aaa/bbbxyz") => "404";
    prefixes_root_and_aaa_match_aaa: nested(), get("/aaa/ccc") => "two";
    prefixes_root_aaa_and_aaa_bbb_match_aaa_bbb: nested(), get("/aaa/bbb") => "three";
    prefixes_root_aaa_and_aaa_bbb_match_root: nested(), get("/ccc") => "one";
    prefix_aaa_uses_default_backend_for_ccc: {
        let mut objects = one("Prefix", "/aaa");
        objects[0]["spec"]["defaultBackend"] = json!({"service": {"name": "two", "port": {"number": 80}}});
        objects
    }, get("/ccc") => "two";
    exact_is_preferred_to_prefix: paths(vec![
        path("Prefix", "/foo", "one"),
        path("Exact", "/foo", "two"),
    ]), get("/foo") => "two";
    prefix_serves_what_exact_does_not: paths(vec![
        path("Prefix", "/foo", "one"),
        path("Exact", "/foo", "two"),
    ]), get("/foo/bar") => "one";
    matching_is_case_sensitive: one("Prefix", "/foo"), get("/Foo") => "404";

    implementation_specific_is_a_text_prefix: one("ImplementationSpecific", "/foo"), get("/foobar") => "one";
    no_path_type_is_a_text_prefix: {
        let mut objects = one("", "/foo");
        let entry = &mut objects[0]["spec"]["rules"][0]["http"]["paths"][0];
        entry.as_object_mut().expect("a path").remove("pathType");
        objects
    }, get("/foobar") => "one";
    marked_pattern_is_a_regex: one("ImplementationSpecific", r"/~/foo/\d+"), get("/foo/42") => "one";
    regex_is_anchored_at_the_start: one("ImplementationSpecific", r"/~/foo/\d+"), get("/x/foo/42") => "404";
    regex_is_not_anchored_at_the_end: one("ImplementationSpecific", r"/~/foo/\d+"), get("/foo/42/more") => "one";
    regex_marker_in_prefix_is_literal: one("Prefix", "/~/foo"), get("/~/foo/x") => "one";
    regex_prefix_annotation_changes_the_marker: {
        let mut objects = one("ImplementationSpecific", r"/@/foo/\d+");
        objects[0]["metadata"]["annotations"]["konghq.com/regex-prefix"] = "/@".into();
        objects
    }, get("/foo/42") => "one";
    empty_path_is_root: one("ImplementationSpecific", ""), get("/x") => "one";
    repeated_slashes_of_a_path_are_merged: one("Exact", "//foo///bar"), get("/foo/bar") => "one";
    exact_is_literal: one("Exact", "/a.b"), get("/aXb") => "404";
    // Of one size: pattern, prefix by segment, text prefix.
    pattern_before_prefix_of_one_size: paths(vec![
        path("Prefix", "/foo", "one"),
        path("ImplementationSpecific", "/~/fo.", "two"),
    ]), get("/foo") => "two";
    prefix_before_text_of_one_size: paths(vec![
        path("ImplementationSpecific", "/foo", "one"),
        path("Prefix", "/foo", "two"),
    ]), get("/foo") => "two";
    longer_text_before_shorter_pattern: paths(vec![
        path("ImplementationSpecific", "/~/.", "one"),
        path("ImplementationSpecific", "/foo", "two"),
    ]), get("/foo") => "two";

    // Hosts: "*.foo.com" and bar.foo.com, baz.bar.foo.com, foo.com.
    wildcard_matches_shared_suffix: wildcard(), Ask::get("bar.foo.com", "/") => "one";
    wildcard_covers_one_label_only: wildcard(), Ask::get("baz.bar.foo.com", "/") => "404";
    wildcard_does_not_match_its_suffix: wildcard(), Ask::get("foo.com", "/") => "404";
}

fn wildcard() -> Vec<serde_json::Value> {
    vec![ingress(
        "i",
        json!([{"host": "*.foo.com", "http": {"paths": [path("Prefix", "/", "one")]}}]),
    )]
}
