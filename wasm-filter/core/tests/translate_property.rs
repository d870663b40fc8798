//! The same set of objects gives the same bytes, problems, statuses and entities, in any order and with any
//! commits, takings and rewinds in between.

mod translate_support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use silverback_core::object::ObjectKey;
use silverback_core::translate::Options;
use translate_support::{World, key};

#[derive(Debug, Clone)]
enum Step {
    Apply { kind: u8, choice: u64 },
    Delete { nth: usize },
    Commit,
    Take { max: usize },
    Rewind,
}

/// Digits of a number in changing bases: choices of a generated object.
struct Choices(u64);

impl Choices {
    fn below(&mut self, n: u64) -> u64 {
        let choice = self.0 % n;
        self.0 /= n;
        choice
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len() as u64) as usize]
    }

    fn value(&mut self, list: &[Value]) -> Value {
        list[self.below(list.len() as u64) as usize].clone()
    }
}

const NAMESPACES: [&str; 2] = ["a", "b"];
const SERVICES: [&str; 3] = ["s0", "s1", "s2"];
const KINDS: u8 = 17;

fn object(kind: u8, choice: u64) -> Value {
    let mut c = Choices(choice);
    let ns = c.of(&NAMESPACES);
    match kind {
        0 => ingress(&mut c, ns),
        1 => http_route(&mut c, ns),
        2 => json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": ns, "name": c.of(&SERVICES), "annotations":
            c.value(&[json!({}), json!({}), json!({"konghq.com/plugins": "x"}), json!({"konghq.com/retries": "1"}),
                json!({"konghq.com/upstream-policy": "u0"}), json!({"konghq.com/upstream-policy": "u1"}),
                json!({"konghq.com/protocol": "tcp"}), json!({"ingress.kubernetes.io/service-upstream": "true"})]),
            "creationTimestamp": created(&mut c)},
        "spec": {"type": c.of(&["ClusterIP", "ClusterIP", "ExternalName"]),
            "externalName": c.of(&["x.com", "y.com", "1.2.3.4"]),
            "clusterIP": c.of(&["10.96.0.1", "127.0.0.1", "None"]), "ports": c.value(&[
            json!([{"name": "http", "port": 80}]),
            json!([{"name": "http", "port": 81}, {"name": "x", "port": 80}]),
            json!([{"port": 80}]),
            json!([{"port": "oops"}]),
        ])}}),
        3 => json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"namespace": ns, "name": c.of(&["e0", "e1"]),
            "labels": {"kubernetes.io/service-name": c.of(&SERVICES)}},
        "addressType": c.of(&["IPv4", "IPv4", "FQDN"]),
        "ports": c.value(&[json!([{"name": "http", "port": 8080}]), json!([{"name": "", "port": 8081}]),
            json!([{"name": "x", "port": 8082}, {"name": "http", "port": 8083}])]),
        "endpoints": [
            {"addresses": [c.of(&["10.0.0.1", "10.0.0.2", "nonsense", "127.0.0.1"])],
                "conditions": c.value(&[json!(null), json!({"ready": false, "serving": true, "terminating": true})])},
            {"addresses": ["10.0.0.3"], "conditions": {"ready": c.below(2) == 0}},
        ]}),
        4 => gateway(&mut c, ns),
        5 => json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
            "metadata": {"name": c.of(&["c0", "c1"])},
            "spec": {"controllerName": c.of(&["silverback.rs/gateway-controller", "other/x"]),
                "parametersRef": c.value(&[json!(null), json!(null), json!({"name": "x"})])}}),
        6 => json!({"apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
            "metadata": {"namespace": ns, "name": c.of(&["g0", "g1"])},
            "spec": {"from": [{"group": "gateway.networking.k8s.io", "kind": c.of(&["HTTPRoute", "Gateway", "GRPCRoute", "ListenerSet"]),
                    "namespace": c.of(&NAMESPACES)}],
                "to": [{"group": "configuration.konghq.com", "kind": "KongPlugin"},
                    {"group": "", "kind": c.of(&["Service", "Secret"]),
                    "name": c.value(&[json!(null), json!("s0"), json!("t0")])}]}}),
        7 => json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": ns, "labels": {"team": c.of(&["red", "blue"])}}}),
        8 => json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"namespace": ns, "name": c.of(&["t0", "t1"])}, "type": c.of(&["kubernetes.io/tls", "Opaque"])}),
        10 => grpc_route(&mut c, ns),
        11 => listener_set(&mut c, ns),
        12 => json!({"apiVersion": "configuration.konghq.com/v1", "kind": "KongPlugin",
            "metadata": {"namespace": ns, "name": c.of(&["p", "x"]), "generation": c.below(2)},
            "plugin": c.value(&[json!("cors"), json!("key-auth"), json!(7)]),
            "disabled": c.below(3) == 0, "config": c.value(&[json!(null), json!({"a": 1})])}),
        13 => json!({"apiVersion": "configuration.konghq.com/v1", "kind": "KongClusterPlugin",
            "metadata": {"name": c.of(&["p", "x", "g"]), "creationTimestamp": created(&mut c),
                "labels": {"global": c.of(&["true", "false"])}, "annotations":
                {"kubernetes.io/ingress.class": c.value(&[json!(null), json!("kong"), json!("nginx")])}},
            "plugin": c.of(&["cors", "key-auth"])}),
        14 => {
            json!({"apiVersion": "configuration.konghq.com/v1beta1", "kind": "KongUpstreamPolicy",
            "metadata": {"namespace": ns, "name": c.of(&["u0", "u1"]), "generation": c.below(2)},
            "spec": c.value(&[json!({"algorithm": "latency"}), json!({"algorithm": "no"}), json!({"slots": 1})])})
        }
        15 => json!({"apiVersion": "silverback.rs/v1", "kind": "ResolvedName",
            "metadata": {"name": c.of(&["x.com", "y.com"])},
            "addresses": c.value(&[json!(["192.0.2.1"]), json!(["192.0.2.2", "127.0.0.1"]), json!(null)])}),
        16 => {
            json!({"apiVersion": "configuration.konghq.com/v1alpha1", "kind": "IngressClassParameters",
            "metadata": {"namespace": ns, "name": "params"},
            "spec": {"serviceUpstream": c.below(2) == 0, "enableLegacyRegexDetection": c.below(2) == 0}})
        }
        _ => json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": c.of(&["kong", "nginx"]), "annotations":
                {"ingressclass.kubernetes.io/is-default-class": c.of(&["true", "false"])}},
            "spec": {"parameters": c.value(&[json!(null), json!({"apiGroup": "configuration.konghq.com",
                "kind": "IngressClassParameters", "scope": "Namespace", "namespace": ns, "name": "params"})])}}),
    }
}

fn created(c: &mut Choices) -> Value {
    c.value(&[
        json!(null),
        json!("2020-01-01T00:00:00Z"),
        json!("2021-01-01T00:00:00Z"),
        json!("no time"),
    ])
}

fn ingress(c: &mut Choices, ns: &str) -> Value {
    let class = c.value(&[json!(null), json!("kong"), json!("nginx")]);
    let created = created(c);
    let rules: Vec<Value> = (0..c.below(3))
        .map(|_| {
            json!({"host": c.value(&[json!(null), json!("a.com"), json!("*.a.com"), json!("b a")]),
            "http": {"paths": [{
                "path": c.of(&["/", "/x", "/x/", "x", "/~/x[0-9]", "/x+"]),
                "pathType": c.of(&["Prefix", "Exact", "ImplementationSpecific"]),
                "backend": {"service": {"name": c.of(&SERVICES), "port":
                    c.value(&[json!({"number": 80}), json!({"name": "http"}), json!({})])}},
            }]}})
        })
        .collect();
    let default = c.value(&[
        json!(null),
        json!({"service": {"name": "s0", "port": {"number": 80}}}),
    ]);
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": ns, "name": c.of(&["i0", "i1", "i2"]), "creationTimestamp": created,
            "annotations": c.value(&[json!({}), json!({}), json!({"konghq.com/plugins": "p"}),
                json!({"konghq.com/methods": "GET"}), json!({"kubernetes.io/ingress.class": "kong"}),
                json!({"konghq.com/plugins": "a:p, x"}), json!({"konghq.com/host-aliases": "c.com"}),
                json!({"konghq.com/rewrite": "/y"})])},
        "spec": {"tls": c.value(&[json!(null), json!([{"hosts": ["a.com"], "secretName": "t0"}]),
                json!([{"hosts": ["a.com", "b.com"], "secretName": "t1"}])]), "ingressClassName": class, "rules": rules, "defaultBackend": default}})
}

fn http_route(c: &mut Choices, ns: &str) -> Value {
    let name = c.of(&["r0", "r1", "r2"]);
    let created = created(c);
    let parents: Vec<Value> = (0..1 + c.below(2)).map(|_| parent(c)).collect();
    let hostnames = c.value(&[
        json!(null),
        json!(["x.a.com"]),
        json!(["*.a.com", "b.com"]),
        json!(["b com"]),
    ]);
    let matches = c.value(&[
        json!(null),
        json!([{"path": {"value": "/x"}}, {"method": "GET"}]),
        json!([{"headers": [{"name": "Env", "value": "t"}]}]),
        json!([{"path": {"type": "RegularExpression", "value": ".*"}}, {}]),
        json!([{"path": {"type": "RegularExpression", "value": "("}}, {"queryParams": [{"name": "a", "value": "b"}]}]),
    ]);
    let backends: Vec<Value> = (0..c.below(3))
        .map(|_| {
            json!({"name": c.of(&SERVICES), "namespace": c.of(&NAMESPACES),
                "port": c.value(&[json!(80), json!(81), json!(null)]), "weight": c.below(3)})
        })
        .collect();
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"namespace": ns, "name": name, "creationTimestamp": created, "generation": c.below(2)},
        "spec": {"parentRefs": parents, "hostnames": hostnames,
            "rules": [{"matches": matches, "backendRefs": backends,
                "filters": filters(c)}]}})
}

fn parent(c: &mut Choices) -> Value {
    let (kind, name) = match c.below(3) {
        0 => ("ListenerSet", c.of(&["ls0", "ls1"])),
        _ => ("Gateway", c.of(&["gw0", "gw1"])),
    };
    json!({"kind": kind, "name": name, "namespace": c.of(&NAMESPACES),
        "sectionName": c.value(&[json!(null), json!(null), json!("l0"), json!("l9")])})
}

fn filters(c: &mut Choices) -> Value {
    let mirror = json!({"type": "RequestMirror", "requestMirror": {"percent": 10,
        "backendRef": {"name": c.of(&SERVICES), "namespace": c.of(&NAMESPACES), "port": 80}}});
    c.value(&[
        json!(null),
        json!(null),
        json!([{"type": "URLRewrite"}]),
        json!([mirror.clone(), mirror]),
        json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["a"]}}]),
        json!([{"type": "ExtensionRef", "extensionRef": {"group": "configuration.konghq.com",
            "kind": "KongPlugin", "name": "p"}}]),
        json!([{"type": "ExtensionRef", "extensionRef": {"group": "x.io", "kind": "Y", "name": "p"}}]),
    ])
}

fn grpc_route(c: &mut Choices, ns: &str) -> Value {
    let name = c.of(&["r0", "r1"]);
    let created = created(c);
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GRPCRoute",
        "metadata": {"namespace": ns, "name": name, "creationTimestamp": created, "generation": c.below(2)},
        "spec": {"parentRefs": [parent(c)],
            "hostnames": c.value(&[json!(null), json!(["x.a.com"]), json!(["*.a.com"])]),
            "rules": [{"matches": c.value(&[json!(null), json!([{"method": {"service": "a"}}]),
                    json!([{"method": {"method": "b"}}, {"method": {}}])]),
                "filters": filters(c),
                "backendRefs": [{"name": c.of(&SERVICES), "namespace": c.of(&NAMESPACES), "port": 80}]}]}})
}

fn listener_set(c: &mut Choices, ns: &str) -> Value {
    let name = c.of(&["ls0", "ls1"]);
    let created = created(c);
    let parent = json!({"name": c.of(&["gw0", "gw1"]), "namespace": c.of(&NAMESPACES)});
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "ListenerSet",
        "metadata": {"namespace": ns, "name": name, "creationTimestamp": created, "generation": c.below(2)},
        "spec": {"parentRef": c.value(&[parent.clone(), parent, json!(null)]), "listeners": listeners(c)}})
}

fn gateway(c: &mut Choices, ns: &str) -> Value {
    let name = c.of(&["gw0", "gw1"]);
    let listeners = listeners(c);
    let allowed = c.value(&[
        json!(null),
        json!({"namespaces": {"from": "All"}}),
        json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "blue"}}}}),
    ]);
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"namespace": ns, "name": name},
        "spec": {"gatewayClassName": c.of(&["c0", "c1"]), "listeners": listeners,
            "allowedListeners": allowed}})
}

fn listeners(c: &mut Choices) -> Vec<Value> {
    (0..1 + c.below(2))
        .map(|i| {
            json!({"name": format!("l{i}"), "port": c.value(&[json!(80), json!(8080)]),
                "protocol": c.of(&["HTTP", "HTTP", "HTTPS", "TCP"]),
                "hostname": c.value(&[json!(null), json!("*.a.com"), json!("x.a.com")]),
                "tls": {"certificateRefs": [{"name": "t0", "namespace": c.of(&NAMESPACES)}]},
                "allowedRoutes": {"namespaces": c.value(&[json!(null), json!({"from": "All"}),
                    json!({"from": "Selector", "selector": {"matchLabels": {"team": "red"}}})])}})
        })
        .collect()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..KINDS, any::<u64>()).prop_map(|(kind, choice)| Step::Apply { kind, choice }),
        // Routes are where most of the rules are.
        6 => (0..2u8, any::<u64>()).prop_map(|(kind, choice)| Step::Apply { kind, choice }),
        6 => (10..12u8, any::<u64>()).prop_map(|(kind, choice)| Step::Apply { kind, choice }),
        4 => any::<usize>().prop_map(|nth| Step::Delete { nth }),
        5 => Just(Step::Commit),
        2 => (1..5000usize).prop_map(|max| Step::Take { max }),
        1 => Just(Step::Rewind),
    ]
}

/// What there is from the start, so that things happen.
fn base() -> Vec<Value> {
    vec![
        object(5, 0),
        object(4, 0),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "a", "name": "s0"},
            "spec": {"ports": [{"name": "http", "port": 80}]}}),
    ]
}

fn check(options: &Options, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::new(options.clone());
    let mut objects: BTreeMap<ObjectKey, Value> = BTreeMap::new();
    for object in base() {
        world.apply(&object);
        objects.insert(key(&object), object);
    }
    for step in steps {
        match step {
            Step::Apply { kind, choice } => {
                let object = object(*kind, *choice);
                world.apply(&object);
                objects.insert(key(&object), object);
            }
            Step::Delete { nth } => {
                if let Some(key) = objects.keys().nth(nth % objects.len().max(1)).cloned() {
                    world.translator.delete(&key);
                    objects.remove(&key);
                }
            }
            Step::Commit => {
                world.translator.commit();
            }
            Step::Take { max } => world.take(*max),
            Step::Rewind => {
                world.translator.rewind();
                world.published = Default::default();
            }
        }
    }
    world.publish();
    let mut fresh = World::new(options.clone());
    for object in objects.values().rev() {
        fresh.apply(object);
    }
    fresh.publish();
    prop_assert_eq!(world.routes(), fresh.routes());
    prop_assert_eq!(world.rest(), fresh.rest());
    prop_assert_eq!(&world.published.problems, &fresh.published.problems);
    prop_assert_eq!(&world.published.statuses, &fresh.published.statuses);
    prop_assert_eq!(&world.published.entities, &fresh.published.entities);
    let all: Vec<_> = world.translator.entities().collect();
    prop_assert_eq!(all.len(), world.published.entities.len());
    prop_assert!(world.published == fresh.published, "the bytes differ");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_gives_what_a_build_from_scratch_gives(
        steps in prop::collection::vec(step(), 0..60),
        accept_all_classes in any::<bool>(),
    ) {
        let options = Options { accept_all_classes, ..Options::default() };
        check(&options, &steps)?;
    }
}
