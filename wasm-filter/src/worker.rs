//! What one worker does with each request; the same natively (tests) and in the .wasm.

use core::cell::{Cell, RefCell};
use core::time::Duration;

use proxy_wasm::types::LogLevel;
use silverback_core::contract::request::RequestInfo;
use silverback_core::contract::result::PlanResult;
use silverback_core::route::answer::{Answer, Reply, Scratch, answer};
use silverback_core::route::balance::{Spin, Ticket};
use silverback_core::route::edits::ResponseEdits;
use silverback_core::route::select::Headers;
use silverback_core::table::store::view::{Segments, Unreadable, Views};

use crate::config::Config;
use crate::metrics::{Metric, Metrics};
use crate::proxy::{Proxy, Shared};

/// How often [`Worker::tick`] is to be called.
pub const TICK: Duration = Duration::from_secs(1);

/// A worker's state; it lives as long as the instance, whatever configurations come and go.
#[derive(Debug, Default)]
pub struct Worker {
    views: Views,
    scratch: Scratch,
    metrics: Metrics,
    /// Place in the sequence by which requests are spread; `None` before the first.
    spin: Option<u64>,
    /// The last failure that was logged, so that a lasting one is logged once.
    logged: Option<Unreadable>,
}

/// What the data plane does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The plan is set: go on.
    Continue {
        /// Change the response so. Most rules change nothing.
        response: ResponseEdits,
        /// To be given to [`Worker::done`] when the request is over. Most need no telling.
        ticket: Option<Box<Ticket>>,
    },
    /// The request is answered: stop.
    Answered,
}

/// Headers of the current request. Asked once each, however many rules ask.
struct RequestHeaders<'p, P> {
    proxy: &'p P,
    known: RefCell<Vec<Known>>,
    /// One of them could not be asked.
    failed: Cell<bool>,
}

/// Name and first value of a header; `None` = not there.
type Known = (Box<str>, Option<Vec<u8>>);

impl Worker {
    /// A worker that has not read a table yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decides one request of a filter chain with this configuration.
    pub fn request(&mut self, config: &Config, proxy: &impl Proxy) -> Next {
        self.decide(config, None, proxy)
    }

    /// The same with a table of its own, which has this number, instead of the one in shared data.
    pub fn request_with(
        &mut self,
        config: &Config,
        table: (&dyn Segments, u64),
        proxy: &impl Proxy,
    ) -> Next {
        self.decide(config, Some(table), proxy)
    }

    /// A request that was proxied is over, however it went.
    pub fn done(&mut self, ticket: &Ticket, proxy: &impl Proxy) {
        let result = proxy.result();
        // Without a result that can be read the request is over all the same.
        let result = result.and_then(|message| PlanResult::decode(&message).ok());
        let balancer = &mut self.scratch.balancer;
        balancer.set_time(proxy.now());
        balancer.done(ticket, result.as_ref());
    }

    /// What is to be done every [`TICK`], in every worker; more often does no harm.
    pub fn tick(&mut self, proxy: &impl Proxy) {
        let balancer = &mut self.scratch.balancer;
        balancer.set_time(proxy.now());
        balancer.sweep();
        let (reads, epoch) = (self.views.counters(), self.views.epoch());
        self.metrics
            .flush(reads, balancer.ejections(), epoch, proxy);
    }

    fn decide(
        &mut self,
        config: &Config,
        table: Option<(&dyn Segments, u64)>,
        proxy: &impl Proxy,
    ) -> Next {
        let Some(message) = proxy.request() else {
            proxy.log(
                LogLevel::Error,
                "silverback: the request's properties are missing (hint: in Kong load the plugin \
                 `silverback`, plugins = bundled,silverback; elsewhere, or without it, set `dataPlane`)",
            );
            self.metrics.count(Metric::NoRequest);
            return reply(proxy, 503, "the data plane offers no request property", []);
        };
        let info = match RequestInfo::decode(&message) {
            Ok(info) => info,
            Err(error) => {
                proxy.log(
                    LogLevel::Error,
                    &format!("silverback: kong.silverback.request cannot be read: {error}"),
                );
                self.metrics.count(Metric::NoRequest);
                return reply(proxy, 500, Reply::NoPlan.message(), []);
            }
        };
        let spin = Spin(self.next_spin(proxy));
        let entry = config.entry(info.port);
        let headers = RequestHeaders {
            proxy,
            known: RefCell::default(),
            failed: Cell::new(false),
        };
        let scratch = &mut self.scratch;
        let answered = match table {
            Some((table, number)) => answer(table, number, entry, &info, &headers, spin, scratch),
            None => self.views.answer(&Shared(proxy), |segments, epoch| {
                answer(segments, epoch, entry, &info, &headers, spin, scratch)
            }),
        };
        if headers.failed.get() {
            // Whether the rule's condition holds is not known: no rule is the right one.
            self.metrics.count(Metric::NoPlan);
            if let Some(ticket) = self.scratch.ticket.take() {
                self.scratch.balancer.done(&ticket, None);
            }
            return reply(proxy, 500, Reply::NoPlan.message(), []);
        }
        match answered {
            Ok(Answer::Proxy) => {
                self.logged = None;
                if !proxy.set_plan(&self.scratch.plan) {
                    self.metrics.count(Metric::NoPlan);
                    return Next::Answered;
                }
                self.metrics.count(Metric::Proxied);
                Next::Continue {
                    response: core::mem::take(&mut self.scratch.response),
                    ticket: self.scratch.ticket.take(),
                }
            }
            Ok(Answer::Reply(answer)) => {
                self.logged = None;
                self.metrics.count(answer.into());
                let headers = self.scratch.headers.iter();
                let headers = headers.map(|(name, value)| (*name, value.as_str()));
                reply(proxy, answer.status(), answer.message(), headers)
            }
            Err(error) => {
                self.metrics.count(Metric::NoTable);
                self.log_once(proxy, error);
                let message = match error {
                    Unreadable::NoTable | Unreadable::NoSentinel => "no routing table yet",
                    _ => "the routing table cannot be read",
                };
                reply(proxy, 503, message, [("retry-after", "1")])
            }
        }
    }

    /// Workers begin at different places, so that the first requests of all workers do not meet
    /// at one endpoint.
    fn next_spin(&mut self, proxy: &impl Proxy) -> u64 {
        let spin = match self.spin {
            Some(spin) => spin.wrapping_add(1),
            None => {
                let now = proxy.now();
                self.scratch.balancer.set_time(now);
                now
            }
        };
        self.spin = Some(spin);
        spin
    }

    fn log_once(&mut self, proxy: &impl Proxy, error: Unreadable) {
        if self.logged == Some(error) {
            return;
        }
        self.logged = Some(error);
        let message = match error {
            Unreadable::NoTable => "no routing table has been published yet",
            Unreadable::NoSentinel => {
                "the shared-data zone is missing or nobody has prepared it yet \
                 (hint: in Kong nginx_wasm_shm_kv_silverback = 64m eviction=none)"
            }
            Unreadable::Store => "shared data cannot be read",
            Unreadable::Epoch => "the epoch record cannot be read",
            Unreadable::Root => "the table's root cannot be read",
            Unreadable::Segment(_) => "a segment of the table cannot be read",
        };
        proxy.log(LogLevel::Error, &format!("silverback: {message}"));
    }
}

fn reply<'h>(
    proxy: &impl Proxy,
    status: u16,
    message: &str,
    more: impl IntoIterator<Item = (&'h str, &'h str)>,
) -> Next {
    let mut headers = Vec::new();
    let mut body = String::new();
    if !message.is_empty() {
        headers.push(("content-type", "application/json; charset=utf-8"));
        // The messages are constants without anything to escape.
        body = format!("{{\"message\":\"{message}\"}}");
    }
    headers.extend(more);
    match proxy.reply(status, &headers, body.as_bytes()) {
        Ok(()) => Next::Answered,
        // To wait would be to wait for ever. Without a plan the data plane answers 503.
        Err(_) => Next::Continue {
            response: ResponseEdits::new(),
            ticket: None,
        },
    }
}

impl<P: Proxy> Headers for RequestHeaders<'_, P> {
    fn first<T>(&self, name: &str, judge: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let Ok(mut known) = self.known.try_borrow_mut() else {
            return judge(None);
        };
        if let Some((_, found)) = known.iter().find(|(known, _)| **known == *name) {
            return judge(found.as_deref());
        }
        let Ok(found) = self.proxy.header(name) else {
            self.failed.set(true);
            return judge(None);
        };
        let judged = judge(found.as_deref());
        known.push((name.into(), found));
        judged
    }
}
