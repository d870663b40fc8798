//! Which endpoints a Service port has.

use silverback_core::translate::Options;

use crate::translate_support::any_class;
use crate::world::{World, get, ingress, path};

fn service(spec: &str) -> String {
    format!(
        "{}---
apiVersion: v1
kind: Service
metadata: {{name: a}}
spec: {spec}
",
        ingress("i", "", &[path("Prefix", "/", "a")])
    )
}

fn slice(name: &str, family: &str, ports: &str, endpoints: &str) -> String {
    format!(
        "---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, labels: {{kubernetes.io/service-name: a}}}}
addressType: {family}
ports: {ports}
endpoints: {endpoints}
"
    )
}

fn endpoints(text: &str) -> Vec<String> {
    World::of(text).ask(&get("h", "/")).endpoints()
}

const PORT: &str = "{ports: [{name: http, port: 80, targetPort: web}]}";
const SLICE_PORT: &str = "[{name: http, port: 8080}]";

#[test]
fn conditions() {
    for (name, conditions, expected) in [
        ("nothing said", "[null]", &["10.0.0.1:8080"][..]),
        (
            "ready",
            "[{ready: true}, {ready: false}]",
            &["10.0.0.1:8080"],
        ),
        ("ready is nil", "[{ready: null}]", &["10.0.0.1:8080"]),
        ("not ready", "[{ready: false}]", &["503"]),
        (
            "serving without terminating is not ready",
            "[{ready: false, serving: true}]",
            &["503"],
        ),
        (
            "terminating ones serve if nothing is ready",
            "[{ready: false, serving: true, terminating: true}, {ready: false, serving: false, terminating: true}]",
            &["10.0.0.1:8080"],
        ),
        (
            "terminating ones rest while something is ready",
            "[{ready: false, serving: true, terminating: true}, {ready: true}]",
            &["10.0.0.2:8080"],
        ),
        (
            "publishNotReadyAddresses",
            "[{ready: true, terminating: true}]",
            &["10.0.0.1:8080"],
        ),
    ] {
        let list: serde_json::Value = crate::translate_support::yaml(conditions)[0].clone();
        let all: Vec<_> = list
            .as_array()
            .expect("a list")
            .iter()
            .enumerate()
            .map(|(i, c)| format!("{{addresses: [10.0.0.{}], conditions: {c}}}", i + 1))
            .collect();
        let slice = slice("s", "IPv4", SLICE_PORT, &format!("[{}]", all.join(", ")));
        assert_eq!(
            endpoints(&[service(PORT), slice].concat()),
            expected,
            "{name}"
        );
    }
}

#[test]
fn several_slices_both_families_and_no_duplicates() {
    let text = [
        service(PORT),
        slice(
            "one",
            "IPv4",
            SLICE_PORT,
            "[{addresses: [10.0.0.1, 10.0.0.2]}]",
        ),
        // A named target port is another number in another pod.
        slice(
            "two",
            "IPv4",
            "[{name: http, port: 9090}]",
            "[{addresses: [10.0.0.1]}]",
        ),
        slice("three", "IPv6", SLICE_PORT, "[{addresses: ['fd00::1']}]"),
        slice("four", "IPv4", SLICE_PORT, "[{addresses: [10.0.0.2]}]"),
        slice(
            "five",
            "IPv4",
            "[{name: other, port: 1}]",
            "[{addresses: [10.0.0.9]}]",
        ),
        slice(
            "six",
            "IPv4",
            "[{name: http, port: 2, protocol: UDP}]",
            "[{addresses: [10.0.0.9]}]",
        ),
    ];
    assert_eq!(
        endpoints(&text.concat()),
        [
            "10.0.0.1:8080",
            "10.0.0.1:9090",
            "10.0.0.2:8080",
            "[fd00::1]:8080"
        ]
    );
}

#[test]
fn a_headless_service_is_its_slices() {
    let spec = "{clusterIP: None, ports: [{name: http, port: 80}]}";
    let slice = slice("s", "IPv4", SLICE_PORT, "[{addresses: [10.0.0.1]}]");
    assert_eq!(
        endpoints(&[service(spec), slice].concat()),
        ["10.0.0.1:8080"]
    );
}

#[test]
fn service_upstream_is_the_services_own_addresses() {
    let annotated = |spec: &str| {
        service(spec).replace(
            "metadata: {name: a}",
            "metadata: {name: a, annotations: {ingress.kubernetes.io/service-upstream: 'true'}}",
        )
    };
    let slice = slice("s", "IPv4", SLICE_PORT, "[{addresses: [10.0.0.1]}]");
    for (spec, expected) in [
        (
            "{clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]}",
            &["10.96.0.1:80"][..],
        ),
        (
            "{clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00::9'], ports: [{name: http, port: 80}]}",
            &["10.96.0.1:80", "[fd00::9]:80"],
        ),
        (
            "{clusterIP: None, ports: [{name: http, port: 80}]}",
            &["10.0.0.1:8080"],
        ),
        (
            "{clusterIP: 10.96.0.1, ports: [{name: http, port: 81}]}",
            &["503"],
        ),
    ] {
        let text = [annotated(spec), slice.clone()].concat();
        assert_eq!(endpoints(&text), expected, "{spec}");
    }
}

const RESOLVED: &str = "---
apiVersion: silverback.rs/v1
kind: ResolvedName
metadata: {name: db.example.com}
addresses: [192.0.2.1, '2001:db8::1', 127.0.0.1]
";

#[test]
fn an_external_name_is_resolved_by_the_host() {
    let mut world = World::of(&service(
        "{type: ExternalName, externalName: DB.example.com.}",
    ));
    let ask = get("h", "/");
    assert_eq!(world.ask(&ask).endpoints(), ["503"]);
    let entity = r#"{"type":"name","id":"name/db.example.com","name":"db.example.com"}"#;
    assert_eq!(world.entities(), [entity]);
    world.apply(RESOLVED);
    let expected = ["192.0.2.1:80", "[2001:db8::1]:80"];
    assert_eq!(world.ask(&ask).endpoints(), expected);
    assert_eq!(
        world.codes(),
        ["ResolvedName db.example.com LocalAddress addresses"]
    );
    world.apply(&service(
        "{type: ExternalName, externalName: other.example.com}",
    ));
    assert_eq!(world.ask(&ask).endpoints(), ["503"]);
    assert_eq!(world.entities().len(), 1);
    assert!(world.entities()[0].contains("other.example.com"));
    world.apply(&service(PORT));
    assert!(world.entities().is_empty());
}

#[test]
fn an_external_name_that_is_none_has_no_endpoints() {
    for name in ["192.0.2.1", "'*.a.com'", "a_b", "null", "''", "[]"] {
        let world = World::of(&service(&format!(
            "{{type: ExternalName, externalName: {name}}}"
        )));
        assert_eq!(world.get("h", "/"), "503", "{name}");
        assert_eq!(world.codes().len(), 1, "{name}");
        assert!(world.entities().is_empty(), "{name}");
    }
}

#[test]
fn local_addresses_are_no_endpoints_unless_allowed() {
    let text = [
        service(PORT),
        slice(
            "s",
            "IPv4",
            SLICE_PORT,
            "[{addresses: [127.0.0.1, 169.254.169.254, 10.0.0.1, 0.0.0.0, 224.0.0.1]}]",
        ),
        slice(
            "t",
            "IPv6",
            SLICE_PORT,
            "[{addresses: ['::1', 'fe80::1', '::ffff:127.0.0.1']}]",
        ),
    ]
    .concat();
    let world = World::of(&text);
    assert_eq!(world.ask(&get("h", "/")).endpoints(), ["10.0.0.1:8080"]);
    assert_eq!(
        world.codes(),
        [
            "EndpointSlice s LocalAddress endpoints",
            "EndpointSlice t LocalAddress endpoints"
        ]
    );
    let options = Options {
        allow_local_addresses: true,
        ..any_class()
    };
    let world = World::with(options, &text);
    assert!(world.ask(&get("h", "/")).endpoints().len() > 5);
    assert!(world.codes().is_empty());
}
