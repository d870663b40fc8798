//! Plugins: of Ingress, of routes, of Services, and global ones (kic-map 2.9).

use silverback_core::translate::Options;

use crate::world::{World, get, ingress, path, service};

fn plugin(name: &str, more: &str) -> String {
    format!(
        "---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: '{name}'}}
plugin: key-auth
{more}
"
    )
}

fn cluster_plugin(name: &str, labels: &str, more: &str) -> String {
    format!(
        "---
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {{name: {name}, labels: {{{labels}}}{more}}}
plugin: cors
"
    )
}

fn world(annotation: &str, more: &[String]) -> World {
    let ingress = ingress(
        "i",
        &format!("konghq.com/plugins: '{annotation}'"),
        &[path("Prefix", "/", "a")],
    );
    World::of(&[ingress, service("a", 1), more.concat()].concat())
}

/// The plugin set of a request's plan as entities name it, or a status.
fn set(world: &World) -> String {
    match world.ask(&get("h", "/")) {
        crate::world::Seen::Plan(plan) => format!("{:016x}", plan.plugin_set),
        crate::world::Seen::Status(status) => status.to_string(),
    }
}

#[test]
fn names_become_a_set_that_is_listed() {
    let secret = "configFrom: {secretKeyRef: {name: s, key: config}}
configPatches: [{path: /a, valueFrom: {secretKeyRef: {name: t, key: k}}}]";
    let world = world(
        "auth, cors",
        &[plugin("auth", secret), cluster_plugin("cors", "", "")],
    );
    let set = set(&world);
    assert_eq!(
        world.entities(),
        [format!(
            r#"{{"type":"pluginSet","id":"plugin-set/{set}","set":"{set}","plugins":[{{"kind":"KongClusterPlugin","name":"cors","plugin":"cors"}},{{"kind":"KongPlugin","namespace":"default","name":"auth","plugin":"key-auth","configFrom":{{"secret":"default/s","key":"config"}},"configPatches":[{{"path":"/a","secret":"default/t","key":"k"}}]}}]}}"#
        )]
    );
    assert!(world.codes().is_empty());
}

#[test]
fn a_configuration_is_never_given_out() {
    let world = world("auth", &[plugin("auth", "config: {key: TOPSECRET}")]);
    let entities = world.entities().concat();
    assert!(entities.contains("\"inline\":true"), "{entities}");
    assert!(!entities.contains("TOPSECRET"));
    let table = world.0.table();
    let holds = |index| {
        table.segment(index).is_some_and(|segment| {
            let mut windows = segment.bytes.windows(9);
            windows.any(|bytes| bytes == b"TOPSECRET")
        })
    };
    assert!(!(0..silverback_core::table::layout::SEGMENTS).any(holds));
}

#[test]
fn a_plugin_of_the_namespace_comes_before_one_of_the_cluster() {
    let world = world("x", &[plugin("x", ""), cluster_plugin("x", "", "")]);
    assert!(world.entities()[0].contains("\"kind\":\"KongPlugin\""));
}

#[test]
fn a_plugin_that_cannot_be_had_closes_the_route() {
    let missing = "Ingress i PluginNotFound metadata.annotations[\"konghq.com/plugins\"]";
    for (name, more, code) in [
        ("x", String::new(), missing),
        ("x, y", plugin("y", ""), missing),
        ("default:x", cluster_plugin("x", "", ""), missing),
        ("x", plugin("x", "").replace("key-auth", "''"), missing),
        (
            "other:x",
            plugin("x", "").replace("{name: 'x'}", "{name: x, namespace: other}"),
            "Ingress i RefNotPermitted metadata.annotations[\"konghq.com/plugins\"]",
        ),
    ] {
        let world = world(name, &[more]);
        assert_eq!(set(&world), "500", "{name}");
        assert!(
            world.codes().contains(&code.to_owned()),
            "{name} {:?}",
            world.codes()
        );
        assert!(world.entities().is_empty(), "{name}");
    }
}

#[test]
fn another_namespace_must_grant_it() {
    let grant = "---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: other}
spec:
  from: [{group: networking.k8s.io, kind: Ingress, namespace: default}]
  to: [{group: configuration.konghq.com, kind: KongPlugin}]
";
    let plugin = plugin("x", "").replace("{name: 'x'}", "{name: x, namespace: other}");
    let mut world = world("other:x", &[plugin]);
    assert_eq!(set(&world), "500");
    world.apply(grant);
    assert_eq!(set(&world).len(), 16);
    assert!(world.codes().is_empty());
}

#[test]
fn a_plugin_that_comes_later_opens_the_route() {
    let mut world = world("x", &[]);
    assert_eq!(set(&world), "500");
    world.apply(&plugin("x", ""));
    let first = set(&world);
    assert_eq!(first.len(), 16);
    world.apply(&plugin("x", "disabled: true"));
    assert_eq!(set(&world), "0000000000000000");
    assert!(world.entities().is_empty());
}

#[test]
fn plugins_of_the_service_join_those_of_the_rule() {
    let annotated = service("a", 1).replace(
        "metadata: {name: a}",
        "metadata: {name: a, annotations: {konghq.com/plugins: 'y'}}",
    );
    let text = |plugins: &[String]| {
        let ingress = ingress("i", "konghq.com/plugins: x", &[path("Prefix", "/", "a")]);
        World::of(&[ingress, annotated.clone(), plugins.concat()].concat())
    };
    let world = text(&[plugin("x", ""), plugin("y", "")]);
    let entity = &world.entities()[0];
    assert!(entity.contains("\"name\":\"x\"") && entity.contains("\"name\":\"y\""));
    let world = text(&[plugin("x", "")]);
    assert_eq!(set(&world), "500");
    assert_eq!(
        world.codes(),
        ["Ingress i PluginNotFound spec.rules[0].http.paths[0].backend.service.name"]
    );
}

#[test]
fn an_extension_ref_of_a_route_is_a_plugin() {
    let text = "---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec: {gatewayClassName: any, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: gw}]
  rules:
  - filters: [{type: ExtensionRef, extensionRef: {group: configuration.konghq.com, kind: KongPlugin, name: x}}]
    backendRefs: [{name: a, port: 80}]
";
    let ask = crate::world::Ask {
        listener: Some(80),
        ..get("h", "/")
    };
    let mut world = World::of(&[text, &service("a", 1)].concat());
    assert_eq!(world.ask(&ask).service(), "500");
    assert_eq!(
        world.codes(),
        ["HTTPRoute r PluginNotFound spec.rules[0].filters"]
    );
    world.apply(&plugin("x", ""));
    let id = world.ask(&ask).plan().plugin_set;
    assert!(world.entities()[0].contains(&format!("{id:016x}")));
}

#[test]
fn global_plugins_are_those_of_our_class_and_the_older_of_two() {
    let global = "global: 'true'";
    let class = |class: &str| format!(", annotations: {{kubernetes.io/ingress.class: {class}}}");
    let old = format!(
        "{}, creationTimestamp: '2020-01-01T00:00:00Z'",
        class("kong")
    );
    let text = [
        cluster_plugin("young", global, &class("kong")),
        cluster_plugin("old", global, &old),
        cluster_plugin("other", global, &class("nginx")),
        cluster_plugin("classless", global, ""),
        cluster_plugin("local", "", &class("kong")),
    ]
    .concat();
    let world = World::with(Options::default(), &text);
    assert_eq!(
        world.entities(),
        [
            r#"{"type":"globalPlugin","id":"global-plugin/old","plugin":{"kind":"KongClusterPlugin","name":"old","plugin":"cors"}}"#
        ]
    );
    assert_eq!(
        world.codes(),
        ["KongClusterPlugin young ConflictingPlugin plugin"]
    );
}
