//! The routing table: its model, its bytes, and how they live in shared data.
//!
//! ```text
//! model ─ build ─► segments + root ─ store::publish ─► pages ─ store::view ─► segments ─► route
//! ```
//! The bytes are read as they are, with checked reads: no decoding, no allocation, no trust.

pub mod build;
pub(crate) mod bytes;
#[cfg(feature = "translate")]
pub mod dump;
pub mod endpoints;
pub mod hash;
pub mod layout;
pub mod listeners;
pub mod model;
pub mod root;
pub mod routes;
pub mod segment;
mod slots;
pub mod store;
