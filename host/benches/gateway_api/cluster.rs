//! The objects, and everything between them and the gateway's workers.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use silverback::gateway::{AccessEvent, Gateway, GatewayOptions, ListenerSpec};
use silverback::object::ObjectKey;
use silverback::publish::{EmulatorStore, Node};
use silverback::translator::{Changes, Compiler, Limits, Session, TranslatorEngine};
use silverback_core::table::store::publish::pages_in_zone;
use silverback_emulator::{Eviction, Filter, SharedStore, StoreOptions, WorkerOptions};

use crate::WORKERS;
use crate::client::Client;

const ZONE: &str = "silverback";
const ZONE_BYTES: usize = 64 << 20;
const PORT: u16 = 8080;
const GATEWAY_API: &str = "gateway.networking.k8s.io/v1";

/// See the module.
pub(crate) struct Cluster {
    gateway: Gateway,
    session: Session,
    node: Node<EmulatorStore>,
    /// Which worker served which path, for paths that begin with [`WHO`].
    served: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Ports of the two backends.
    pub(crate) backends: [u16; 2],
}

const WHO: &str = "/who-serves/";

/// A backend that answers every request with its name.
fn backend(name: &'static str) -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                let (mut buf, mut len) = ([0; 8192], 0);
                while let Ok(n @ 1..) = stream.read(&mut buf[len..]) {
                    len += n;
                    if buf[..len].ends_with(b"\r\n\r\n") {
                        len = 0;
                        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{name}");
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    port
}

impl Cluster {
    /// A Gateway, two Services with one pod each, and nothing else.
    pub(crate) fn start() -> Self {
        let engine = TranslatorEngine::new(Compiler::Quick).unwrap();
        let translator = engine.compile(silverback_guests::TRANSLATOR_WASM).unwrap();
        let options = r#"{"acceptAllClasses":true,"allowLocalAddresses":true}"#;
        let session = Session::start(translator, Limits::default(), options).unwrap();
        let store = SharedStore::new(StoreOptions::new().zone(ZONE, ZONE_BYTES, Eviction::None));
        let node = Node::open(EmulatorStore(store.clone()), pages_in_zone(ZONE_BYTES)).unwrap();
        let served = Arc::new(Mutex::new(BTreeMap::new()));
        let noted = Arc::clone(&served);
        let on_access = move |event: &AccessEvent<'_>| {
            let path = String::from_utf8_lossy(event.path);
            if path.starts_with(WHO) {
                noted
                    .lock()
                    .unwrap()
                    .insert(path.into_owned(), event.worker);
            }
        };
        let options = GatewayOptions {
            workers: WORKERS,
            store,
            filter: WorkerOptions {
                root_id: ZONE.to_owned(),
                configuration: format!(
                    r#"{{"ports":[{{"port":{PORT},"ingress":false,"listener":80}}]}}"#
                )
                .into_bytes(),
                ..WorkerOptions::default()
            },
            on_access: Some(Arc::new(on_access)),
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
        let mut cluster = Self {
            gateway,
            session,
            node,
            served,
            backends: [backend("a"), backend("b")],
        };
        let class = r#""spec":{"controllerName":"silverback.rs/gateway-controller"}"#;
        cluster.apply(GATEWAY_API, "GatewayClass", "silverback", class);
        cluster.apply(
            GATEWAY_API,
            "Gateway",
            "public",
            r#""spec":{"gatewayClassName":"silverback","listeners":[{"name":"http","port":80,"protocol":"HTTP"}]}"#,
        );
        for (name, port) in ["a", "b"].into_iter().zip(cluster.backends) {
            cluster.service(name, &["127.0.0.1".to_owned()], port);
        }
        cluster.publish();
        cluster
    }

    /// A Service and its pods.
    pub(crate) fn service(&mut self, name: &str, pods: &[String], port: u16) {
        self.apply("v1", "Service", name, r#""spec":{"ports":[{"port":80}]}"#);
        self.pods(name, pods, port);
    }

    /// The pods of a Service.
    pub(crate) fn pods(&mut self, service: &str, pods: &[String], port: u16) {
        let endpoints: Vec<String> = (pods.iter())
            .map(|pod| format!(r#"{{"addresses":["{pod}"],"conditions":{{"ready":true}}}}"#))
            .collect();
        let rest = format!(
            r#""addressType":"IPv4","ports":[{{"port":{port},"protocol":"TCP"}}],"endpoints":[{}]"#,
            endpoints.join(",")
        );
        self.apply("discovery.k8s.io/v1", "EndpointSlice", service, &rest);
    }

    /// A HTTPRoute for one host.
    pub(crate) fn route(&mut self, name: &str, host: &str, rules: &str) {
        self.apply(GATEWAY_API, "HTTPRoute", name, &route_spec(host, rules));
    }

    pub(crate) fn delete_route(&mut self, name: &str) {
        let key = ObjectKey::new(GATEWAY_API, "HTTPRoute", "bench", name);
        self.session.delete(&key).unwrap();
    }

    fn apply(&mut self, api_version: &str, kind: &str, name: &str, rest: &str) {
        let key = ObjectKey::new(api_version, kind, "bench", name);
        let json = format!(
            r#"{{"apiVersion":"{api_version}","kind":"{kind}","metadata":{{"namespace":"bench","name":"{name}","labels":{{"kubernetes.io/service-name":"{name}"}}}},{rest}}}"#
        );
        self.session.apply(&key, json.as_bytes()).unwrap();
    }

    /// Brings what was applied into effect; gives what changed.
    pub(crate) fn publish(&mut self) -> Changes {
        self.session.commit().unwrap();
        let changes = self.session.take_changes().unwrap();
        self.node.push(&changes).unwrap();
        changes
    }

    /// A connection to each worker.
    pub(crate) fn clients(&self) -> Vec<Client> {
        let addr = self.gateway.listeners()[0].addr;
        let mut found: BTreeMap<usize, Client> = BTreeMap::new();
        // Workers take connections from one queue: which one comes next is not ours to say.
        for number in 0..10_000 {
            let mut client = Client::connect(addr);
            let path = format!("{WHO}{number}");
            client.get("nobody.example.com", &path);
            // The event may come after the answer's last byte.
            let worker = loop {
                if let Some(worker) = self.served.lock().unwrap().get(&path) {
                    break *worker;
                }
                std::thread::yield_now();
            };
            found.entry(worker).or_insert(client);
            if found.len() == WORKERS {
                break;
            }
        }
        assert_eq!(found.len(), WORKERS, "a worker takes no connection");
        found.into_values().collect()
    }
}

/// `spec` of a HTTPRoute of the one Gateway.
fn route_spec(host: &str, rules: &str) -> String {
    format!(
        r#""spec":{{"parentRefs":[{{"name":"public"}}],"hostnames":["{host}"],"rules":[{rules}]}}"#
    )
}

/// One rule: everything under a path to a Service.
pub(crate) fn rule(path: &str, service: &str, filters: &str) -> String {
    format!(
        r#"{{"matches":[{{"path":{{"type":"PathPrefix","value":"{path}"}}}}],"filters":[{filters}],"backendRefs":[{{"name":"{service}","port":80}}]}}"#
    )
}
