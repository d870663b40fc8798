//! The node protocol: how a publisher puts a table into effect on a node.
//!
//! docs/node-protocol.md is the page for people. Both sides are here, without I/O: a publisher
//! writes a [`commit::Commit`] and reads answers, a node hands requests to [`Node`].
//!
//! ```text
//! publisher ─ commit ─► Node ─ staging, compare and swap ─► table::store::publish
//!           ◄─ answer or error (JSON) ─
//! ```
//! A node that nobody can reach asks instead ([`pull`]); the commit that it gets is the same.
//! The Lua shim is the other node; both are tested with `testdata/node/*.json`.

pub mod answer;
pub mod commit;
pub mod error;
pub mod hex;
mod new_root;
pub mod pull;
pub mod push;
#[cfg(feature = "translate")]
mod serve;
mod staging;
mod state;

#[cfg(feature = "translate")]
pub use serve::{Reply, Request};
pub use state::Node;

use crate::table::segment::FORMAT;

/// Where the requests of the protocol go.
pub const PREFIX: &str = "/silverback/v1/";

/// Version of the protocol, as in the path and in the commit.
pub const PROTOCOL: u16 = 1;

/// The most bytes of a body, and the length of a segment's pieces. While a worker takes 256 KB in,
/// the p99 of the requests that it serves stays as it was (Kong shim facts, second round 7).
pub const MAX_BODY: usize = 262_144;

/// The table formats that a node takes: its own and, as soon as one was released before it, that.
pub const TABLE_FORMATS: &[u16] = &[FORMAT];

/// The Content-Type of bodies: the only one that Kong's Admin API hands on unparsed.
pub const CONTENT_TYPE: &str = "multipart/form-data";
