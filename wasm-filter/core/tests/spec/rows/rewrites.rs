//! Gateway API: the table of `HTTPPathModifier.replacePrefixMatch`, and the rules of
//! `HTTPRequestRedirectFilter`; kic-map 2.8 for what strip-path leaves.

use serde_json::{Value, json};

use super::{check, gateway, http, path, paths, route, target, to};
use crate::ask::Ask;

/// `name: objects, request => path for the upstream, or status and Location`
macro_rules! targets {
    ($($name:ident: $objects:expr, $ask:expr => $wanted:expr;)*) => {
        $(#[test]
        fn $name() {
            check(&$objects, &$ask, $wanted, target);
        })*
    };
}

fn get(target: &str) -> Ask {
    Ask::get("h.example", target)
}

fn rewrite(prefix: &str, new: &str) -> Vec<Value> {
    filtered(
        prefix,
        json!({"type": "URLRewrite", "urlRewrite": {"path": {
        "type": "ReplacePrefixMatch", "replacePrefixMatch": new}}}),
    )
}

fn filtered(prefix: &str, filter: Value) -> Vec<Value> {
    let mut rule = to(
        "one",
        json!([{"path": {"type": "PathPrefix", "value": prefix}}]),
    );
    rule["filters"] = json!([filter]);
    http(vec![rule])
}

/// A redirect on a listener.
fn redirect(port: u16, redirect: Value) -> Vec<Value> {
    let mut listener = json!({"name": "l", "port": port, "protocol": "HTTP"});
    if port == 443 || port == 8443 {
        listener["protocol"] = "HTTPS".into();
        listener["tls"] = json!({"certificateRefs": [{"name": "t"}]});
    }
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"namespace": "a", "name": "t"}});
    let rules = json!([{"matches": [{"path": {"type": "PathPrefix", "value": "/foo"}}],
        "filters": [{"type": "RequestRedirect", "requestRedirect": redirect}]}]);
    vec![
        gateway(json!([listener])),
        secret,
        route("HTTPRoute", "r", &[], rules),
    ]
}

fn on(port: u16, target: &str) -> Ask {
    let ask = get(target).port(port);
    if port == 443 || port == 8443 {
        ask.tls("h.example")
    } else {
        ask
    }
}

fn annotated(annotations: Value, kind: &str, value: &str, base: Option<&str>) -> Vec<Value> {
    let mut objects = paths(vec![path(kind, value, "one")]);
    objects[0]["metadata"]["annotations"] = annotations;
    let [mut service, slice] = super::service("a", "one", 1);
    if let Some(base) = base {
        service["metadata"]["annotations"] = json!({"konghq.com/path": base});
    }
    objects.extend([service, slice]);
    objects
}

fn strip(value: &str, base: Option<&str>, handling: &str) -> Vec<Value> {
    let annotations =
        json!({"konghq.com/strip-path": "true", "konghq.com/path-handling": handling});
    annotated(annotations, "ImplementationSpecific", value, base)
}

fn keep(base: Option<&str>, handling: &str) -> Vec<Value> {
    let annotations = json!({"konghq.com/path-handling": handling});
    annotated(annotations, "Prefix", "/", base)
}

targets! {
    // Request Path | Prefix Match | Replace Prefix | Modified Path
    foo_bar_foo_xyz: rewrite("/foo", "/xyz"), get("/foo/bar") => "/xyz/bar";
    foo_bar_foo_xyz_slash: rewrite("/foo", "/xyz/"), get("/foo/bar") => "/xyz/bar";
    foo_bar_foo_slash_xyz: rewrite("/foo/", "/xyz"), get("/foo/bar") => "/xyz/bar";
    foo_bar_foo_slash_xyz_slash: rewrite("/foo/", "/xyz/"), get("/foo/bar") => "/xyz/bar";
    foo_foo_xyz: rewrite("/foo", "/xyz"), get("/foo") => "/xyz";
    foo_slash_foo_xyz: rewrite("/foo", "/xyz"), get("/foo/") => "/xyz/";
    foo_bar_foo_empty: rewrite("/foo", ""), get("/foo/bar") => "/bar";
    foo_slash_foo_empty: rewrite("/foo", ""), get("/foo/") => "/";
    foo_foo_empty: rewrite("/foo", ""), get("/foo") => "/";
    foo_slash_foo_root: rewrite("/foo", "/"), get("/foo/") => "/";
    foo_foo_root: rewrite("/foo", "/"), get("/foo") => "/";
    the_query_is_kept: rewrite("/foo", "/xyz"), get("/foo/bar?a=b") => "/xyz/bar?a=b";
    full_path_replaces_the_path_and_keeps_the_query: filtered("/foo", json!({"type": "URLRewrite", "urlRewrite": {"path": {
        "type": "ReplaceFullPath", "replaceFullPath": "/xyz"}}})), get("/foo/bar?a=b") => "/xyz?a=b";

    // "+kubebuilder:default=302"; "When empty, the hostname in the `Host` header of the request is
    // used."
    a_redirect_is_302_to_the_same_host: redirect(80, json!({"path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"}})), on(80, "/foo") => "302 http://h.example/x";
    a_redirect_has_its_status: redirect(80, json!({"hostname": "n.example", "statusCode": 308})), on(80, "/foo") => "308 http://n.example/foo";
    a_redirect_replaces_the_prefix: redirect(80, json!({"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/xyz"}})), on(80, "/foo/bar?q") => "302 http://h.example/xyz/bar?q";
    // "If redirect scheme is not-empty, the redirect port MUST be the well-known port associated with
    // the redirect scheme."
    the_port_follows_the_scheme: redirect(8080, json!({"scheme": "https"})), on(8080, "/foo") => "302 https://h.example/foo";
    the_port_follows_the_scheme_http: redirect(8443, json!({"scheme": "http"})), on(8443, "/foo") => "302 http://h.example/foo";
    // "If redirect scheme is empty, the redirect port MUST be the Gateway Listener port."
    the_port_is_the_listener_s: redirect(8080, json!({"hostname": "n.example"})), on(8080, "/foo") => "302 http://n.example:8080/foo";
    the_port_is_the_listener_s_with_tls: redirect(8443, json!({"hostname": "n.example"})), on(8443, "/foo") => "302 https://n.example:8443/foo";
    // "Implementations SHOULD NOT add the port number [...] HTTP _and_ use port 80".
    port_80_with_http_is_left_out: redirect(80, json!({"hostname": "n.example"})), on(80, "/foo") => "302 http://n.example/foo";
    port_443_with_https_is_left_out: redirect(443, json!({"hostname": "n.example"})), on(443, "/foo") => "302 https://n.example/foo";
    port_443_with_http_is_said: redirect(80, json!({"port": 443})), on(80, "/foo") => "302 http://h.example:443/foo";
    port_80_with_https_is_said: redirect(80, json!({"scheme": "https", "port": 80})), on(80, "/foo") => "302 https://h.example:80/foo";
    a_port_comes_before_the_scheme_s: redirect(80, json!({"scheme": "https", "port": 8443})), on(80, "/foo") => "302 https://h.example:8443/foo";
    the_port_of_the_host_header_does_not_count: redirect(80, json!({})), {
        let mut ask = on(80, "/foo");
        ask.host = b"h.example:9000".to_vec();
        ask
    } => "302 http://h.example/foo";

    // Kong v0: base, strip, postfix.
    v0_base_slash_nothing_left: strip("/foo", Some("/s/"), "v0"), get("/foo") => "/s";
    v0_base_slash_path_ends_with_slash: strip("/foo/", Some("/s/"), "v0"), get("/foo/") => "/s/";
    v0_base_slash_postfix_with_slash: strip("/foo", Some("/s/"), "v0"), get("/foo/x") => "/s/x";
    v0_base_slash_postfix_without: strip("/foo", Some("/s/"), "v0"), get("/foox") => "/s/x";
    v0_base_slash_kept: keep(Some("/s/"), "v0"), get("/foo/x") => "/s/foo/x";
    v0_base_nothing_left: strip("/foo", Some("/s"), "v0"), get("/foo") => "/s";
    v0_base_path_ends_with_slash: strip("/foo/", Some("/s"), "v0"), get("/foo/") => "/s/";
    v0_base_postfix_with_slash: strip("/foo", Some("/s"), "v0"), get("/foo/x") => "/s/x";
    v0_base_postfix_without: strip("/foo", Some("/s"), "v0"), get("/foox") => "/s/x";
    v0_base_kept: keep(Some("/s"), "v0"), get("/foo/x") => "/s/foo/x";
    v0_base_kept_root: keep(Some("/s"), "v0"), get("/") => "/s";
    no_base_nothing_left: strip("/foo", None, "v0"), get("/foo") => "/";
    no_base_kept: keep(None, "v0"), get("/foo/x?q") => "/foo/x?q";
    // Kong's table of path_handling.
    v1_kept: keep(Some("/s"), "v1"), get("/fv1/req") => "/sfv1/req";
    v1_stripped: strip("/tv1", Some("/s"), "v1"), get("/tv1/req") => "/s/req";
    v1_stripped_with_slash: strip("/tv1/", Some("/s"), "v1"), get("/tv1/req") => "/sreq";
    a_whole_regex_match_is_stripped: strip(r"/~/foo/\d+", None, "v0"), get("/foo/42/x") => "/x";
    a_template_takes_groups: annotated(json!({"konghq.com/rewrite": "/x/$2/$1"}), "ImplementationSpecific", r"/~/(\w+)/(\w+)", None), get("/foo/bar?q") => "/x/bar/foo?q";
    a_template_takes_a_dollar: annotated(json!({"konghq.com/rewrite": r"/x/\$1"}), "Prefix", "/", None), get("/foo") => "/x/$1";
    the_upstream_gets_the_normal_form: keep(None, "v0"), get("//a/./b/../c") => "/a/c";
}
