//! Every value of every kind replaced by something else, and things that are too large.

use serde_json::{Value, json};
use silverback_core::object::ObjectKey;

use crate::translate_support::{World as Published, any_class, key, yaml};
use crate::world::{World, ingress, path, service};

const OBJECTS: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: i
  annotations:
    konghq.com/plugins: x
    konghq.com/methods: GET
    konghq.com/headers.a: b
    konghq.com/rewrite: /x
    konghq.com/host-aliases: b.com
    konghq.com/protocols: https
spec:
  ingressClassName: kong
  tls: [{hosts: [a.com], secretName: s}]
  defaultBackend: {service: {name: a, port: {number: 80}}}
  rules:
  - host: a.com
    http: {paths: [{path: '/~/x(.*)', pathType: ImplementationSpecific, backend: {service: {name: a, port: {name: http}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: kong}
spec:
  controller: x
  parameters: {apiGroup: configuration.konghq.com, kind: IngressClassParameters, scope: Namespace, namespace: default, name: p}
---
apiVersion: configuration.konghq.com/v1alpha1
kind: IngressClassParameters
metadata: {name: p}
spec: {serviceUpstream: true, enableLegacyRegexDetection: true}
---
apiVersion: v1
kind: Service
metadata:
  name: a
  annotations: {konghq.com/path: /b, konghq.com/retries: '1', konghq.com/upstream-policy: u, konghq.com/plugins: x}
spec:
  clusterIPs: [10.0.0.1]
  ports: [{name: http, port: 80, targetPort: web, appProtocol: https}]
---
apiVersion: v1
kind: Service
metadata: {name: b}
spec: {type: ExternalName, externalName: x.com}
---
apiVersion: silverback.rs/v1
kind: ResolvedName
metadata: {name: x.com}
addresses: [192.0.2.1]
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: x}
plugin: key-auth
disabled: false
configFrom: {secretKeyRef: {name: s, key: k}}
configPatches: [{path: /a, valueFrom: {secretKeyRef: {name: s, key: k}}}]
---
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {name: g, labels: {global: 'true'}}
plugin: cors
config: {a: 1}
---
apiVersion: configuration.konghq.com/v1beta1
kind: KongUpstreamPolicy
metadata: {name: u}
spec:
  algorithm: consistent-hashing
  slots: 100
  hashOn: {header: x}
  hashOnFallback: {input: ip}
  stickySessions: {cookie: c, cookiePath: /}
  healthchecks: {passive: {healthy: {successes: 1}, unhealthy: {timeouts: 1, httpStatuses: [500]}}}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
type: kubernetes.io/tls
";

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
        json!(1e300),
        json!(true),
        json!("\u{0}\u{7f}\n ä"),
        json!("x,".repeat(10_000)),
        json!("(".repeat(5_000)),
        json!([[[{}]]]),
    ]
}

#[test]
fn a_broken_value_hurts_nothing_else() {
    let objects = yaml(OBJECTS);
    let mut world = Published::of(any_class(), OBJECTS);
    let calm = [
        ingress("calm", "", &[path("Prefix", "/calm", "calm")]),
        service("calm", 1),
    ];
    for object in yaml(&calm.concat()) {
        world.apply(&object);
    }
    world.publish();
    let whole = world.published.clone();
    let entities: Vec<_> = entities(&world);
    let served = |world: &Published| {
        let routes = world.routes();
        routes.iter().any(|line| line.contains("default/calm"))
    };
    assert!(served(&world));
    let mut cases = 0;
    for object in &objects {
        let mut paths = Vec::new();
        pointers(object, "", &mut paths);
        for path in paths {
            for bad in bad_values() {
                let mut broken = object.clone();
                *broken.pointer_mut(&path).expect("it is there") = bad.clone();
                world.apply(&broken);
                world.publish();
                assert!(served(&world), "{path} {bad:.40}");
                for problem in world.published.problems.values().flatten() {
                    let short = problem.message.len() < 1000 && problem.field.len() < 500;
                    assert!(short, "{path}");
                }
                let other: ObjectKey = key(&broken);
                if other != key(object) {
                    world.translator.delete(&other);
                }
                world.apply(object);
                world.publish();
                cases += 1;
            }
        }
    }
    assert!(world.published == whole, "something stayed behind");
    assert_eq!(self::entities(&world), entities);
    assert!(cases > 1500, "{cases}");
}

fn entities(world: &Published) -> Vec<String> {
    let all = world.translator.entities();
    all.map(|(_, json)| json.to_owned()).collect()
}

#[test]
fn ten_thousand_paths_in_one_ingress() {
    let kinds = ["Exact", "Prefix", "ImplementationSpecific"];
    let paths: Vec<_> = (0..10_000)
        .map(|n| path(kinds[n % 3], &format!("/p{n:05}"), "a"))
        .collect();
    let world = World::of(&[ingress("i", "", &paths), service("a", 1)].concat());
    for n in [0, 1, 2, 4_999, 9_998, 9_999] {
        assert_eq!(world.get("h", &format!("/p{n:05}")), "a");
    }
    assert_eq!(world.get("h", "/p10000"), "404");
    assert!(world.codes().is_empty());
}

#[test]
fn a_megabyte_of_annotation_closes_what_it_restricts() {
    let huge = "GET,".repeat(1 << 18);
    for (annotation, expected) in [
        (format!("konghq.com/methods: '{huge}'"), "404"),
        (format!("konghq.com/headers.x: '{huge}'"), "404"),
        (format!("konghq.com/headers.x: '~*{huge}'"), "404"),
        (format!("konghq.com/snis: '{huge}'"), "404"),
        (format!("konghq.com/plugins: '{huge}'"), "500"),
        (format!("konghq.com/rewrite: '/{huge}'"), "500"),
        (format!("konghq.com/tags: '{huge}'"), "a"),
        (format!("konghq.com/host-aliases: '{huge}'"), "a"),
        (format!("konghq.com/strip-path: '{huge}'"), "a"),
        (format!("konghq.com/none: '{huge}'"), "a"),
        (format!("none: '{huge}'"), "a"),
    ] {
        let ingress = ingress("i", &annotation, &[path("Prefix", "/", "a")]);
        let world = World::of(&[ingress, service("a", 1)].concat());
        assert_eq!(world.get("h", "/"), expected, "{annotation:.40}");
        assert!(world.problems().iter().all(|p| p.message.len() < 1000));
    }
}
