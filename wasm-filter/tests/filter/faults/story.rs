//! A node with two tables, and a row of requests that makes the filter call every host function that
//! it has.

use std::time::Duration;

use serde_json::{Value, json};
use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::result::{Outcome, PlanResult, Try};
use silverback_core::contract::{PLAN_PROPERTY, REQUEST_PROPERTY, RESULT_PROPERTY};
use silverback_core::table::store::EPOCH_KEY;
use silverback_core::table::store::publish::Publisher;
use silverback_core::translate::{Applied, Options, Translator};
use silverback_emulator::{Action, CallFaults, Exchange, Properties, SharedStore, Trap};

use crate::harness::at;
use crate::support::node::{Writer, zone};
use crate::support::runtime::{Input, Runtime, WasmWorker};

/// Pages of the pool.
pub(super) const PAGES: u16 = 40;
/// Ingress and the Gateway's listener at Kong's usual port.
pub(super) const CONFIG: &str = r#"{"ports":[{"port":8000,"ingress":true,"listener":80}]}"#;

/// A store with table A and then table B; only their endpoints differ, 10.0.1.x and 10.0.2.x.
pub(super) struct Tables {
    pub(super) store: SharedStore,
    /// The epoch record of each table.
    records: [Vec<u8>; 2],
}

/// How a request ended: `service@table`, a status, or `no plan`.
pub(super) type Seen = String;

/// What the requests of a story must get.
pub(super) const RIGHT: [&str; 7] = ["web@", "canary@", "web@", "least@", "404", "503", "302"];

fn pods(service: &str, net: u8, count: u8) -> Value {
    let endpoints: Vec<Value> = (1..=count)
        .map(|n| json!({"addresses": [format!("10.0.{net}.{n}")]}))
        .collect();
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"namespace": "ns",
        "name": format!("{service}-1"), "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4", "ports": [{"port": 8080}], "endpoints": endpoints})
}

fn service(name: &str, annotations: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "ns", "name": name,
        "annotations": annotations}, "spec": {"ports": [{"port": 80, "targetPort": 8080}]}})
}

fn ingress(name: &str, host: &str, service: &str) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": "ns", "name": name},
        "spec": {"rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix",
        "backend": {"service": {"name": service, "port": {"number": 80}}}}]}}]}})
}

/// The objects of a table whose pods are in 10.0.`net`.0.
pub(super) fn objects(net: u8) -> Vec<Value> {
    let edits = json!({"set": [{"name": "x-set", "value": "1"}],
        "add": [{"name": "x-add", "value": "1"}], "remove": ["server"]});
    let rule = |matches: Value, filters: Value, service: &str| json!({"matches": matches, "filters": filters, "backendRefs": [{"name": service, "port": 80}]});
    let mut out = vec![
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
            "metadata": {"name": "c"}, "spec": {"controllerName": "silverback.rs/gateway-controller"}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"namespace": "ns", "name": "g"}, "spec": {"gatewayClassName": "c",
            "listeners": [{"name": "l", "protocol": "HTTP", "port": 80}]}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"namespace": "ns", "name": "r"}, "spec": {"parentRefs": [{"name": "g"}],
        "hostnames": ["r.test"], "rules": [
            rule(json!([{"path": {"type": "PathPrefix", "value": "/"},
                "headers": [{"name": "x-env", "value": "canary"}]}]),
                json!([{"type": "ResponseHeaderModifier", "responseHeaderModifier": edits}]), "canary"),
            rule(json!([{"path": {"type": "PathPrefix", "value": "/"}}]),
                json!([{"type": "URLRewrite", "urlRewrite": {"path":
                {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v1"}}}]), "web"),
            json!({"matches": [{"path": {"type": "Exact", "value": "/old"}}], "filters": [
                {"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}]}),
        ]}}),
        json!({"apiVersion": "configuration.konghq.com/v1beta1", "kind": "KongUpstreamPolicy",
            "metadata": {"namespace": "ns", "name": "least"}, "spec": {"algorithm": "least-connections",
            "healthchecks": {"passive": {"unhealthy": {"tcpFailures": 2, "timeouts": 2}}}}}),
        ingress("web", "a.test", "web"),
        ingress("least", "p.test", "least"),
        ingress("empty", "e.test", "empty"),
        service("web", &json!({})),
        service("canary", &json!({})),
        service("least", &json!({"konghq.com/upstream-policy": "least"})),
        service("empty", &json!({})),
    ];
    out.extend(["web", "canary", "least"].map(|name| pods(name, net, 3)));
    out
}

/// Puts the objects' table into effect.
pub(super) fn publish(store: &SharedStore, pages: u16, objects: &[Value]) {
    let mut translator = Translator::new(Options {
        accept_all_classes: true,
        ..Options::default()
    });
    for object in objects {
        let applied = translator.apply(object.to_string().as_bytes());
        assert!(matches!(applied, Applied::Stored(_)), "{applied:?}");
    }
    translator.commit();
    let table = translator.table();
    let writer = Writer(store.clone());
    let mut publisher = Publisher::open(&writer, pages).expect("a pool");
    let content = |index| table.segment(index).map(|segment| &segment.bytes[..]);
    let published = publisher.publish(&writer, table.root(), content);
    published.expect("published");
}

impl Tables {
    pub(super) fn new() -> Self {
        let store = SharedStore::new(zone(PAGES));
        let records = [1, 2].map(|net| {
            publish(&store, PAGES, &objects(net));
            store.get_locked(EPOCH_KEY).expect("an epoch record").0
        });
        Self { store, records }
    }

    /// Puts table 0 or 1 into effect: both are whole in the pages.
    pub(super) fn flip(&self, table: usize) {
        let put = self.store.put(EPOCH_KEY, &self.records[table]);
        put.expect("an epoch record");
    }
}

/// The requests of a story, in the order of [`RIGHT`].
pub(super) fn asks() -> [Input; 7] {
    let mut canary = at(8000, "r.test", "/x");
    canary.headers = vec![("x-env".to_owned(), b"canary".to_vec())];
    canary.upstream = vec![("server", "up"), ("x-set", "0"), ("x-add", "0")];
    [
        at(8000, "a.test", "/x"),
        canary,
        at(8000, "r.test", "/x"),
        at(8000, "p.test", "/x"),
        at(8000, "nothing.test", "/x"),
        at(8000, "e.test", "/x"),
        at(8000, "r.test", "/old"),
    ]
}

/// A worker of the real module.
pub(super) fn start(store: &SharedStore, faults: CallFaults) -> Result<Box<WasmWorker>, String> {
    match Runtime::start_with(true, CONFIG, store.clone(), 0, faults)? {
        Runtime::Wasm(worker) => Ok(worker),
        Runtime::Native(_) => Err("not the module".to_owned()),
    }
}

/// One request from its first to its last callback.
pub(super) fn ask(worker: &mut WasmWorker, input: &Input) -> Result<Seen, Trap> {
    let mut properties = match input.refuse_plan {
        true => Properties::new(),
        false => Properties::with_shim(),
    };
    if let Some(message) = &input.message {
        properties.set(REQUEST_PROPERTY, message.clone());
    }
    let mut exchange = Exchange::new("GET", "/").properties(properties);
    for (name, value) in &input.headers {
        exchange.request_headers.add(name.as_bytes(), value.clone());
    }
    let worker = &mut worker.worker;
    let id = worker.open()?;
    let action = worker.on_request_headers(id, &mut exchange)?;
    let plan = exchange.properties.get(PLAN_PROPERTY).map(<[u8]>::to_vec);
    let seen = match (&exchange.local_response, plan) {
        (Some(response), None) => response.status.to_string(),
        (None, Some(plan)) => who(&OwnedPlan::decode(&plan).expect("a plan")),
        (None, None) => {
            assert_eq!(action, Action::Continue, "it waits for ever");
            "no plan".to_owned()
        }
        both => panic!("a plan and a reply: {both:?}"),
    };
    if exchange.local_response.is_none() {
        exchange.response_status = 200;
        for (name, value) in &input.upstream {
            exchange.response_headers.add(*name, *value);
        }
        worker.on_response_headers(id, &mut exchange)?;
    }
    let mut message = Vec::new();
    let tries = vec![Try {
        endpoint: 0,
        outcome: Outcome::Answered,
    }];
    let result = PlanResult { status: 200, tries };
    result.encode(&mut message).expect("one try");
    exchange.properties.set(RESULT_PROPERTY, message);
    worker.on_log(id, &mut exchange)?;
    worker.close(id, &mut exchange)?;
    Ok(seen)
}

/// Service and table of a plan; all endpoints must be of one table.
fn who(plan: &OwnedPlan) -> Seen {
    let nets: Vec<u8> = (plan.endpoints.iter())
        .map(|endpoint| match endpoint.ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[2],
            std::net::IpAddr::V6(_) => 0,
        })
        .collect();
    assert!(
        nets.windows(2).all(|pair| pair[0] == pair[1]),
        "a mix: {plan:?}"
    );
    // `ns.service.80`, or of an HTTPRoute's rule the rule's name.
    let service = String::from_utf8_lossy(&plan.service_name).into_owned();
    let service = match service.as_str() {
        "httproute.ns.r.0" => "canary",
        "httproute.ns.r.1" => "web",
        ingress => ingress.split('.').nth(1).expect("a name"),
    };
    format!("{service}@{}", nets[0])
}

/// What request number `n` must get from table 0 or 1.
pub(super) fn right(n: usize, table: usize) -> Seen {
    match RIGHT[n] {
        proxied if proxied.ends_with('@') => format!("{proxied}{}", table + 1),
        status => status.to_owned(),
    }
}

/// Fails closed: nobody gets what is not theirs.
pub(super) fn closed(seen: &str) -> bool {
    matches!(seen, "500" | "503" | "no plan")
}

/// Lets a tick come.
pub(super) fn tick(worker: &mut WasmWorker) -> Result<(), Trap> {
    worker.clock.advance(Duration::from_millis(1_001));
    worker.worker.tick()
}

/// All requests, each answered right.
pub(super) fn serves(worker: &mut WasmWorker, table: usize, why: &str) {
    for (n, input) in asks().iter().enumerate() {
        let seen = ask(worker, input).unwrap_or_else(|trap| panic!("{why}: {trap}"));
        assert_eq!(seen, right(n, table), "{why}: request {n}");
    }
}
