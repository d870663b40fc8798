//! A node: what it does with the requests of the protocol.

use std::collections::BTreeMap;

use super::answer::{Committed, Pages, Ready, Status, Stored, Worker};
use super::commit::Commit;
use super::error::NodeError;
use super::hex::{HexDigest, HexId, digest_from_hex};
use super::staging::{Piece, Staging};
use super::{MAX_BODY, PROTOCOL, TABLE_FORMATS};
use crate::table::hash::{Digest, digest128};
use crate::table::root::Root;
use crate::table::store::page::PAGE_LEN;
use crate::table::store::publish::{PublishError, Publisher, StoreState};
use crate::table::store::{SharedData, StoreError};

/// How often a commit starts over because another publisher was faster.
const RACES: usize = 8;

/// The state of one node besides its shared data.
#[derive(Debug)]
pub struct Node {
    publisher: Publisher,
    staging: Staging,
    /// Who published the table in effect; 0 = unknown.
    owner: u64,
    commits: u64,
    refused: u64,
}

impl Node {
    /// Takes over a store with room for so many pages.
    ///
    /// # Errors
    /// As [`Publisher::open`].
    pub fn open(store: &impl SharedData, pages: u16) -> Result<Self, PublishError> {
        Ok(Self {
            publisher: Publisher::open(store, pages)?,
            staging: Staging::default(),
            owner: 0,
            commits: 0,
            refused: 0,
        })
    }

    /// `POST commit`.
    ///
    /// # Errors
    /// [`NodeError`]; the table before stays in effect.
    pub fn commit(&mut self, store: &impl SharedData, body: &[u8]) -> Result<Committed, NodeError> {
        let committed = self.try_commit(store, body);
        match &committed {
            Ok(_) => self.commits = self.commits.saturating_add(1),
            Err(_) => self.refused = self.refused.saturating_add(1),
        }
        committed
    }

    fn try_commit(&mut self, store: &impl SharedData, body: &[u8]) -> Result<Committed, NodeError> {
        let commit = Commit::decode(body)?;
        let mut given: BTreeMap<Digest, &[u8]> = BTreeMap::new();
        for (digest, bytes) in &commit.segments {
            if digest128(bytes) != *digest {
                return Err(NodeError::digest_mismatch(*digest));
            }
            given.insert(*digest, bytes);
        }
        let mut races = 0;
        loop {
            let state = self.state(store)?;
            if state.epoch > 0 && state.digest == commit.digest {
                return Ok(Committed {
                    schema_version: 1,
                    epoch: state.epoch,
                    root: HexDigest(state.digest),
                    pages: 0,
                    segments: 0,
                });
            }
            self.check(&commit, &state)?;
            let root = (commit.new_root(&state)).map_err(|refused| refused.told(&state))?;
            let content = |segment| {
                let digest = root.get(segment).digest;
                given
                    .get(&digest)
                    .copied()
                    .or_else(|| self.staging.get(&digest))
            };
            let expected = Some((state.epoch, state.digest));
            let published = self.publisher.publish_over(store, expected, &root, content);
            match published {
                Ok(published) => {
                    self.owner = commit.publisher;
                    self.staging.clear();
                    return Ok(Committed {
                        schema_version: 1,
                        epoch: published.epoch,
                        root: HexDigest(commit.digest),
                        pages: published.pages,
                        segments: published.segments,
                    });
                }
                Err(PublishError::Raced | PublishError::Store(StoreError::CasMismatch))
                    if races < RACES =>
                {
                    races += 1;
                }
                Err(error) => return Err(NodeError::publish(&error, &root)),
            }
        }
    }

    /// Is this commit for the table that is in effect?
    fn check(&self, commit: &Commit<'_>, state: &StoreState) -> Result<(), NodeError> {
        if commit.adopt {
            return Ok(());
        }
        if self.owner != 0 && commit.publisher != 0 && self.owner != commit.publisher {
            return Err(NodeError::other_publisher(self.owner));
        }
        if commit.expected != (state.epoch, state.digest) {
            return Err(NodeError::conflict(state.epoch, state.digest));
        }
        Ok(())
    }

    fn state(&self, store: &impl SharedData) -> Result<StoreState, NodeError> {
        let state = self.publisher.state(store);
        state.map_err(|error| NodeError::publish(&error, &Root::default()))
    }

    /// `PUT segments/:digest?length=L&offset=O`.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn put(
        &mut self,
        store: &impl SharedData,
        digest: &str,
        query: &str,
        body: &[u8],
    ) -> Result<Stored, NodeError> {
        if body.len() > MAX_BODY {
            return Err(NodeError::too_large(body.len()));
        }
        let digest = digest_from_hex(digest).ok_or_else(|| NodeError::malformed("digest"))?;
        let piece = Piece::parse(digest, query, body.len())?;
        let current = self.state(store)?.root;
        let here = current.is_some_and(|root| {
            root.iter()
                .any(|(_, id)| id.digest == digest && id.len as usize == piece.length)
        });
        if here {
            return Ok(Stored {
                schema_version: 1,
                digest: HexDigest(digest),
                length: piece.length,
                received: piece.length,
                complete: true,
                known: true,
            });
        }
        let staged = self.staging.put(piece, body);
        staged.map_err(|refused| refused.told(digest))
    }

    /// `GET status`.
    ///
    /// # Errors
    /// [`NodeError`] if the store cannot be read.
    pub fn status(
        &self,
        store: &impl SharedData,
        workers: Vec<Worker>,
    ) -> Result<Status, NodeError> {
        let state = self.state(store)?;
        let counters = [("commits", self.commits), ("refused", self.refused)];
        Ok(Status {
            schema_version: 1,
            protocol: PROTOCOL,
            table_formats: TABLE_FORMATS.to_vec(),
            epoch: state.epoch,
            root: HexDigest(state.digest),
            publisher: HexId(self.owner),
            pages: Pages {
                total: state.pages,
                free: state.free,
                length: PAGE_LEN,
            },
            workers,
            counters: counters
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
        })
    }

    /// `GET ready`. A store that cannot be read is not ready.
    #[must_use]
    pub fn ready(&self, store: &impl SharedData, workers: Vec<Worker>) -> Ready {
        match self.state(store) {
            Ok(state) => Ready::of(state.epoch, workers),
            Err(error) => Ready {
                reason: error.message,
                ready: false,
                ..Ready::of(0, workers)
            },
        }
    }
}
