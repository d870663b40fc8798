//! What the host functions of one worker work on.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use wasmtime::{Memory, ResourceLimiter, TypedFunc};

use crate::abi::{LogLevel, Phase};
use crate::exchange::Exchange;
use crate::host_calls::HostCalls;
use crate::http_call::{CallResponse, Outstanding, Resumed};
use crate::log::LogLine;
use crate::options::WorkerOptions;
use crate::store::{Reader, SharedStore};
use crate::violation::{MAX_VIOLATIONS, Violation};

/// Lines of one callback that are kept for its trap: a filter that logs without end must not fill
/// the host's memory.
const MAX_LINES: usize = 256;

/// The data of a wasmtime store. It outlives the instance: after a trap the next one gets it.
pub(crate) struct State {
    pub(crate) options: WorkerOptions,
    pub(crate) store: SharedStore,
    pub(crate) reader: Reader,

    /// The instance's memory and allocator, cached.
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,

    /// Which instance this is, counted from 1.
    pub(crate) generation: u32,
    /// The callback that runs, and whose it is.
    pub(crate) phase: Phase,
    pub(crate) root: usize,
    pub(crate) context: Option<u32>,
    /// The request it is about, `None` for a root context.
    pub(crate) exchange: Option<Exchange>,
    pub(crate) call_response: Option<CallResponse>,
    pub(crate) resumed: Resumed,
    /// What was logged in this callback.
    pub(crate) lines: Vec<LogLine>,

    pub(crate) roots: Vec<Root>,
    pub(crate) timers: Vec<Timer>,
    pub(crate) calls: Vec<Outstanding>,
    /// Names calls; shared with the instances that a reload replaced.
    pub(crate) next_token: Arc<AtomicU32>,
    pub(crate) queues: Vec<u32>,

    pub(crate) counts: HostCalls,
    pub(crate) violations: Vec<Violation>,
    pub(crate) random: u64,
    /// Bytes on their way into the guest; kept for its capacity.
    pub(crate) scratch: Vec<u8>,
}

/// A root context, in ngx_wasm_module's sense: it survives its instance.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    /// The context id in the guest.
    pub(crate) id: u32,
    pub(crate) configuration: Arc<[u8]>,
    /// Milliseconds, 0 for none.
    pub(crate) tick_period: u32,
    /// The instance it was started in.
    pub(crate) generation: u32,
}

/// One tick timer of a root context. There may be several of one (Kong facts 5).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    pub(crate) root: usize,
    pub(crate) due: Duration,
}

impl State {
    pub(crate) fn new(options: WorkerOptions, store: SharedStore) -> Self {
        Self {
            reader: Reader::worker(options.worker),
            random: options.seed ^ options.worker as u64,
            options,
            store,
            memory: None,
            allocate: None,
            generation: 0,
            phase: Phase::Start,
            root: 0,
            context: None,
            exchange: None,
            call_response: None,
            resumed: Resumed::default(),
            lines: Vec::new(),
            roots: Vec::new(),
            timers: Vec::new(),
            calls: Vec::new(),
            next_token: Arc::default(),
            queues: Vec::new(),
            counts: HostCalls::default(),
            violations: Vec::new(),
            scratch: Vec::new(),
        }
    }

    pub(crate) fn log(&mut self, level: LogLevel, message: String) {
        let line = LogLine {
            level,
            worker: self.options.worker,
            message,
        };
        self.options.log.log(&line);
        if self.lines.len() < MAX_LINES {
            self.lines.push(line);
        }
    }

    /// The time as the filter sees it: in strict mode nginx's cached time, 1 ms resolution.
    pub(crate) fn now(&self) -> Duration {
        let now = self.options.clock.now();
        if self.options.strict {
            return Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        }
        now
    }

    pub(crate) fn violation(&mut self, violation: Violation) {
        if self.options.strict && self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(violation);
        }
    }
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let limit = self.options.memory_limit.unwrap_or(usize::MAX);
        Ok(desired <= limit && maximum.is_none_or(|max| desired <= max))
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A filter's table is as large as its number of functions; this stops a runaway only.
        Ok(desired <= 1_000_000 && maximum.is_none_or(|max| desired <= max))
    }
}
