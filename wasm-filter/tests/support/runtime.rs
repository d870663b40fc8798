//! One worker of the filter, native or as the real .wasm, behind one interface.

use core::cell::{Cell, RefCell};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use proxy_wasm::types::LogLevel;
use silverback_core::contract::{PLAN_PROPERTY, REQUEST_PROPERTY};
use silverback_core::route::edits::ResponseEdit;
use silverback_core::table::store::StoreError;
use silverback_emulator::{
    Exchange, Filter, Headers, HostCall, ManualClock, MemoryLog, Properties, SharedStore, Worker,
    WorkerOptions,
};
use silverback_filter::config::Config;
use silverback_filter::proxy::Proxy;
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
}

pub(crate) struct WasmWorker {
    pub(crate) worker: Worker,
    calls: Calls,
    log: Arc<MemoryLog>,
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
        if !wasm {
            let config = Config::parse(configuration.as_bytes());
            return Ok(Self::Native(Box::new(NativeWorker {
                worker: native::Worker::new(),
                config: config.map_err(|error| error.to_string())?,
                store,
                calls: Calls::default(),
                log: Vec::new(),
                refuses: Box::new(|| false),
            })));
        }
        let log = Arc::new(MemoryLog::default());
        let options = WorkerOptions {
            root_id: "silverback".to_owned(),
            configuration: configuration.as_bytes().to_vec(),
            worker: number,
            log: Arc::clone(&log) as Arc<_>,
            clock: Arc::new(ManualClock::at(NOW)),
            ..WorkerOptions::default()
        };
        let worker = Worker::start(filter(), store, options).map_err(|error| error.to_string())?;
        Ok(Self::Wasm(Box::new(WasmWorker {
            worker,
            calls: Calls::default(),
            log,
        })))
    }

    /// One request from its first to its last callback.
    pub(crate) fn request(&mut self, input: &Input) -> Output {
        match self {
            Self::Native(worker) => worker.request(input),
            Self::Wasm(worker) => worker.request(input),
        }
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
    output: RefCell<Output>,
    response: RefCell<Headers>,
    calls: Cell<Calls>,
    log: RefCell<Vec<String>>,
}

impl NativeWorker {
    fn request(&mut self, input: &Input) -> Output {
        let request = Request {
            input,
            store: &self.store,
            refuses: &*self.refuses,
            output: RefCell::default(),
            response: RefCell::new(upstream(input)),
            calls: Cell::default(),
            log: RefCell::default(),
        };
        let next = self.worker.request(&self.config, &request);
        let answered = request.output.borrow().reply.is_some();
        match next {
            native::Next::Answered => assert!(answered),
            native::Next::Continue(edits) => {
                assert!(!answered);
                // As the context of a request does it.
                for edit in &edits {
                    request.edit_response(edit);
                }
                request.output.borrow_mut().response = text(&request.response.borrow());
            }
        }
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

    fn set_plan(&self, plan: &[u8]) {
        self.count(|calls| calls.set_property += 1);
        self.output.borrow_mut().plan = Some(plan.to_vec());
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.count(|calls| calls.header += 1);
        let mut all = self.input.headers.iter();
        let first = all.find(|(known, _)| known.eq_ignore_ascii_case(name));
        first.map(|(_, value)| value.clone())
    }

    fn shared(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
        self.count(|calls| calls.shared += 1);
        if (self.refuses)() {
            return Err(StoreError::Unavailable);
        }
        read(self.store.get(key))
    }

    fn now(&self) -> u64 {
        self.count(|_| ());
        NOW.as_millis().try_into().unwrap_or(u64::MAX)
    }

    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        self.count(|_| ());
        let headers = headers.iter();
        self.output.borrow_mut().reply = Some(Reply {
            status,
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: String::from_utf8_lossy(body).into_owned(),
        });
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

    fn count_reply(&self, _: u16) {
        // Two host calls: define, then increment.
        self.count(|_| ());
        self.count(|_| ());
    }

    fn log(&self, _: LogLevel, message: &str) {
        self.count(|_| ());
        self.log.borrow_mut().push(message.to_owned());
    }
}

// === the .wasm ===

impl WasmWorker {
    fn request(&mut self, input: &Input) -> Output {
        let mut properties = match input.refuse_plan {
            true => Properties::new(),
            false => Properties::with_shim(),
        };
        if let Some(message) = &input.message {
            properties.set_static(REQUEST_PROPERTY, message.clone());
        }
        let mut exchange = Exchange::new("GET", "/").properties(properties);
        for (name, value) in &input.headers {
            exchange.request_headers.add(name.as_bytes(), value.clone());
        }
        self.worker.reset_host_calls();
        let mut output = Output::default();
        let done = self.worker.open().and_then(|id| {
            self.worker.on_request_headers(id, &mut exchange)?;
            if exchange.local_response.is_none() {
                exchange.response_status = 200;
                exchange.response_headers = upstream(input);
                self.worker.on_response_headers(id, &mut exchange)?;
                output.response = text(&exchange.response_headers);
            }
            self.worker.on_log(id, &mut exchange)?;
            self.worker.close(id, &mut exchange)
        });
        output.trapped = done.is_err();
        let calls = self.worker.host_calls();
        self.calls = Calls {
            property: calls.get(HostCall::GetProperty),
            set_property: calls.get(HostCall::SetProperty),
            header: calls.get(HostCall::GetHeader),
            shared: calls.get(HostCall::GetSharedData),
            response: calls.get(HostCall::ReplaceHeader)
                + calls.get(HostCall::AddHeader)
                + calls.get(HostCall::RemoveHeader),
            total: calls.total(),
        };
        output.plan = exchange.properties.get(PLAN_PROPERTY).map(<[u8]>::to_vec);
        output.reply = exchange.local_response.take().map(|response| Reply {
            status: response.status,
            headers: text(&response.headers),
            // ngx_wasm_module adds a line break, which the native form has nobody to add.
            body: String::from_utf8_lossy(&response.body)
                .trim_end_matches('\n')
                .to_owned(),
        });
        output
    }
}
