//! The data-plane contract: what the filter reads about a request and what it answers.
//!
//! Three properties carry it (docs/contract.md is the page for people):
//!
//! | property | direction | module |
//! |---|---|---|
//! | `kong.silverback.request` | data plane -> filter | [`request`] |
//! | `kong.silverback.plan` | filter -> data plane | [`plan`] |
//! | `kong.silverback.result` | data plane -> filter, in `on_log` | [`result`] |
//!
//! All three are binary with length-prefixed fields: nothing has to be escaped, so no value that
//! a client sends can change how the others are read. The same cases (`testdata/contract/*.json`)
//! test the encoder here, the decoder of the embedded gateway and the Lua shim.

pub mod plan;
pub mod request;
pub mod result;
pub mod versions;
mod wire;

pub use wire::WireError;

/// Name of the property that describes the request.
pub const REQUEST_PROPERTY: &str = "kong.silverback.request";
/// Name of the property that takes the plan.
pub const PLAN_PROPERTY: &str = "kong.silverback.plan";
/// Name of the property that tells what became of the plan.
pub const RESULT_PROPERTY: &str = "kong.silverback.result";
