//! One gateway for all sets: each is a new table for it, and only what differs is translated and
//! published.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Value, json};
use silverback::dump::Dump;
use silverback::gateway::{
    Certificates, Gateway, GatewayOptions, HostPattern, KeyPair, ListenerSpec,
};
use silverback::object::ObjectKey;
use silverback::publish::{EmulatorStore, Node, PushError};
use silverback::translator::{Compiler, Limits, Session, TranslatorEngine, TranslatorModule};
use silverback_core::table::store::publish::pages_in_zone;
use silverback_emulator::{Eviction, Filter, SharedStore, StoreOptions, WorkerOptions};
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::ask::Ask;
use crate::certs::{Authority, Offer, connect};
use crate::client::{Client, Reply};
use crate::oracle::Classes;
use crate::upstream::{ID, Upstreams, echoes};

const ZONE: &str = "silverback";
const ZONE_BYTES: usize = 16 << 20;

/// Ports that are asked at: those of listeners, and none. Each serves Ingress or not, with TLS or not.
const LISTENERS: [Option<u16>; 7] = [
    None,
    Some(80),
    Some(81),
    Some(443),
    Some(8000),
    Some(8080),
    Some(8443),
];

/// Everything that runs.
pub(crate) struct World {
    gateway: Gateway,
    addrs: BTreeMap<u16, SocketAddr>,
    node: Node<EmulatorStore>,
    module: TranslatorModule,
    session: Session,
    /// The options of the session, and what it has.
    options: String,
    objects: BTreeMap<ObjectKey, String>,
    problems: BTreeMap<ObjectKey, Vec<String>>,
    /// The set that is in effect.
    set: u64,
    sets: u64,
    certificate: KeyPair,
    secured: HashMap<u16, Vec<HostPattern>>,
    tls: Arc<ClientConfig>,
    clients: HashMap<(u16, String), Client>,
    asked: u64,
    /// Requests whose copies may still come: id, the answer's number, how many at most.
    copied: Vec<(String, u64, usize)>,
    pub(crate) upstreams: Upstreams,
}

/// The port that the filter is told.
fn proxy_port(ingress: bool, listener: Option<u16>, tls: bool) -> u16 {
    let flags = u16::from(ingress) * 10_000 + u16::from(tls) * 20_000;
    10_000 + listener.unwrap_or(0) + flags
}

fn ports() -> impl Iterator<Item = (bool, Option<u16>, bool)> {
    let all = LISTENERS.into_iter();
    all.flat_map(|listener| {
        [(true, false), (true, true), (false, false), (false, true)]
            .map(|(ingress, tls)| (ingress, listener, tls))
    })
}

fn options(classes: &Classes) -> String {
    json!({"acceptAllClasses": classes.all, "ingressClass": classes.ingress,
        "controllerName": classes.controller, "allowLocalAddresses": true})
    .to_string()
}

/// The only one.
pub(crate) fn world() -> &'static Mutex<World> {
    static WORLD: OnceLock<Mutex<World>> = OnceLock::new();
    WORLD.get_or_init(|| Mutex::new(World::start()))
}

impl World {
    fn start() -> Self {
        let filter = Filter::compile(silverback_guests::FILTER_WASM).unwrap();
        let engine = TranslatorEngine::new(Compiler::Quick).unwrap();
        let module = engine.compile(silverback_guests::TRANSLATOR_WASM).unwrap();
        let store = StoreOptions::new().zone(ZONE, ZONE_BYTES, Eviction::None);
        let store = SharedStore::new(store.strict(true));
        let pages = pages_in_zone(ZONE_BYTES);
        let node = Node::open(EmulatorStore(store.clone()), pages).unwrap();
        let configured: Vec<Value> = ports()
            .map(|(ingress, listener, tls)| {
                let port = proxy_port(ingress, listener, tls);
                match listener {
                    Some(listener) => {
                        json!({"port": port, "ingress": ingress, "listener": listener})
                    }
                    None => json!({"port": port, "ingress": ingress}),
                }
            })
            .collect();
        let options = GatewayOptions {
            workers: 2,
            store,
            filter: WorkerOptions {
                strict: true,
                root_id: ZONE.to_owned(),
                configuration: json!({"ports": configured}).to_string().into_bytes(),
                ..WorkerOptions::default()
            },
            ..GatewayOptions::default()
        };
        let gateway = Gateway::start(&filter, options).unwrap();
        let specs: Vec<ListenerSpec> = ports()
            .map(|(ingress, listener, tls)| ListenerSpec {
                bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                proxy_port: proxy_port(ingress, listener, tls),
                tls,
            })
            .collect();
        gateway.set_listeners(&specs).unwrap();
        gateway.set_echo(echoes());
        let addrs = gateway.listeners().into_iter();
        let addrs = addrs.map(|listening| (listening.spec.proxy_port, listening.addr));
        let session = Session::start(module.clone(), Limits::default(), "{}").unwrap();
        Self {
            addrs: addrs.collect(),
            gateway,
            node,
            module,
            session,
            options: String::new(),
            objects: BTreeMap::new(),
            problems: BTreeMap::new(),
            set: 0,
            sets: 0,
            certificate: Authority::new().issue("any.example"),
            secured: HashMap::new(),
            tls: Arc::new(Offer::no_sni().config()),
            clients: HashMap::new(),
            asked: 0,
            copied: Vec::new(),
            upstreams: Upstreams::start(),
        }
    }

    /// A number for a set.
    pub(crate) fn next_set(&mut self) -> u64 {
        self.sets += 1;
        self.sets
    }

    /// Brings a set into effect, unless it is.
    pub(crate) fn publish(&mut self, set: u64, objects: &[Value], classes: &Classes) {
        if self.set == set {
            return;
        }
        self.set = set;
        let options = options(classes);
        if self.options != options {
            let started = Session::start(self.module.clone(), Limits::default(), &options);
            self.session = started.unwrap();
            self.options = options;
            self.objects.clear();
            self.problems.clear();
        }
        let new: BTreeMap<ObjectKey, String> = objects
            .iter()
            .map(|object| {
                let mut object = object.clone();
                if object["kind"] == "EndpointSlice" {
                    self.upstreams.localize(&mut object);
                }
                (key(&object), object.to_string())
            })
            .collect();
        for gone in self.objects.keys().filter(|key| !new.contains_key(*key)) {
            self.session.delete(gone).unwrap();
        }
        for (key, json) in &new {
            if self.objects.get(key) != Some(json) {
                self.session.apply(key, json.as_bytes()).unwrap();
            }
        }
        self.objects = new;
        self.session.commit().unwrap();
        let changes = self.session.take_changes().unwrap();
        for (key, problems) in &changes.problems {
            let problems = problems.iter().map(|problem| format!("{problem:?}"));
            self.problems.insert(key.clone(), problems.collect());
        }
        match self.node.push(&changes) {
            Err(error) if PushError::wants_everything(&error) => {
                self.session.rewind().unwrap();
                let everything = self.session.take_changes().unwrap();
                self.node.push(&everything).unwrap();
            }
            pushed => drop(pushed.unwrap()),
        }
        self.secure();
    }

    /// Hostnames of the listeners, by which requests over the wrong connection are found.
    fn secure(&mut self) {
        let dump = Dump::parse(&self.session.dump().unwrap()).unwrap();
        for (ingress, listener, tls) in ports().filter(|(_, _, tls)| *tls) {
            let number = proxy_port(ingress, listener, tls);
            let of_port = dump
                .listeners
                .iter()
                .filter(|known| Some(known.port) == listener && known.protocol == "HTTPS");
            let hostnames: Vec<HostPattern> = of_port
                .map(|known| HostPattern::parse(known.hostname.as_deref().unwrap_or_default()))
                .collect();
            if self.secured.get(&number) == Some(&hostnames) {
                continue;
            }
            let certificates = Certificates {
                by_host: BTreeMap::from([(HostPattern::Any, vec![self.certificate.clone()])]),
                client_auth: None,
                listeners: hostnames.clone(),
            };
            self.gateway
                .set_certificates(number, &certificates)
                .unwrap();
            self.secured.insert(number, hostnames);
            // Connections that are open keep their certificates, and would keep everything else.
            self.clients.retain(|(port, _), _| *port != number);
        }
    }

    pub(crate) fn problems(&self) -> BTreeSet<String> {
        self.problems.values().flatten().cloned().collect()
    }

    /// Sends a request over the connection that is kept for its port and SNI; gives its id too.
    pub(crate) fn ask(&mut self, ask: &Ask) -> (String, Reply) {
        self.asked += 1;
        let id = self.asked.to_string();
        let request = written(ask, &id);
        let port = proxy_port(ask.ingress, ask.listener, ask.tls);
        let to = (port, ask.sni.clone());
        let kept = self.clients.remove(&to);
        let again = kept.and_then(|mut client| {
            client.write(&request);
            client.try_read_reply(false).map(|reply| (client, reply))
        });
        let (client, reply) = again.unwrap_or_else(|| {
            let mut client = self.connect(port, ask);
            client.write(&request);
            let reply = client.read_reply(false);
            (client, reply)
        });
        if reply.header("connection") != Some("close") {
            self.clients.insert(to, client);
        }
        (id, reply)
    }

    /// A request has at most so many copies.
    pub(crate) fn expect_copies(&mut self, id: String, answered: u64, most: usize) {
        self.copied.push((id, answered, most));
    }

    /// Did one of the requests before have more copies than it should?
    pub(crate) fn late_copies(&mut self) -> Result<(), String> {
        for (id, answered, most) in std::mem::take(&mut self.copied) {
            let copies = self.upstreams.copies(&id, answered);
            if copies.len() > most {
                return Err(format!(
                    "more than {most} copies of an earlier request: {copies:?}"
                ));
            }
        }
        Ok(())
    }

    fn connect(&self, port: u16, ask: &Ask) -> Client {
        let addr = self.addrs[&port];
        if !ask.tls {
            return Client::connect(addr);
        }
        // An address instead of a name has no SNI.
        let name = if ask.sni.is_empty() {
            "127.0.0.1"
        } else {
            &ask.sni
        };
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Client::over(connect(addr, &self.tls, name).unwrap())
    }
}

fn key(object: &Value) -> ObjectKey {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    ObjectKey::new(
        &text(&object["apiVersion"]),
        &text(&object["kind"]),
        &text(&metadata["namespace"]),
        &text(&metadata["name"]),
    )
}

/// The bytes of a request, whether HTTP allows them or not.
fn written(ask: &Ask, id: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |part: &[u8]| out.extend_from_slice(part);
    put(&ask.method);
    put(b" ");
    put(&ask.target);
    put(b" HTTP/1.1\r\nHost: ");
    put(&ask.host);
    put(b"\r\n");
    for (name, value) in &ask.headers {
        put(name.as_bytes());
        put(b": ");
        put(value);
        put(b"\r\n");
    }
    put(format!("{ID}: {id}\r\n\r\n").as_bytes());
    out
}
