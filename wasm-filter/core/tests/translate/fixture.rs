//! A Gateway, Services, and a route with one rule.

use serde_json::Value;
use silverback_core::table::dump::dump;

use crate::translate_support::{World, any_class};

pub(crate) const BASE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: copy, namespace: shop}
spec: {ports: [{port: 81}]}
---
apiVersion: v1
kind: Service
metadata: {name: far, namespace: other}
spec: {ports: [{port: 80}]}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: a, namespace: shop}
plugin: key-auth
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: b, namespace: shop}
plugin: key-auth
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: kong}
spec: {controllerName: silverback.rs/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: shop, generation: 3}
spec:
  gatewayClassName: kong
  listeners:
  - {name: any, port: 80, protocol: HTTP}
  - {name: wild, port: 8080, protocol: HTTP, hostname: '*.a.com', allowedRoutes: {namespaces: {from: All}}}
  - name: red
    port: 8081
    protocol: HTTP
    allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: red}}}}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: a, namespace: shop}
plugin: key-auth
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: b, namespace: shop}
plugin: cors
---
";

/// The objects of [`BASE`] and these.
pub(crate) fn with(objects: &str) -> World {
    World::of(any_class(), &format!("{BASE}{objects}"))
}

/// A route `shop/r` with this spec.
pub(crate) fn route(kind: &str, spec: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: {kind}\n\
         metadata: {{name: r, namespace: shop, generation: 7}}\nspec: {spec}\n---\n"
    )
}

/// An HTTPRoute whose only rule has these members, as flow YAML, on port 80.
pub(crate) fn rule(members: &str) -> World {
    with(&one_rule("HTTPRoute", members))
}

/// A route of this kind whose only rule has these members.
pub(crate) fn one_rule(kind: &str, members: &str) -> String {
    route(
        kind,
        &format!("{{parentRefs: [{{name: gw, sectionName: any}}], rules: [{{{members}}}]}}"),
    )
}

/// `backendRefs` of one Service.
pub(crate) const TO_WEB: &str = "backendRefs: [{name: web, port: 80}]";

/// All matches of the table, with the scope and host that they are for.
pub(crate) fn matches(world: &World) -> Vec<Value> {
    let dump = dump(world.translator.table()).expect("a table that can be read");
    let mut out = Vec::new();
    for host in serde_json::to_value(dump.hosts)
        .expect("JSON")
        .as_array()
        .expect("a list")
    {
        for m in host["matches"].as_array().expect("a list") {
            let mut m = m.clone();
            m["scope"] = host["scope"].clone();
            m["host"] = host["host"].clone();
            out.push(m);
        }
    }
    out
}

/// `type value` of the path of each match.
pub(crate) fn paths(world: &World) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    matches(world)
        .iter()
        .map(|m| format!("{} {}", text(&m["path"]["type"]), text(&m["path"]["value"])))
        .collect()
}

/// `namespace/name:port*weight` or `500*weight` of the backends of the first match.
pub(crate) fn targets(world: &World) -> Vec<String> {
    let routes = world.routes();
    let line = routes.first().expect("a match");
    let (_, backends) = line.split_once("->").expect("an arrow");
    backends.split_whitespace().map(str::to_owned).collect()
}

/// `code field` of the problems of an object, those of one severity at least.
pub(crate) fn problems(world: &World, kind: &str, least: &str) -> Vec<String> {
    let rank = |severity: &str| match severity {
        "info" => 0,
        "warning" => 1,
        _ => 2,
    };
    let lists = world.published.problems.values();
    lists
        .flatten()
        .filter(|p| &*p.object.kind == kind && rank(p.severity.as_str()) >= rank(least))
        .map(|p| format!("{} {}", p.code, p.field))
        .collect()
}

/// The conditions of the route `r` at its first parent.
pub(crate) fn conditions(world: &World, kind: &str) -> Vec<String> {
    world.conditions(kind, "r", "/parents/0/conditions")
}
