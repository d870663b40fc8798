//! Nodes, and tables to push.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use silverback::gateway::NodeApi;
use silverback::nodes::{Fleet, FleetOptions, NodeState, NodeUrl, Phase, Table};
use silverback::publish::EmulatorStore;
use silverback_core::table::build::TableBuilder;
use silverback_core::table::model::{
    Backend, BackendTarget, HostKey, HostPattern, PathMatch, RouteKind, RouteMatch, RouteObject,
    Rule, Scope, ServiceEndpoints, ServicePort, ServiceSettings,
};
use silverback_core::table::store::publish::Publisher;
use silverback_emulator::{Eviction, SharedStore, StoreOptions};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub(crate) const PAGES: u16 = 400;
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A node whose store and server can be replaced behind one address, as a restarted pod's are.
pub(crate) struct TestNode {
    pub(crate) address: SocketAddr,
    pub(crate) store: EmulatorStore,
    server: JoinHandle<()>,
}

pub(crate) fn store() -> EmulatorStore {
    let options = StoreOptions::new().zone("silverback", 64 << 20, Eviction::None);
    EmulatorStore(SharedStore::new(options.strict(true)))
}

pub(crate) fn api(store: &EmulatorStore, pages: u16) -> NodeApi<EmulatorStore> {
    NodeApi::new(store.clone(), pages, Vec::new).expect("a node")
}

impl TestNode {
    pub(crate) async fn start() -> Self {
        Self::with(PAGES).await
    }

    pub(crate) async fn with(pages: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::serve(listener, pages)
    }

    fn serve(listener: TcpListener, pages: u16) -> Self {
        let store = store();
        let api = Arc::new(api(&store, pages));
        Self {
            address: listener.local_addr().expect("an address"),
            store,
            server: tokio::spawn(api.serve(listener)),
        }
    }

    /// Stops, and closes its connections.
    pub(crate) async fn stop(self) -> SocketAddr {
        self.server.abort();
        let _ = self.server.await;
        self.address
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return Self::serve(listener, PAGES),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    pub(crate) fn url(&self) -> NodeUrl {
        url(self.address)
    }

    /// What is in effect.
    pub(crate) fn digest(&self) -> [u8; 16] {
        let publisher = Publisher::open(&self.store, PAGES).expect("a store");
        publisher.state(&self.store).expect("a state").digest
    }
}

pub(crate) fn url(address: SocketAddr) -> NodeUrl {
    format!("http://{address}").parse().expect("a URL")
}

/// Lets bytes through to a node only while there are permits.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    pub(crate) open: Arc<Semaphore>,
    /// Requests that came.
    pub(crate) requests: Arc<AtomicUsize>,
}

impl Gate {
    pub(crate) async fn before(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let open = Arc::new(Semaphore::new(0));
        let requests = Arc::new(AtomicUsize::new(0));
        let (gate, count) = (Arc::clone(&open), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (gate, count) = (Arc::clone(&gate), Arc::clone(&count));
                tokio::spawn(async move {
                    let mut byte = [0];
                    let waits = client.peek(&mut byte).await.is_ok();
                    count.fetch_add(usize::from(waits), Ordering::SeqCst);
                    let _permit = gate.acquire().await;
                    if let Ok(mut node) = TcpStream::connect(node).await {
                        let _ = copy_bidirectional(&mut client, &mut node).await;
                    }
                });
            }
        });
        Self {
            address,
            open,
            requests,
        }
    }
}

pub(crate) fn options() -> FleetOptions {
    FleetOptions {
        publisher: 7,
        verify: Duration::from_millis(50),
        backoff: (Duration::from_millis(5), Duration::from_millis(50)),
        ..FleetOptions::default()
    }
}

/// Something that must come true.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("not in {PATIENCE:?}: {what}"))
}

pub(crate) async fn state_of(fleet: &Fleet, is: impl Fn(&NodeState) -> bool) -> NodeState {
    let mut seen = fleet.watch();
    within("a node's state", async {
        loop {
            if let Some(state) = fleet.states().into_iter().find(&is) {
                return state;
            }
            fleet.changed(&mut seen).await;
        }
    })
    .await
}

pub(crate) async fn failed(fleet: &Fleet) -> NodeState {
    state_of(fleet, |state| state.phase == Phase::Failed).await
}

/// Hosts with a route and a Service each.
pub(crate) struct World {
    builder: TableBuilder,
}

fn service(n: usize) -> ServicePort {
    ServicePort {
        namespace: "shop".into(),
        name: format!("service-{n}").into(),
        port: 80,
    }
}

impl World {
    pub(crate) fn new(hosts: usize) -> Self {
        let mut world = Self {
            builder: TableBuilder::new(),
        };
        for n in 0..hosts {
            world.route(n);
            world.endpoints(n, 3);
        }
        world.builder.commit();
        world
    }

    fn route(&mut self, n: usize) {
        let object = Arc::new(RouteObject {
            kind: RouteKind::Ingress,
            namespace: "shop".into(),
            name: format!("route-{n}").into(),
            created: None,
        });
        let rule = Rule {
            backends: vec![Backend::new(1, BackendTarget::Service(service(n)))],
            ..Rule::new(object, 0)
        };
        let key = HostKey {
            scope: Scope::Ingress,
            host: HostPattern::Exact(format!("host-{n}.example.com").into()),
        };
        let matched = RouteMatch::new(PathMatch::Prefix("".into()), 0, Arc::new(rule));
        self.builder.set_host(&key, vec![matched]);
    }

    fn endpoints(&mut self, n: usize, pods: usize) {
        let endpoints = ServiceEndpoints {
            endpoints: (0..pods)
                .map(|pod| {
                    let [_, b, c, d] = (pod as u32).to_be_bytes();
                    ([10, b, c, d], 8080).into()
                })
                .collect(),
            settings: ServiceSettings::default(),
        };
        self.builder.set_service(&service(n), Some(&endpoints));
    }

    /// The Service of host `n` has so many pods now.
    pub(crate) fn scale(&mut self, n: usize, pods: usize) -> Arc<Table> {
        self.endpoints(n, pods);
        self.builder.commit();
        self.table()
    }

    pub(crate) fn table(&self) -> Arc<Table> {
        Arc::new(Table::from(&self.builder))
    }
}
