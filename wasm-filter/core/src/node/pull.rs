//! Pull: a node that nobody can reach asks a publisher.
//!
//! ```text
//! node ─ Puller ─ POST pull: epoch, root, segments that it lacks ─► publisher: answer::commit
//!      ◄── nothing new (204), or a commit with what fits a body ──
//!        ─ GET segments/:digest: a piece of one that never fits ──► publisher: answer::piece
//! ```
//! The commit is the one that is pushed ([`super::commit`]); what comes of it is checked and written
//! by the same code. The node decides when to ask: of its workers the one that holds the [`lease`].

pub mod answer;
pub mod failure;
pub mod lease;
pub mod puller;
pub mod request;
