//! What a worker remembers of the requests that it has spread.

use core::net::SocketAddr;

use crate::contract::plan::MAX_ENDPOINTS;
use crate::contract::result::{Outcome, PlanResult};
use crate::route::edits::ResponseEdit;
use crate::route::select::Headers;
use crate::table::endpoints::{Endpoints, PolicyEntry};
use crate::table::store::view::Unreadable;

use super::hash::{self, endpoint_id, mix};
use super::health::{Ejected, Failure, Record, Thresholds, Verdict};
use super::inputs::{self, Inputs, Key};
use super::load::InFlight;
use super::recent::Recent;
use super::ring::Ring;
use super::rotation::Rotation;
use super::{ENDPOINT_STEP, Spin};

/// Rules with several backends, and Services, that are remembered: more than the 10,000 Services that
/// a table is made for. 40 and 48 bytes each.
const MAX_KEPT: usize = 16_384;
/// Endpoints that are remembered: those with requests in flight or failures. 40 bytes each.
const MAX_ENDPOINTS_KEPT: usize = 65_536;
/// Points of all rings. Seven times the endpoints that a table is made for; 16 to 24 bytes each. When
/// there are more, all rings are made anew as they are needed.
const MAX_POINTS: usize = 1 << 20;
/// Draws of two endpoints until one is not ejected. At most half are, so hardly ever do all fail.
const DRAWS: u64 = 4;
/// A client that went away before it got an answer says nothing about the endpoint.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Places in cycles, requests in flight, failures, rings: the state of balancing. It is bounded, belongs
/// to one worker, is keyed by ids, so that it survives every change of the table, and what is not used
/// for ten minutes is forgotten.
#[derive(Debug)]
pub struct Balancer {
    /// Milliseconds since 1970, as far as the caller told.
    now: u64,
    rules: Recent<Rotation>,
    services: Recent<Service>,
    /// By [`endpoint_id`].
    endpoints: Recent<Endpoint>,
    /// Points of all rings.
    points: usize,
    ejections: u64,
}

/// A Service whose endpoints are chosen.
#[derive(Debug, Default)]
struct Service {
    /// The endpoint whose turn it is, after the first.
    next: Option<u32>,
    /// Only Services with a policy have one.
    policy: Option<Box<Policy>>,
}

/// What a policy needs, from the table of one epoch.
#[derive(Debug, Default)]
struct Policy {
    epoch: u64,
    fingerprint: u64,
    /// Number of endpoints.
    endpoints: usize,
    thresholds: Thresholds,
    codes: Vec<u16>,
    ejected: Ejected,
    ring: Option<Ring>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Endpoint {
    in_flight: InFlight,
    record: Record,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'p> {
    /// Id of the Service port.
    pub(crate) service: u64,
    /// The table's.
    pub(crate) epoch: u64,
    /// The policy; `None`: in turn.
    pub(crate) policy: Option<PolicyEntry<'p>>,
    /// Tries in all.
    pub(crate) tries: u8,
    /// Where sequences begin, and what is drawn.
    pub(crate) spin: Spin,
}

/// What must be told when the request is over ([`Balancer::done`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    service: u64,
    /// Of the plan's endpoints, in its order.
    endpoints: Box<[u64]>,
    /// The first is counted as in flight since this period.
    counted: Option<u32>,
    /// Failures are counted.
    checked: bool,
}

/// What comes of a choice besides its endpoints.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) cookie: Option<ResponseEdit>,
    pub(crate) ticket: Option<Box<Ticket>>,
}

// === impl Balancer ===

impl Default for Balancer {
    fn default() -> Self {
        Self {
            now: 0,
            rules: Recent::new(MAX_KEPT),
            services: Recent::new(MAX_KEPT),
            endpoints: Recent::new(MAX_ENDPOINTS_KEPT),
            points: 0,
            ejections: 0,
        }
    }
}

impl Balancer {
    /// Says what time it is, in milliseconds since 1970. Ejections end and counts expire by it; a second
    /// is close enough.
    pub fn set_time(&mut self, now: u64) {
        self.now = now;
    }

    /// Forgets a part of what was not used for long. To be called every second or so.
    pub fn sweep(&mut self) {
        let second = self.second();
        self.rules.sweep(second);
        self.services.sweep(second);
        self.endpoints.sweep(second);
        self.points = self
            .services
            .values_mut()
            .map(|service| service.points())
            .sum();
    }

    /// Endpoints that were ejected since the start.
    #[must_use]
    pub fn ejections(&self) -> u64 {
        self.ejections
    }

    /// A Service that the table does not have any more.
    pub(crate) fn forget(&mut self, service: u64) {
        self.services.remove(service);
    }

    /// The next place of a rule's cycle of `total` places.
    pub(super) fn turn(&mut self, rule: u64, total: u32, start: impl FnOnce(u32) -> u32) -> u32 {
        let second = self.second();
        match self.rules.get_or_default(rule, second) {
            Some(rotation) => rotation.next(total, start),
            None => 0,
        }
    }

    /// Fills `list` with the endpoints to try, in order.
    pub(crate) fn choose<H: Headers>(
        &mut self,
        wanted: &Wanted<'_>,
        endpoints: &Endpoints<'_>,
        inputs: &Inputs<'_, H>,
        list: &mut Vec<SocketAddr>,
    ) -> Result<Chosen, Unreadable> {
        list.clear();
        let len = endpoints.len();
        if len == 0 {
            return Ok(Chosen::default());
        }
        let (second, spin) = (self.second(), wanted.spin);
        let Some(service) = self.services.get_or_default(wanted.service, second) else {
            return Ok(Chosen::default());
        };
        let start = || spin.below(ENDPOINT_STEP, len as u64) as u32;
        let before = service.points();
        let next = service.next.get_or_insert_with(start);
        let count = len.min(usize::from(wanted.tries)).min(MAX_ENDPOINTS);
        let Some(policy) = &wanted.policy else {
            // What a policy knew is of no use any more.
            service.policy = None;
            let first = turn(next, len, |_| true);
            (0..count).for_each(|step| list.extend(endpoints.get((first + step) % len)));
            return Ok(Chosen::default());
        };
        let key = inputs::key(policy, inputs)?;
        let kept = service.policy.get_or_insert_default();
        kept.update(wanted, policy, endpoints);
        kept.ejected.settle(self.now);
        let mut choice = Choice {
            now: self.now,
            second,
            wanted,
            endpoints,
            count,
            list,
            states: &mut self.endpoints,
        };
        let cookie = choice.fill(next, kept, key);
        let ticket = choice.ticket(policy, key);
        let after = service.points();
        self.points = self.points.saturating_sub(before).saturating_add(after);
        if self.points > MAX_POINTS {
            (self.services.values_mut()).for_each(Service::drop_ring);
            self.points = 0;
        }
        Ok(Chosen { cookie, ticket })
    }

    /// A request of a plan is over, with this result if the data plane gave one.
    pub fn done(&mut self, ticket: &Ticket, result: Option<&PlanResult>) {
        let (second, now) = (self.second(), self.now);
        if let (Some(period), Some(first)) = (ticket.counted, ticket.endpoints.first())
            && let Some(endpoint) = self.endpoints.get(*first, second)
        {
            endpoint.in_flight.end(period, now);
        }
        let Some(result) = result.filter(|_| ticket.checked) else {
            return;
        };
        let aborted = result.status == CLIENT_CLOSED_REQUEST;
        let judged = result.tries.len() - usize::from(aborted && !result.tries.is_empty());
        for one in result.tries.iter().take(judged) {
            if let Some(endpoint) = ticket.endpoints.get(usize::from(one.endpoint)) {
                self.judge(ticket.service, *endpoint, one.outcome, result.status);
            }
        }
    }

    fn judge(&mut self, service: u64, endpoint: u64, outcome: Outcome, status: u16) {
        let (second, now) = (self.second(), self.now);
        let service = self.services.get(service, second);
        let Some(policy) = service.and_then(|service| service.policy.as_mut()) else {
            return;
        };
        policy.ejected.settle(now);
        // What began before the ejection says nothing new.
        if policy.ejected.contains(endpoint) {
            return;
        }
        let verdict = match outcome {
            Outcome::Failed => Verdict::Failure(Failure::Tcp),
            Outcome::TimedOut => Verdict::Failure(Failure::Timeout),
            Outcome::Answered if policy.codes.contains(&status) => Verdict::Failure(Failure::Http),
            Outcome::Answered => Verdict::Success,
        };
        let known = match verdict {
            // Nothing is remembered of endpoints that do well.
            Verdict::Success => self.endpoints.get(endpoint, second),
            Verdict::Failure(_) => self.endpoints.get_or_default(endpoint, second),
        };
        let Some(known) = known else {
            return;
        };
        if let Some(time) = known.record.take(verdict, policy.thresholds)
            && policy.ejected.eject(endpoint, now, time, policy.endpoints)
        {
            known.record.ejected();
            self.ejections += 1;
        }
    }

    fn second(&self) -> u32 {
        u32::try_from(self.now / 1_000).unwrap_or(u32::MAX)
    }
}

// === impl Service ===

impl Service {
    fn points(&self) -> usize {
        let ring = self.policy.as_ref().and_then(|policy| policy.ring.as_ref());
        ring.map_or(0, Ring::len)
    }

    fn drop_ring(&mut self) {
        if let Some(policy) = &mut self.policy {
            policy.ring = None;
        }
    }
}

// === impl Policy ===

impl Policy {
    /// Takes over what the table says now.
    fn update(&mut self, wanted: &Wanted<'_>, policy: &PolicyEntry<'_>, endpoints: &Endpoints<'_>) {
        if self.epoch == wanted.epoch && self.endpoints == endpoints.len() {
            return;
        }
        self.epoch = wanted.epoch;
        let fingerprint = endpoints.fingerprint();
        if self.fingerprint == fingerprint && self.endpoints == endpoints.len() {
            return;
        }
        self.fingerprint = fingerprint;
        self.endpoints = endpoints.len();
        self.ring = None;
        let ids = endpoints.iter().map(|e| endpoint_id(wanted.service, e));
        self.ejected.fit(ids);
        self.thresholds = Thresholds::default();
        self.codes.clear();
        match &policy.passive {
            Some(passive) => {
                self.thresholds = Thresholds {
                    tcp: passive.tcp_failures,
                    timeouts: passive.timeouts,
                    http: passive.http_failures,
                    successes: passive.successes,
                };
                self.codes.extend(passive.codes());
            }
            None => self.ejected = Ejected::default(),
        }
    }
}

/// A list of endpoints being made.
struct Choice<'c> {
    now: u64,
    second: u32,
    wanted: &'c Wanted<'c>,
    endpoints: &'c Endpoints<'c>,
    /// Endpoints that the list shall have, if there are so many that are not ejected.
    count: usize,
    list: &'c mut Vec<SocketAddr>,
    states: &'c mut Recent<Endpoint>,
}

// === impl Choice ===

impl Choice<'_> {
    /// Fills the list; the cookie that the client is to get.
    fn fill(&mut self, next: &mut u32, policy: &mut Policy, key: Key<'_>) -> Option<ResponseEdit> {
        match key {
            Key::None => self.in_turn(next, &policy.ejected),
            Key::Load => self.least_loaded(&policy.ejected),
            Key::Hash(key) => self.hashed(key, policy),
            Key::NewHash(name, path) => {
                let token = mix(self.wanted.spin.0 ^ self.wanted.service);
                let mut value = Vec::with_capacity(16);
                inputs::write_token(token, &mut value);
                self.hashed(hash::key(&value), policy);
                return Some(cookie(name, path, &value));
            }
            Key::Endpoint(id, name, path) => {
                if id.is_some_and(|id| self.named(id, policy)) {
                    return None;
                }
                self.in_turn(next, &policy.ejected);
                let mut value = Vec::with_capacity(16);
                let first = *self.list.first()?;
                inputs::write_token(endpoint_id(self.wanted.service, first), &mut value);
                return Some(cookie(name, path, &value));
            }
        }
        None
    }

    fn id(&self, at: usize) -> u64 {
        let endpoint = self.endpoints.get(at);
        endpoint.map_or(0, |endpoint| endpoint_id(self.wanted.service, endpoint))
    }

    fn is_out(&self, at: usize, ejected: &Ejected) -> bool {
        ejected.len() > 0 && ejected.contains(self.id(at))
    }

    fn in_turn(&mut self, next: &mut u32, ejected: &Ejected) {
        let usable = |at: usize| !self.is_out(at, ejected);
        let first = turn(next, self.endpoints.len(), usable);
        self.push(first);
        self.neighbours(first, ejected);
    }

    /// Adds the endpoints that come after `first`, round the end.
    fn neighbours(&mut self, first: usize, ejected: &Ejected) {
        let len = self.endpoints.len();
        for step in 1..len {
            if self.list.len() >= self.count {
                return;
            }
            let at = (first + step) % len;
            if !self.is_out(at, ejected) {
                self.push(at);
            }
        }
    }

    /// Power of two choices (Mitzenmacher, 2001): of two that are drawn the one with fewer requests in
    /// flight. All endpoints of a Service weigh the same.
    fn least_loaded(&mut self, ejected: &Ejected) {
        let len = self.endpoints.len();
        let mut drawn = (0..DRAWS).map(|draw| {
            let bits = mix(self.wanted.spin.0.wrapping_mul(DRAWS).wrapping_add(draw));
            let one = below(bits >> 32, len);
            let other = below(bits & 0xffff_ffff, len - 1);
            // The others, without the one.
            let other = other + usize::from(other >= one);
            let usable = |at: usize| (at < len && !self.is_out(at, ejected)).then_some(at);
            (usable(one), usable(other))
        });
        let found = drawn.find(|pair| *pair != (None, None));
        let (first, second) = match found.unwrap_or_default() {
            (Some(one), Some(other)) if self.in_flight(other) < self.in_flight(one) => {
                (other, Some(one))
            }
            (Some(one), other) => (one, other),
            (None, Some(other)) => (other, None),
            (None, None) => (
                (0..len).find(|at| !self.is_out(*at, ejected)).unwrap_or(0),
                None,
            ),
        };
        self.push(first);
        if let Some(second) = second {
            self.push(second);
        }
        self.neighbours(first, ejected);
    }

    fn in_flight(&mut self, at: usize) -> u32 {
        let id = self.id(at);
        let state = self.states.get(id, self.second);
        state.map_or(0, |state| state.in_flight.count(self.now))
    }

    fn hashed(&mut self, key: u64, policy: &mut Policy) {
        let (service, endpoints) = (self.wanted.service, self.endpoints);
        let ring = policy
            .ring
            .get_or_insert_with(|| Ring::new(service, endpoints));
        let mut walk = ring.walk(key);
        while self.list.len() < self.count {
            let ejected = &policy.ejected;
            let next = walk.next(|number| {
                let known = self.endpoints.get(number as usize);
                known.is_some_and(|endpoint| !self.list.contains(&endpoint))
                    && !self.is_out(number as usize, ejected)
            });
            match next {
                Some(number) => self.push(number as usize),
                None => return,
            }
        }
    }

    /// The endpoint of an id, and those after it as its id's hash wants them; `false` and nothing if it is
    /// not there any more, or ejected.
    fn named(&mut self, id: u64, policy: &mut Policy) -> bool {
        let (service, endpoints) = (self.wanted.service, self.endpoints);
        let ring = policy
            .ring
            .get_or_insert_with(|| Ring::new(service, endpoints));
        let found = ring.find(id, |number| self.id(number as usize) == id);
        let Some(number) = found.filter(|_| !policy.ejected.contains(id)) else {
            return false;
        };
        self.push(number as usize);
        self.hashed(id, policy);
        true
    }

    fn push(&mut self, at: usize) {
        if let Some(endpoint) = self.endpoints.get(at)
            && self.list.len() < self.count
            && !self.list.contains(&endpoint)
        {
            self.list.push(endpoint);
        }
    }

    /// Counts the request where that is needed.
    fn ticket(&mut self, policy: &PolicyEntry<'_>, key: Key<'_>) -> Option<Box<Ticket>> {
        let checked = policy.passive.is_some_and(|passive| {
            (passive.tcp_failures | passive.timeouts | passive.http_failures) != 0
        });
        let counts = key == Key::Load;
        if !checked && !counts {
            return None;
        }
        let service = self.wanted.service;
        let ids = self.list.iter().map(|e| endpoint_id(service, *e));
        let endpoints: Box<[u64]> = ids.collect();
        let mut counted = None;
        if let Some(first) = endpoints.first().filter(|_| counts) {
            let state = self.states.get_or_default(*first, self.second);
            counted = state.map(|state| state.in_flight.begin(self.now));
        }
        Some(Box::new(Ticket {
            service,
            endpoints,
            counted,
            checked,
        }))
    }
}

/// The endpoint whose turn it is, of those of which `usable` says true. Those that are passed over lose
/// their turn, so that the others share evenly.
fn turn(next: &mut u32, len: usize, usable: impl Fn(usize) -> bool) -> usize {
    for _ in 0..len {
        let at = *next as usize % len;
        *next = (at + 1) as u32;
        if usable(at) {
            return at;
        }
    }
    0
}

/// A number below `of` from 32 random bits.
fn below(bits: u64, of: usize) -> usize {
    (bits.wrapping_mul(of as u64) >> 32) as usize
}

/// A cookie as Kong sets it, and not for scripts: nothing in a page has a use for it.
fn cookie(name: &str, path: &str, value: &[u8]) -> ResponseEdit {
    let parts: [&[u8]; 6] = [
        name.as_bytes(),
        b"=",
        value,
        b"; Path=",
        path.as_bytes(),
        b"; HttpOnly",
    ];
    ResponseEdit::Add("set-cookie".into(), parts.concat().into())
}
