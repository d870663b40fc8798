//! A publisher and the workers of a node that pull from it, with a clock and a wire that tests hold.

use silverback_core::node::pull::answer::{self, Source};
use silverback_core::node::pull::puller::{Ask, Options, Outcome, Puller};
use silverback_core::node::pull::request::PullRequest;
use silverback_core::table::hash::Digest;
use silverback_core::table::root::{Root, SegmentId};
use silverback_core::table::store::publish::Publisher;
use silverback_core::table::store::view::Views;
use silverback_core::table::store::{MemoryStore, SharedData};

pub(crate) const PAGES: u16 = 200;
pub(crate) const WAIT: u32 = 20_000;
/// As often as the filter ticks, milliseconds.
pub(crate) const TICK: u64 = 100;

/// A table of noise.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    root: Root,
    segments: Vec<(u32, Vec<u8>)>,
}

/// The publisher's side.
#[derive(Debug, Default)]
pub(crate) struct Publishing {
    pub(crate) table: Table,
    pub(crate) roots: Vec<Root>,
}

/// The node's side: workers with one store.
pub(crate) struct Rig<S = MemoryStore> {
    pub(crate) publishing: Publishing,
    pub(crate) store: S,
    pub(crate) workers: Vec<Puller>,
    pub(crate) now: u64,
}

/// What the publisher answers.
pub(crate) type Answer = Option<(u16, Vec<u8>)>;

impl Table {
    pub(crate) fn root_digest(&self) -> Digest {
        self.root.digest()
    }
}

impl Source for Table {
    fn root(&self) -> &Root {
        &self.root
    }

    fn digest(&self) -> Digest {
        self.root.digest()
    }

    fn segment(&self, index: u32) -> &[u8] {
        let found = self.segments.iter().find(|(known, _)| *known == index);
        found.map_or(&[], |(_, bytes)| bytes)
    }
}

impl Publishing {
    /// Changes one segment.
    pub(crate) fn set(&mut self, segment: u32, bytes: Vec<u8>) {
        self.roots.push(self.table.root.clone());
        self.table.root.set(segment, SegmentId::of(&bytes));
        self.table.segments.retain(|(known, _)| *known != segment);
        self.table.segments.push((segment, bytes));
    }

    /// What the HTTP server of the host does; nothing new is 204 at once.
    pub(crate) fn answer(&self, ask: &Ask) -> Answer {
        if let Some(piece) = ask.path.strip_prefix("/silverback/v1/segments/") {
            let (digest, offset) = piece.split_once("?offset=").expect("an offset");
            let digest = silverback_core::node::hex::digest_from_hex(digest).expect("a digest");
            let offset = offset.parse().expect("a number");
            let piece = answer::piece(&self.table, &digest, offset);
            return Some(piece.map_or((404, Vec::new()), |piece| (200, piece.to_vec())));
        }
        assert_eq!((ask.method, &*ask.path), ("POST", "/silverback/v1/pull"));
        let request = PullRequest::decode(&ask.body).expect("a request");
        if !answer::is_due(&request, &self.table) {
            return Some((204, Vec::new()));
        }
        let base = self.roots.iter().rev();
        let base = base.chain([&self.table.root]);
        let base = base.into_iter().find(|root| root.digest() == request.root);
        let commit = answer::commit(&request, &self.table, base);
        Some((200, commit.expect("what does not fit is left out")))
    }
}

impl Rig {
    /// So many workers that have not ticked.
    pub(crate) fn new(workers: u64) -> Self {
        Self::with(MemoryStore::default(), workers)
    }
}

impl<S: SharedData> Rig<S> {
    pub(crate) fn with(store: S, workers: u64) -> Self {
        let worker = |seed| {
            Puller::new(Options {
                pages: PAGES,
                wait: WAIT,
                seed,
            })
        };
        Self {
            publishing: Publishing::default(),
            store,
            workers: (1..=workers).map(worker).collect(),
            now: 1_800_000_000_000,
        }
    }

    pub(crate) fn tick(&mut self, worker: usize) -> (Option<Ask>, Outcome) {
        self.workers[worker].tick(self.now, &self.store)
    }

    pub(crate) fn answered(&mut self, worker: usize, answer: &Answer) -> Outcome {
        let answer = answer.as_ref().map(|(status, body)| (*status, &**body));
        self.workers[worker].answered(self.now, &self.store, answer)
    }

    /// Ticks until this worker asks.
    pub(crate) fn until_asked(&mut self, worker: usize) -> Ask {
        for _ in 0..1_000 {
            if let (Some(ask), _) = self.tick(worker) {
                return ask;
            }
            self.now += TICK;
        }
        panic!("it never asks")
    }

    /// Ticks and answers until the worker has nothing to fetch; what was published.
    pub(crate) fn settle(&mut self, worker: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        loop {
            let ask = self.until_asked(worker);
            let answer = self.publishing.answer(&ask);
            let nothing = matches!(answer, Some((204, _)));
            let outcome = self.answered(worker, &answer);
            if outcome != Outcome::Nothing {
                outcomes.push(outcome);
            }
            if nothing {
                return outcomes;
            }
        }
    }

    /// Epoch and root in effect, as a publisher sees them; checked by a reader, segment by segment.
    pub(crate) fn state(&self) -> (u64, Digest) {
        let publisher = Publisher::open(&self.store, PAGES).expect("a store");
        let state = publisher.state(&self.store).expect("a state");
        if state.epoch > 0 {
            let mut views = Views::new();
            let view = views.pin(&self.store).expect("a view");
            assert_eq!(view.epoch(), state.epoch);
        }
        (state.epoch, state.digest)
    }

    pub(crate) fn is_current(&self) -> bool {
        self.state().1 == self.publishing.table.digest()
    }
}
