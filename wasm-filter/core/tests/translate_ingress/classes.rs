//! Classes and their parameters (kic-map 1.2).

use silverback_core::translate::Options;

use crate::world::{World, service};

fn ingress(class: &str, annotation: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: i, annotations: {{kubernetes.io/ingress.class: {annotation}}}}}
spec:
  ingressClassName: {class}
  rules: [{{http: {{paths: [{{path: '/x[0-9]', pathType: ImplementationSpecific,
    backend: {{service: {{name: a, port: {{number: 80}}}}}}}}]}}}}]
"
    )
}

fn class(default: bool, parameters: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {{name: kong, annotations: {{ingressclass.kubernetes.io/is-default-class: '{default}'}}}}
spec: {{controller: ingress-controllers.konghq.com/kong, parameters: {parameters}}}
"
    )
}

const PARAMETERS: &str = "{apiGroup: configuration.konghq.com, kind: IngressClassParameters, scope: Namespace, namespace: default, name: p}";

fn parameters(spec: &str) -> String {
    format!(
        "---
apiVersion: configuration.konghq.com/v1alpha1
kind: IngressClassParameters
metadata: {{name: p}}
spec: {spec}
"
    )
}

#[test]
fn the_annotation_decides_then_the_field_then_the_default_class() {
    for (field, annotation, default, ours) in [
        ("kong", "null", false, true),
        ("nginx", "null", true, false),
        ("nginx", "kong", false, true),
        ("kong", "nginx", true, false),
        ("nginx", "''", true, false),
        ("kong", "''", false, true),
        ("null", "null", false, false),
        ("null", "null", true, true),
        ("null", "''", true, true),
    ] {
        let text = [
            ingress(field, annotation),
            class(default, "null"),
            service("a", 1),
        ]
        .concat();
        let world = World::with(Options::default(), &text);
        let expected = if ours { "a" } else { "404" };
        let name = format!("{field} {annotation} {default}");
        assert_eq!(world.get("h", "/x[0-9]"), expected, "{name}");
    }
}

#[test]
fn legacy_detection_takes_unmarked_patterns() {
    let base = [
        ingress("kong", "null"),
        class(false, PARAMETERS),
        service("a", 1),
    ]
    .concat();
    let mut world = World::with(Options::default(), &base);
    assert_eq!(
        world.codes(),
        ["IngressClass kong InvalidParameters spec.parameters"]
    );
    for (spec, pattern) in [
        ("{}", false),
        ("{enableLegacyRegexDetection: true}", true),
        ("{enableLegacyRegexDetection: false}", false),
        ("{enableLegacyRegexDetection: true}", true),
        ("null", false),
    ] {
        world.apply(&parameters(spec));
        let seen = world.get("h", "/x7");
        assert_eq!(seen, if pattern { "a" } else { "404" }, "{spec}");
        assert!(world.codes().is_empty(), "{spec}");
    }
}

#[test]
fn parameters_must_be_namespaced_ones_of_kong() {
    for (reference, field) in [
        ("{kind: ConfigMap, name: p}", "spec.parameters"),
        (
            "{apiGroup: configuration.konghq.com, kind: IngressClassParameters, name: p}",
            "spec.parameters.scope",
        ),
    ] {
        let world = World::with(Options::default(), &class(false, reference));
        let code = format!("IngressClass kong InvalidParameters {field}");
        assert_eq!(world.codes(), [code], "{reference}");
    }
}

#[test]
fn service_upstream_of_the_class_makes_services_their_own_endpoints() {
    let text = [
        ingress("kong", "null"),
        class(false, PARAMETERS),
        service("a", 2),
        parameters("{serviceUpstream: true, enableLegacyRegexDetection: true}"),
    ]
    .concat();
    let text = text.replace(
        "spec: {ports:",
        "spec: {clusterIPs: [10.96.0.1, 'fd00::1'], ports:",
    );
    let mut world = World::with(Options::default(), &text);
    let ask = crate::world::get("h", "/x1");
    assert_eq!(
        world.ask(&ask).endpoints(),
        ["10.96.0.1:80", "[fd00::1]:80"]
    );
    world.apply(&parameters("{enableLegacyRegexDetection: true}"));
    assert_eq!(
        world.ask(&ask).endpoints(),
        ["10.0.0.1:8080", "10.0.0.2:8080"]
    );
}

#[test]
fn an_ingress_of_another_class_is_listed_with_the_reason() {
    for (class_name, default, expected) in [
        ("kong", false, vec![]),
        ("nginx", true, vec!["its class nginx is not kong"]),
        (
            "null",
            false,
            vec!["it has no class, and kong is not the default class"],
        ),
        ("null", true, vec![]),
    ] {
        let text = [
            ingress(class_name, "null"),
            class(default, "null"),
            service("a", 1),
        ]
        .concat();
        let world = World::with(Options::default(), &text);
        let others: Vec<_> = world.0.of_other_classes().collect();
        let reasons: Vec<_> = others.iter().map(|(_, reason)| &**reason).collect();
        assert_eq!(reasons, expected, "{class_name} {default}");
        assert!(others.iter().all(|(key, _)| &*key.kind == "Ingress"));
    }
}
