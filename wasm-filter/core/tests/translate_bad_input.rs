//! Every value of every kind replaced by something else: no panic, and nothing else changes.

mod translate_support;

use serde_json::{Value, json};
use translate_support::{World, any_class, key, yaml};

const OBJECTS: &str = include_str!("golden/quickstart/in.yaml");
const GATEWAY_API: &str = include_str!("golden/gateway-api/in.yaml");

/// Another corner of the cluster that nothing in [`OBJECTS`] concerns.
const BYSTANDER: &str = "
apiVersion: v1
kind: Service
metadata: {name: calm, namespace: calm}
spec: {ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: calm, namespace: calm}
spec: {rules: [{host: calm.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: calm, port: {number: 80}}}}]}}]}
";

/// Pointers of every value below `value`.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    let mut go = |key: &str, child: &Value| {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        out.push(at.clone());
        pointers(child, &at, out);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(k, v)| go(k, v)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, v)| go(&i.to_string(), v)),
        _ => {}
    }
}

fn bad_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!({}),
        json!([]),
        json!([null]),
        json!(""),
        json!(-1),
        json!(0),
        json!(1e300),
        json!(true),
        json!("\u{0}\u{7f}\n ä"),
        json!("x".repeat(100_000)),
        json!([[[{}]]]),
    ]
}

#[test]
fn a_broken_value_hurts_nothing_else() {
    break_all(OBJECTS, 1);
}

#[test]
fn a_broken_value_of_the_gateway_api_hurts_nothing_else() {
    // Each third for each value, or it would take minutes.
    break_all(GATEWAY_API, 3);
}

fn break_all(text: &str, stride: usize) {
    let objects = yaml(text);
    let mut world = World::of(any_class(), BYSTANDER);
    for object in &objects {
        world.apply(object);
    }
    world.publish();
    let whole = world.published.clone();
    let calm: Vec<_> = world
        .routes()
        .into_iter()
        .filter(|l| l.contains("calm"))
        .collect();
    assert_eq!(calm.len(), 1);
    let mut cases = 0;
    for object in &objects {
        let mut paths = Vec::new();
        pointers(object, "", &mut paths);
        for path in paths {
            for bad in bad_values()
                .into_iter()
                .skip(cases % stride)
                .step_by(stride)
            {
                let mut broken = object.clone();
                *broken.pointer_mut(&path).unwrap() = bad.clone();
                world.apply(&broken);
                world.publish();
                let routes = world.routes();
                assert!(
                    calm.iter().all(|line| routes.contains(line)),
                    "{path} {bad:.40}"
                );
                for problems in world.published.problems.values() {
                    assert!(
                        problems
                            .iter()
                            .all(|p| p.message.len() < 1000 && p.field.len() < 500)
                    );
                }
                // An object that was named otherwise stands beside the old one.
                if key(&broken) != key(object) {
                    world.translator.delete(&key(&broken));
                }
                world.apply(object);
                world.publish();
                cases += 1;
            }
        }
    }
    assert!(world.published == whole, "something stayed behind");
    assert!(cases > 1500, "{cases}");
}

/// Required by the API: without them the object cannot do what it says, and says so.
#[test]
fn a_missing_required_field_is_told() {
    let mut told = Vec::new();
    let count = |world: &World| {
        let problems = world.problems();
        problems.iter().filter(|p| !p.starts_with("info")).count()
    };
    for (text, object) in [OBJECTS, GATEWAY_API]
        .into_iter()
        .flat_map(|text| yaml(text).into_iter().map(move |object| (text, object)))
    {
        let mut paths = Vec::new();
        pointers(&object, "/spec", &mut Vec::new());
        pointers(&object["spec"], "/spec", &mut paths);
        for path in paths {
            let mut world = World::new(any_class());
            for other in yaml(text) {
                world.apply(&other);
            }
            world.publish();
            let before = count(&world);
            let mut broken = object.clone();
            *broken.pointer_mut(&path).unwrap() = Value::Null;
            world.apply(&broken);
            world.publish();
            if count(&world) > before {
                told.push(format!("{} {path}", object["kind"].as_str().unwrap()));
            }
        }
    }
    for required in [
        "Ingress /spec/rules/0/http/paths/0/backend",
        "Ingress /spec/rules/0/http/paths/0/backend/service/port",
        "Service /spec/ports/0/port",
        "Gateway /spec/listeners/0/name",
        "Gateway /spec/listeners/0/port",
        "Gateway /spec/listeners/0/protocol",
        "HTTPRoute /spec/parentRefs/0/name",
        "HTTPRoute /spec/rules/0/backendRefs/0/name",
        "HTTPRoute /spec/rules/0/backendRefs/0/port",
        "HTTPRoute /spec/rules/0/filters/0/type",
        "HTTPRoute /spec/rules/0/filters/0/requestHeaderModifier",
        "HTTPRoute /spec/rules/0/filters/0/requestHeaderModifier/set/0/name",
        "HTTPRoute /spec/rules/0/filters/0/requestHeaderModifier/set/0/value",
        "HTTPRoute /spec/rules/0/filters/2/urlRewrite/path/type",
        "HTTPRoute /spec/rules/0/filters/2/urlRewrite/path/replacePrefixMatch",
        "HTTPRoute /spec/rules/0/filters/3/requestMirror/backendRef",
        "HTTPRoute /spec/rules/0/filters/3/requestMirror/backendRef/name",
        "HTTPRoute /spec/rules/0/filters/3/requestMirror/fraction/numerator",
        "HTTPRoute /spec/rules/0/filters/6/extensionRef/kind",
        "HTTPRoute /spec/rules/0/filters/6/extensionRef/name",
        "HTTPRoute /spec/rules/0/matches/0/headers/0/name",
        "HTTPRoute /spec/rules/0/matches/0/headers/0/value",
        "HTTPRoute /spec/rules/0/matches/0/queryParams/0/name",
        "HTTPRoute /spec/rules/0/matches/0/queryParams/0/value",
        "GRPCRoute /spec/parentRefs/0/name",
        "GRPCRoute /spec/rules/0/backendRefs/0/port",
        "GRPCRoute /spec/rules/0/matches/0/headers/0/value",
        "ListenerSet /spec/parentRef",
        "ListenerSet /spec/parentRef/name",
        "ListenerSet /spec/listeners/0/name",
        "ListenerSet /spec/listeners/0/port",
        "ListenerSet /spec/listeners/0/protocol",
    ] {
        assert!(
            told.iter().any(|t| t == required),
            "{required} in {told:#?}"
        );
    }
}

#[test]
fn thousands_of_paths_and_rules_are_read() {
    let path = |i: usize| {
        json!({"path": format!("/p{i}"), "pathType": "Exact",
        "backend": {"service": {"name": format!("s{}", i % 2), "port": {"number": 80}}}})
    };
    let ingress = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "big", "namespace": "a"},
        "spec": {"rules": [{"http": {"paths": (0..10_000).map(path).collect::<Vec<_>>()}}]}});
    let mut world = World::new(any_class());
    world.apply(&ingress);
    world.publish();
    assert_eq!(world.routes().len(), 10_000);
    let problems = &world.published.problems[&key(&ingress)];
    assert_eq!(problems.len(), 101);
    assert_eq!(problems[100].code.as_str(), "ProblemsOmitted");
}
