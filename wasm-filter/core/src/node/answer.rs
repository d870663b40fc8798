//! What a node answers when it could do what was asked, as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::hex::{HexDigest, HexId};

/// Answer to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Committed {
    /// 1.
    pub schema_version: u32,
    /// The epoch in effect.
    pub epoch: u64,
    /// Digest of its logical root.
    pub root: HexDigest,
    /// Pages that were written; 0 if the table was in effect already.
    pub pages: usize,
    /// Segments that were written.
    pub segments: usize,
}

/// Answer to a segment or a piece of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// 1.
    pub schema_version: u32,
    /// Digest of the segment.
    pub digest: HexDigest,
    /// Bytes of the segment.
    pub length: usize,
    /// Bytes of it that are here.
    pub received: usize,
    /// All of it is here and has the digest.
    pub complete: bool,
    /// It was here before.
    #[serde(skip)]
    pub known: bool,
}

/// Pages of the node's pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pages {
    /// All.
    pub total: usize,
    /// Those that the next commit may use.
    pub free: usize,
    /// Bytes of each.
    pub length: usize,
}

/// A worker and what it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its number, from 0.
    pub id: u32,
    /// The epoch that it last read; `None` = no table.
    pub epoch: Option<u64>,
}

/// Answer to `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// 1.
    pub schema_version: u32,
    /// Version of the protocol.
    pub protocol: u16,
    /// Table formats that the node takes.
    pub table_formats: Vec<u16>,
    /// The epoch in effect; 0 = no table.
    pub epoch: u64,
    /// Digest of its logical root.
    pub root: HexDigest,
    /// Who published it; 0 = unknown.
    #[serde(default)]
    pub publisher: HexId,
    /// The pool.
    pub pages: Pages,
    /// The workers.
    #[serde(default)]
    pub workers: Vec<Worker>,
    /// The node's own counters by name.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
}

/// Answer to `ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// 1.
    pub schema_version: u32,
    /// Every worker can read a table.
    pub ready: bool,
    /// The epoch in effect; 0 = no table.
    pub epoch: u64,
    /// The workers.
    #[serde(default)]
    pub workers: Vec<Worker>,
    /// What is missing, for people; empty when ready.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

// === impl Ready ===

impl Ready {
    /// Judges what the workers have read.
    #[must_use]
    pub fn of(epoch: u64, workers: Vec<Worker>) -> Self {
        let behind = workers.iter().find(|worker| worker.epoch.is_none());
        let reason = match behind {
            _ if epoch == 0 => "no table was published yet".to_owned(),
            Some(worker) => format!("worker {} has not read the table yet", worker.id),
            None if workers.is_empty() => "no worker is running".to_owned(),
            None => String::new(),
        };
        Self {
            schema_version: 1,
            ready: reason.is_empty(),
            epoch,
            workers,
            reason,
        }
    }
}
