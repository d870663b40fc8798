//! A cluster: objects and pods, translator.wasm that is told of them, and the gateway that serves them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};
use silverback::gateway::{Gateway, GatewayOptions, ListenerSpec};
use silverback::object::ObjectKey;
use silverback::problem::Severity;
use silverback::publish::{EmulatorStore, Node};
use silverback::translator::{
    Applied, Compiler, Limits, Session, TranslatorEngine, TranslatorModule,
};
use silverback_core::table::store::publish::pages_in_zone;
use silverback_emulator::{Eviction, Filter, SharedStore, StoreOptions, WorkerOptions};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::certificates::{Authority, Secure};
use crate::objects::{self, FILLERS, NAMESPACE, PORT, Route, Service, TLS_PORT, ZONE};
use crate::pods::Pod;
use crate::timeline::{Config, Timeline, Watch};

/// Pods of a Service.
pub(crate) const REPLICAS: usize = 3;
const ZONE_BYTES: usize = 16 << 20;
/// As `silverback dev` has it: pods are on the loopback.
const OPTIONS: &str = r#"{"acceptAllClasses":true,"allowLocalAddresses":true}"#;

/// See the module.
pub(crate) struct Cluster {
    pub(crate) gateway: Gateway,
    pub(crate) plain: SocketAddr,
    pub(crate) secured: SocketAddr,
    pub(crate) secure: Secure,
    pub(crate) watch: Arc<Watch>,
    pub(crate) config: Config,
    pub(crate) members: BTreeMap<Service, Vec<Member>>,
    authority: Authority,
    shown: Arc<Timeline<CertificateDer<'static>>>,
    session: Session,
    translator: TranslatorModule,
    node: Node<EmulatorStore>,
    filters: [Filter; 2],
    reloads: usize,
    /// Ports that the Service's slices are of: a slice has one port for all of its pods.
    slices: BTreeSet<(Service, u16)>,
    pods: u32,
}

/// A pod as its EndpointSlice has it.
pub(crate) struct Member {
    pub(crate) pod: Pod,
    pub(crate) condition: Condition,
}

/// The conditions of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Starting,
    Ready,
    Terminating,
}

/// The modules, compiled.
struct Modules {
    filters: [Filter; 2],
    engine: TranslatorEngine,
    translator: TranslatorModule,
}

// === impl Cluster ===

impl Cluster {
    pub(crate) async fn start(seed: u64) -> Self {
        let Modules {
            filters,
            engine: _engine,
            translator,
        } = Modules::compile();
        let store = StoreOptions::new().zone(ZONE, ZONE_BYTES, Eviction::None);
        let store = SharedStore::new(store.strict(true));
        let node = Node::open(EmulatorStore(store.clone()), pages_in_zone(ZONE_BYTES)).unwrap();
        let options = GatewayOptions {
            workers: 2,
            store,
            filter: WorkerOptions {
                root_id: ZONE.to_owned(),
                configuration: objects::filter_configuration(),
                seed,
                ..WorkerOptions::default()
            },
            ..GatewayOptions::default()
        };
        let gateway = Gateway::start(&filters[0], options).unwrap();
        let authority = Authority::new();
        let (certificates, leaf) = authority.issue();
        gateway.set_certificates(TLS_PORT, &certificates).unwrap();
        let shown = Arc::new(Timeline::new(leaf));
        let config = Config {
            revisions: Route::ALL.map(|route| (route, 1)).into(),
            ready: BTreeMap::new(),
            weights: [50, 50],
            extra: 0,
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut cluster = Self {
            gateway,
            plain: any,
            secured: any,
            secure: authority.clients(&shown),
            watch: Arc::new(Watch::new(Config::default())),
            config,
            members: BTreeMap::new(),
            authority,
            shown,
            session: Session::start(translator.clone(), Limits::default(), OPTIONS).unwrap(),
            translator,
            node,
            filters,
            reloads: 0,
            slices: BTreeSet::new(),
            pods: 0,
        };
        cluster.fill().await;
        let listener = |proxy_port: u16, tls: bool| ListenerSpec {
            bind: any,
            proxy_port,
            tls,
        };
        let listeners = [listener(PORT, false), listener(TLS_PORT, true)];
        cluster.gateway.set_listeners(&listeners).unwrap();
        let listening = cluster.gateway.listeners();
        (cluster.plain, cluster.secured) = (listening[0].addr, listening[1].addr);
        cluster
    }

    /// The first table.
    async fn fill(&mut self) {
        for object in objects::base() {
            self.apply(&object);
        }
        for service in Service::ALL {
            self.apply(&service.object());
            for _ in 0..REPLICAS {
                self.add(service).await;
            }
            self.set(service, |member| member.condition = Condition::Ready);
        }
        for route in Route::ALL {
            self.apply(&route.object(&self.config));
        }
        for number in 0..FILLERS {
            self.apply(&objects::filler(number, 0));
        }
        self.apply(&objects::extra(0));
        self.push();
    }

    /// Starts a pod of this Service; its slice gets it, not ready.
    pub(crate) async fn add(&mut self, service: Service) {
        let members = self.members.entry(service).or_default();
        let port = members.first().map_or(0, |member| member.pod.addr.port());
        self.pods += 1;
        members.push(Member {
            pod: Pod::start(service, self.pods, port).await,
            condition: Condition::Starting,
        });
        self.slice(service);
    }

    /// Changes the pods of a Service, and its slices with them.
    pub(crate) fn set(&mut self, service: Service, change: impl FnMut(&mut Member)) {
        self.members
            .get_mut(&service)
            .unwrap()
            .iter_mut()
            .for_each(change);
        self.slice(service);
    }

    /// Forgets the pods that are terminating.
    pub(crate) fn remove_terminating(&mut self, service: Service) {
        let members = self.members.get_mut(&service).unwrap();
        members.retain(|member| member.condition != Condition::Terminating);
        self.slice(service);
    }

    fn slice(&mut self, service: Service) {
        let mut by_port: BTreeMap<u16, Vec<Value>> = BTreeMap::new();
        let mut ready = Vec::new();
        for Member { pod, condition } in &self.members[&service] {
            let is_ready = *condition == Condition::Ready;
            let terminating = *condition == Condition::Terminating;
            if is_ready {
                ready.push(pod.number);
            }
            by_port.entry(pod.addr.port()).or_default().push(json!({
                "addresses": [pod.addr.ip()],
                "conditions": {"ready": is_ready, "serving": is_ready || terminating,
                               "terminating": terminating}}));
        }
        self.config.ready.insert(service, ready);
        let name = |port: u16| format!("{}-{port}", service.name());
        let old = self.slices.iter().filter(|(of, _)| *of == service);
        let gone: Vec<_> = old
            .filter(|(_, port)| !by_port.contains_key(port))
            .copied()
            .collect();
        for (_, port) in gone {
            self.slices.remove(&(service, port));
            self.delete("discovery.k8s.io/v1", "EndpointSlice", &name(port));
        }
        for (port, endpoints) in by_port {
            self.slices.insert((service, port));
            self.apply(&json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {"name": name(port), "namespace": NAMESPACE,
                             "labels": {"kubernetes.io/service-name": service.name()}},
                "addressType": "IPv4",
                "ports": [{"name": "main", "port": port, "protocol": "TCP"}],
                "endpoints": endpoints}));
        }
    }

    pub(crate) fn apply(&mut self, object: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        let key = ObjectKey::new(
            &text(&object["apiVersion"]),
            &text(&object["kind"]),
            &text(&metadata["namespace"]),
            &text(&metadata["name"]),
        );
        let applied = self.session.apply(&key, object.to_string().as_bytes());
        assert!(
            matches!(applied.unwrap(), Applied::Stored | Applied::Unchanged),
            "{key} was not taken"
        );
    }

    pub(crate) fn delete(&mut self, api_version: &str, kind: &str, name: &str) {
        let key = ObjectKey::new(api_version, kind, NAMESPACE, name);
        self.session.delete(&key).unwrap();
    }

    /// Brings everything that was changed into effect.
    pub(crate) fn push(&mut self) {
        self.watch.configs.begin(self.config.clone());
        self.session.commit().unwrap();
        let changes = self.session.take_changes().unwrap();
        let problems = changes.problems.values().flatten();
        let errors: Vec<_> = problems.filter(|p| p.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        self.node.push(&changes).unwrap();
        self.watch.configs.done();
    }

    /// Shows another certificate from now on.
    pub(crate) fn renew_certificate(&mut self) {
        let (certificates, leaf) = self.authority.issue();
        self.shown.begin(leaf);
        self.gateway
            .set_certificates(TLS_PORT, &certificates)
            .unwrap();
        self.shown.done();
    }

    /// Puts another silverback.wasm in place.
    pub(crate) fn reload_filter(&mut self) {
        self.reloads += 1;
        let filter = &self.filters[self.reloads % 2];
        self.gateway.replace_filter(filter).unwrap();
    }

    /// Puts another translator.wasm in place, which gets all objects again. Nothing comes of it.
    pub(crate) fn reload_translator(&mut self) {
        self.session.replace(self.translator.clone()).unwrap();
        let changes = self.session.take_changes().unwrap();
        assert_eq!(changes.segments, [], "the same objects make another table");
        self.node.push(&changes).unwrap();
    }
}

// === impl Modules ===

impl Modules {
    fn compile() -> Self {
        let engine = TranslatorEngine::new(Compiler::Quick).unwrap();
        thread::scope(|scope| {
            // The same with another custom section: another file, as after a new build.
            let mut rebuilt = silverback_guests::FILTER_WASM.to_vec();
            rebuilt.extend(b"\x00\x06\x05again");
            let filters = scope.spawn(move || {
                [silverback_guests::FILTER_WASM, &rebuilt]
                    .map(|wasm| Filter::compile(wasm).unwrap())
            });
            let translator = engine.compile(silverback_guests::TRANSLATOR_WASM).unwrap();
            let filters = filters.join().unwrap();
            Self {
                filters,
                engine,
                translator,
            }
        })
    }
}
