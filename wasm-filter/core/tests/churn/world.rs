//! The cluster of the run: small, plain, and always changing. Every object exists twice, as the
//! struct that the oracle reads and as the JSON that the translator is given.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use silverback_core::object::ObjectKey;

use crate::support::random::Gen;

/// The port of every Service.
pub(crate) const PORT: u16 = 80;
/// The port of the listener for every host, and that of the listener for [`LISTENER_SUFFIX`].
pub(crate) const LISTENERS: [u16; 2] = [80, 81];
/// What the second listener's hosts end with.
pub(crate) const LISTENER_SUFFIX: &str = "w.test";
pub(crate) const NAMESPACE: &str = "n";
pub(crate) const METHODS: [&str; 2] = ["GET", "POST"];
pub(crate) const HEADER: &str = "x-env";
pub(crate) const VALUES: [&str; 2] = ["a", "b"];
pub(crate) const PATHS: [&str; 8] = ["", "/a", "/a/b", "/ab", "/a/b/c", "/b", "/c", "/c/a"];

/// Hosts that routes name besides wildcards.
const HOSTS: usize = 12;
const SERVICES: usize = 10;
const INGRESSES: usize = 14;
const ROUTES: usize = 8;
/// The most endpoints of a Service but for one that is large for a while.
const PODS: usize = 6;

/// All objects, by the number in their names. A clone shares them.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    /// A Service that is missing here does not exist.
    pub(crate) services: BTreeMap<usize, Rc<Service>>,
    pub(crate) ingresses: BTreeMap<usize, Rc<Ingress>>,
    pub(crate) routes: BTreeMap<usize, Rc<Route>>,
}

/// A Service and its EndpointSlice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Service {
    /// Sorted.
    pub(crate) pods: Vec<SocketAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ingress {
    /// Seconds of its creation's time: ties are usual.
    pub(crate) created: u32,
    pub(crate) host: Host,
    pub(crate) paths: Vec<Path>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// Without trailing slash; "" is the root.
    pub(crate) path: String,
    pub(crate) exact: bool,
    pub(crate) service: usize,
}

/// An HTTPRoute of the one Gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) created: u32,
    pub(crate) host: Host,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) matches: Vec<Match>,
    /// Service and weight.
    pub(crate) backends: Vec<(usize, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) path: String,
    pub(crate) exact: bool,
    pub(crate) method: Option<&'static str>,
    /// Value of [`HEADER`].
    pub(crate) header: Option<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Any,
    /// `*.suffix`.
    Wildcard(String),
    Exact(String),
}

/// What an object's change is for the translator.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Apply(String),
    Delete(ObjectKey),
}

/// The hosts that requests are for.
pub(crate) fn host(number: usize) -> String {
    match number % HOSTS {
        n if n < 4 => format!("h{n}.{LISTENER_SUFFIX}"),
        n => format!("h{n}.test"),
    }
}

/// What exists before the first change and never changes.
pub(crate) fn gateway() -> [String; 2] {
    let [every, some] = LISTENERS;
    [
        r#"{"apiVersion":"gateway.networking.k8s.io/v1","kind":"GatewayClass","metadata":{"name":"c"},
        "spec":{"controllerName":"silverback.rs/gateway-controller"}}"#
            .to_owned(),
        format!(
            r#"{{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway",
            "metadata":{{"namespace":"{NAMESPACE}","name":"g"}},"spec":{{"gatewayClassName":"c","listeners":[
            {{"name":"every","protocol":"HTTP","port":{every}}},
            {{"name":"some","protocol":"HTTP","port":{some},"hostname":"*.{LISTENER_SUFFIX}"}}]}}}}"#
        ),
    ]
}

impl Host {
    fn random(random: &mut Gen) -> Self {
        match random.below(8) {
            0 => Self::Any,
            1 => Self::Wildcard("test".to_owned()),
            2 => Self::Wildcard(LISTENER_SUFFIX.to_owned()),
            _ => Self::Exact(host(random.below(HOSTS))),
        }
    }

    /// As objects write it; `None`: they leave it out.
    fn text(&self) -> Option<String> {
        match self {
            Self::Any => None,
            Self::Wildcard(suffix) => Some(format!("*.{suffix}")),
            Self::Exact(host) => Some(host.clone()),
        }
    }
}

/// An address that no Service has had, until 16 million were.
fn pod(born: &mut u32) -> SocketAddr {
    *born = (*born + 1) & 0xff_ffff;
    SocketAddr::new(Ipv4Addr::from(0x0a00_0000 | *born).into(), 8080)
}

fn path(random: &mut Gen) -> (String, bool) {
    let path = (*random.pick(&PATHS)).to_owned();
    let exact = random.one_in(3) && !path.is_empty();
    (path, exact)
}

fn path_field(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

fn time(created: u32) -> String {
    format!("2024-01-01T00:00:{:02}Z", created % 60)
}

impl Ingress {
    pub(crate) fn random(random: &mut Gen) -> Self {
        let count = 1 + random.below(3);
        let mut paths: Vec<Path> = Vec::new();
        for _ in 0..count {
            let (path, exact) = path(random);
            let service = random.below(SERVICES);
            // Twice the same path in one object would be two answers.
            if !paths.iter().any(|p| p.path == path && p.exact == exact) {
                paths.push(Path {
                    path,
                    exact,
                    service,
                });
            }
        }
        Self {
            created: random.below(3) as u32,
            host: Host::random(random),
            paths,
        }
    }

    fn json(&self, number: usize) -> String {
        let paths: Vec<String> = self
            .paths
            .iter()
            .map(|path| {
                format!(
                    r#"{{"path":"{}","pathType":"{}","backend":{{"service":{{"name":"s{}","port":{{"number":{PORT}}}}}}}}}"#,
                    path_field(&path.path),
                    if path.exact { "Exact" } else { "Prefix" },
                    path.service
                )
            })
            .collect();
        let host = self.host.text();
        let host = host.map_or(String::new(), |host| format!(r#""host":"{host}","#));
        format!(
            r#"{{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{{"namespace":"{NAMESPACE}",
            "name":"i{number}","creationTimestamp":"{}"}},"spec":{{"rules":[{{{host}"http":{{"paths":[{}]}}}}]}}}}"#,
            time(self.created),
            paths.join(",")
        )
    }
}

impl Route {
    fn random(random: &mut Gen) -> Self {
        let count = 1 + random.below(3);
        let rules = (0..count).map(|_| {
            let count = 1 + random.below(2);
            let matches = (0..count).map(|_| {
                let (path, exact) = path(random);
                Match {
                    path,
                    exact,
                    method: random.one_in(4).then(|| *random.pick(&METHODS)),
                    header: random.one_in(4).then(|| *random.pick(&VALUES)),
                }
            });
            let matches = matches.collect();
            let count = if random.one_in(8) {
                0
            } else {
                1 + random.below(3)
            };
            let mut backends: Vec<(usize, u32)> = Vec::new();
            for _ in 0..count {
                let service = random.below(SERVICES);
                let weight = *random.pick(&[0, 1, 1, 2, 90]);
                if backends.iter().all(|(known, _)| *known != service) {
                    backends.push((service, weight));
                }
            }
            Rule { matches, backends }
        });
        let rules = rules.collect();
        Self {
            created: random.below(3) as u32,
            host: Host::random(random),
            rules,
        }
    }

    fn json(&self, number: usize) -> String {
        let rules: Vec<String> = self.rules.iter().map(Rule::json).collect();
        let host = self.host.text();
        let host = host.map_or(String::new(), |host| format!(r#""hostnames":["{host}"],"#));
        format!(
            r#"{{"apiVersion":"gateway.networking.k8s.io/v1","kind":"HTTPRoute","metadata":{{
            "namespace":"{NAMESPACE}","name":"r{number}","creationTimestamp":"{}"}},"spec":{{{host}
            "parentRefs":[{{"name":"g"}}],"rules":[{}]}}}}"#,
            time(self.created),
            rules.join(",")
        )
    }
}

impl Rule {
    fn json(&self) -> String {
        let matches: Vec<String> = self.matches.iter().map(Match::json).collect();
        let backends: Vec<String> = self
            .backends
            .iter()
            .map(|(service, weight)| {
                format!(r#"{{"name":"s{service}","port":{PORT},"weight":{weight}}}"#)
            })
            .collect();
        format!(
            r#"{{"matches":[{}],"backendRefs":[{}]}}"#,
            matches.join(","),
            backends.join(",")
        )
    }
}

impl Match {
    fn json(&self) -> String {
        let mut out = format!(
            r#"{{"path":{{"type":"{}","value":"{}"}}"#,
            if self.exact { "Exact" } else { "PathPrefix" },
            path_field(&self.path)
        );
        if let Some(method) = self.method {
            out += &format!(r#","method":"{method}""#);
        }
        if let Some(value) = self.header {
            out += &format!(r#","headers":[{{"name":"{HEADER}","value":"{value}"}}]"#);
        }
        out + "}"
    }
}

impl Service {
    fn json(number: usize) -> String {
        format!(
            r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"namespace":"{NAMESPACE}","name":"s{number}"}},
            "spec":{{"ports":[{{"port":{PORT},"targetPort":8080}}]}}}}"#
        )
    }

    fn slice(&self, number: usize) -> String {
        let endpoints: Vec<String> = self
            .pods
            .iter()
            .map(|pod| format!(r#"{{"addresses":["{}"]}}"#, pod.ip()))
            .collect();
        format!(
            r#"{{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{{"namespace":"{NAMESPACE}",
            "name":"s{number}-1","labels":{{"kubernetes.io/service-name":"s{number}"}}}},"addressType":"IPv4",
            "ports":[{{"port":8080}}],"endpoints":[{}]}}"#,
            endpoints.join(",")
        )
    }
}

impl World {
    /// A random cluster.
    pub(crate) fn random(random: &mut Gen, born: &mut u32) -> Self {
        let mut world = Self::default();
        for number in 0..SERVICES - 1 {
            let pods = (0..random.below(PODS)).map(|_| pod(born)).collect();
            world.services.insert(number, Rc::new(Service { pods }));
        }
        for number in 0..INGRESSES / 2 {
            let ingress = Ingress::random(random);
            world.ingresses.insert(number, Rc::new(ingress));
        }
        for number in 0..ROUTES / 2 {
            let route = Route::random(random);
            world.routes.insert(number, Rc::new(route));
        }
        world
    }

    /// Every object.
    pub(crate) fn objects(&self) -> Vec<String> {
        let mut out = gateway().to_vec();
        for (number, service) in &self.services {
            out.push(Service::json(*number));
            out.push(service.slice(*number));
        }
        let ingresses = self.ingresses.iter();
        out.extend(ingresses.map(|(number, ingress)| ingress.json(*number)));
        let routes = self.routes.iter();
        out.extend(routes.map(|(number, route)| route.json(*number)));
        out
    }

    /// The changes that make `other` of this cluster.
    pub(crate) fn towards(&self, other: &Self) -> Vec<Change> {
        let mut out = Vec::new();
        for (number, service) in &other.services {
            let old = self.services.get(number);
            if old.is_none() {
                out.push(Change::Apply(Service::json(*number)));
            }
            if old.is_none_or(|old| !Rc::ptr_eq(old, service)) {
                out.push(Change::Apply(service.slice(*number)));
            }
        }
        for number in self.services.keys() {
            if !other.services.contains_key(number) {
                out.push(delete("", "Service", &format!("s{number}")));
                let slice = format!("s{number}-1");
                out.push(delete("discovery.k8s.io", "EndpointSlice", &slice));
            }
        }
        for (number, ingress) in &other.ingresses {
            if self
                .ingresses
                .get(number)
                .is_none_or(|old| !Rc::ptr_eq(old, ingress))
            {
                out.push(Change::Apply(ingress.json(*number)));
            }
        }
        for number in self.ingresses.keys() {
            if !other.ingresses.contains_key(number) {
                out.push(delete(
                    "networking.k8s.io",
                    "Ingress",
                    &format!("i{number}"),
                ));
            }
        }
        for (number, route) in &other.routes {
            if self
                .routes
                .get(number)
                .is_none_or(|old| !Rc::ptr_eq(old, route))
            {
                out.push(Change::Apply(route.json(*number)));
            }
        }
        for number in self.routes.keys() {
            if !other.routes.contains_key(number) {
                let name = format!("r{number}");
                out.push(delete("gateway.networking.k8s.io", "HTTPRoute", &name));
            }
        }
        out
    }

    /// Changes something, most often the pods of a Service.
    pub(crate) fn edit(&mut self, random: &mut Gen, born: &mut u32) -> Vec<Change> {
        match random.below(16) {
            0 => {
                let number = random.below(INGRESSES);
                if self.ingresses.remove(&number).is_some() && random.one_in(2) {
                    return vec![delete(
                        "networking.k8s.io",
                        "Ingress",
                        &format!("i{number}"),
                    )];
                }
                vec![self.set_ingress(number, Ingress::random(random))]
            }
            1 => {
                let number = random.below(ROUTES);
                if self.routes.remove(&number).is_some() && random.one_in(2) {
                    let name = format!("r{number}");
                    return vec![delete("gateway.networking.k8s.io", "HTTPRoute", &name)];
                }
                let route = Route::random(random);
                let change = Change::Apply(route.json(number));
                self.routes.insert(number, Rc::new(route));
                vec![change]
            }
            2 => {
                let number = random.below(SERVICES);
                let gone = random.one_in(5) && self.services.remove(&number).is_some();
                if gone {
                    return vec![
                        delete("", "Service", &format!("s{number}")),
                        delete("discovery.k8s.io", "EndpointSlice", &format!("s{number}-1")),
                    ];
                }
                let pods = (0..random.below(PODS)).map(|_| pod(born)).collect();
                let service = Service { pods };
                let changes = vec![
                    Change::Apply(Service::json(number)),
                    Change::Apply(service.slice(number)),
                ];
                self.services.insert(number, Rc::new(service));
                changes
            }
            _ => self.pods(random, born),
        }
    }

    /// A pod comes, goes, or both; rarely a Service gets so many that they need two pages.
    fn pods(&mut self, random: &mut Gen, born: &mut u32) -> Vec<Change> {
        let numbers: Vec<usize> = self.services.keys().copied().collect();
        let Some(number) = (!numbers.is_empty()).then(|| *random.pick(&numbers)) else {
            return Vec::new();
        };
        let mut pods = self.services[&number].pods.clone();
        if pods.len() > PODS {
            pods.truncate(2);
        } else if random.one_in(4_000) {
            pods.extend((0..3_000).map(|_| pod(born)));
        } else {
            if pods.len() >= PODS || (!pods.is_empty() && random.one_in(2)) {
                pods.remove(random.below(pods.len()));
            }
            if pods.len() < 2 || random.one_in(2) {
                pods.push(pod(born));
            }
        }
        pods.sort_unstable();
        let service = Service { pods };
        let change = Change::Apply(service.slice(number));
        self.services.insert(number, Rc::new(service));
        vec![change]
    }

    /// Sets an Ingress; a number beyond those that [`World::edit`] uses is kept until it is removed.
    pub(crate) fn set_ingress(&mut self, number: usize, ingress: Ingress) -> Change {
        let change = Change::Apply(ingress.json(number));
        self.ingresses.insert(number, Rc::new(ingress));
        change
    }

    pub(crate) fn remove_ingress(&mut self, number: usize) -> Change {
        self.ingresses.remove(&number);
        delete("networking.k8s.io", "Ingress", &format!("i{number}"))
    }
}

fn delete(group: &str, kind: &str, name: &str) -> Change {
    Change::Delete(ObjectKey::new(group, kind, NAMESPACE, name))
}
