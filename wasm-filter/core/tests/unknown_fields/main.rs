//! No field is ignored in silence: what is not in the schema of its kind is told, wherever it
//! is, and what is in the schema is not.

#[path = "../translate_support/mod.rs"]
mod translate_support;

use serde_json::{Value, json};
use translate_support::{World, any_class, key, yaml};

const LIVE: &str = include_str!("live.yaml");

/// Members whose own members are for others than this project to know, or names that users choose.
const FREE: [&str; 14] = [
    "annotations",
    "binaryData",
    "config",
    "data",
    "deprecatedTopology",
    "hints",
    "labels",
    "managedFields",
    "matchLabels",
    "ordering",
    "ownerReferences",
    "selector",
    "sessionAffinityConfig",
    "targetRef",
];

/// Everything that is wrong with these objects: kind, field and hint.
fn problems(objects: &[Value]) -> Vec<String> {
    let mut world = World::new(any_class());
    for object in objects {
        world.apply(object);
    }
    world.publish();
    let problems = world.published.problems.values().flatten();
    problems
        .filter(|problem| problem.severity.as_str() != "info")
        .map(|problem| {
            let (kind, field) = (&problem.object.kind, &problem.field);
            format!("{kind} {field}: {} {}", problem.message, problem.hint)
        })
        .collect()
}

/// Pointers of the objects in a value whose members are in the schema.
fn places(value: &Value, at: &str, depth: usize, out: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            out.push(at.to_owned());
            for (name, member) in members {
                // A status is written by whoever reads it, and a Namespace's spec by Kubernetes.
                let other = depth == 0 && name == "status";
                let selector = name == "selector" && member.get("matchLabels").is_some()
                    || member.get("matchExpressions").is_some();
                if !other && (selector || !FREE.contains(&&**name)) {
                    places(member, &format!("{at}/{name}"), depth + 1, out);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), depth + 1, out);
            }
        }
        _ => {}
    }
}

#[test]
fn what_a_cluster_gives_has_no_unknown_field() {
    assert_eq!(problems(&yaml(LIVE)), [] as [&str; 0]);
}

#[test]
fn an_unknown_field_is_told_wherever_it_is() {
    let live = yaml(LIVE);
    let mut tried = 0;
    for (index, object) in live.iter().enumerate() {
        if object["kind"] == "Namespace" {
            continue;
        }
        let mut found = Vec::new();
        places(object, "", 0, &mut found);
        for place in found {
            for value in [json!("x"), json!([])] {
                let mut objects = live.clone();
                let target = objects[index].pointer_mut(&place).expect("there");
                target["zzzzzzzzz"] = value;
                let told = problems(&objects);
                let own = format!("{} ", key(object).kind);
                assert!(
                    told.iter()
                        .any(|problem| problem.starts_with(&own) && problem.contains("zzzzzzzzz:")),
                    "{} {place}: {told:#?}",
                    key(object)
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 150, "{tried}");
}

#[test]
fn a_misspelt_field_is_told_with_the_name_that_was_meant() {
    for (kind, place, right, wrong, field) in [
        (
            "Ingress",
            "/spec",
            "ingressClassName",
            "ingresClassName",
            "spec.ingresClassName",
        ),
        ("Ingress", "/spec", "rules", "rule", "spec.rule"),
        (
            "Ingress",
            "/spec/rules/0",
            "host",
            "hots",
            "spec.rules[0].hots",
        ),
        (
            "Ingress",
            "/spec/rules/0",
            "http",
            "htpp",
            "spec.rules[0].htpp",
        ),
        (
            "Ingress",
            "/spec/rules/0/http",
            "paths",
            "path",
            "spec.rules[0].http.path",
        ),
        (
            "Ingress",
            "/spec/rules/0/http/paths/0",
            "pathType",
            "pathtype",
            "spec.rules[0].http.paths[0].pathtype",
        ),
        (
            "Ingress",
            "/spec/tls/0",
            "secretName",
            "secretNam",
            "spec.tls[0].secretNam",
        ),
        (
            "Ingress",
            "/spec/tls/0",
            "hosts",
            "host",
            "spec.tls[0].host",
        ),
        (
            "Ingress",
            "/metadata",
            "annotations",
            "annotation",
            "metadata.annotation",
        ),
        ("Ingress", "", "spec", "specs", "specs"),
        (
            "HTTPRoute",
            "/spec/parentRefs/0",
            "sectionName",
            "secionName",
            "spec.parentRefs[0].secionName",
        ),
        ("HTTPRoute", "/spec", "hostnames", "hosts", "spec.hosts"),
        (
            "HTTPRoute",
            "/spec/rules/0/matches/0",
            "headers",
            "header",
            "spec.rules[0].matches[0].header",
        ),
        (
            "HTTPRoute",
            "/spec/rules/0/matches/0/headers/0",
            "value",
            "vlaue",
            "spec.rules[0].matches[0].headers[0].vlaue",
        ),
        (
            "HTTPRoute",
            "/spec/rules/0/filters/1/requestMirror/backendRef",
            "port",
            "prot",
            "spec.rules[0].filters[1].requestMirror.backendRef.prot",
        ),
        (
            "Gateway",
            "/spec/listeners/0/allowedRoutes",
            "namespaces",
            "namespace",
            "spec.listeners[0].allowedRoutes.namespace",
        ),
        (
            "Gateway",
            "/spec/listeners/0/allowedRoutes/namespaces",
            "from",
            "form",
            "spec.listeners[0].allowedRoutes.namespaces.form",
        ),
        (
            "Gateway",
            "/spec/listeners/0",
            "hostname",
            "host",
            "spec.listeners[0].host",
        ),
        (
            "ReferenceGrant",
            "/spec/to/0",
            "name",
            "nmae",
            "spec.to[0].nmae",
        ),
        ("Service", "/spec", "ports", "prots", "spec.prots"),
        (
            "Service",
            "/spec/ports/0",
            "targetPort",
            "targetport",
            "spec.ports[0].targetport",
        ),
        (
            "EndpointSlice",
            "/endpoints/0",
            "addresses",
            "address",
            "endpoints[0].address",
        ),
        ("EndpointSlice", "", "endpoints", "endpoint", "endpoint"),
        (
            "KongUpstreamPolicy",
            "/spec",
            "algorithm",
            "algoritm",
            "spec.algoritm",
        ),
        ("KongPlugin", "", "disabled", "disable", "disable"),
    ] {
        let mut objects = yaml(LIVE);
        let object = objects.iter_mut().find(|object| object["kind"] == kind);
        let target = object.and_then(|object| object.pointer_mut(place));
        let members = target.and_then(Value::as_object_mut).expect("an object");
        let value = members.remove(right).expect("there");
        members.insert(wrong.to_owned(), value);
        let told = problems(&objects);
        let start = format!("{kind} {field}: ");
        let end = format!(" did you mean {right}?");
        assert!(
            told.iter()
                .any(|problem| problem.starts_with(&start) && problem.ends_with(&end)),
            "{start}…{end} in {told:#?}"
        );
    }
}
