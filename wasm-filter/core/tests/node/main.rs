//! The node protocol: both sides, and the files that the Lua node is tested with.

mod bytes;
mod commit;
mod node;
mod page;
mod pull;
mod pull_faults;
mod pull_rig;
mod script;
mod shared;
