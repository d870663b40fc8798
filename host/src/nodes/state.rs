//! What is known of a node.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use silverback_core::node::hex::HexDigest;

/// How far a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Nothing was sent yet.
    #[default]
    Waiting,
    /// The newest table is on its way.
    Pushing,
    /// The newest table is in effect: the node's root and digests were verified.
    Confirmed,
    /// The last push failed; it is tried again.
    Failed,
}

/// A node as the fleet sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeState {
    /// Its URL.
    pub url: String,
    /// How far it is.
    pub phase: Phase,
    /// The node's epoch when it was last heard of; 0 = no table.
    pub epoch: u64,
    /// Digest of the table that was last confirmed.
    pub root: HexDigest,
    /// When that was.
    #[serde(skip)]
    pub confirmed_at: Option<SystemTime>,
    /// From the table's publication to its confirmation, milliseconds.
    pub lag_ms: Option<f64>,
    /// Commits that got into effect.
    pub commits: u64,
    /// Bytes of all bodies that were sent.
    pub sent_bytes: u64,
    /// Bytes of the last push.
    pub last_push_bytes: u64,
    /// Failures since the last success.
    pub failures: u32,
    /// What went wrong last; empty when confirmed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

// === impl NodeState ===

impl NodeState {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            ..Self::default()
        }
    }

    pub(super) fn lag(&mut self, lag: Duration) {
        self.lag_ms = Some((lag.as_secs_f64() * 1e6).round() / 1e3);
    }
}
