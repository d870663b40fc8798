//! EndpointSlices that do not fit their Service: told, in whatever order the objects come.

use serde_json::{Value, json};

use crate::translate_support::{World, any_class};

fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"ports": [{"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "http", "port": 80}, {"name": "admin", "port": 81}]}})
}

fn ingress() -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": {"defaultBackend":
            {"service": {"name": "web", "port": {"number": 80}}}}})
}

fn slice(service: &str, addresses: &Value, ports: &Value) -> Value {
    let labels = match service {
        "" => json!({}),
        name => json!({"kubernetes.io/service-name": name}),
    };
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "slice", "namespace": "shop", "labels": labels},
        "endpoints": [{"addresses": addresses}], "ports": ports})
}

fn told(world: &World) -> Vec<String> {
    let problems = world.published.problems.values().flatten();
    problems.map(ToString::to_string).collect()
}

#[test]
fn what_does_not_fit_is_told_in_any_order() {
    let (some, none) = (json!(["10.0.0.1"]), json!([]));
    let port = |name: &str| json!([{"name": name, "port": 8080}]);
    let service_port = |hint: &str| {
        vec![format!(
            "warning EndpointPortNotFound Service shop/web spec.ports[1].name: the Service has \
             endpoints, but no EndpointSlice has a port called \"http\": requests to port 80 are \
             answered 503 (hint: {hint})"
        )]
    };
    for (slice, expected) in [
        // Port 81 has no endpoints either, and nobody sends requests there.
        (slice("web", &some, &port("http")), vec![]),
        (
            slice("web", &some, &port("web")),
            service_port("the port of the EndpointSlice is called \"web\""),
        ),
        (
            slice("web", &some, &json!([{"port": 8080}])),
            service_port("the port of the EndpointSlice has no name"),
        ),
        (
            slice("web", &some, &json!(null)),
            service_port("the EndpointSlice has no TCP port"),
        ),
        (
            slice("web", &some, &json!([{"name": "a", "port": 1}, {"name": "b", "port": 2}])),
            service_port("ports of the EndpointSlices are called \"a\", \"b\""),
        ),
        (slice("web", &none, &port("web")), vec![]),
        (slice("web", &none, &json!(null)), vec![]),
        (
            slice("wbe", &some, &port("http")),
            vec![
                "warning ServiceNotFound EndpointSlice shop/slice \
                 metadata.labels[\"kubernetes.io/service-name\"]: Service shop/wbe does not exist; \
                 the endpoints are not used"
                    .to_owned(),
            ],
        ),
        (
            slice("", &some, &port("http")),
            vec![
                "info ServiceNotFound EndpointSlice shop/slice \
                 metadata.labels[\"kubernetes.io/service-name\"]: is missing: the slice belongs to no \
                 Service, and its endpoints are not used (hint: give it this label with the name of \
                 its Service)"
                    .to_owned(),
            ],
        ),
    ] {
        let objects = [service(), ingress(), slice];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut world = World::new(any_class());
            for index in order {
                world.apply(&objects[index]);
                world.publish();
            }
            assert_eq!(told(&world), expected, "{order:?} {}", objects[2]);
        }
    }
}

#[test]
fn what_is_cured_is_told_no_more() {
    let mut world = World::new(any_class());
    let slice = |service: &str, port: &str| {
        let ports = json!([{"name": port, "port": 8080}]);
        slice(service, &json!(["10.0.0.1"]), &ports)
    };
    for object in [service(), ingress(), slice("web", "web")] {
        world.apply(&object);
    }
    world.publish();
    assert_eq!(told(&world).len(), 1);
    world.apply(&slice("web", "http"));
    world.publish();
    assert_eq!(told(&world), [] as [&str; 0]);
    world.apply(&slice("other", "http"));
    world.publish();
    assert_eq!(told(&world).len(), 1);
    let mut other = service();
    other["metadata"]["name"] = json!("other");
    world.apply(&other);
    world.publish();
    assert_eq!(told(&world), [] as [&str; 0]);
    world
        .translator
        .delete(&crate::translate_support::key(&other));
    world.publish();
    assert_eq!(told(&world).len(), 1);
}
