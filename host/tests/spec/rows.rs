//! What only the gateway decides, and what the sets found, case by case.

use serde_json::{Value, json};

use crate::ask::Ask;
use crate::judge::judge;
use crate::oracle::{Classes, Oracle};
use crate::subject::Subject;

const GROUP: &str = "gateway.networking.k8s.io/v1";

/// Two listeners with TLS on one port, one for every host, and a route with a plugin.
fn objects() -> Vec<Value> {
    let listener = |name: &str, hostname: Option<&str>| {
        let mut listener = json!({"name": name, "port": 443, "protocol": "HTTPS",
            "tls": {"certificateRefs": [{"name": "t"}]}});
        if let Some(hostname) = hostname {
            listener["hostname"] = hostname.into();
        }
        listener
    };
    let route = |name: &str, path: &str, filters: Value| {
        json!({"apiVersion": GROUP, "kind": "HTTPRoute", "metadata": {"namespace": "a", "name": name},
            "spec": {"parentRefs": [{"name": "gw"}], "rules": [{"filters": filters,
                "matches": [{"path": {"value": path}}],
                "backendRefs": [{"name": "s", "port": 80}]}]}})
    };
    vec![
        json!({"apiVersion": GROUP, "kind": "GatewayClass", "metadata": {"name": "ours"},
            "spec": {"controllerName": "silverback.rs/gateway-controller"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "a", "name": "t"},
            "type": "kubernetes.io/tls"}),
        json!({"apiVersion": GROUP, "kind": "Gateway", "metadata": {"namespace": "a", "name": "gw"},
            "spec": {"gatewayClassName": "ours", "listeners":
                [listener("one", Some("one.example")), listener("any", None)]}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "a", "name": "s"},
            "spec": {"ports": [{"name": "http", "port": 80}]}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": "a", "name": "s", "labels": {"kubernetes.io/service-name": "s"}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}],
            "endpoints": [{"addresses": ["10.0.0.1"]}]}),
        json!({"apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin",
            "metadata": {"namespace": "a", "name": "p"}, "plugin": "key-auth"}),
        route("open", "/", json!([])),
        route(
            "closed",
            "/closed",
            json!([{"type": "ExtensionRef", "extensionRef":
            {"group": "configuration.konghq.com", "kind": "KongPlugin", "name": "p"}}]),
        ),
    ]
}

/// The same without the listener for every host.
fn one_listener() -> Vec<Value> {
    let mut objects = objects();
    let listeners = objects[2]["spec"]["listeners"].as_array_mut().unwrap();
    listeners.truncate(1);
    objects
}

fn check(objects: &[Value], ask: &Ask, status: u16) {
    let classes = Classes {
        all: true,
        ingress: "kong".to_owned(),
        controller: "silverback.rs/gateway-controller".to_owned(),
    };
    let subject = Subject::new(objects, &classes);
    let seen = subject.answer(ask);
    assert_eq!(
        seen.status, status,
        "{ask}\n{seen:?}\n{:#?}",
        subject.problems
    );
    let verdict = Oracle::new(objects, &classes).verdict(ask);
    if let Err(why) = judge(&verdict, &subject, ask) {
        panic!("{ask}\nthe oracle disagrees: {why}\n{verdict:#?}");
    }
}

macro_rules! rows {
    ($($name:ident: $objects:expr, $ask:expr => $status:expr;)*) => {
        $(#[test]
        fn $name() {
            check(&$objects, &$ask.port(443), $status);
        })*
    };
}

rows! {
    the_listener_of_the_handshake: objects(), Ask::get("one.example", "/").tls("one.example") => 200;
    another_host_of_the_same_listener: objects(), Ask::get("two.example", "/").tls("three.example") => 200;
    a_more_specific_listener_than_that_of_the_handshake: objects(), Ask::get("one.example", "/").tls("two.example") => 421;
    a_less_specific_listener_than_that_of_the_handshake: objects(), Ask::get("two.example", "/").tls("one.example") => 421;
    no_sni_is_the_listener_for_every_host: objects(), Ask::get("two.example", "/").tls("") => 200;
    no_sni_and_a_host_of_another_listener: objects(), Ask::get("one.example", "/").tls("") => 421;
    // Such a client reaches the port because it serves Ingress too.
    no_sni_and_a_host_of_the_only_listener: one_listener(), Ask::get("one.example", "/").tls("") => 421;
    the_sni_of_no_listener_and_a_host_of_the_only_one: one_listener(), Ask::get("one.example", "/").tls("two.example") => 421;
    the_sni_and_host_of_no_listener: one_listener(), Ask::get("two.example", "/").tls("two.example") => 404;
    a_host_that_is_none: objects(), Ask::get("a b", "/").tls("one.example") => 400;
    a_host_with_a_port_that_is_none: objects(), Ask::get("two.example:99999", "/").tls("one.example") => 400;
    no_tls_on_a_port_with_tls: objects(), Ask::get("one.example", "/") => 404;
    a_target_that_is_no_path: objects(), Ask::get("one.example", "foo").tls("one.example") => 400;
    a_broken_escape: objects(), Ask::get("one.example", "/%zz").tls("one.example") => 400;
    a_rule_with_plugins_is_closed: objects(), Ask::get("one.example", "/closed").tls("one.example") => 500;
}
