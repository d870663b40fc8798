//! The embedded gateway from outside: raw sockets before it, scripted backends behind it, and the
//! test filter `plan_from_header` in it.

#![cfg(feature = "dev")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that finds something missing shall fail"
)]

mod backend;
mod bodies;
mod decisions;
mod echo;
mod failover;
mod filter;
mod forwarding;
mod lifecycle;
mod malformed;
mod support;
