//! The oracle of the specifications (`core/tests/spec`) against the embedded gateway: the same
//! generated sets of manifests through translator.wasm and shared data, and the same requests through
//! real sockets, silverback.wasm and upstreams that say what they got.

// Linux has every address of 127.0.0.0/8; the endpoints of the sets are told apart by them.
#![cfg(all(feature = "dev", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that finds something missing shall fail"
)]

#[path = "../../../wasm-filter/core/tests/spec/ask.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod ask;
#[path = "../gateway/certs.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod certs;
#[path = "../gateway/client.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod client;
#[path = "../../../wasm-filter/core/tests/spec/generated.rs"]
mod generated;
mod judge;
mod misdirected;
#[path = "../../../wasm-filter/core/tests/spec/oracle/mod.rs"]
mod oracle;
#[path = "../../../wasm-filter/core/tests/spec/random/mod.rs"]
mod random;
mod rows;
#[path = "../support/certs.rs"]
mod shared_certs;
#[path = "../../../wasm-filter/core/tests/spec/shrink.rs"]
mod shrink;
mod subject;
mod upstream;
#[path = "../../../wasm-filter/core/tests/spec/verdict.rs"]
#[allow(dead_code, reason = "what only the filter decides is judged elsewhere")]
mod verdict;
mod world;
