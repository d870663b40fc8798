//! One worker of the filter, native or as the real .wasm, behind one interface.

use core::cell::{Cell, RefCell};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use proxy_wasm::types::{LogLevel, MetricType};
use silverback_core::contract::result::PlanResult;
use silverback_core::contract::{PLAN_PROPERTY, REQUEST_PROPERTY, RESULT_PROPERTY};
use silverback_core::node::pull::puller::Ask;
use silverback_core::route::balance::Ticket;
use silverback_core::route::edits::ResponseEdit;
use silverback_core::table::store::StoreError;
use silverback_emulator::{
    CallFaults, ContextId, Exchange, Filter, Headers, HostCall, ManualClock, MemoryLog, MetricKind,
    Metrics, Properties, SharedStore, Worker, WorkerOptions,
};
use silverback_filter::config::Config;
use silverback_filter::proxy::{NotAnswered, Proxy};
use silverback_filter::pull::config::PullConfig;
use silverback_filter::worker as native;

use super::node::read;

/// The time of both forms, so that they begin at the same place of their sequence.
const NOW: Duration = Duration::from_secs(1_800_000_000);

/// A request as the data plane hands it to the filter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    /// The request property; `None` = not offered.
    pub(crate) message: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// Headers of the upstream's response.
    pub(crate) upstream: Vec<(&'static str, &'static str)>,
    /// The data plane refuses the plan property: in strict mode a trap.
    pub(crate) refuse_plan: bool,
}

/// What the filter did with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) plan: Option<Vec<u8>>,
    pub(crate) reply: Option<Reply>,
    /// Headers of the response, where the request is proxied.
    pub(crate) response: Vec<(String, String)>,
    pub(crate) trapped: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Host calls of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) property: u64,
    pub(crate) set_property: u64,
    pub(crate) header: u64,
    pub(crate) shared: u64,
    /// Changes of response headers.
    pub(crate) response: u64,
    /// Everything, those above included; metrics and replies too.
    pub(crate) total: u64,
}

pub(crate) enum Runtime {
    Native(Box<NativeWorker>),
    Wasm(Box<WasmWorker>),
}

pub(crate) struct NativeWorker {
    worker: native::Worker,
    config: Config,
    store: SharedStore,
    calls: Calls,
    log: Vec<String>,
    /// The store refuses gets of which this says true.
    pub(crate) refuses: Box<dyn Fn() -> bool>,
    now: Duration,
    metrics: Metrics,
}

pub(crate) struct WasmWorker {
    pub(crate) worker: Worker,
    calls: Calls,
    log: Arc<MemoryLog>,
    pub(crate) clock: Arc<ManualClock>,
    metrics: Metrics,
    /// Host calls that fail on demand.
    pub(crate) faults: CallFaults,
}

/// A request that has not ended.
pub(crate) enum Open {
    Native(Option<Box<Ticket>>),
    Wasm(Option<ContextId>, Box<Exchange>),
}

/// The compiled .wasm, once a process.
pub(crate) fn filter() -> &'static Filter {
    static FILTER: OnceLock<Filter> = OnceLock::new();
    FILTER.get_or_init(|| Filter::compile(silverback_guests::FILTER_WASM).expect("a filter"))
}

/// The two forms, each with a store of its own that `prepare` has filled.
pub(crate) fn both(
    configuration: &str,
    prepare: impl Fn() -> SharedStore,
) -> [(&'static str, Runtime); 2] {
    let start = |wasm| Runtime::start(wasm, configuration, prepare(), 0).expect("starts");
    [("native", start(false)), ("wasm", start(true))]
}

impl Runtime {
    /// Starts a worker; the error is what it logged.
    pub(crate) fn start(
        wasm: bool,
        configuration: &str,
        store: SharedStore,
        number: usize,
    ) -> Result<Self, String> {
        Self::start_with(wasm, configuration, store, number, CallFaults::new())
    }

    /// The same with host calls that fail.
    pub(crate) fn start_with(
        wasm: bool,
        configuration: &str,
        store: SharedStore,
        number: usize,
        faults: CallFaults,
    ) -> Result<Self, String> {
        if !wasm {
            let config = Config::parse(configuration.as_bytes());
            return Ok(Self::Native(Box::new(NativeWorker {
                worker: native::Worker::new(),
                config: config.map_err(|error| error.to_string())?,
                store,
                calls: Calls::default(),
                log: Vec::new(),
                refuses: Box::new(|| false),
                now: NOW,
                metrics: Metrics::new(),
            })));
        }
        let log = Arc::new(MemoryLog::default());
        let clock = Arc::new(ManualClock::at(NOW));
        let metrics = Metrics::new();
        let options = WorkerOptions {
            root_id: "silverback".to_owned(),
            configuration: configuration.as_bytes().to_vec(),
            worker: number,
            log: Arc::clone(&log) as Arc<_>,
            clock: Arc::clone(&clock) as Arc<_>,
            metrics: metrics.clone(),
            call_faults: faults.clone(),
            ..WorkerOptions::default()
        };
        let worker = Worker::start(filter(), store, options).map_err(|error| error.to_string())?;
        Ok(Self::Wasm(Box::new(WasmWorker {
            worker,
            calls: Calls::default(),
            log,
            clock,
            metrics,
            faults,
        })))
    }

    /// One request from its first to its last callback; the data plane offers no result.
    pub(crate) fn request(&mut self, input: &Input) -> Output {
        let (output, open) = self.begin(input);
        self.end(open, None);
        output
    }

    /// A request up to its response.
    pub(crate) fn begin(&mut self, input: &Input) -> (Output, Open) {
        match self {
            Self::Native(worker) => worker.begin(input),
            Self::Wasm(worker) => worker.begin(input),
        }
    }

    /// Ends a request. What it calls counts as the last request's.
    pub(crate) fn end(&mut self, open: Open, result: Option<&PlanResult>) {
        let result = result.map(|result| {
            let mut message = Vec::new();
            result.encode(&mut message).expect("few tries");
            message
        });
        match (self, open) {
            (Self::Native(worker), Open::Native(ticket)) => worker.end(ticket, result),
            (Self::Wasm(worker), Open::Wasm(id, exchange)) => worker.end(id, *exchange, result),
            _ => panic!("of another worker"),
        }
    }

    /// Lets time pass and the timers fire that are due.
    pub(crate) fn pass(&mut self, time: Duration) {
        match self {
            Self::Native(worker) => {
                worker.now += time;
                worker.tick();
            }
            Self::Wasm(worker) => {
                worker.clock.advance(time);
                worker.worker.reset_host_calls();
                worker.worker.tick().expect("no trap");
                worker.calls = calls(&worker.worker);
            }
        }
    }

    /// The metrics so far, by name, counters and gauges.
    pub(crate) fn metrics(&self) -> Vec<(String, u64)> {
        let metrics = match self {
            Self::Native(worker) => &worker.metrics,
            Self::Wasm(worker) => &worker.metrics,
        };
        let all = metrics.snapshot().into_iter();
        all.map(|metric| (metric.name, metric.value)).collect()
    }

    /// Host calls of the last request.
    pub(crate) fn calls(&self) -> Calls {
        match self {
            Self::Native(worker) => worker.calls,
            Self::Wasm(worker) => worker.calls,
        }
    }

    /// Takes the lines logged so far.
    pub(crate) fn log(&mut self) -> Vec<String> {
        match self {
            Self::Native(worker) => core::mem::take(&mut worker.log),
            Self::Wasm(worker) => {
                let lines = worker.log.take();
                lines.into_iter().map(|line| line.message).collect()
            }
        }
    }

    /// Takes another configuration; the error is what it logged.
    pub(crate) fn reconfigure(&mut self, configuration: &str) -> Result<(), String> {
        match self {
            Self::Native(worker) => match Config::parse(configuration.as_bytes()) {
                Ok(config) => {
                    worker.config = config;
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            },
            Self::Wasm(worker) => {
                let bytes = configuration.as_bytes().to_vec();
                let done = worker.worker.reconfigure(bytes);
                done.map_err(|error| error.to_string())
            }
        }
    }

    /// Throws the worker's memory away, as a trap does.
    pub(crate) fn lose_instance(&mut self, config: &str) {
        match self {
            Self::Native(worker) => {
                worker.config = Config::parse(config.as_bytes()).expect("a configuration");
                worker.worker = native::Worker::new();
            }
            Self::Wasm(worker) => worker.worker.replace_filter(filter()).expect("starts"),
        }
    }
}

fn upstream(input: &Input) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in &input.upstream {
        headers.add(*name, *value);
    }
    headers
}

fn text(headers: &Headers) -> Vec<(String, String)> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    headers
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

// === native ===

struct Request<'a> {
    input: &'a Input,
    store: &'a SharedStore,
    refuses: &'a dyn Fn() -> bool,
    now: Duration,
    metrics: &'a Metrics,
    result: Option<Vec<u8>>,
    output: RefCell<Output>,
    response: RefCell<Headers>,
    calls: Cell<Calls>,
    log: RefCell<Vec<String>>,
}

impl NativeWorker {
    fn begin(&mut self, input: &Input) -> (Output, Open) {
        self.calls = Calls::default();
        let mut ticket = None;
        let output = self.with(input, None, |worker, config, request| {
            let next = worker.request(config, request);
            let answered = request.output.borrow().reply.is_some();
            match next {
                native::Next::Answered => assert!(answered),
                native::Next::Continue {
                    response,
                    ticket: told,
                } => {
                    assert!(!answered);
                    ticket = told;
                    // As the context of a request does it.
                    for edit in &response {
                        request.edit_response(edit);
                    }
                    request.output.borrow_mut().response = text(&request.response.borrow());
                }
            }
        });
        (output, Open::Native(ticket))
    }

    fn end(&mut self, ticket: Option<Box<Ticket>>, result: Option<Vec<u8>>) {
        if let Some(ticket) = ticket {
            let input = Input::default();
            self.with(&input, result, |worker, _, request| {
                worker.done(&ticket, request);
            });
        }
    }

    fn tick(&mut self) {
        self.calls = Calls::default();
        self.with(&Input::default(), None, |worker, _, proxy| {
            worker.tick(proxy);
        });
    }

    /// Runs one callback with a proxy for it.
    fn with(
        &mut self,
        input: &Input,
        result: Option<Vec<u8>>,
        run: impl FnOnce(&mut native::Worker, &Config, &Request<'_>),
    ) -> Output {
        let request = Request {
            input,
            store: &self.store,
            refuses: &*self.refuses,
            now: self.now,
            metrics: &self.metrics,
            result,
            output: RefCell::default(),
            response: RefCell::new(upstream(input)),
            calls: Cell::new(self.calls),
            log: RefCell::default(),
        };
        run(&mut self.worker, &self.config, &request);
        let output = request.output.into_inner();
        self.calls = request.calls.get();
        self.log.extend(request.log.into_inner());
        output
    }
}

impl Request<'_> {
    fn count(&self, add: impl Fn(&mut Calls)) {
        let mut calls = self.calls.get();
        add(&mut calls);
        calls.total += 1;
        self.calls.set(calls);
    }
}

impl Proxy for Request<'_> {
    fn request(&self) -> Option<Vec<u8>> {
        self.count(|calls| calls.property += 1);
        self.input.message.clone()
    }

    fn set_plan(&self, plan: &[u8]) -> bool {
        self.count(|calls| calls.set_property += 1);
        self.output.borrow_mut().plan = Some(plan.to_vec());
        true
    }

    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, NotAnswered> {
        self.count(|calls| calls.header += 1);
        let mut all = self.input.headers.iter();
        let first = all.find(|(known, _)| known.eq_ignore_ascii_case(name));
        Ok(first.map(|(_, value)| value.clone()))
    }

    fn shared(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
        self.count(|calls| calls.shared += 1);
        if (self.refuses)() {
            return Err(StoreError::Unavailable);
        }
        read(self.store.get(key))
    }

    fn set_shared(&self, _: &[u8], _: &[u8], _: u32) -> Result<(), StoreError> {
        unreachable!("these workers do not pull")
    }

    fn send(&self, _: &PullConfig, _: &Ask) -> Option<u32> {
        unreachable!("these workers do not pull")
    }

    fn result(&self) -> Option<Vec<u8>> {
        self.count(|calls| calls.property += 1);
        self.result.clone()
    }

    fn now(&self) -> u64 {
        self.count(|_| ());
        self.now.as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), NotAnswered> {
        self.count(|_| ());
        let headers = headers.iter();
        self.output.borrow_mut().reply = Some(Reply {
            status,
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: String::from_utf8_lossy(body).into_owned(),
        });
        Ok(())
    }

    fn edit_response(&self, edit: &ResponseEdit) {
        self.count(|calls| calls.response += 1);
        let mut response = self.response.borrow_mut();
        match edit {
            ResponseEdit::Remove(name) => {
                response.remove(&**name);
            }
            ResponseEdit::Set(name, value) => response.set(&**name, &**value),
            ResponseEdit::Add(name, value) => response.add(&**name, &**value),
        }
    }

    fn define_metric(&self, kind: MetricType, name: &str) -> Option<u32> {
        self.count(|_| ());
        let kind = match kind {
            MetricType::Counter => MetricKind::Counter,
            MetricType::Gauge => MetricKind::Gauge,
            _ => MetricKind::Histogram,
        };
        Some(self.metrics.define(kind, name))
    }

    fn increment_metric(&self, id: u32, by: u64) {
        self.count(|_| ());
        let by = by.try_into().expect("few");
        self.metrics.increment(id, by, true).expect("a counter");
    }

    fn record_metric(&self, id: u32, value: u64) {
        self.count(|_| ());
        self.metrics.record(id, value).expect("a gauge");
    }

    fn log(&self, _: LogLevel, message: &str) {
        self.count(|_| ());
        self.log.borrow_mut().push(message.to_owned());
    }
}

// === the .wasm ===

impl WasmWorker {
    fn begin(&mut self, input: &Input) -> (Output, Open) {
        let mut properties = match input.refuse_plan {
            true => Properties::new(),
            false => Properties::with_shim(),
        };
        if let Some(message) = &input.message {
            properties.set(REQUEST_PROPERTY, message.clone());
        }
        let mut exchange = Exchange::new("GET", "/").properties(properties);
        for (name, value) in &input.headers {
            exchange.request_headers.add(name.as_bytes(), value.clone());
        }
        self.worker.reset_host_calls();
        let mut output = Output::default();
        let mut opened = None;
        let done = self.worker.open().and_then(|id| {
            opened = Some(id);
            self.worker.on_request_headers(id, &mut exchange)?;
            if exchange.local_response.is_none() {
                exchange.response_status = 200;
                exchange.response_headers = upstream(input);
                self.worker.on_response_headers(id, &mut exchange)?;
                output.response = text(&exchange.response_headers);
            }
            Ok(())
        });
        output.trapped = done.is_err();
        self.calls = calls(&self.worker);
        output.plan = exchange.properties.get(PLAN_PROPERTY).map(<[u8]>::to_vec);
        output.reply = exchange.local_response.take().map(|response| Reply {
            status: response.status,
            headers: text(&response.headers),
            // ngx_wasm_module adds a line break, which the native form has nobody to add.
            body: String::from_utf8_lossy(&response.body)
                .trim_end_matches('\n')
                .to_owned(),
        });
        let opened = opened.filter(|_| !output.trapped);
        (output, Open::Wasm(opened, Box::new(exchange)))
    }

    fn end(&mut self, id: Option<ContextId>, mut exchange: Exchange, result: Option<Vec<u8>>) {
        let Some(id) = id else {
            return;
        };
        if let Some(result) = result {
            exchange.properties.set(RESULT_PROPERTY, result);
        }
        self.worker.on_log(id, &mut exchange).expect("no trap");
        self.worker.close(id, &mut exchange).expect("no trap");
        self.calls = calls(&self.worker);
    }
}

fn calls(worker: &Worker) -> Calls {
    let calls = worker.host_calls();
    Calls {
        property: calls.get(HostCall::GetProperty),
        set_property: calls.get(HostCall::SetProperty),
        header: calls.get(HostCall::GetHeader),
        shared: calls.get(HostCall::GetSharedData),
        response: calls.get(HostCall::ReplaceHeader)
            + calls.get(HostCall::AddHeader)
            + calls.get(HostCall::RemoveHeader),
        total: calls.total(),
    }
}
