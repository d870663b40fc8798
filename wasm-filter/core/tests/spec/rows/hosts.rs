//! Gateway API: `HTTPRouteSpec.hostnames`.

use serde_json::{Value, json};

use super::{by_host, gateway, ingress, path, route, rows, to};
use crate::ask::Ask;

fn at(host: &str) -> Ask {
    Ask::get(host, "/")
}

/// A listener and a route with these hostnames.
fn pair(listener: &str, hostnames: &[&str]) -> Vec<Value> {
    vec![
        gateway(json!([{"name": "http", "port": 80, "protocol": "HTTP", "hostname": listener}])),
        route("HTTPRoute", "r", hostnames, json!([to("one", json!([]))])),
    ]
}

rows! {
    // "A Listener with `test.example.com` as the hostname matches HTTPRoutes that have either not
    // specified any hostnames, or have specified at least one of `test.example.com` or
    // `*.example.com`."
    exact_listener_and_route_without: pair("test.example.com", &[]), at("test.example.com") => "one";
    exact_listener_and_same_route: pair("test.example.com", &["test.example.com"]), at("test.example.com") => "one";
    exact_listener_and_wildcard_route: pair("test.example.com", &["*.example.com"]), at("test.example.com") => "one";
    exact_listener_narrows_a_wildcard_route: pair("test.example.com", &["*.example.com"]), at("other.example.com") => "404";
    exact_listener_and_other_route: pair("test.example.com", &["other.example.com"]), at("other.example.com") => "404";
    // "`*.example.com`, `test.example.com`, and `foo.test.example.com` would all match. On the other
    // hand, `example.com` and `test.example.net` would not match."
    wildcard_listener_and_route_without: pair("*.example.com", &[]), at("test.example.com") => "one";
    wildcard_listener_and_same_route: pair("*.example.com", &["*.example.com"]), at("test.example.com") => "one";
    wildcard_listener_and_exact_route: pair("*.example.com", &["test.example.com"]), at("test.example.com") => "one";
    wildcard_listener_and_deeper_route: pair("*.example.com", &["foo.test.example.com"]), at("foo.test.example.com") => "one";
    wildcard_listener_and_its_suffix: pair("*.example.com", &["example.com"]), at("example.com") => "404";
    wildcard_listener_and_another_domain: pair("*.example.com", &["test.example.net"]), at("test.example.net") => "404";
    wildcard_listener_narrows_a_route_without: pair("*.example.com", &[]), at("test.example.net") => "404";
    // "`test.example.net` must not be considered for a match."
    hostnames_that_do_not_fit_are_ignored: pair("*.example.com", &["test.example.com", "test.example.net"]), at("test.example.net") => "404";
    hostnames_that_fit_are_not: pair("*.example.com", &["test.example.com", "test.example.net"]), at("test.example.com") => "one";

    // "A match for `*.example.com` would match both `test.example.com`, and `foo.test.example.com`, but
    // not `example.com`."
    wildcard_matches_one_label: by_host(&[&["*.example.com"]]), at("test.example.com") => "one";
    wildcard_matches_several_labels: by_host(&[&["*.example.com"]]), at("foo.test.example.com") => "one";
    wildcard_does_not_match_its_suffix: by_host(&[&["*.example.com"]]), at("example.com") => "404";
    wildcard_matches_whole_labels: by_host(&[&["*.example.com"]]), at("testexample.com") => "404";
    // "Implementations MUST ignore any port value specified in the HTTP Host header."
    the_port_is_ignored: by_host(&[&["example.com"]]), at("example.com:8080") => "one";
    case_does_not_count: by_host(&[&["example.com"]]), at("EXAMPLE.Com") => "one";
    a_trailing_dot_is_ignored: by_host(&[&["example.com"]]), at("example.com.") => "one";
    a_request_without_host_fits_rules_without: by_host(&[&["example.com"], &[]]), at("") => "two";
    an_address_fits_rules_without: by_host(&[&["example.com"], &[]]), at("[::1]:80") => "two";
    a_host_that_is_none_is_refused: by_host(&[&[]]), at("a b") => "400";
    a_port_that_is_none_is_refused: by_host(&[&[]]), at("a.com:99999") => "400";

    // "Precedence must be given to rules from the HTTPRoute with the largest number of: characters in
    // a matching non-wildcard hostname; characters in a matching hostname."
    exact_before_wildcard: by_host(&[&["*.example.com"], &["a.example.com"], &[]]), at("a.example.com") => "two";
    longer_wildcard_before_shorter: by_host(&[&["*.com"], &["*.example.com"], &[]]), at("a.example.com") => "two";
    wildcard_before_none: by_host(&[&[], &["*.com"]]), at("a.example.com") => "two";
    a_host_none_of_whose_matches_fits_is_passed_over: {
        let mut objects = by_host(&[&["a.example.com"], &["*.example.com"]]);
        objects[1]["spec"]["rules"][0]["matches"] = json!([{"method": "PUT"}]);
        objects
    }, at("a.example.com") => "two";
    host_before_path: {
        let mut objects = by_host(&[&["a.example.com"], &["*.example.com"]]);
        objects[2]["spec"]["rules"][0]["matches"] = json!([{"path": {"type": "Exact", "value": "/"}}]);
        objects
    }, at("a.example.com") => "one";

    // docs/routing.md: "On one host Ingress comes before HTTPRoute."
    ingress_before_httproute_on_one_host: {
        let mut objects = by_host(&[&["a.example.com"]]);
        objects.push(ingress("i", json!([{"host": "a.example.com", "http": {"paths": [path("Prefix", "/", "two")]}}])));
        objects
    }, at("a.example.com") => "two";
    httproute_on_a_better_host_before_ingress: {
        let mut objects = by_host(&[&["a.example.com"]]);
        objects.push(ingress("i", json!([{"host": "*.example.com", "http": {"paths": [path("Prefix", "/", "two")]}}])));
        objects
    }, at("a.example.com") => "one";
}
