//! The filter's scenarios, each in both of its forms: native, and the real .wasm in strict mode.

#[path = "../support/mod.rs"]
mod support;
#[path = "../../core/tests/support/mod.rs"]
mod tables;

mod balance;
mod config;
mod degraded;
mod envoy;
mod faults;
mod harness;
mod minimal;
mod pull;
mod requests;
mod rules;
