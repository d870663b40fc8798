//! The filter never traps: silverback.wasm in the emulator's strict mode, whatever the data plane,
//! shared data, the clock and clients do. A trap takes the worker's instance and every request in it.
//!
//! A request that is disturbed is answered right or fails closed: 500, 503, or no plan at all, which
//! the data plane answers 503. It never goes to a backend that no table in effect names for it, and
//! the next request is served as if nothing had been.

mod clock;
mod endpoints;
mod host_calls;
mod requests;
mod shared_data;
mod story;
