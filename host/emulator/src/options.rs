//! What a worker is made with.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::abi::Status;
use crate::call_faults::CallFaults;
use crate::clock::{Clock, SystemClock};
use crate::log::{LogSink, NoLog};
use crate::metrics::Metrics;

/// How much a callback may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Budget {
    /// As much as it wants, as in Kong.
    #[default]
    Unlimited,
    /// This many units of fuel, about one an instruction; the filter must be compiled with
    /// [`crate::Interruption::Fuel`].
    Fuel(u64),
    /// This much time; the filter must be compiled with [`crate::Interruption::Epoch`].
    Time(Duration),
}

/// Functions for `proxy_call_foreign_function`.
#[derive(Clone, Default)]
pub struct ForeignFunctions(HashMap<String, ForeignFunction>);

type ForeignFunction = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync>;

impl ForeignFunctions {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more function.
    pub fn with(
        mut self,
        name: impl Into<String>,
        function: impl Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(name.into(), Arc::new(function));
        self
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<ForeignFunction> {
        self.0.get(std::str::from_utf8(name).ok()?).cloned()
    }
}

impl fmt::Debug for ForeignFunctions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The body size up to which a request body is held in memory: Kong's default.
pub const CLIENT_BODY_BUFFER_SIZE: usize = 8 * 1024;

/// What a worker is made with.
#[derive(Clone)]
pub struct WorkerOptions {
    /// As Kong does it, quirks included; else as the ABI says.
    pub strict: bool,
    /// Name of the filter: `plugin_name`, `plugin_root_id`, and part of exported metric names.
    pub root_id: String,
    /// What `on_vm_start` can read.
    pub vm_configuration: Vec<u8>,
    /// What `on_configure` can read.
    pub configuration: Vec<u8>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Number of the worker, from 0.
    pub worker: usize,
    /// Where log lines go.
    pub log: Arc<dyn LogSink>,
    /// The node's metrics.
    pub metrics: Metrics,
    /// What `proxy_call_foreign_function` can call. In strict mode Kong's filters have none.
    pub foreign: ForeignFunctions,
    /// Host calls that fail on demand.
    pub call_faults: CallFaults,
    /// How much a callback may use.
    pub budget: Budget,
    /// Bytes that linear memory may grow to.
    pub memory_limit: Option<usize>,
    /// Strict mode: a larger request body is in a file, and the filter reads none (Kong facts 6).
    pub client_body_buffer_size: usize,
    /// Seed of the random numbers that WASI offers.
    pub seed: u64,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            strict: true,
            root_id: "filter".to_owned(),
            vm_configuration: Vec::new(),
            configuration: Vec::new(),
            clock: Arc::new(SystemClock),
            worker: 0,
            log: Arc::new(NoLog),
            metrics: Metrics::new(),
            foreign: ForeignFunctions::new(),
            call_faults: CallFaults::new(),
            budget: Budget::Unlimited,
            memory_limit: None,
            client_body_buffer_size: CLIENT_BODY_BUFFER_SIZE,
            seed: 0,
        }
    }
}

impl fmt::Debug for WorkerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerOptions")
            .field("strict", &self.strict)
            .field("root_id", &self.root_id)
            .field("worker", &self.worker)
            .field("budget", &self.budget)
            .field("memory_limit", &self.memory_limit)
            .finish_non_exhaustive()
    }
}
