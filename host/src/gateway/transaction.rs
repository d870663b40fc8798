//! One request from its headers to the last byte of its response.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::Version;
use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::result::{Outcome, PlanResult, Try};
use silverback_emulator::{ContextId, Exchange};

use super::access::{AccessEvent, Answer, Attempts};
use super::worker::Shared;

/// nginx's status for a client that went away before it got an answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The state of a request. It lives in the handler and then in the response body; when it is
/// dropped, however that comes about, the filter's context is logged and closed.
pub(super) struct Transaction {
    pub(super) shared: Rc<Shared>,
    pub(super) context: Option<ContextId>,
    pub(super) exchange: Exchange,
    pub(super) plan: Option<Rc<OwnedPlan>>,
    pub(super) tries: Vec<Try>,
    pub(super) endpoint: Option<SocketAddr>,
    pub(super) status: u16,
    pub(super) answer: Answer,
    /// Bytes of the request's body so far; whoever reads it counts.
    pub(super) received: Rc<Cell<u64>>,
    /// Bytes of the response's body so far.
    pub(super) sent: u64,
    started: Instant,
    /// When the first try began, and how long it took until there was an answer or none.
    upstream: Option<(Instant, Option<Duration>)>,
    source: IpAddr,
    version: Version,
}

impl Transaction {
    pub(super) fn new(
        shared: Rc<Shared>,
        exchange: Exchange,
        source: IpAddr,
        version: Version,
    ) -> Box<Self> {
        Box::new(Self {
            shared,
            context: None,
            exchange,
            plan: None,
            tries: Vec::new(),
            endpoint: None,
            // Until something else is known.
            status: CLIENT_CLOSED_REQUEST,
            answer: Answer::Aborted,
            received: Rc::default(),
            sent: 0,
            started: Instant::now(),
            upstream: None,
            source,
            version,
        })
    }

    /// Notes that the first try begins.
    pub(super) fn asking(&mut self) {
        self.upstream = Some((Instant::now(), None));
    }

    /// Notes that the tries are over.
    pub(super) fn asked(&mut self) {
        if let Some((since, took)) = &mut self.upstream {
            *took = Some(since.elapsed());
        }
    }

    /// Notes how a try ended.
    pub(super) fn tried(&mut self, endpoint: usize, outcome: Outcome) {
        let endpoint = u8::try_from(endpoint).unwrap_or(u8::MAX);
        self.tries.push(Try { endpoint, outcome });
    }

    fn finish(&mut self) {
        let counters = &self.shared.counters;
        if self.answer == Answer::Aborted {
            counters.client_aborts.inc();
        }
        let latency = self.started.elapsed();
        // Of an upgraded connection it is how long it was used.
        let counted = (self.status != 101).then_some(latency);
        counters.over(self.answer, self.status, counted);
        let upstream_latency = match self.upstream {
            Some((since, took)) if self.endpoint.is_some() => {
                Some(took.unwrap_or_else(|| since.elapsed()))
            }
            _ => None,
        };
        counters.tried(&self.tries, upstream_latency);
        counters.received_bytes.add(self.received.get());
        counters.sent_bytes.add(self.sent);
        if let Some(hook) = &self.shared.on_access {
            let plan = self.plan.as_deref();
            let exchange = &self.exchange;
            hook(&AccessEvent {
                method: &exchange.method,
                host: exchange.request_headers.get("host").unwrap_or_default(),
                path: &exchange.path,
                source: self.source,
                status: self.status,
                answer: self.answer,
                rule: plan.map_or(0, |plan| plan.rule),
                epoch: plan.map_or(0, |plan| plan.epoch),
                route: plan.map_or(b"", |plan| &plan.route_name),
                service: plan.map_or(b"", |plan| &plan.service_name),
                tags: plan.map_or(b"", |plan| &plan.tags),
                endpoint: self.endpoint,
                tries: self.tries.len(),
                attempts: Attempts {
                    tries: &self.tries,
                    endpoints: plan.map_or(&[], |plan| &plan.endpoints),
                },
                latency,
                upstream_latency,
                received: self.received.get(),
                sent: self.sent,
                version: self.version,
                tls: exchange.scheme == b"https",
                port: exchange.server_port,
                worker: self.shared.index,
            });
        }
        let Some(context) = self.context.take() else {
            return;
        };
        let result = self.plan.is_some().then(|| self.result());
        if let Err(trap) = self
            .shared
            .filter
            .finish(context, &mut self.exchange, result.as_ref())
        {
            self.shared.filter.trapped(&trap, "on_log");
        }
    }

    fn result(&mut self) -> PlanResult {
        PlanResult {
            status: self.status,
            tries: std::mem::take(&mut self.tries),
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.finish();
        self.shared.filter.recycle(&mut self.exchange);
    }
}
