//! The node's side: when to ask, what for, and what to do with the answer.

use super::answer::MAX_IN_COMMIT;
use super::failure::Failure;
use super::lease::{Hold, Lease};
use super::request::PullRequest;
use crate::node::commit::Commit;
use crate::node::hex::to_hex;
use crate::node::staging::{Piece, Staging};
use crate::node::{MAX_BODY, PREFIX};
use crate::table::hash::{Digest, Fast};
use crate::table::root::{Root, SegmentId};
use crate::table::store::SharedData;
use crate::table::store::publish::{Published, Publisher, StoreState};

/// How long an answer may take beyond the time that it may be held, milliseconds.
pub const PATIENCE: u32 = 5_000;
/// The first pause after a failure, milliseconds; it doubles up to [`MOST_PAUSE`].
pub const FIRST_PAUSE: u64 = 250;
/// The longest pause after failures, milliseconds: a publisher that is back is found within it, and to be
/// asked in vain costs it little.
pub const MOST_PAUSE: u64 = 5_000;
/// How often a publisher is asked that does not hold its answers, and how often a worker looks whether
/// the lease is free, milliseconds.
pub const PERIOD: u64 = 1_000;

/// How to pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Pages of the pool that is created.
    pub pages: u16,
    /// How long the publisher may hold an answer, milliseconds.
    pub wait: u32,
    /// Something that no other worker has: jitter and lease come of it.
    pub seed: u64,
}

/// A request to the publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// `POST`, or `GET` without a body.
    pub method: &'static str,
    /// Path with query.
    pub path: String,
    /// Body.
    pub body: Vec<u8>,
    /// How long it may take, milliseconds.
    pub timeout: u32,
}

/// What an answer came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to tell: nothing new, more to fetch, or nobody waits for this answer.
    Nothing,
    /// A table is in effect.
    Published(Published),
    /// It failed, the so-manieth time in a row.
    Failed(Failure, u32),
}

/// One worker's pull.
#[derive(Debug)]
pub struct Puller {
    options: Options,
    lease: Lease,
    /// Not before this, milliseconds since 1970.
    next: u64,
    failures: u32,
    pauses: u64,
    asked: Option<Asked>,
    /// `None`: the store was not opened since the lease was taken.
    publisher: Option<Publisher>,
    staging: Staging,
    /// The table on its way.
    target: Option<Target>,
}

/// A request that is not answered.
#[derive(Debug)]
struct Asked {
    since: u64,
    timeout: u64,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Commit,
    Piece(Piece),
}

/// A table that is not complete.
#[derive(Debug)]
struct Target {
    root: Root,
    /// What it is to replace.
    expected: (u64, Digest),
    missing: Vec<SegmentId>,
}

// === impl Puller ===

impl Puller {
    /// Nothing was asked yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            lease: Lease::new(options.seed),
            options,
            next: 0,
            failures: 0,
            pauses: 0,
            asked: None,
            publisher: None,
            staging: Staging::default(),
            target: None,
        }
    }

    /// What to ask now, if anything; called in every tick, and after every answer. More often does no
    /// harm.
    pub fn tick(&mut self, now: u64, store: &impl SharedData) -> (Option<Ask>, Outcome) {
        // A pause that is longer than any is one of a clock that went back.
        if self.next.saturating_sub(now) > MOST_PAUSE {
            self.next = now;
        }
        if self.asked.is_none() && now < self.next {
            return (None, Outcome::Nothing);
        }
        match self.lease.hold(now, store) {
            Ok(Hold::Held) => {}
            Ok(Hold::Taken) => return (None, Outcome::Nothing),
            Ok(Hold::Other(left)) => {
                self.drop_all();
                self.next = now.saturating_add(left.min(PERIOD));
                return (None, Outcome::Nothing);
            }
            Err(error) => {
                self.drop_all();
                return (None, self.failed(now, error.into()));
            }
        }
        if let Some(asked) = &self.asked {
            let waits = now.checked_sub(asked.since);
            if waits.is_some_and(|waits| waits <= asked.timeout) {
                return (None, Outcome::Nothing);
            }
            // The host did not even tell that there is no answer, or the clock jumped.
            self.asked = None;
            return (None, self.failed(now, Failure::Unanswered));
        }
        match self.ask(store) {
            Ok((ask, what)) => {
                self.asked = Some(Asked {
                    since: now,
                    // The host tells what it has given up; this is for a host that does not.
                    timeout: u64::from(ask.timeout) + u64::from(PATIENCE),
                    what,
                });
                (Some(ask), Outcome::Nothing)
            }
            Err(failure) => (None, self.failed(now, failure)),
        }
    }

    /// The request that [`Self::tick`] gave could not be sent.
    pub fn unsent(&mut self, now: u64) -> Outcome {
        self.asked = None;
        self.failed(now, Failure::Unsent)
    }

    /// The answer, status and body; `None`: there is none. It must be the one to the last request.
    pub fn answered(
        &mut self,
        now: u64,
        store: &impl SharedData,
        answer: Option<(u16, &[u8])>,
    ) -> Outcome {
        let Some(asked) = self.asked.take() else {
            return Outcome::Nothing;
        };
        // Another worker is at it, with a state of its own.
        if self.lease.hold(now, store) != Ok(Hold::Held) {
            self.drop_all();
            return Outcome::Nothing;
        }
        let done = match (answer, asked.what) {
            (None, _) => Err(Failure::Unanswered),
            (Some((204, _)), What::Commit) => {
                self.failures = 0;
                // A publisher that holds no answers must not be asked without a pause.
                let held = now.saturating_sub(asked.since) >= PERIOD;
                self.next = if held {
                    now
                } else {
                    now.saturating_add(PERIOD)
                };
                return Outcome::Nothing;
            }
            (Some((200, body)), What::Commit) => self.take_commit(store, body),
            (Some((200, body)), What::Piece(piece)) => self.take_piece(store, piece, body),
            (Some((status, _)), _) => Err(Failure::Status(status)),
        };
        match done {
            Ok(published) => {
                self.failures = 0;
                self.next = now;
                published.map_or(Outcome::Nothing, Outcome::Published)
            }
            Err(failure) => self.failed(now, failure),
        }
    }

    fn ask(&mut self, store: &impl SharedData) -> Result<(Ask, What), Failure> {
        let state = self.publisher(store)?.state(store)?;
        let mut request = PullRequest {
            wait: self.options.wait,
            epoch: state.epoch,
            root: state.digest,
            wanted: Vec::new(),
        };
        if let Some(target) = &self.target {
            let large = |id: &&SegmentId| id.len as usize > MAX_IN_COMMIT;
            if let Some(id) = target.missing.iter().find(large) {
                return Ok(self.ask_piece(*id));
            }
            request.wait = 0;
            request.wanted = target.missing.iter().map(|id| id.digest).collect();
        }
        let ask = Ask {
            method: "POST",
            path: [PREFIX, "pull"].concat(),
            body: request.encode(),
            timeout: request.wait.saturating_add(PATIENCE),
        };
        Ok((ask, What::Commit))
    }

    fn ask_piece(&self, id: SegmentId) -> (Ask, What) {
        let piece = Piece {
            digest: id.digest,
            length: id.len as usize,
            offset: self.staging.next_piece(&id.digest),
        };
        let ask = Ask {
            method: "GET",
            path: format!(
                "{PREFIX}segments/{}?offset={}",
                to_hex(&id.digest),
                piece.offset
            ),
            body: Vec::new(),
            timeout: PATIENCE,
        };
        (ask, What::Piece(piece))
    }

    fn take_commit(
        &mut self,
        store: &impl SharedData,
        body: &[u8],
    ) -> Result<Option<Published>, Failure> {
        let commit = Commit::decode(body)?;
        let state = self.publisher(store)?.state(store)?;
        if state.epoch > 0 && state.digest == commit.digest {
            self.target = None;
            return Ok(None);
        }
        if commit.expected != (state.epoch, state.digest) {
            return Err(Failure::Raced);
        }
        let root = commit.new_root(&state)?;
        for (digest, bytes) in &commit.segments {
            let piece = Piece {
                digest: *digest,
                length: bytes.len(),
                offset: 0,
            };
            let named = (root.iter()).any(|(_, id)| id == piece.id());
            if !named || bytes.is_empty() {
                return Err(Failure::Malformed("segments"));
            }
            self.staging.put(piece, bytes)?;
        }
        let before = self.target.take().filter(|target| target.root == root);
        let missing = self.missing(&root, &state);
        // Each answer brings something, or this would never end.
        if before.is_some_and(|before| before.missing == missing) && !missing.is_empty() {
            return Err(Failure::Lacking);
        }
        self.target = Some(Target {
            root,
            expected: commit.expected,
            missing,
        });
        self.finish(store)
    }

    fn take_piece(
        &mut self,
        store: &impl SharedData,
        piece: Piece,
        body: &[u8],
    ) -> Result<Option<Published>, Failure> {
        let left = piece.length.saturating_sub(piece.offset);
        if body.len() != left.min(MAX_BODY) {
            return Err(Failure::Malformed("length"));
        }
        let stored = self.staging.put(piece, body)?;
        if let Some(target) = self.target.as_mut().filter(|_| stored.complete) {
            target.missing.retain(|id| *id != piece.id());
        }
        self.finish(store)
    }

    /// Publishes the table if it is complete.
    fn finish(&mut self, store: &impl SharedData) -> Result<Option<Published>, Failure> {
        let complete = |target: &mut Target| target.missing.is_empty();
        let Some(target) = self.target.take_if(complete) else {
            return Ok(None);
        };
        let Self {
            publisher, staging, ..
        } = self;
        let content = |segment| staging.get(&target.root.get(segment).digest);
        let publisher = publisher.as_mut().ok_or(Failure::Store)?;
        let expected = Some(target.expected);
        let published = publisher.publish_over(store, expected, &target.root, content)?;
        self.staging.clear();
        Ok(Some(published))
    }

    /// What neither the store nor the staging has of a root. What else is staged is dropped.
    fn missing(&mut self, root: &Root, state: &StoreState) -> Vec<SegmentId> {
        let here = |segment| state.root.as_ref().map(|root| root.get(segment));
        let changed = root.iter();
        let changed = changed.filter(|(segment, id)| id.len > 0 && here(*segment) != Some(*id));
        let mut wanted: Vec<SegmentId> = changed.map(|(_, id)| id).collect();
        self.staging
            .retain(|digest| wanted.iter().any(|id| id.digest == *digest));
        wanted.retain(|id| self.staging.get(&id.digest).is_none());
        wanted
    }

    fn publisher(&mut self, store: &impl SharedData) -> Result<&Publisher, Failure> {
        let publisher = match self.publisher.take() {
            Some(publisher) => publisher,
            None => Publisher::open(store, self.options.pages)?,
        };
        Ok(self.publisher.insert(publisher))
    }

    /// The lease is another's: what this worker knows of the store is old soon.
    fn drop_all(&mut self) {
        self.asked = None;
        self.publisher = None;
        self.target = None;
        self.staging.clear();
    }

    fn failed(&mut self, now: u64, failure: Failure) -> Outcome {
        self.target = None;
        let pause = FIRST_PAUSE << self.failures.min(16);
        let half = pause.min(MOST_PAUSE) / 2;
        self.failures = self.failures.saturating_add(1);
        self.pauses = self.pauses.wrapping_add(1);
        // Nodes that failed together do not come back together.
        let random = Fast::new(self.options.seed).step(self.pauses.to_le_bytes());
        let part = random.finish(&[]) % half.max(1);
        self.next = now.saturating_add(half + part);
        Outcome::Failed(failure, self.failures)
    }
}
