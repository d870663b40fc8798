//! `silverback dev` as people run it: the real binary, real sockets, real file changes.
#![cfg(feature = "dev")]

#[path = "../gateway/async_backend.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "a part of it is used; a test may fail"
)]
mod async_backend;
#[path = "../gateway/certificates.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "a part of it is used; a test may fail"
)]
mod certificates;
#[path = "../support/certs.rs"]
mod certs;
mod listeners;
mod modules;
mod rebuild;
mod reload;
mod serving;
mod shutdown;
mod support;
mod tls;
mod upstream_tls;
