//! Hostile values in everything that a client can send, against rules that put it into plan and
//! response: paths with captures, Host, hashes, cookies, origins.

use serde_json::{Value, json};
use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_emulator::SharedStore;

use super::story::{CONFIG, PAGES, objects, publish};
use crate::harness::scenario;
use crate::support::node::zone;
use crate::support::runtime::{Input, Output};

/// Values that a parser, a log, a header or a path could stumble over.
fn hostile() -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = [
        "",
        "/",
        "//",
        "\0",
        "\r\n",
        "a\r\nx-evil: 1",
        "a\0b",
        " ",
        "\t",
        "%",
        "%0",
        "%00",
        "%0d%0a",
        "%zz",
        "%2f",
        "%2e%2e",
        "..",
        "../../etc",
        "/..",
        "/./",
        "?",
        "?&=",
        "#",
        "$1",
        "${x}",
        "\\",
        "\"",
        "'",
        "<script>",
        "{\"a\":1}",
        "é",
        "\u{202e}",
        "\u{feff}",
        "*",
        "*.test",
        ".",
        "a..b",
        ":",
        ":80",
        "a:b:c",
        "[::1]",
        "[::1",
        "a:99999",
        "xn--",
        "a.test.",
        "A.TEST",
        "-1",
        "0",
        "18446744073709551616",
        "canary",
        "canary\r\n",
        "c=1; c=2",
        "c=",
        "=c",
        ";;;",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    out.extend([
        vec![0xff],
        vec![0x80; 7],
        vec![0xc3, 0x28],
        (0..=255).collect(),
    ]);
    for len in [255, 256, 4_096, 32_768, 60_000] {
        for byte in [b'a', b'/', b'%', b'.', 0xff] {
            out.push(vec![byte; len]);
        }
        out.push(b"/a".repeat(len / 2));
        out.push(b"%61".repeat(len / 3));
    }
    out
}

/// The story's objects and rules that copy what a client sends.
fn store() -> SharedStore {
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let pattern = |name: &str, path: &str, annotations: Value| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"namespace": "ns", "name": name, "annotations": annotations},
            "spec": {"rules": [{"host": format!("{name}.test"), "http": {"paths": [
                {"path": path, "pathType": "ImplementationSpecific", "backend": backend}]}}]}})
    };
    let policy = |name: &str, spec: Value| {
        json!({"apiVersion": "configuration.konghq.com/v1beta1", "kind": "KongUpstreamPolicy",
            "metadata": {"namespace": "ns", "name": name}, "spec": spec})
    };
    let mut all = objects(2);
    all.extend([
        pattern("rewrite", "/~/(.*)/(.*)", json!({"konghq.com/rewrite": "/new/$2/$1"})),
        pattern("strip", "/", json!({"konghq.com/strip-path": "true", "konghq.com/preserve-host": "false"})),
        pattern("tls", "/", json!({"konghq.com/protocols": "https",
            "konghq.com/https-redirect-status-code": "301"})),
        policy("hash", json!({"algorithm": "consistent-hashing", "hashOn": {"header": "x-user"},
            "hashOnFallback": {"cookie": "c", "cookiePath": "/"}})),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"namespace": "ns", "name": "cors"}, "spec": {"parentRefs": [{"name": "g"}],
            "hostnames": ["cors.test"], "rules": [{"filters": [{"type": "CORS", "cors":
                {"allowOrigins": ["*"], "allowCredentials": true, "allowHeaders": ["*"]}}],
                "backendRefs": [{"name": "web", "port": 80}]},
                {"matches": [{"path": {"type": "PathPrefix", "value": "/re"}}], "filters": [
                {"type": "RequestRedirect", "requestRedirect": {"path":
                    {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/to"}}}]}]}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"namespace": "ns", "name": "hash"}, "spec": {"rules": [{"host": "hash.test",
            "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend":
                {"service": {"name": "hashed", "port": {"number": 80}}}}]}}]}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "ns", "name": "hashed",
            "annotations": {"konghq.com/upstream-policy": "hash"}},
            "spec": {"ports": [{"port": 80, "targetPort": 8080}]}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata":
            {"namespace": "ns", "name": "hashed-1", "labels": {"kubernetes.io/service-name": "hashed"}},
            "addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": [
            {"addresses": ["10.0.2.1"]}, {"addresses": ["10.0.2.2"]}]}),
    ]);
    let store = SharedStore::new(zone(PAGES));
    publish(&store, PAGES, &all);
    store
}

/// One request with a hostile value at each place.
fn inputs(value: &[u8]) -> Vec<Input> {
    let hosts = [
        "a.test",
        "r.test",
        "p.test",
        "rewrite.test",
        "strip.test",
        "tls.test",
        "hash.test",
        "cors.test",
    ];
    let mut out = Vec::new();
    let mut push = |host: &[u8],
                    path: &[u8],
                    method: &[u8],
                    sni: &[u8],
                    source: &[u8],
                    header: Option<&str>| {
        let info = RequestInfo {
            tls: !sni.is_empty(),
            port: 8000,
            host,
            path,
            method,
            sni,
            source,
        };
        let mut message = Vec::new();
        if info.encode(&mut message).is_ok() {
            out.push(Input {
                message: Some(message),
                headers: header
                    .map(|name| vec![(name.to_owned(), value.to_vec())])
                    .unwrap_or_default(),
                upstream: vec![("server", "up")],
                ..Input::default()
            });
        }
    };
    push(value, b"/x", b"GET", b"", b"192.0.2.1", None);
    for host in hosts {
        let host = host.as_bytes();
        push(host, value, b"GET", b"", b"192.0.2.1", None);
        push(
            host,
            &[b"/x/", value].concat(),
            b"GET",
            b"",
            b"192.0.2.1",
            None,
        );
        push(
            host,
            &[b"/re/x?q=", value].concat(),
            b"GET",
            b"",
            b"192.0.2.1",
            None,
        );
        push(host, b"/x/y", value, b"", b"192.0.2.1", None);
        push(host, b"/x/y", b"GET", value, b"192.0.2.1", None);
        push(host, b"/x/y", b"GET", b"", value, None);
        for header in [
            "x-env",
            "x-user",
            "cookie",
            "origin",
            "access-control-request-headers",
        ] {
            push(host, b"/x/y", b"GET", b"", b"192.0.2.1", Some(header));
            push(host, b"/x/y", b"OPTIONS", b"", b"192.0.2.1", Some(header));
        }
    }
    out
}

/// No byte that could end a header or a log line.
fn clean(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

fn judge(output: &Output, input: &Input) {
    assert!(!output.trapped, "trapped: {input:?}");
    match (&output.plan, &output.reply) {
        (Some(plan), None) => {
            // The decoder refuses text that could split anything.
            let plan = OwnedPlan::decode(plan).expect("a plan");
            assert!(
                plan.endpoints
                    .iter()
                    .all(|e| e.ip().to_string().starts_with("10.0.2."))
            );
        }
        (None, Some(reply)) => {
            assert!(
                matches!(reply.status, 200 | 301 | 302 | 400 | 404 | 500 | 503),
                "{reply:?}"
            );
            assert!(
                reply
                    .headers
                    .iter()
                    .all(|(name, value)| clean(name) && clean(value)),
                "{reply:?}"
            );
        }
        both => panic!("{both:?}"),
    }
    let mut headers = output.response.iter();
    assert!(
        headers.all(|(name, value)| clean(name) && clean(value)),
        "{output:?}"
    );
}

#[test]
fn no_value_that_a_client_can_send_traps_the_filter_or_splits_a_header() {
    let all: Vec<Input> = hostile().iter().flat_map(|value| inputs(value)).collect();
    println!("{} requests", all.len());
    scenario(CONFIG, store, |worker| {
        let mut outputs = Vec::new();
        for input in &all {
            let output = worker.request(input);
            judge(&output, input);
            outputs.push(output);
        }
        outputs
    });
}
