//! Gives the routing table to nodes that ask for it (docs/node-protocol.md, "Pull").
//!
//! ```text
//! Pulls ─ the newest Table, and roots before it ─► PullServer ◄─ POST pull, GET segments ─ nodes
//! ```
//! It reads only: whoever may ask can see the table and change nothing. An answer is held until there is
//! something new, so that a change reaches all nodes at once without being asked for.

mod offer;
mod server;

pub use offer::Pulls;
pub use server::PullServer;
