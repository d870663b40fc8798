//! Which table was in effect when, and what each of them has to answer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use silverback_core::table::hash::Digest;
use silverback_core::table::store::epoch::EpochRecord;
use silverback_core::table::store::physical::PhysicalRoot;
use silverback_core::table::store::{EPOCH_KEY, root_key};

use crate::oracle::{Ask, Expected, expected};
use crate::world::World;
use crate::zone::Zone;

/// Tables that may be delivered late are among the last of these.
const CANDIDATES: usize = 64;

/// A table that was in effect.
#[derive(Debug)]
pub(crate) struct Table {
    /// Counts the tables of the run, also over losses of the zone.
    pub(crate) seq: u64,
    pub(crate) epoch: u64,
    pub(crate) digest: Digest,
    world: World,
    /// By the ask's number.
    expected: RefCell<Vec<Option<Rc<Expected>>>>,
}

/// All that somebody may still see.
#[derive(Debug, Default)]
pub(crate) struct History {
    tables: VecDeque<Rc<Table>>,
    seq: u64,
    current: Option<Rc<Table>>,
    /// Digest of the physical root in effect: within an epoch it must not change.
    physical: Digest,
    /// Tables that publishers have made; what gets into effect must be one of them.
    candidates: VecDeque<(Digest, World)>,
}

impl Table {
    /// What this table has to answer.
    pub(crate) fn expected(&self, number: usize, ask: &Ask) -> Rc<Expected> {
        let mut known = self.expected.borrow_mut();
        if known.len() <= number {
            known.resize(number + 1, None);
        }
        let slot = &mut known[number];
        Rc::clone(slot.get_or_insert_with(|| Rc::new(expected(&self.world, ask))))
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }
}

impl History {
    /// A publisher has made a table.
    pub(crate) fn candidate(&mut self, digest: Digest, world: &World) {
        self.candidates.push_back((digest, world.clone()));
        if self.candidates.len() > CANDIDATES {
            self.candidates.pop_front();
        }
    }

    /// The table in effect; `None` after the zone was lost.
    pub(crate) fn current(&self) -> Option<&Rc<Table>> {
        self.current.as_ref()
    }

    /// Number of the newest table that was ever in effect.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Tables with this epoch among those from number `floor` on, newest first.
    pub(crate) fn with_epoch(&self, epoch: u64, floor: u64) -> impl Iterator<Item = &Rc<Table>> {
        let tables = self.tables.iter().rev();
        tables
            .take_while(move |table| table.seq >= floor)
            .filter(move |table| table.epoch == epoch)
    }

    /// Nobody will see tables below this number any more.
    pub(crate) fn forget(&mut self, floor: u64) {
        while self.tables.front().is_some_and(|table| table.seq < floor) {
            self.tables.pop_front();
        }
    }

    /// The zone is empty.
    pub(crate) fn lost(&mut self) {
        self.current = None;
        self.physical = Digest::default();
    }

    /// Looks what is in effect after something was done to the zone.
    pub(crate) fn observe(&mut self, zone: &Zone) {
        let Some(bytes) = zone.peek(EPOCH_KEY) else {
            return;
        };
        let record = EpochRecord::decode(&bytes).expect("the epoch record can always be read");
        let before = self.current.as_ref().map_or(0, |table| table.epoch);
        if record.epoch == before {
            let same = before == 0 || record.root == self.physical;
            assert!(same, "another table under epoch {before}");
            return;
        }
        assert_eq!(record.epoch, before + 1, "an epoch was left out");
        let bytes = zone.peek(root_key(record.slot)).expect("a root");
        let (physical, digest) = PhysicalRoot::decode(&bytes).expect("a whole root");
        assert_eq!(digest, record.root, "the epoch names another root");
        let digest = physical.root.digest();
        let mut known = self.candidates.iter().rev();
        let (_, world) = known
            .find(|(candidate, _)| *candidate == digest)
            .expect("a table that no publisher has made");
        self.seq += 1;
        let table = Rc::new(Table {
            seq: self.seq,
            epoch: record.epoch,
            digest,
            world: world.clone(),
            expected: RefCell::default(),
        });
        self.physical = record.root;
        self.tables.push_back(Rc::clone(&table));
        self.current = Some(table);
    }
}
