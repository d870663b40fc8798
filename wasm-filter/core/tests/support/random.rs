//! Random models and requests from a seed. Small alphabets, so that hosts overlap, paths nest and
//! most requests hit something.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::collections::BTreeMap;
use std::sync::Arc;

use silverback_core::table::model::{
    Anchor, Backend, BackendTarget, HeaderMatch, HostKey, HostPattern, Listener, ListenerKey,
    PathMatch, QueryMatch, Regex, RouteKind, RouteMatch, RouteObject, Rule, SchemeMatch, Scope,
    ServiceEndpoints, ServicePort, ServiceSettings, ValueMatch,
};

use super::oracle::{Ask, Model};

/// SplitMix64: the same numbers for the same seed, everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Gen(pub(crate) u64);

const HOSTS: [&str; 6] = [
    "test",
    "a.test",
    "b.a.test",
    "c.b.a.test",
    "ab.test",
    "x-1.test",
];
const SEGMENTS: [&str; 8] = ["a", "b", "foo", "foobar", "%2F", ".x", "a%20b", "é"];
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];
const NAMESPACES: [&str; 4] = ["a", "a-b", "b", "a.b"];
const NAMES: [&str; 4] = ["x", "x-y", "w", "x.y"];

/// A compiled pattern.
pub(crate) fn regex(pattern: &str, anchor: Anchor, ignore_case: bool) -> Arc<Regex> {
    Arc::new(silverback_core::regex::compile(pattern, anchor, ignore_case).expect("a pattern"))
}

impl Gen {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn pattern(&mut self) -> HostPattern {
        let host: Box<str> = (*self.pick(&HOSTS)).into();
        match self.below(5) {
            0 => HostPattern::Any,
            1 | 2 => HostPattern::Wildcard(host),
            _ => HostPattern::Exact(host),
        }
    }

    /// A path in normal form without trailing slash; "" is the root.
    fn path(&mut self) -> String {
        let depth = match self.below(20) {
            0 => 15 + self.below(8),
            n => n % 5,
        };
        (0..depth)
            .map(|_| format!("/{}", self.pick(&SEGMENTS)))
            .collect()
    }

    fn path_match(&mut self) -> PathMatch {
        let path = self.path();
        match self.below(3) {
            0 if path.is_empty() || self.one_in(3) => PathMatch::Exact(format!("{path}/").into()),
            0 => PathMatch::Exact(path.into()),
            1 if self.one_in(3) => {
                PathMatch::Text(format!("{path}{}", self.pick(&["", "/", "fo"])).into())
            }
            1 if self.one_in(3) => {
                let end = *self.pick(&["", "/[^/]+", "/.*", "/(a|b|foo)", "/foo$", "/(foo)?bar"]);
                let start = self.path().replace('.', "\\.").replace("é", "[é]");
                let pattern = format!("{}{end}", start.replace("[é]", "[^/]+"));
                let pattern = if pattern.is_empty() {
                    "/".to_owned()
                } else {
                    pattern
                };
                PathMatch::Regex(regex(&pattern, Anchor::Start, false))
            }
            _ => PathMatch::Prefix(path.into()),
        }
    }

    pub(crate) fn service(&mut self) -> ServicePort {
        ServicePort {
            namespace: (*self.pick(&["a", "b-c"])).into(),
            name: format!("svc-{}", self.below(6)).into(),
            port: *self.pick(&[80, 80, 8080]),
        }
    }

    pub(crate) fn endpoints(&mut self) -> ServiceEndpoints {
        let count = match self.below(10) {
            0 => 0,
            1 => 20,
            n => n,
        };
        let endpoints = (0..count)
            .map(|_| {
                let n = self.below(40) as u8;
                let ip = if self.one_in(4) {
                    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, n.into()))
                } else {
                    IpAddr::V4(Ipv4Addr::new(10, 0, 0, n))
                };
                SocketAddr::new(ip, 8000 + u16::from(n % 2))
            })
            .collect();
        ServiceEndpoints {
            endpoints,
            settings: ServiceSettings::default(),
        }
    }

    fn backends(&mut self) -> Vec<Backend> {
        let count = match self.below(8) {
            0 => 0,
            n => 1 + n / 5,
        };
        (0..count)
            .map(|_| {
                let weight = *self.pick(&[0, 1, 1, 1, 9, 1_000_000]);
                let target = if self.one_in(10) {
                    BackendTarget::Invalid
                } else {
                    BackendTarget::Service(self.service())
                };
                Backend::new(weight, target)
            })
            .collect()
    }

    fn object(&mut self, kind: RouteKind) -> Arc<RouteObject> {
        let namespace = *self.pick(&NAMESPACES);
        let name = *self.pick(&NAMES);
        // The time is the object's own: the same name has the same time. Several are equal.
        let created = match namespace.len() + name.len() {
            n if n % 3 == 0 => None,
            n => Some((n % 2) as i64),
        };
        Arc::new(RouteObject {
            kind,
            namespace: namespace.into(),
            name: name.into(),
            created,
        })
    }

    /// The matches of one object, rule by rule.
    fn matches(&mut self, kind: RouteKind, rules: usize) -> Vec<RouteMatch> {
        let object = self.object(kind);
        let mut all = Vec::new();
        for rule in 0..rules {
            let rule = Arc::new(Rule {
                backends: self.backends(),
                ..Rule::new(Arc::clone(&object), rule as u16)
            });
            for index in 0..1 + self.below(2) {
                let path = self.path_match();
                let mut m = RouteMatch::new(path, index as u16, Arc::clone(&rule));
                self.conditions(&mut m);
                all.push(m);
            }
        }
        all
    }

    /// What a match asks beyond its path.
    fn conditions(&mut self, m: &mut RouteMatch) {
        for name in ["x-a", "x-b"] {
            if self.one_in(8) {
                let value = self.value();
                m.headers.push(HeaderMatch {
                    name: name.into(),
                    value,
                });
            }
        }
        for name in ["q", "r s"] {
            if self.one_in(10) {
                let value = self.value();
                m.queries.push(QueryMatch {
                    name: name.into(),
                    value,
                });
            }
        }
        if self.one_in(8) {
            let mut methods: Vec<Box<str>> = vec![(*self.pick(&METHODS)).into()];
            if self.one_in(3) {
                methods.push((*self.pick(&METHODS)).into());
            }
            methods.sort();
            methods.dedup();
            m.methods = methods;
        }
        if self.one_in(10) {
            m.snis = vec![self.pattern()];
        }
        m.scheme = match self.below(20) {
            0 => SchemeMatch::Plain,
            1 => SchemeMatch::Tls { status: 426 },
            2 => SchemeMatch::Tls { status: 301 },
            _ => SchemeMatch::Any,
        };
    }

    /// What a value must be.
    fn value(&mut self) -> ValueMatch {
        match self.below(5) {
            0 => {
                let anchor = *self.pick(&[Anchor::Whole, Anchor::Anywhere]);
                let pattern = *self.pick(&["1", "[12]+", "1|2", "1.?", "A"]);
                ValueMatch::Regex(regex(pattern, anchor, self.one_in(3)))
            }
            1 => ValueMatch::OneOf(vec!["1".into(), "2".into()]),
            _ => ValueMatch::OneOf(vec![(*self.pick(&["1", "2", "a b"])).into()]),
        }
    }

    /// A random table.
    pub(crate) fn model(&mut self) -> Model {
        let mut model = Model::default();
        for _ in 0..self.below(5) {
            let key = ListenerKey {
                port: *self.pick(&[80, 80, 81, 443]),
                hostname: self.pattern(),
            };
            let listener = Listener {
                tls: key.port == 443,
                sources: vec!["infra/gw/http".into()],
                certificates: Vec::new(),
            };
            model.listeners.insert(key, listener);
        }
        for _ in 0..2 + self.below(10) {
            self.add_object(&mut model);
        }
        for _ in 0..self.below(40) {
            let (service, endpoints) = (self.service(), self.endpoints());
            model.services.insert(service, endpoints);
        }
        model
    }

    /// Adds an object's routes to some hosts. An object that is there already is passed over: one
    /// name has one content.
    pub(crate) fn add_object(&mut self, model: &mut Model) {
        let listeners: Vec<_> = model.listeners.keys().cloned().collect();
        let ingress = listeners.is_empty() || self.one_in(2);
        let kind = if ingress {
            RouteKind::Ingress
        } else if self.one_in(4) {
            RouteKind::GrpcRoute
        } else {
            RouteKind::HttpRoute
        };
        let rules = 1 + self.below(3);
        let matches = self.matches(kind, rules);
        let known = model
            .hosts
            .values()
            .flatten()
            .any(|m| m.rule.object == matches[0].rule.object);
        if known {
            return;
        }
        if ingress && self.one_in(8) {
            let key = HostKey {
                scope: Scope::IngressDefault,
                host: HostPattern::Any,
            };
            let mut default = matches[..1].to_vec();
            default[0].path = PathMatch::Prefix("".into());
            model.hosts.entry(key).or_default().extend(default);
            return;
        }
        let mut hosts = BTreeMap::new();
        for _ in 0..1 + self.below(2) {
            let scope = if ingress {
                Scope::Ingress
            } else if kind == RouteKind::GrpcRoute {
                let listener = self.pick(&listeners).clone();
                Scope::Grpc {
                    port: listener.port,
                    hostname: listener.hostname,
                }
            } else {
                let listener = self.pick(&listeners).clone();
                Scope::Listener {
                    port: listener.port,
                    hostname: listener.hostname,
                }
            };
            let host = self.pattern();
            hosts.insert(HostKey { scope, host }, ());
        }
        for key in hosts.into_keys() {
            model
                .hosts
                .entry(key)
                .or_default()
                .extend(matches.iter().cloned());
        }
    }

    /// A request, more often than not one that something in the model could match.
    pub(crate) fn ask(&mut self, model: &Model) -> Ask {
        let keys: Vec<_> = model.hosts.keys().collect();
        let near = (!keys.is_empty() && !self.one_in(6)).then(|| *self.pick(&keys));
        let host = match near.map(|key| &key.host) {
            Some(HostPattern::Exact(host)) => host.to_string(),
            Some(HostPattern::Wildcard(suffix)) => {
                let label = *self.pick(&["w", "a", "w.v", "b"]);
                format!("{label}.{suffix}")
            }
            _ => (*self.pick(&HOSTS)).to_owned(),
        };
        let host = self.host_as_sent(host);
        let path = match near.and_then(|key| model.hosts.get(key)) {
            Some(matches) if !matches.is_empty() && !self.one_in(5) => {
                let path = match &self.pick(matches).path {
                    PathMatch::Exact(path) | PathMatch::Prefix(path) | PathMatch::Text(path) => {
                        path.to_string()
                    }
                    PathMatch::Regex(regex) => {
                        let literal = String::from_utf8_lossy(&regex.literal).into_owned();
                        literal.trim_end_matches('/').to_owned()
                    }
                };
                let more = *self.pick(&["", "", "/", "/a", "/foo", "/foo/bar", "/b", "%2Fa"]);
                let slash = if path.is_empty() || path.starts_with('/') {
                    ""
                } else {
                    "/"
                };
                format!("{slash}{path}{more}")
            }
            _ => self.path(),
        };
        let listener = match near.map(|key| &key.scope) {
            Some(Scope::Listener { port, .. } | Scope::Grpc { port, .. }) if !self.one_in(6) => {
                Some(*port)
            }
            _ => *self.pick(&[None, Some(80), Some(443), Some(81)]),
        };
        let mut headers = Vec::new();
        for _ in 0..self.below(4) {
            let name = *self.pick(&["x-a", "X-A", "x-b", "X-b", "x-c"]);
            let value = *self.pick(&["1", "2", "12", ""]);
            headers.push((name.to_owned(), value.as_bytes().to_vec()));
        }
        let sni = self.pick(&HOSTS).to_string();
        Ask {
            ingress: !self.one_in(4),
            listener,
            tls: (listener == Some(443) || self.one_in(8)) && !self.one_in(5),
            sni: if self.one_in(3) { String::new() } else { sni },
            host,
            target: self.target_as_sent(path),
            method: (*self.pick(&METHODS)).into(),
            headers,
        }
    }

    /// The same host as clients write it, or none at all.
    fn host_as_sent(&mut self, host: String) -> Vec<u8> {
        match self.below(24) {
            0 => format!("{host}:8080"),
            1 => host.to_uppercase(),
            2 => format!("{host}."),
            3 => String::new(),
            4 => format!("{host}.."),
            5 => format!("{host}:99999"),
            6 => format!(".{host}"),
            7 => "[::1]:80".to_owned(),
            _ => host,
        }
        .into_bytes()
    }

    /// The same path as clients write it, or another one.
    fn target_as_sent(&mut self, path: String) -> Vec<u8> {
        let path = if path.is_empty() {
            "/".to_owned()
        } else {
            path
        };
        let path = match self.below(24) {
            0 => path.replacen('/', "//", 2),
            1 => format!("/b/..{path}"),
            2 => path.replace("foo", "%66oo"),
            3 => path.replace("%2F", "%2f"),
            4 => format!("{path}/."),
            5 => format!("{path}/.."),
            6 => format!("{path}%"),
            7 => format!("{path}%00"),
            8 => path.replacen('/', "", 1),
            9 => path.replace("%2F", "/"),
            _ => path,
        };
        let mut target = path.into_bytes();
        if self.one_in(6) {
            target.extend_from_slice(b"/\xff");
        }
        if self.one_in(2) {
            let query = *self.pick(&[
                "?q=//..&r=%00",
                "?q=1",
                "?r+s=2&q=2",
                "?q=2&q=1",
                "?%71=a+b&r%20s=1",
                "?q",
                "?Q=1&q=1a",
            ]);
            target.extend_from_slice(query.as_bytes());
        }
        target
    }
}
