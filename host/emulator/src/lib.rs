//! A proxy-wasm ABI 0.2.1 host on wasmtime that behaves like Kong's ngx_wasm_module.
mod abi;
mod clock;
mod error;
mod exchange;
mod filter;
mod headers;
mod host;
mod host_calls;
mod http_call;
mod instance;
mod log;
mod metrics;
mod options;
mod property;
mod state;
mod store;
mod sync;
mod violation;
mod worker;

pub use abi::{Action, LogLevel, Status};
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{CompileError, StartError, Trap};
pub use exchange::{Exchange, LocalResponse};
pub use filter::{AbiVersion, Filter, Interruption};
pub use headers::{Headers, MalformedPairs};
pub use host_calls::{HostCall, HostCalls};
pub use http_call::{CallResponse, HttpCall, Resumed};
pub use log::{LogLine, LogSink, MemoryLog, NoLog};
pub use metrics::{Metric, MetricError, MetricKind, Metrics};
pub use options::{Budget, CLIENT_BODY_BUFFER_SIZE, ForeignFunctions, WorkerOptions};
pub use property::{Properties, PropertyError};
pub use store::{
    Eviction, Fault, Faults, QueueError, SharedStore, StoreError, StoreOptions, ZoneOptions,
};
pub use violation::Violation;
pub use worker::{ContextId, Worker};
