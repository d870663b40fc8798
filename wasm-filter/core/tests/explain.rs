//! `explain` says what the table does with a request, and why the others lost.

use serde_json::{Value, json};
use silverback_core::translate::{Options, Translator};

fn translator() -> Translator {
    let mut translator = Translator::new(Options {
        accept_all_classes: true,
        ..Options::default()
    });
    let service = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
               "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
    };
    let objects = [
        service("web"),
        service("empty"),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
               "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
               "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
               "endpoints": [{"addresses": ["10.0.0.2"]}, {"addresses": ["10.0.0.1"]}]}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
               "metadata": {"name": "sb"}, "spec": {"controllerName": "silverback.rs/gateway-controller"}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
               "metadata": {"name": "gw", "namespace": "shop"},
               "spec": {"gatewayClassName": "sb", "listeners": [{"name": "alt", "port": 8080, "protocol": "HTTP"}]}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
               "metadata": {"name": "api", "namespace": "shop"},
               "spec": {"parentRefs": [{"name": "gw"}], "hostnames": ["api.example"], "rules": [
                   {"matches": [{"path": {"type": "PathPrefix", "value": "/v1"}, "method": "POST"},
                                {"path": {"type": "PathPrefix", "value": "/v1"}, "headers": [{"name": "X-Canary", "value": "always"}]},
                                {"path": {"type": "PathPrefix", "value": "/v1"}}],
                    "backendRefs": [{"name": "web", "port": 80, "weight": 3}, {"name": "gone", "port": 80, "weight": 1}]},
                   {"matches": [{"path": {"type": "Exact", "value": "/gone"}}],
                    "backendRefs": [{"name": "gone", "port": 80}]},
                   {"matches": [{"path": {"type": "Exact", "value": "/empty"}}],
                    "backendRefs": [{"name": "empty", "port": 80}]}]}}),
    ];
    for object in objects {
        translator.apply(object.to_string().as_bytes());
    }
    translator.commit();
    translator
}

fn ask(request: &Value) -> Value {
    let answer = translator()
        .explain_json(&request.to_string())
        .expect("an answer");
    serde_json::from_str(&answer).expect("JSON")
}

#[test]
fn outcomes() {
    for (name, request, outcome, status) in [
        (
            "a backend",
            json!({"host": "api.example:8080", "path": "/v1/x"}),
            "route",
            None,
        ),
        (
            "the port may be given apart",
            json!({"host": "api.example", "port": 8080, "path": "/v1"}),
            "route",
            None,
        ),
        (
            "another port is another listener",
            json!({"host": "api.example", "path": "/v1"}),
            "not_found",
            Some(404),
        ),
        (
            "unknown host",
            json!({"host": "x.example:8080", "path": "/v1"}),
            "not_found",
            Some(404),
        ),
        (
            "unknown path",
            json!({"host": "api.example:8080", "path": "/v2"}),
            "not_found",
            Some(404),
        ),
        (
            "plain HTTP is no HTTPS",
            json!({"scheme": "https", "host": "api.example:8080", "path": "/v1"}),
            "not_found",
            Some(404),
        ),
        (
            "only invalid backends",
            json!({"host": "api.example:8080", "path": "/gone"}),
            "respond",
            Some(500),
        ),
        (
            "no endpoints",
            json!({"host": "api.example:8080", "path": "/empty"}),
            "unavailable",
            Some(503),
        ),
        (
            "no host name",
            json!({"host": "bad host", "path": "/"}),
            "rejected",
            Some(400),
        ),
        (
            "NUL in the path",
            json!({"host": "api.example:8080", "path": "/v1%00"}),
            "rejected",
            Some(400),
        ),
        (
            "a line break in the query",
            json!({"host": "api.example:8080", "path": "/v1?a=\r\nb"}),
            "rejected",
            Some(400),
        ),
    ] {
        let answer = ask(&request);
        assert_eq!(answer["outcome"], outcome, "{name}: {answer}");
        assert_eq!(answer["status"].as_u64(), status, "{name}: {answer}");
        assert_eq!(answer["schemaVersion"], 1, "{name}");
    }
}

#[test]
fn a_port_without_a_listener_is_hinted_at() {
    let hint = |request: &Value| ask(request)["hint"].as_str().map(str::to_owned);
    let elsewhere = hint(&json!({"host": "api.example", "port": 16080, "path": "/v1"}));
    assert!(elsewhere.is_some_and(|hint| hint.contains("port 16080")));
    assert_eq!(
        hint(&json!({"host": "api.example:8080", "path": "/v2"})),
        None
    );
}

#[test]
fn the_answer_names_rule_backends_and_what_the_upstream_gets() {
    let answer = ask(&json!({
        "method": "GET", "host": "api.example:8080", "path": "/x/../v1//a?q=1",
        "headers": {"X-Canary": ["always", "never"], "Accept": "*/*"}
    }));
    let route =
        json!({"kind": "HTTPRoute", "namespace": "shop", "name": "api", "rule": 0, "match": 1});
    assert_eq!(answer["route"], route);
    assert_eq!(
        answer["backends"][0],
        json!({"kind": "Service", "namespace": "shop", "name": "web", "port": 80, "weight": 3,
               "endpoints": ["10.0.0.1:8080", "10.0.0.2:8080"]})
    );
    assert_eq!(answer["backends"][1]["weight"], 1, "the share of 500");
    assert_eq!(answer["backends"][1]["kind"], Value::Null);
    assert_eq!(
        answer["request"],
        json!({"method": "GET", "host": "api.example:8080", "path": "/v1/a?q=1",
               "headers": {"accept": ["*/*"], "x-canary": ["always", "never"]}})
    );
}

#[test]
fn losers_say_why_they_lost() {
    let answer = ask(&json!({
        "host": "api.example:8080", "path": "/v1/x", "headers": {"x-canary": "sometimes"}
    }));
    let lost: Vec<_> = answer["candidates"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|c| {
            let route = &c["route"];
            (
                route["rule"].as_u64().unwrap_or_default(),
                route["match"].as_u64().unwrap_or_default(),
                c["lost"]["code"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect();
    let expected = [
        (0, 0, "method"),
        (0, 1, "header"),
        (1, 0, "path"),
        (2, 0, "path"),
    ];
    for (rule, index, code) in expected {
        assert!(lost.contains(&(rule, index, code.to_owned())), "{lost:?}");
    }
    assert_eq!(lost.len(), expected.len(), "{lost:?}");

    let answer = ask(&json!({"method": "POST", "host": "api.example:8080", "path": "/v1"}));
    assert_eq!(answer["route"]["match"], 0);
    let codes = answer["candidates"].to_string();
    assert!(codes.contains("precedence"), "{codes}");
}

#[test]
fn what_is_no_question_is_refused_in_words() {
    for (name, request) in [
        ("no JSON", "{"),
        ("a list", "[]"),
        ("an unknown field", r#"{"hots":"a"}"#),
        ("another type", r#"{"path":1}"#),
        ("an unknown scheme", r#"{"scheme":"ftp"}"#),
    ] {
        let error = translator().explain_json(request).expect_err(name);
        assert!(!error.is_empty(), "{name}");
    }
}

#[test]
fn what_a_request_does_not_reach_is_told_with_the_reason() {
    let mut translator = Translator::new(Options::default());
    let route = |name: &str, spec: Value| {
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
               "metadata": {"name": name, "namespace": "shop"}, "spec": spec})
    };
    let gateway = |name: &str, class: &str, port: u16, from: &str| {
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
               "metadata": {"name": name, "namespace": "infra"}, "spec": {"gatewayClassName": class,
               "listeners": [{"name": "http", "port": port, "protocol": "HTTP",
                              "allowedRoutes": {"namespaces": {"from": from}}}]}})
    };
    let class = |name: &str, controller: &str| {
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
               "metadata": {"name": name}, "spec": {"controllerName": controller}})
    };
    let parent = |name: &str| json!([{"name": name, "namespace": "infra"}]);
    for object in [
        class("ours", "silverback.rs/gateway-controller"),
        class("theirs", "example.com/other"),
        gateway("open", "ours", 80, "All"),
        gateway("closed", "ours", 80, "Same"),
        gateway("high", "ours", 8080, "All"),
        gateway("other", "theirs", 80, "All"),
        route(
            "closed",
            json!({"parentRefs": parent("closed"), "hostnames": ["a.example"]}),
        ),
        route(
            "high",
            json!({"parentRefs": parent("high"), "hostnames": ["a.example"]}),
        ),
        route(
            "other",
            json!({"parentRefs": parent("other"), "hostnames": ["a.example"]}),
        ),
        route(
            "elsewhere",
            json!({"parentRefs": parent("open"), "hostnames": ["b.example"]}),
        ),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
               "metadata": {"name": "nginx", "namespace": "shop"}, "spec": {"ingressClassName": "nginx",
               "rules": [{"host": "*.example", "http": {"paths": [{"path": "/", "pathType": "Prefix",
               "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}}),
    ] {
        translator.apply(object.to_string().as_bytes());
    }
    translator.commit();
    let answer = translator.explain_json(r#"{"host": "a.example", "path": "/x"}"#);
    let trace: Value = serde_json::from_str(&answer.expect("an answer")).expect("JSON");
    let mut lost: Vec<_> = trace["candidates"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|candidate| {
            let part = |at: &str| candidate.pointer(at).and_then(Value::as_str).unwrap_or("-");
            format!(
                "{} {}: {}",
                part("/route/name"),
                part("/lost/code"),
                part("/lost/detail")
            )
        })
        .collect();
    lost.sort();
    insta::assert_snapshot!(lost.join("\n"));
}
