//! Brings one node to one table.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use silverback_core::node::answer::{Committed, Status, Stored};
use silverback_core::node::commit::{Commit, RootChange};
use silverback_core::node::error::{Code, NodeError};
use silverback_core::table::hash::Digest;
use silverback_core::table::layout::SEGMENTS;

use super::client::{ClientError, NodeClient};
use super::table::Table;

/// How often a push starts over: the node restarted, lacks segments, or somebody else was faster.
const ATTEMPTS: usize = 8;
/// Characters of a foreign answer that are shown.
const EXCERPT: usize = 120;

/// A node, and what is known to be in effect there.
#[derive(Debug)]
pub struct Peer {
    client: NodeClient,
    publisher: u64,
    adopt: bool,
    known: Option<Known>,
    /// The table that this peer confirmed last: the base of deltas.
    base: Option<Arc<Table>>,
    sent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    epoch: u64,
    digest: Digest,
}

/// A table got into effect, or was in effect already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The node's epoch.
    pub epoch: u64,
    /// Bytes of all bodies that were sent for it; 0 = the table was in effect already.
    pub bytes: u64,
}

/// Why a table did not get into effect. The table before stays in effect.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// There was no answer.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// The node refused.
    #[error("{}", .0.message)]
    Node(Box<NodeError>),
    /// Something else than a node answered.
    #[error("HTTP {status} without an answer of the plugin: {excerpt}")]
    NotANode {
        /// Status of the answer.
        status: StatusCode,
        /// How it begins.
        excerpt: String,
    },
    /// The node said yes to another table.
    #[error("the node confirmed another table than the one that was sent")]
    Unconfirmed,
    /// Others publish to this node at the same time, or it loses what it is sent.
    #[error("the node's table changed {ATTEMPTS} times while it was pushed to")]
    Unsettled,
}

// === impl SyncError ===

impl SyncError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Client(error) => error.hint().to_owned(),
            Self::Node(error) => error.hint.clone(),
            Self::NotANode { status, .. } => match status.as_u16() {
                401 | 403 => "the Admin API wants a token: --kong-admin-token-file",
                404 => "Kong has not loaded the plugin: plugins = bundled,silverback",
                _ => "is this Kong's Admin API?",
            }
            .to_owned(),
            Self::Unconfirmed => "host and plugin are of different releases".to_owned(),
            Self::Unsettled => "does another host push to this node?".to_owned(),
        }
    }
}

// === impl Peer ===

impl Peer {
    /// A peer that asks the node first. `publisher` names the installation (0 = none); `adopt`
    /// takes over a node of another one, once.
    pub fn new(client: NodeClient, publisher: u64, adopt: bool) -> Self {
        Self {
            client,
            publisher,
            adopt,
            known: None,
            base: None,
            sent: 0,
        }
    }

    /// Bytes of all bodies that were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Asks the node anew before the next push: it may have been restarted.
    pub fn forget(&mut self) {
        self.known = None;
    }

    /// The node's own account of itself.
    pub async fn status(&mut self) -> Result<Status, SyncError> {
        let status: Status = self.ask(Method::GET, "status", Bytes::new()).await?;
        self.known = Some(Known {
            epoch: status.epoch,
            digest: status.root.0,
        });
        Ok(status)
    }

    /// Brings `table` into effect.
    pub async fn sync(&mut self, table: &Arc<Table>) -> Result<Pushed, SyncError> {
        let before = self.sent;
        let result = self.try_sync(table).await;
        if result.is_err() {
            // Nobody knows what got through.
            self.known = None;
        }
        result.map(|epoch| Pushed {
            epoch,
            bytes: self.sent - before,
        })
    }

    async fn try_sync(&mut self, table: &Arc<Table>) -> Result<u64, SyncError> {
        let mut missing: Vec<Digest> = Vec::new();
        let mut damaged = false;
        for _ in 0..ATTEMPTS {
            let known = match self.known {
                Some(known) => known,
                None => {
                    let status = self.status().await?;
                    Known {
                        epoch: status.epoch,
                        digest: status.root.0,
                    }
                }
            };
            if known.epoch > 0 && known.digest == table.digest() {
                self.base = Some(Arc::clone(table));
                return Ok(known.epoch);
            }
            let refused = match self.commit(table, known, &missing).await {
                Ok(committed) if committed.root.0 != table.digest() => {
                    return Err(SyncError::Unconfirmed);
                }
                Ok(committed) => {
                    self.known = Some(Known {
                        epoch: committed.epoch,
                        digest: table.digest(),
                    });
                    self.base = Some(Arc::clone(table));
                    // Once it is ours, nobody else's table may be replaced unseen.
                    self.adopt = false;
                    return Ok(committed.epoch);
                }
                Err(SyncError::Node(refused)) => refused,
                Err(error) => return Err(error),
            };
            match refused.code {
                Code::Conflict => self.known = None,
                Code::UnknownBase => self.base = None,
                Code::MissingSegments => {
                    // Besides those that were sent: the list leaves them out, and of a commit that
                    // is refused nothing stays at the node.
                    missing.extend(refused.details.missing.iter().map(|m| m.0));
                }
                Code::DigestMismatch if !damaged => damaged = true,
                _ => return Err(SyncError::Node(refused)),
            }
        }
        Err(SyncError::Unsettled)
    }

    async fn commit(
        &mut self,
        table: &Table,
        known: Known,
        missing: &[Digest],
    ) -> Result<Committed, SyncError> {
        let base = self
            .base
            .clone()
            .filter(|base| base.digest() == known.digest);
        let root = match &base {
            Some(base) => RootChange::between(base.root(), table.root()),
            None => RootChange::Whole(table.root().clone()),
        };
        // Without a base the node says itself what it lacks: much of the table may be there.
        let wanted = |index: &u32| {
            let id = table.root().get(*index);
            id.len > 0
                && (missing.contains(&id.digest)
                    || (base.as_ref()).is_some_and(|base| base.root().get(*index) != id))
        };
        let mut segments: Vec<(Digest, &[u8])> = (0..SEGMENTS)
            .filter(wanted)
            .map(|index| (table.root().get(index).digest, table.segment(index)))
            .collect();
        segments.sort_unstable_by_key(|(digest, _)| *digest);
        segments.dedup_by_key(|(digest, _)| *digest);
        let commit = Commit {
            adopt: self.adopt,
            publisher: self.publisher,
            expected: (known.epoch, known.digest),
            digest: table.digest(),
            root,
            segments,
        };
        let (puts, commit) = commit.fit();
        for put in puts {
            let body = Bytes::copy_from_slice(put.bytes);
            let _: Stored = self.ask(Method::PUT, &put.path(), body).await?;
        }
        // What does not fit was put.
        let body = commit.encode().unwrap_or_default();
        self.ask(Method::POST, "commit", body.into()).await
    }

    async fn ask<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, SyncError> {
        self.sent += body.len() as u64;
        let (status, body) = self.client.send(method, path, body).await?;
        if status.is_success()
            && let Ok(answer) = serde_json::from_slice(&body)
        {
            return Ok(answer);
        }
        match serde_json::from_slice::<NodeError>(&body) {
            Ok(error) if !status.is_success() => Err(SyncError::Node(Box::new(error))),
            _ => Err(SyncError::NotANode {
                status,
                excerpt: excerpt(&body),
            }),
        }
    }
}

/// How an answer begins, on one line.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(EXCERPT).collect::<String>().trim().to_owned()
}
