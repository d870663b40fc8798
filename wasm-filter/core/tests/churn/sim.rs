//! The run: one node, its workers, two publishers.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use silverback_core::node::Node;

use crate::client::Client;
use crate::history::History;
use crate::oracle::Ask;
use crate::support::random::Gen;
use crate::tally::Tally;
use crate::worker::Worker;
use crate::world::World;
use crate::zone::{ReadFaults, Stop, Writer, Zone};

/// Room for three tables of the usual size, so that pages are used again soon.
pub(crate) const PAGES: u16 = 112;
pub(crate) const WORKERS: usize = 5;
const ASKS: usize = 600;
/// Requests that are made between two commits, so that the oracle is asked less often than the workers.
const HOT: usize = 10;

pub(crate) struct Sim {
    pub(crate) zone: Zone,
    /// Two workers of the node take requests of the protocol.
    pub(crate) nodes: [RefCell<Node>; 2],
    pub(crate) primary: RefCell<Client>,
    /// Another publisher of the same cluster.
    pub(crate) rival: RefCell<Client>,
    pub(crate) history: RefCell<History>,
    pub(crate) workers: Vec<RefCell<Worker>>,
    pub(crate) asks: Vec<Ask>,
    hot: Cell<[usize; HOT]>,
    pub(crate) random: RefCell<Gen>,
    /// Pods that were ever made.
    pub(crate) born: Cell<u32>,
    pub(crate) tally: Tally,
    pub(crate) commits: Cell<u64>,
    pub(crate) lookups: Cell<u64>,
    pub(crate) plans: Cell<u64>,
    /// Is something in the middle of something else already?
    pub(crate) nested: Cell<bool>,
    /// Calls of the last commit that nothing stopped.
    pub(crate) calls: Cell<u64>,
    /// Bodies that may be delivered once more.
    pub(crate) late: RefCell<Vec<Vec<u8>>>,
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Rc<Self> {
        let mut random = Gen(seed);
        let zone = Zone::new(random.next());
        let open = || Node::open(&Writer::new(&zone, None), PAGES).expect("a pool");
        let nodes = [RefCell::new(open()), RefCell::new(open())];
        let mut born = 0;
        let world = World::random(&mut random, &mut born);
        let sim = Self {
            nodes,
            zone,
            primary: RefCell::new(Client::new(1, world.clone())),
            rival: RefCell::new(Client::new(1, world)),
            history: RefCell::default(),
            workers: (0..WORKERS).map(|_| RefCell::default()).collect(),
            asks: (0..ASKS).map(|_| Ask::random(&mut random)).collect(),
            hot: Cell::default(),
            random: RefCell::new(random),
            born: Cell::new(born),
            tally: Tally::default(),
            commits: Cell::new(0),
            lookups: Cell::new(0),
            plans: Cell::new(0),
            nested: Cell::new(false),
            calls: Cell::new(40),
            late: RefCell::default(),
        };
        Rc::new(sim)
    }

    pub(crate) fn below(&self, end: usize) -> usize {
        self.random.borrow_mut().below(end)
    }

    pub(crate) fn one_in(&self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Goes on until there were so many commits and lookups.
    pub(crate) fn run(
        self: &Rc<Self>,
        commits: u64,
        lookups: u64,
        mut progress: impl FnMut(&Self),
    ) {
        while self.commits.get() < commits || self.lookups.get() < lookups {
            if self.commits.get() < commits {
                self.commit();
            }
            self.hot.set(std::array::from_fn(|_| self.below(ASKS)));
            let share = lookups as f64 / commits as f64;
            let due = (self.commits.get() as f64 * share) as u64;
            while self.lookups.get() < due.min(lookups) {
                self.step(share);
            }
            let oldest = self.workers.iter().map(|worker| worker.borrow().floor());
            let oldest = oldest.min().unwrap_or(0);
            self.history.borrow_mut().forget(oldest.saturating_sub(1));
            progress(self);
        }
        self.tally.add_reads(self.zone.tally.get());
    }

    /// One lookup, in which reads may fail or a commit may come.
    fn step(self: &Rc<Self>, share: f64) {
        if self.one_in(20_000) {
            let worker = self.below(WORKERS);
            self.restart_worker(worker);
        }
        // Every tenth commit comes during a lookup.
        let between = self.one_in((share * 10.0).ceil().max(1.0) as usize);
        if between {
            self.commit_soon();
        }
        self.any_lookup();
        if between {
            self.zone.unhook();
            self.nested.set(false);
        }
    }

    /// A commit before one of the next reads.
    fn commit_soon(self: &Rc<Self>) {
        // Most lookups read once.
        let skip = if self.one_in(2) { 0 } else { self.below(8) };
        let sim = Rc::clone(self);
        self.nested.set(true);
        self.zone.hook(skip as u64, move || {
            sim.commit();
            sim.tally.add("commits during a lookup");
        });
    }

    fn any_lookup(&self) {
        let worker = self.below(WORKERS);
        let ask = self.hot.get()[self.below(HOT)];
        let faults = if self.one_in(8) {
            self.read_faults()
        } else {
            ReadFaults::default()
        };
        self.lookup(worker, ask, faults);
    }

    /// Some lookups in the middle of a commit.
    pub(crate) fn lookups_between(&self) {
        for _ in 0..1 + self.below(4) {
            self.any_lookup();
            self.tally.add("lookups during a commit");
        }
    }

    fn read_faults(&self) -> ReadFaults {
        let mut faults = ReadFaults::default();
        let often = 1 + self.below(3);
        match self.below(8) {
            0 | 1 => faults.torn = 1,
            2 => faults.stale = often,
            3 => faults.aliased = often,
            4 => faults.missing = often,
            5 => faults.refused = often,
            _ => {
                faults = ReadFaults {
                    torn: 2,
                    stale: 6,
                    aliased: 8,
                    missing: 10,
                    refused: 12,
                }
            }
        }
        faults
    }

    /// The node's processes end and new ones begin. `lost`: its shared data is gone, and `restart`:
    /// so are the workers; else they read on, as those of nginx do after a reload.
    pub(crate) fn restart_node(&self, lost: bool, restart: bool) {
        if lost {
            self.zone.clear();
            self.history.borrow_mut().lost();
            self.tally.add("zones lost");
        } else {
            self.tally.add("nodes reloaded");
        }
        if restart {
            (0..WORKERS).for_each(|worker| self.restart_worker(worker));
        }
        if lost && self.one_in(2) {
            // It dies while it makes its pool, and begins again.
            let at = self.below(4 * usize::from(PAGES)) as u64;
            let halfway = Stop::Killed { halfway: false };
            let writer = Writer::new(&self.zone, Some((at, halfway)));
            if Node::open(&writer, PAGES).is_err() {
                self.tally.add("node killed while it began");
            }
        }
        for node in &self.nodes {
            let writer = Writer::new(&self.zone, None);
            *node.borrow_mut() = Node::open(&writer, PAGES).expect("a pool");
        }
        self.history.borrow_mut().observe(&self.zone);
    }
}
