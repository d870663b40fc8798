//! A table that changes, and workers that remember.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_core::contract::result::{Outcome, PlanResult, Try};
use silverback_core::regex::compile;
use silverback_core::route::answer::{Answer, Scratch, answer};
use silverback_core::route::balance::{Spin, Ticket};
use silverback_core::route::edits::ResponseEdit;
use silverback_core::route::select::{Entry, Headers};
use silverback_core::table::build::TableBuilder;
use silverback_core::table::layout::{SEGMENTS, kind};
use silverback_core::table::model::{
    Algorithm, Anchor, Backend, BackendTarget, HashInput, HostKey, HostPattern, PassiveChecks,
    PathMatch, RouteKind, RouteMatch, RouteObject, Rule, Scope, ServiceEndpoints, ServicePort,
    ServiceSettings, UpstreamPolicy,
};
use silverback_core::table::segment::SegmentView;
use silverback_core::table::store::view::{Segments, Unreadable};

/// What a backend that does not exist is called.
pub(crate) const INVALID: &str = "";

/// Rules `/NAME` of Ingress, each with its backends, and Services.
#[derive(Default)]
pub(crate) struct World {
    table: TableBuilder,
    rules: BTreeMap<String, RouteMatch>,
    segments: Vec<Vec<u8>>,
    epoch: u64,
}

/// A request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    target: String,
    source: String,
    headers: Vec<(String, String)>,
}

/// A worker: what it remembers, and how many requests it has seen.
pub(crate) struct Worker {
    pub(crate) scratch: Scratch,
    pub(crate) spin: u64,
    pub(crate) now: u64,
}

/// How a request is proxied.
pub(crate) struct Sent {
    pub(crate) endpoints: Vec<SocketAddr>,
    pub(crate) cookie: Option<String>,
    pub(crate) ticket: Option<Box<Ticket>>,
}

impl Segments for World {
    fn segment(&self, index: u32) -> Result<SegmentView<'_>, Unreadable> {
        let bytes = self.segments.get(index as usize).map_or(&[][..], |b| b);
        SegmentView::new(kind(index), bytes).ok_or(Unreadable::Segment(index))
    }
}

impl Headers for Ask {
    fn first<T>(&self, name: &str, judge: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let mut all = self.headers.iter();
        let first = all.find(|(known, _)| known.eq_ignore_ascii_case(name));
        judge(first.map(|(_, value)| value.as_bytes()))
    }
}

pub(crate) fn service(name: &str) -> ServicePort {
    ServicePort {
        namespace: "ns".into(),
        name: name.into(),
        port: 80,
    }
}

/// Endpoint `n` of the default Service.
pub(crate) fn pod(n: usize) -> SocketAddr {
    let [_, b, c, d] = (n as u32).to_be_bytes();
    ([10, b, c, d], 8080).into()
}

pub(crate) fn pods(count: usize) -> Vec<SocketAddr> {
    (0..count).map(pod).collect()
}

pub(crate) fn hashing(hash_on: HashInput) -> UpstreamPolicy {
    UpstreamPolicy {
        algorithm: Algorithm::ConsistentHashing,
        hash_on,
        ..UpstreamPolicy::default()
    }
}

/// Three failures of a sort in a row eject; 500 and 503 are failures; two successes end a probation.
pub(crate) fn passive(algorithm: Algorithm) -> UpstreamPolicy {
    UpstreamPolicy {
        algorithm,
        passive: Some(PassiveChecks {
            tcp_failures: 3,
            timeouts: 3,
            http_failures: 3,
            codes: vec![500, 503],
            successes: 2,
        }),
        ..UpstreamPolicy::default()
    }
}

/// The result of a plan all of whose tries failed so, but for the last, which ended so.
pub(crate) fn result(status: u16, outcomes: &[Outcome]) -> PlanResult {
    let tries = (0..).zip(outcomes).map(|(endpoint, outcome)| Try {
        endpoint,
        outcome: *outcome,
    });
    PlanResult {
        status,
        tries: tries.collect(),
    }
}

impl Ask {
    pub(crate) fn get(target: &str) -> Self {
        Self {
            target: target.to_owned(),
            source: "192.0.2.1".to_owned(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn from(mut self, source: &str) -> Self {
        source.clone_into(&mut self.source);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl World {
    /// A rule `/web` with the Service `web` of so many endpoints.
    pub(crate) fn web(count: usize, policy: Option<UpstreamPolicy>) -> Self {
        let mut world = Self::default();
        world.rule("web", &[(1, "web")]);
        world.service("web", pods(count), policy);
        world.commit();
        world
    }

    /// A rule for `/NAME` with weighted backends.
    pub(crate) fn rule(&mut self, name: &str, backends: &[(u32, &str)]) {
        let path = PathMatch::Prefix(format!("/{name}").into());
        self.rule_at(name, path, backends);
    }

    /// A rule for a pattern.
    pub(crate) fn pattern(&mut self, name: &str, pattern: &str) {
        let regex = compile(pattern, Anchor::Start, false).expect("a pattern");
        self.rule_at(name, PathMatch::Regex(Arc::new(regex)), &[(1, name)]);
    }

    fn rule_at(&mut self, name: &str, path: PathMatch, backends: &[(u32, &str)]) {
        let object = RouteObject {
            kind: RouteKind::Ingress,
            namespace: "ns".into(),
            name: name.into(),
            created: None,
        };
        let backends = backends.iter().map(|(weight, target)| {
            let target = match *target {
                INVALID => BackendTarget::Invalid,
                name => BackendTarget::Service(service(name)),
            };
            Backend::new(*weight, target)
        });
        let rule = Rule {
            backends: backends.collect(),
            ..Rule::new(Arc::new(object), 0)
        };
        let matched = RouteMatch::new(path, 0, Arc::new(rule));
        self.rules.insert(name.to_owned(), matched);
    }

    pub(crate) fn service(
        &mut self,
        name: &str,
        endpoints: Vec<SocketAddr>,
        policy: Option<UpstreamPolicy>,
    ) {
        let settings = ServiceSettings {
            policy,
            ..ServiceSettings::default()
        };
        let endpoints = ServiceEndpoints {
            endpoints,
            settings,
        };
        self.table.set_service(&service(name), Some(&endpoints));
    }

    /// The next epoch.
    pub(crate) fn commit(&mut self) {
        let key = HostKey {
            scope: Scope::Ingress,
            host: HostPattern::Any,
        };
        self.table
            .set_host(&key, self.rules.values().cloned().collect());
        self.table.commit();
        let bytes = |index| self.table.segment(index).map(|s| s.bytes.clone());
        let all = (0..SEGMENTS).map(|index| bytes(index).unwrap_or_default());
        self.segments = all.collect();
        self.epoch += 1;
    }
}

impl Worker {
    /// A worker whose sequences begin here.
    pub(crate) fn new(spin: u64) -> Self {
        let mut worker = Self {
            scratch: Scratch::default(),
            spin,
            now: 0,
        };
        worker.pass(1_800_000_000_000);
        worker
    }

    /// Lets milliseconds pass.
    pub(crate) fn pass(&mut self, time: u64) {
        self.at(self.now + time);
    }

    /// Sets the clock.
    pub(crate) fn at(&mut self, now: u64) {
        self.now = now;
        self.scratch.balancer.set_time(now);
    }

    /// What is answered to a request; a plan is in `scratch`.
    pub(crate) fn answer(&mut self, world: &World, ask: &Ask) -> Answer {
        let info = RequestInfo {
            path: ask.target.as_bytes(),
            host: b"a.test",
            method: b"GET",
            source: ask.source.as_bytes(),
            ..RequestInfo::default()
        };
        let entry = Entry {
            ingress: true,
            listener: None,
        };
        let (spin, scratch) = (Spin(self.spin), &mut self.scratch);
        self.spin += 1;
        answer(world, world.epoch, entry, &info, ask, spin, scratch).expect("readable")
    }

    /// The plan of a request, or the status of the answer.
    pub(crate) fn send(&mut self, world: &World, ask: &Ask) -> Result<Sent, u16> {
        let answered = self.answer(world, ask);
        let scratch = &mut self.scratch;
        match answered {
            Answer::Reply(reply) => Err(reply.status()),
            Answer::Proxy => {
                let plan = OwnedPlan::decode(&scratch.plan).expect("a plan");
                let mut cookies = scratch.response.iter().map(|edit| match edit {
                    ResponseEdit::Add(name, value) if **name == *"set-cookie" => {
                        String::from_utf8(value.to_vec()).expect("text")
                    }
                    other => panic!("{other:?}"),
                });
                Ok(Sent {
                    endpoints: plan.endpoints,
                    cookie: cookies.next_back(),
                    ticket: scratch.ticket.take(),
                })
            }
        }
    }

    /// The first endpoint of a request that is proxied and ends at once, well.
    pub(crate) fn first(&mut self, world: &World, ask: &Ask) -> SocketAddr {
        let sent = self.send(world, ask).expect("a plan");
        self.end(&sent, &result(200, &[Outcome::Answered]));
        sent.endpoints[0]
    }

    /// Ends a request.
    pub(crate) fn end(&mut self, sent: &Sent, result: &PlanResult) {
        if let Some(ticket) = &sent.ticket {
            self.scratch.balancer.done(ticket, Some(result));
        }
    }

    /// How often each endpoint was first in so many requests.
    pub(crate) fn spread(
        &mut self,
        world: &World,
        requests: usize,
        ask: impl Fn(usize) -> Ask,
    ) -> BTreeMap<SocketAddr, usize> {
        let mut counts = BTreeMap::new();
        for n in 0..requests {
            *counts.entry(self.first(world, &ask(n))).or_default() += 1;
        }
        counts
    }
}
