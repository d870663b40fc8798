//! Tables and requests of the sizes in the budget (docs/performance.md), the same natively and in
//! the guest: no randomness, no clock.
#![allow(
    unreachable_pub,
    dead_code,
    reason = "shared by several benches, each of which uses a part"
)]

use std::sync::Arc;

use silverback_core::regex::{Cache, compile};
use silverback_core::route::select::{Entry, Headers, Request, select};
use silverback_core::table::build::TableBuilder;
use silverback_core::table::layout::{SEGMENTS, kind};
use silverback_core::table::model::{
    Anchor, Backend, BackendTarget, HeaderMatch, HostKey, HostPattern, PathMatch, QueryMatch,
    Regex, RouteKind, RouteMatch, RouteObject, Rule, Scope, ServiceEndpoints, ServicePort,
    ServiceSettings, ValueMatch,
};
use silverback_core::table::segment::{Segment, SegmentView};
use silverback_core::table::store::view::{Segments, Unreadable};

/// A shape of table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `routes` over at most 10,000 hosts, HTTPRoutes of one host each.
    Hosts,
    /// All `routes` as paths of one host.
    OneHost,
    /// An Ingress with one path for each of `routes` hosts, as KIC users have them.
    Ingresses,
    /// `routes` over 5 hosts, every fifth a pattern (one in ten of those begins with no literal);
    /// headers or query parameters on some.
    Patterns,
}

impl Shape {
    fn hosts(self, routes: usize) -> usize {
        match self {
            Self::Hosts => routes.min(10_000),
            Self::OneHost => 1,
            Self::Ingresses => routes,
            Self::Patterns => 5,
        }
    }
}

/// A table to look up in.
pub struct Case {
    segments: Vec<Segment>,
    shape: Shape,
    hosts: usize,
    paths: usize,
    cache: Cache,
    /// Bytes of all segments.
    pub bytes: u64,
}

/// Requests of a [`Batch`].
pub const BATCH: usize = 32;

/// Some requests in a few KiB of memory that is written just before they are looked up, as the
/// bytes of a real request are: a list of all requests would take the table's place in the caches.
pub struct Batch {
    text: Vec<u8>,
    /// End of each host and each path in `text`.
    ends: Vec<(usize, usize)>,
}

/// One header.
pub struct OneHeader;

impl Headers for OneHeader {
    fn first<T>(&self, name: &str, judge: impl FnOnce(Option<&[u8]>) -> T) -> T {
        judge((name == "x-version").then_some(b"v2"))
    }
}

impl Segments for Case {
    fn segment(&self, index: u32) -> Result<SegmentView<'_>, Unreadable> {
        let segment = self.segments.get(index as usize);
        let segment = segment.ok_or(Unreadable::Segment(index))?;
        Ok(segment.view())
    }
}

/// Scrambles a counter, so that requests come in no order of the table.
fn scramble(n: usize, of: usize) -> usize {
    ((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24) as usize % of
}

/// The host of a number.
pub fn host_name(i: usize) -> String {
    format!("app-{i}.team-{}.apps.example.com", i % 97)
}

/// The path of a number.
pub fn path_name(i: usize) -> String {
    format!("/api/v{}/service-{i}", i % 3)
}

/// The path of a number in the shape with patterns.
fn pattern_path(i: usize) -> PathMatch {
    let pattern = match i {
        _ if i.is_multiple_of(50) => format!("/[^/]+/legacy-{i}/.*"),
        _ if i.is_multiple_of(5) => format!("{}/[0-9]+", path_name(i)),
        _ => return PathMatch::Prefix(path_name(i).into()),
    };
    PathMatch::Regex(pattern_of(&pattern, Anchor::Start))
}

fn pattern_of(pattern: &str, anchor: Anchor) -> Arc<Regex> {
    Arc::new(compile(pattern, anchor, false).expect("a pattern"))
}

/// Writes a number without `core::fmt`, which takes longer than a lookup.
fn put_number(out: &mut Vec<u8>, mut number: usize) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out[start..].reverse();
}

/// Writes [`host_name`].
fn put_host(out: &mut Vec<u8>, i: usize) {
    out.extend_from_slice(b"app-");
    put_number(out, i);
    out.extend_from_slice(b".team-");
    put_number(out, i % 97);
    out.extend_from_slice(b".apps.example.com");
}

/// Writes a request path that fits the path of a number, in any shape.
fn put_path(out: &mut Vec<u8>, i: usize, shape: Shape) {
    if shape == Shape::Patterns && i.is_multiple_of(50) {
        out.extend_from_slice(b"/archive/legacy-");
        put_number(out, i);
        out.extend_from_slice(b"/orders/42");
        return;
    }
    out.extend_from_slice(b"/api/v");
    put_number(out, i % 3);
    out.extend_from_slice(b"/service-");
    put_number(out, i);
    out.extend_from_slice(match shape {
        Shape::Patterns if i.is_multiple_of(5) => b"/42",
        _ => b"/orders/42",
    });
}

/// Headers and query parameters of some numbers; the requests have them.
fn conditions(m: &mut RouteMatch, i: usize) {
    if i % 4 == 1 {
        let value = match i % 8 {
            1 => ValueMatch::OneOf(vec!["v2".into()]),
            _ => ValueMatch::Regex(pattern_of("v[0-9]+", Anchor::Whole)),
        };
        let name = "x-version".into();
        m.headers.push(HeaderMatch { name, value });
    }
    if i % 6 == 3 {
        let value = ValueMatch::OneOf(vec!["42".into()]);
        let name = "page".into();
        m.queries.push(QueryMatch { name, value });
    }
}

/// The Service of a number.
pub fn service_port(i: usize) -> ServicePort {
    ServicePort {
        namespace: format!("team-{}", i % 97).into(),
        name: format!("service-{i}").into(),
        port: 8080,
    }
}

/// The scope of a shape's routes.
pub fn scope(shape: Shape) -> Scope {
    if shape == Shape::Ingresses {
        Scope::Ingress
    } else {
        Scope::Listener {
            port: 80,
            hostname: HostPattern::Any,
        }
    }
}

/// The routes of one host.
pub fn matches(shape: Shape, host: usize, paths: usize) -> Vec<RouteMatch> {
    let object = Arc::new(RouteObject {
        kind: match shape {
            Shape::Ingresses => RouteKind::Ingress,
            _ => RouteKind::HttpRoute,
        },
        namespace: format!("team-{}", host % 97).into(),
        name: format!("route-{host}").into(),
        created: Some(1_700_000_000 + host as i64),
    });
    (0..paths)
        .map(|path| {
            let path_match = match shape {
                Shape::Ingresses => PathMatch::Prefix("".into()),
                Shape::Patterns => pattern_path(path),
                Shape::Hosts | Shape::OneHost => PathMatch::Prefix(path_name(path).into()),
            };
            let service = service_port((host + path) % 10_000);
            let index = u16::try_from(path % 65_536).unwrap_or_default();
            let rule = Rule {
                backends: vec![Backend::new(1, BackendTarget::Service(service))],
                ..Rule::new(Arc::clone(&object), index)
            };
            let mut m = RouteMatch::new(path_match, 0, Arc::new(rule));
            if shape == Shape::Patterns {
                conditions(&mut m, path);
            }
            m
        })
        .collect()
}

/// The table of a shape.
pub fn table(shape: Shape, routes: usize) -> TableBuilder {
    let hosts = shape.hosts(routes);
    let mut table = TableBuilder::new();
    if shape != Shape::Ingresses {
        let key = silverback_core::table::model::ListenerKey {
            port: 80,
            hostname: HostPattern::Any,
        };
        table.set_listener(
            &key,
            Some(&silverback_core::table::model::Listener {
                tls: false,
                sources: vec!["infra/gateway/http".into()],
                certificates: Vec::new(),
            }),
        );
    }
    for host in 0..hosts {
        let key = HostKey {
            scope: scope(shape),
            host: HostPattern::Exact(host_name(host).into()),
        };
        table.set_host(&key, matches(shape, host, routes / hosts));
    }
    table.commit();
    table
}

/// Endpoints of a Service with `count` pods.
pub fn pods(service: usize, count: usize) -> ServiceEndpoints {
    ServiceEndpoints {
        endpoints: (0..count)
            .map(|pod| {
                let [_, b, c, d] = ((service * 64 + pod) as u32).to_be_bytes();
                ([10, b, c, d], 8080).into()
            })
            .collect(),
        settings: ServiceSettings::default(),
    }
}

impl Case {
    /// The case of a shape.
    pub fn new(shape: Shape, routes: usize) -> Self {
        let table = table(shape, routes);
        let hosts = shape.hosts(routes);
        Self {
            bytes: table.root().table_bytes(),
            segments: (0..SEGMENTS)
                .map(|index| {
                    let bytes = table
                        .segment(index)
                        .map_or(&[][..], |segment| &segment.bytes);
                    Segment::new(kind(index), bytes.into()).expect("a segment")
                })
                .collect(),
            shape,
            hosts,
            paths: routes / hosts,
            cache: Cache::new(),
        }
    }

    /// Writes the requests from number `n` on.
    pub fn fill(&self, batch: &mut Batch, n: usize, known: bool) {
        batch.text.clear();
        batch.ends.clear();
        for n in n..n + BATCH {
            match known {
                true => put_host(&mut batch.text, scramble(n, self.hosts)),
                false => batch
                    .text
                    .extend_from_slice(b"nobody.team-1.apps.example.com"),
            }
            let host = batch.text.len();
            let path = scramble(n * 7 + 3, self.paths);
            put_path(&mut batch.text, path, self.shape);
            batch.ends.push((host, batch.text.len()));
        }
    }

    /// Looks up a batch; the number of hits.
    pub fn lookup(&self, batch: &Batch) -> u32 {
        let mut start = 0;
        let mut hits = 0;
        for (host, path) in &batch.ends {
            let found = self.lookup_one(&batch.text[start..*host], &batch.text[*host..*path]);
            hits += u32::from(found.is_some());
            start = *path;
        }
        hits
    }

    /// One lookup; the rule's position, or `None` for a miss.
    fn lookup_one(&self, host: &[u8], path: &[u8]) -> Option<u16> {
        let ingress = self.shape == Shape::Ingresses;
        let request = Request {
            entry: Entry {
                ingress,
                listener: (!ingress).then_some(80),
            },
            tls: false,
            host,
            path,
            query: b"?page=42",
            method: b"GET",
            sni: b"",
        };
        let selected = select(self, &request, &OneHeader, &self.cache).ok()??;
        Some(selected.rule.index)
    }
}

impl Batch {
    /// Without requests, and with room for them.
    pub fn with_room() -> Self {
        Self {
            text: Vec::with_capacity(BATCH * 96),
            ends: Vec::with_capacity(BATCH),
        }
    }

    /// All hosts and paths, one after the other.
    pub fn requests(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |(host, path)| {
            let from = core::mem::replace(&mut start, *path);
            (&self.text[from..*host], &self.text[*host..*path])
        })
    }
}
