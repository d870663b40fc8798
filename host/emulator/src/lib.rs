//! A proxy-wasm ABI 0.2.1 host on wasmtime that behaves like Kong's ngx_wasm_module, quirks
//! included, so that a filter that passes here passes in Kong.
//!
//! A [`Filter`] is a compiled module. A [`Worker`] is one nginx worker: one instance of the module,
//! made anew after a trap. All workers of a node have one [`SharedStore`], and one [`Metrics`]. What
//! the data plane knows of a request is an [`Exchange`], handed to each callback. The embedder does
//! the rest: it proxies, makes the HTTP calls, and lets time pass through a [`Clock`].
//!
//! ```
//! use silverback_emulator::{
//!     Action, Eviction, Exchange, Filter, SharedStore, StoreOptions, Worker, WorkerOptions,
//! };
//!
//! # let wasm = wat::parse_str(r#"(module (memory (export "memory") 1)
//! #   (func (export "proxy_abi_version_0_2_1"))
//! #   (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) i32.const 0))"#)?;
//! let filter = Filter::compile(&wasm)?;
//! let zones = StoreOptions::new().zone("silverback", 64 << 20, Eviction::None).strict(true);
//! let store = SharedStore::new(zones);
//! let options = WorkerOptions { root_id: "silverback".to_owned(), ..WorkerOptions::default() };
//! let mut worker = Worker::start(&filter, store.clone(), options)?;
//!
//! let mut exchange = Exchange::new("GET", "/cart?x=1").header("host", "shop.example.com");
//! let id = worker.open()?;
//! if worker.on_request_headers(id, &mut exchange)? == Action::Continue {
//!     assert_eq!(exchange.upstream_uri(), b"/cart?x=1");
//! }
//! worker.close(id, &mut exchange)?;
//! assert!(store.violations().is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Strict mode
//!
//! [`WorkerOptions::strict`] is on by default: what ngx_wasm_module refuses is a trap, what Kong
//! ignores has no effect. Without it the ABI is taken at its word, as Envoy takes it, which is for
//! filters that are not written for Kong. What works by luck in Kong, or crashes it, is recorded as
//! a [`Violation`] ([`SharedStore::violations`], [`Worker::violations`]); a test asserts that there
//! is none. [`SharedStore::faults`] makes shared data fail on demand, [`WorkerOptions::call_faults`] host calls.
//!
//! # From fact to file
//!
//! The facts are those measured in Kong 3.9.3; comments name them as "Kong facts 4.2". Each has a
//! test named after it in `tests/emulator`.
//!
//! | fact | what | source | tests |
//! |---|---|---|---|
//! | 1.1-1.5 | what `kong.service.target` and `.upstream` do, and to Host | `property.rs`, `exchange.rs` | `properties.rs` |
//! | 2 | headers, path, method; what goes upstream | `host/maps.rs`, `exchange.rs` | `headers.rs` |
//! | 2 | local responses | `host/response.rs` | `local_response.rs` |
//! | 3 | readable properties; a refused set is a trap; the clock | `property.rs`, `host/properties.rs`, `state.rs` | `properties.rs`, `other_functions.rs` |
//! | 4.1, 4.2, 4.4 | zones, CRC-32 keys, cas | `store.rs`, `store/zone.rs` | `shared_data.rs`, `store_model.rs` |
//! | 4.3 | torn and stale reads, resized and deleted values | `store.rs`, `store/faults.rs`, `violation.rs` | `shared_data.rs` |
//! | 4.5, 4.6 | a full zone, growth, eviction, reload | `store/slab.rs`, `store/zone.rs` | `shared_data.rs` |
//! | 5 | instances, traps, contexts in flight, configuration | `worker.rs`, `instance.rs` | `instances.rs` |
//! | 5 | ticks and their surplus timers | `worker/roots.rs` | `ticks.rs` |
//! | 5 | HTTP calls | `host/response.rs`, `worker/calls.rs` | `callouts.rs` |
//! | 6 | bodies, end of stream | `worker/request.rs`, `host/buffers.rs` | `bodies.rs` |
//! | 8 | metrics, reload | `metrics.rs`, `worker.rs` | `metrics.rs`, `instances.rs` |
//! | - | hostile guests, budgets | `host/guest.rs`, `options.rs` | `hostile.rs`, `random_calls.rs`, `budgets.rs` |
//!
//! # What is narrowed
//!
//! * One filter a worker, so no order of filters in a chain, and HTTP only: no streams, no gRPC
//!   calls (ngx_wasm_module has none either).
//! * Facts 7 (router, plugins, scope of chains) and 9 (cost) are Kong's, not the filter's host's:
//!   the embedder decides when a filter runs.
//! * A zone's bytes are counted by nginx's rules, give or take the first pages that nginx keeps for
//!   its own records; memory that was freed is not really read.
//! * Request bodies are whole, as in Kong; a response body comes in the pieces that the embedder
//!   passes.
//! * Wasm features are wasmtime's defaults; Kong's wasmtime is older, so a filter should use no more
//!   than rustc does by default.

mod abi;
mod call_faults;
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
mod random;
mod state;
mod store;
mod sync;
mod uri;
mod violation;
mod worker;

pub use abi::{Action, LogLevel, Status};
pub use call_faults::{CallFault, CallFaults};
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{CompileError, StartError, Trap};
pub use exchange::{Exchange, ExchangeParts, LocalResponse};
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
