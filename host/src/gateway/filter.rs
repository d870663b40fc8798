//! The one place that knows the emulator's API.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_core::contract::result::{self, Try};
use silverback_core::contract::{PLAN_PROPERTY, REQUEST_PROPERTY, RESULT_PROPERTY, WireError};
use silverback_emulator::{
    Action, ContextId, Exchange, Filter, LocalResponse, Properties, SharedStore, StartError, Trap,
    Worker, WorkerOptions,
};

use super::stats::Counters;
use super::trap_log::TrapLog;

/// A worker's instance of the filter. Borrowed only while a callback runs, and callbacks do not
/// nest, so the cell is never found borrowed.
pub(super) struct FilterHost {
    worker: RefCell<Worker>,
    options: WorkerOptions,
    counters: Arc<Counters>,
    traps: TrapLog,
    /// Exchanges of requests that are over, for others.
    spare: RefCell<Vec<Exchange>>,
    /// Their plans.
    plans: RefCell<Vec<Arc<OwnedPlan>>>,
    /// Where messages are written.
    message: RefCell<Vec<u8>>,
}

/// How many exchanges and plans are kept, of 2 KB together: what a burst leaves behind.
const SPARE: usize = 1024;

/// What the filter wants done with a request.
#[derive(Debug)]
pub(super) enum Decision {
    /// Send this.
    Local(Box<LocalResponse>),
    /// Proxy so.
    Plan(Arc<OwnedPlan>),
    /// It gave a plan that cannot be read.
    BadPlan(WireError),
    /// It waits for the body.
    Wait,
    /// It said nothing.
    Nothing,
}

/// What is known of a request apart from its headers.
pub(super) struct Origin<'a> {
    pub(super) tls: bool,
    pub(super) port: u16,
    /// The host that the client named in the TLS handshake.
    pub(super) sni: &'a [u8],
    pub(super) source: &'a [u8],
}

impl FilterHost {
    pub(super) fn start(
        filter: &Filter,
        store: SharedStore,
        options: WorkerOptions,
        counters: Arc<Counters>,
    ) -> Result<Self, StartError> {
        let worker = Worker::start(filter, store, options.clone())?;
        Ok(Self {
            worker: RefCell::new(worker),
            options,
            counters,
            traps: TrapLog::default(),
            spare: RefCell::default(),
            plans: RefCell::default(),
            message: RefCell::default(),
        })
    }

    /// The request as the filter sees it; takes the headers. `None` if a field is longer than the
    /// contract allows: then the headers are where they were.
    pub(super) fn exchange(&self, parts: &mut Parts, origin: &Origin<'_>) -> Option<Exchange> {
        let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
        let method = parts.method.as_str().as_bytes();
        let host = parts.headers.get(http::header::HOST);
        let info = RequestInfo {
            tls: origin.tls,
            port: origin.port,
            host: host.map_or(b"", |host| host.as_bytes()),
            path: path.as_bytes(),
            method,
            sni: origin.sni,
            source: origin.source,
        };
        let mut message = self.message.borrow_mut();
        message.clear();
        info.encode(&mut message).ok()?;

        let spare = self.spare.borrow_mut().pop();
        let mut exchange =
            spare.unwrap_or_else(|| Exchange::default().properties(Properties::with_shim()));
        exchange.method.extend_from_slice(method);
        exchange.path.extend_from_slice(path.as_bytes());
        let scheme: &[u8] = if origin.tls { b"https" } else { b"http" };
        exchange.scheme.extend_from_slice(scheme);
        exchange.properties.set(REQUEST_PROPERTY, &*message);
        exchange.properties.set("ngx.remote_addr", origin.source);
        exchange.server_port = origin.port;
        let headers = std::mem::take(&mut parts.headers);
        exchange.request_headers.give(headers);
        Some(exchange)
    }

    /// Takes the exchange of a request that is over, and its plan.
    pub(super) fn recycle(&self, exchange: &mut Exchange, plan: Option<Arc<OwnedPlan>>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            exchange.reset();
            spare.push(std::mem::take(exchange));
        }
        let mut plans = self.plans.borrow_mut();
        if let Some(mut plan) = plan
            && plans.len() < SPARE
            && let Some(over) = Arc::get_mut(&mut plan)
        {
            // A long path, or headers, are nothing to keep.
            over.clear();
            plans.push(plan);
        }
    }

    /// Counts and logs a trap. The next callback has a new instance, which finds the table in shared
    /// data.
    pub(super) fn trapped(&self, trap: &Trap, callback: &'static str) {
        self.counters.traps.inc();
        self.traps.log(self.options.worker, trap, callback);
    }

    pub(super) fn replace(&self, filter: &Filter) -> Result<(), StartError> {
        self.worker.borrow_mut().replace_filter(filter)
    }

    pub(super) fn reconfigure(&self, configuration: Vec<u8>) -> Result<(), StartError> {
        self.worker.borrow_mut().reconfigure(configuration)
    }

    /// Opens a context for a request and asks the filter.
    pub(super) fn request(
        &self,
        exchange: &mut Exchange,
    ) -> (Option<ContextId>, Result<Decision, Trap>) {
        let mut worker = self.worker.borrow_mut();
        let opened = worker.open();
        self.counters.restarts.set(worker.restarts());
        let id = match opened {
            Ok(id) => id,
            Err(trap) => return (None, Err(trap)),
        };
        let action = worker.on_request_headers(id, exchange);
        self.drop_calls(&mut worker, Some((id, exchange)));
        drop(worker);
        (
            Some(id),
            action.map(|action| self.decision(action, exchange)),
        )
    }

    /// Shows the filter the whole body, which it paused for.
    pub(super) fn body(&self, id: ContextId, exchange: &mut Exchange) -> Result<Decision, Trap> {
        let action = self.worker.borrow_mut().on_request_body(id, exchange)?;
        Ok(self.decision(action, exchange))
    }

    fn decision(&self, action: Action, exchange: &mut Exchange) -> Decision {
        if let Some(response) = exchange.local_response.take() {
            return Decision::Local(Box::new(response));
        }
        match (exchange.properties.get(PLAN_PROPERTY), action) {
            (Some(plan), _) => self.plan(plan),
            (None, Action::Pause) => Decision::Wait,
            (None, Action::Continue) => Decision::Nothing,
        }
    }

    fn plan(&self, bytes: &[u8]) -> Decision {
        let mut plan = self.plans.borrow_mut().pop().unwrap_or_default();
        let read = match Arc::get_mut(&mut plan) {
            Some(plan) => plan.read(bytes),
            // Somebody still has it, so it stays as it is.
            None => OwnedPlan::decode(bytes).map(|own| plan = Arc::new(own)),
        };
        match read {
            Ok(()) => Decision::Plan(plan),
            Err(error) => Decision::BadPlan(error),
        }
    }

    /// Shows the filter the head of a response, and takes over what it changed.
    pub(super) fn response(
        &self,
        id: ContextId,
        exchange: &mut Exchange,
        head: &mut http::response::Parts,
    ) -> Result<(), Trap> {
        exchange.response_status = head.status.as_u16();
        let headers = std::mem::take(&mut head.headers);
        exchange.response_headers.give(headers);
        let shown = self.worker.borrow_mut().on_response_headers(id, exchange);
        // The filter may read them again when the request is over.
        head.headers = match exchange.response_headers.release() {
            Some(given) => given,
            None => to_map(exchange.response_headers.iter()),
        };
        shown?;
        let status = http::StatusCode::from_u16(exchange.response_status).ok();
        if let Some(status) = status.filter(|status| !status.is_informational()) {
            head.status = status;
        }
        Ok(())
    }

    /// What became of the plan, for the filter to ask for.
    pub(super) fn result(&self, exchange: &mut Exchange, status: u16, tries: &[Try]) {
        let mut message = self.message.borrow_mut();
        message.clear();
        // At most 255 tries: a plan cannot ask for more.
        if result::encode(status, tries, &mut message).is_ok() {
            exchange.properties.set(RESULT_PROPERTY, &*message);
        }
    }

    /// The request is over.
    pub(super) fn finish(&self, id: ContextId, exchange: &mut Exchange) -> Result<(), Trap> {
        let mut worker = self.worker.borrow_mut();
        worker.end(id, exchange)
    }

    /// Fires the tick timers that are due.
    pub(super) fn tick(&self) -> Result<(), Trap> {
        let mut worker = self.worker.borrow_mut();
        let ticked = worker.tick();
        self.counters.restarts.set(worker.restarts());
        self.drop_calls(&mut worker, None);
        ticked
    }

    /// How long until the next timer is due, `None` without a timer.
    pub(super) fn until_tick(&self) -> Option<Duration> {
        let due = self.worker.borrow().next_tick()?;
        Some(due.saturating_sub(self.options.clock.now()))
    }

    /// The gateway makes no HTTP calls for the filter yet: each fails at once, as it would against a
    /// host that refuses, instead of being waited for.
    fn drop_calls(&self, worker: &mut Worker, mut request: Option<(ContextId, &mut Exchange)>) {
        for call in worker.pending_calls() {
            tracing::warn!(
                upstream = %String::from_utf8_lossy(&call.upstream),
                "the filter's HTTP call fails: the embedded gateway makes none"
            );
            let exchange = match &mut request {
                Some((id, exchange)) if call.context == Some(*id) => Some(&mut **exchange),
                _ => None,
            };
            if let Err(trap) = worker.on_http_call_response(call.token, None, exchange) {
                self.trapped(&trap, "on_http_call_response");
            }
        }
    }
}

/// The headers that go upstream, from the filter's side. The first time they are those that the client
/// sent, without a copy, if the filter changed nothing.
pub(super) fn upstream_headers(exchange: &mut Exchange) -> HeaderMap {
    let released = exchange.request_headers.release();
    released.unwrap_or_else(|| copied_headers(exchange))
}

/// [`upstream_headers`] in a map of their own.
pub(super) fn copied_headers(exchange: &Exchange) -> HeaderMap {
    if exchange.request_headers.changed() {
        return to_map(exchange.upstream_request_headers().iter());
    }
    match exchange.request_headers.given() {
        Some(given) => given.clone(),
        None => to_map(exchange.request_headers.iter()),
    }
}

/// The headers of a local response: of a repeated name only the last counts (Kong facts 2).
pub(super) fn local_headers(response: &LocalResponse) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(response.headers.len());
    for (name, value) in pairs(response.headers.iter()) {
        map.insert(name, value);
    }
    map
}

fn to_map<'a>(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(32);
    for (name, value) in pairs(headers) {
        map.append(name, value);
    }
    map
}

/// Those pairs that HTTP/1 can carry. Others (a line break in a value) are dropped: nginx would
/// send them and split the response.
fn pairs<'a>(
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    headers.filter_map(|(name, value)| {
        let pair = HeaderName::from_bytes(name)
            .ok()
            .zip(HeaderValue::from_bytes(value).ok());
        if pair.is_none() {
            tracing::warn!(header = %name.escape_ascii(), "the filter set a header that cannot be sent");
        }
        pair
    })
}
