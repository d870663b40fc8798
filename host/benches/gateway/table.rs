//! A gateway with silverback.wasm and a table of a thousand routes, published as `silverback dev` does it.

use std::net::{IpAddr, SocketAddr};

use silverback::gateway::{Gateway, GatewayOptions, ListenerSpec};
use silverback::object::ObjectKey;
use silverback::publish::{EmulatorStore, Node};
use silverback::translator::{Compiler, Limits, Session, TranslatorEngine};
use silverback_core::table::store::publish::pages_in_zone;
use silverback_emulator::{Eviction, Filter, SharedStore, StoreOptions, WorkerOptions};

/// Hosts, each with a HTTPRoute of its own.
pub(crate) const HOSTS: usize = 100;
/// Rules of a HTTPRoute.
const RULES: usize = 10;
/// Endpoints of a Service; all are the one backend, by another address of the loopback.
const ENDPOINTS: usize = 15;

const ZONE: &str = "silverback";
const ZONE_BYTES: usize = 16 << 20;
const PORT: u16 = 8080;
const GATEWAY_API: &str = "gateway.networking.k8s.io/v1";

/// What the load asks for: one of the routes, in the middle.
pub(crate) const HOST: &str = "app-42.shop.example.com";
/// See `HOST`.
pub(crate) const PATH: &str = "/api/v0/service-7/items?id=4711";

/// See the module.
pub(crate) struct Table {
    pub(crate) gateway: Gateway,
    pub(crate) addr: SocketAddr,
    backend: SocketAddr,
    session: Session,
    node: Node<EmulatorStore>,
}

/// The addresses of a Service's endpoints, of which the first moves with each `round`.
pub(crate) fn addresses(round: usize) -> impl Iterator<Item = IpAddr> {
    (0..ENDPOINTS).map(move |n| {
        let last = if cfg!(target_os = "linux") {
            u8::try_from(1 + (round + n) % 250).unwrap()
        } else {
            1
        };
        IpAddr::from([127, 0, 0, last])
    })
}

// === impl Table ===

impl Table {
    /// Starts a gateway with one worker and the whole table.
    pub(crate) fn start(backend: SocketAddr) -> Self {
        let engine = TranslatorEngine::new(Compiler::Quick).unwrap();
        let translator = engine.compile(silverback_guests::TRANSLATOR_WASM).unwrap();
        let options = r#"{"acceptAllClasses":true,"allowLocalAddresses":true}"#;
        let session = Session::start(translator, Limits::default(), options).unwrap();
        let store = SharedStore::new(StoreOptions::new().zone(ZONE, ZONE_BYTES, Eviction::None));
        let node = Node::open(EmulatorStore(store.clone()), pages_in_zone(ZONE_BYTES)).unwrap();
        let options = GatewayOptions {
            workers: 1,
            store,
            filter: WorkerOptions {
                root_id: ZONE.to_owned(),
                configuration: format!(
                    r#"{{"ports":[{{"port":{PORT},"ingress":false,"listener":80}}]}}"#
                )
                .into_bytes(),
                ..WorkerOptions::default()
            },
            ..GatewayOptions::default()
        };
        let filter = Filter::compile(silverback_guests::FILTER_WASM).unwrap();
        let gateway = Gateway::start(&filter, options).unwrap();
        let listener = ListenerSpec {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            proxy_port: PORT,
            tls: false,
        };
        gateway.set_listeners(&[listener]).unwrap();
        let addr = gateway.listeners()[0].addr;
        let mut table = Self {
            gateway,
            addr,
            backend,
            session,
            node,
        };
        table.apply(
            GATEWAY_API,
            "GatewayClass",
            "silverback",
            r#""spec":{"controllerName":"silverback.rs/gateway-controller"}"#,
        );
        table.apply(GATEWAY_API, "Gateway", "public", r#""spec":{"gatewayClassName":"silverback","listeners":[{"name":"http","port":80,"protocol":"HTTP"}]}"#);
        for host in 0..HOSTS {
            table.apply(
                "v1",
                "Service",
                &format!("service-{host}"),
                r#""spec":{"ports":[{"port":80}]}"#,
            );
            table.set_endpoints(host, 0);
            table.set_route(host, 0);
        }
        table.publish();
        table
    }

    /// Gives a Service's slice another endpoint for each `round`.
    pub(crate) fn set_endpoints(&mut self, host: usize, round: usize) {
        let endpoints: Vec<String> = addresses(round)
            .map(|ip| format!(r#"{{"addresses":["{ip}"],"conditions":{{"ready":true}}}}"#))
            .collect();
        let port = self.backend.port();
        self.apply("discovery.k8s.io/v1", "EndpointSlice", &format!("service-{host}"), &format!(
            r#""addressType":"IPv4","ports":[{{"port":{port},"protocol":"TCP"}}],"endpoints":[{}]"#,
            endpoints.join(",")
        ));
    }

    /// Makes a route with another path in one of its rules for each `round`.
    pub(crate) fn set_route(&mut self, host: usize, round: usize) {
        let rule = |rule: usize| {
            let version = if rule == 0 { round } else { 0 };
            format!(
                r#"{{"matches":[{{"path":{{"type":"PathPrefix","value":"/api/v{version}/service-{rule}"}}}}],"backendRefs":[{{"name":"service-{host}","port":80}}]}}"#
            )
        };
        let rules: Vec<String> = (0..RULES).map(rule).collect();
        self.apply(GATEWAY_API, "HTTPRoute", &format!("route-{host}"), &format!(
            r#""spec":{{"parentRefs":[{{"name":"public"}}],"hostnames":["app-{host}.shop.example.com"],"rules":[{}]}}"#,
            rules.join(",")
        ));
    }

    fn apply(&mut self, api_version: &str, kind: &str, name: &str, rest: &str) {
        let key = ObjectKey::new(api_version, kind, "shop", name);
        let json = format!(
            r#"{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"namespace":"shop","name":"{name}","labels":{{"kubernetes.io/service-name":"{name}"}}}},{rest}}}"#
        );
        self.session.apply(&key, json.as_bytes()).unwrap();
    }

    /// Brings what was applied into effect.
    pub(crate) fn publish(&mut self) {
        self.session.commit().unwrap();
        let changes = self.session.take_changes().unwrap();
        assert!(
            self.node.push(&changes).unwrap().is_some(),
            "nothing changed"
        );
    }
}
