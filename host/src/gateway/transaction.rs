//! One request from its headers to the last byte of its response.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::result::{Outcome, Try};
use silverback_emulator::{ContextId, Exchange};
use smallvec::SmallVec;

use super::access::{AccessEvent, Answer, Attempts};
use super::outgoing::Outgoing;
use super::worker::Shared;

/// nginx's status for a client that went away before it got an answer.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The state of a request. It lives in the handler and then in the response body; when it is
/// dropped, however that comes about, the filter's context is logged and closed.
pub(super) struct Transaction {
    pub(super) shared: Rc<Shared>,
    pub(super) context: Option<ContextId>,
    pub(super) exchange: Exchange,
    pub(super) out: Outgoing,
    pub(super) plan: Option<Arc<OwnedPlan>>,
    pub(super) tries: SmallVec<[Try; 8]>,
    pub(super) endpoint: Option<SocketAddr>,
    pub(super) status: u16,
    pub(super) answer: Answer,
    /// Bytes that the client sent after it had changed to another protocol.
    pub(super) tunnelled: u64,
    /// Bytes of the response's body so far.
    pub(super) sent: u64,
    started: Instant,
    /// When the first try began, and how long it took until there was an answer or none.
    upstream: Option<(Instant, Option<Duration>)>,
}

impl Transaction {
    pub(super) fn new(shared: Rc<Shared>, exchange: Exchange, out: Outgoing) -> Box<Self> {
        Box::new(Self {
            shared,
            context: None,
            exchange,
            out,
            plan: None,
            tries: SmallVec::new(),
            endpoint: None,
            // Until something else is known.
            status: CLIENT_CLOSED_REQUEST,
            answer: Answer::Aborted,
            tunnelled: 0,
            sent: 0,
            started: Instant::now(),
            upstream: None,
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

    /// Notes that the last try's answer is of no use.
    pub(super) fn spoiled(&mut self) {
        if let Some(last) = self.tries.last_mut() {
            last.outcome = Outcome::Failed;
        }
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
        let body = self.out.body.as_ref().map_or(0, |body| body.received());
        let received = body.saturating_add(self.tunnelled);
        counters.received_bytes.add(received);
        counters.sent_bytes.add(self.sent);
        if let Some(hook) = &self.shared.on_access {
            let plan = self.plan.as_deref();
            let exchange = &self.exchange;
            hook(&AccessEvent {
                method: &exchange.method,
                host: exchange.request_headers.get("host").unwrap_or_default(),
                path: &exchange.path,
                source: self.out.client.peer.ip(),
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
                received,
                sent: self.sent,
                version: self.out.version,
                tls: exchange.scheme == b"https",
                port: exchange.server_port,
                worker: self.shared.index,
            });
        }
        let Some(context) = self.context.take() else {
            return;
        };
        let filter = &self.shared.filter;
        if self.plan.is_some() {
            filter.result(&mut self.exchange, self.status, &self.tries);
        }
        if let Err(trap) = filter.finish(context, &mut self.exchange) {
            filter.trapped(&trap, "on_log");
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.finish();
        let plan = self.plan.take();
        self.shared.filter.recycle(&mut self.exchange, plan);
    }
}
