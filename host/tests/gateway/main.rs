//! The embedded gateway from outside: raw sockets before it, scripted backends behind it, and the
//! test filter `plan_from_header` in it.

#![cfg(feature = "dev")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that finds something missing shall fail"
)]

mod async_backend;
mod backend;
mod bodies;
mod certificates;
mod certs;
mod client;
mod deadlines;
mod decisions;
mod early_answers;
mod echo;
mod failover;
mod filter;
mod forwarding;
mod frames;
mod grpc;
mod headers_plan;
mod http2;
mod http2_client;
mod http2_limits;
mod lifecycle;
mod limits;
mod malformed;
mod mirror;
mod observation;
mod plugins;
mod response_framing;
mod response_headers;
mod retry;
#[path = "../support/certs.rs"]
mod shared_certs;
mod smuggling;
mod support;
mod tls;
mod trailers;
mod upstream_h2;
mod upstream_tls;
mod websocket;
