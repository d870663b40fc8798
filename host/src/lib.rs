//! The native host of Silverback: it feeds Kubernetes objects to `translator.wasm`, publishes the
//! routing table that comes out, and shows people what it does.
//!
//! ```text
//! manifests -> translator (wasmtime, WIT) -> publish -> shared data -> silverback.wasm
//! ```
//!
//! There is no translation or routing rule in here: what an object does and where a request goes
//! is answered by the guests, which come embedded (`silverback-guests`).

use std::sync::LazyLock;

pub mod args;
pub mod commands;
pub mod diff;
pub mod dump;
#[cfg(feature = "dev")]
pub mod gateway;
pub mod manifests;
pub mod nodes;
pub mod object;
pub mod offline;
pub mod problem;
pub mod publish;
pub mod pull;
pub mod render;
mod similar;
pub mod skipped;
pub mod status;
pub mod translator;

/// Version and the guests that are built in.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}\nsilverback.wasm {}\ntranslator.wasm {}",
        env!("CARGO_PKG_VERSION"),
        silverback_guests::FILTER_ID,
        silverback_guests::TRANSLATOR_ID
    )
});
