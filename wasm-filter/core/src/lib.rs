//! Silverback's pure core.
//!
//! No I/O, no clock, no randomness, no threads, no unsafe, no panics: the same code runs in Kong's
//! workers (`silverback.wasm`), in the translator component (`translator.wasm`) and natively in
//! tests and tools.
//!
//! ```text
//! resources -> translate -> table -> route -> contract::plan
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod contract;
#[cfg(feature = "translate")]
pub mod explain;
pub mod node;
#[cfg(feature = "translate")]
pub mod object;
#[cfg(feature = "translate")]
pub mod problem;
pub mod regex;
#[cfg(feature = "translate")]
mod resources;
pub mod route;
pub mod table;
#[cfg(feature = "translate")]
pub mod translate;
