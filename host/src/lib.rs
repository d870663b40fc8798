//! The native host of Silverback: it feeds Kubernetes objects to `translator.wasm`, publishes the
//! routing table that comes out, and shows people what it does.
//!
//! ```text
//! manifests -> translator (wasmtime, WIT) -> publish -> shared data -> silverback.wasm
//! ```
//!
//! There is no translation or routing rule in here: what an object does and where a request goes
//! is answered by the guests, which come embedded (`silverback-guests`).

#[cfg(feature = "dev")]
pub mod gateway;
pub mod manifests;
pub mod object;
pub mod problem;
pub mod translator;
