//! Pushes the routing table to many nodes over the node protocol (docs/node-protocol.md).
//!
//! ```text
//! Fleet ─ the newest Table ─► a task a node: Peer ─ commit, segments ─► NodeClient ─► Admin API
//!       ◄──────── NodeState ─────────────────
//! ```
//! Every node has its own task and its own pace: one that is slow or away holds up no other. A task
//! takes the newest table when it is free, so the first change after a pause goes out at once and
//! changes that come while a push is on its way go together in the next (group commit).

mod authorization;
mod backoff;
mod client;
mod fleet;
mod peer;
mod state;
mod table;
mod tls;
mod url;

pub(crate) use authorization::same;
pub use client::{ClientError, ClientOptions, NodeClient};
pub use fleet::{Fleet, FleetOptions};
pub use peer::{Peer, Pushed, SyncError};
pub use state::{NodeState, Phase};
pub use table::{Table, TableError};
pub use tls::{AdminTls, AdminTlsError};
pub use url::{NodeUrl, NodeUrlError};
