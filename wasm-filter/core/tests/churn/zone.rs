//! The shared data of the run's node, as its workers and its writers see it.
//!
//! Writers read under the lock (as Lua in Kong does) and can be refused or killed at any call.
//! Workers read without it, and what they get can be torn, stale, another key's or nothing.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use silverback_core::table::store::{
    EPOCH_KEY, MAX_PAGES, SENTINEL_KEY, SharedData, StoreError, root_key,
};

use crate::support::random::Gen;

/// How a worker's reads fail: one in so many of each sort does; 0 = none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReadFaults {
    pub(crate) torn: usize,
    pub(crate) stale: usize,
    pub(crate) aliased: usize,
    pub(crate) missing: usize,
    pub(crate) refused: usize,
}

/// How often each came.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReadTally {
    /// By [`Place`].
    pub(crate) torn: [u64; 3],
    pub(crate) stale: [u64; 3],
    pub(crate) aliased: [u64; 3],
    pub(crate) missing: [u64; 3],
    pub(crate) refused: u64,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Epoch,
    Root,
    /// A page, or the sentinel.
    Page,
}

/// What a writer is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Read,
    /// The epoch record, before any page.
    Claim,
    Page,
    Root,
    Flip,
}

/// What stops a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It dies: this call and all later ones do nothing. `halfway`: the value that it was writing
    /// is left half written.
    Killed { halfway: bool },
    /// This one call is refused.
    Refused(StoreError),
}

#[derive(Debug)]
struct Value {
    bytes: Rc<[u8]>,
    cas: u32,
    previous: Option<(Rc<[u8]>, u32)>,
    /// Workers that have read it, as bits: one that has waited for the lock sees no torn value.
    settled: u64,
}

/// Runs once, before the n-th call from now.
type Hook = (u64, Box<dyn FnOnce()>);

/// The zone.
#[derive(Default)]
pub(crate) struct Zone {
    values: RefCell<Vec<Option<Value>>>,
    hook: RefCell<Option<Hook>>,
    random: RefCell<Option<Gen>>,
    pub(crate) tally: Cell<ReadTally>,
    cas: Cell<u32>,
}

/// A writer's side, for one request.
pub(crate) struct Writer<'z> {
    zone: &'z Zone,
    calls: Cell<u64>,
    stop: Option<(u64, Stop)>,
    dead: Cell<bool>,
    /// Was a root written in this request? Then the next epoch record is the flip.
    root: Cell<bool>,
    /// What it was about to do when it was stopped.
    pub(crate) stopped_at: Cell<Option<Step>>,
}

/// A worker's side, for one request.
pub(crate) struct Reader<'z> {
    pub(crate) zone: &'z Zone,
    pub(crate) worker: usize,
    pub(crate) faults: ReadFaults,
    /// Faults that came.
    pub(crate) came: Cell<u64>,
}

/// Where a key's value is kept.
fn index(key: &[u8]) -> usize {
    match key {
        EPOCH_KEY => 0,
        SENTINEL_KEY => 1,
        key if key == root_key(0) => 2,
        key if key == root_key(1) => 3,
        _ => {
            let digits = key.strip_prefix(b"silverback/p").expect("a page's key");
            let digits = std::str::from_utf8(digits).expect("digits");
            4 + usize::from_str_radix(digits, 16).expect("a number")
        }
    }
}

fn place(index: usize) -> Place {
    match index {
        0 => Place::Epoch,
        2 | 3 => Place::Root,
        _ => Place::Page,
    }
}

impl Zone {
    pub(crate) fn new(seed: u64) -> Self {
        let zone = Self::default();
        *zone.random.borrow_mut() = Some(Gen(seed));
        zone.values
            .borrow_mut()
            .resize_with(4 + usize::from(MAX_PAGES), || None);
        zone
    }

    /// Everything is gone, as after a restart of the whole node.
    pub(crate) fn clear(&self) {
        self.values.borrow_mut().iter_mut().for_each(|v| *v = None);
    }

    /// What there is now, whoever asks.
    pub(crate) fn peek(&self, key: &[u8]) -> Option<Rc<[u8]>> {
        let values = self.values.borrow();
        values[index(key)]
            .as_ref()
            .map(|value| Rc::clone(&value.bytes))
    }

    /// Runs `hook` before the n-th call from now, counted from 0.
    pub(crate) fn hook(&self, calls: u64, hook: impl FnOnce() + 'static) {
        *self.hook.borrow_mut() = Some((calls, Box::new(hook)));
    }

    /// A hook that has not come to run is forgotten; says whether there was one.
    pub(crate) fn unhook(&self) -> bool {
        self.hook.borrow_mut().take().is_some()
    }

    fn before_call(&self) {
        let due = {
            let mut hook = self.hook.borrow_mut();
            match &mut *hook {
                None => return,
                Some((0, _)) => hook.take(),
                Some((left, _)) => {
                    *left -= 1;
                    return;
                }
            }
        };
        if let Some((_, run)) = due {
            run();
        }
    }

    fn below(&self, end: usize) -> usize {
        let mut random = self.random.borrow_mut();
        random.as_mut().map_or(0, |random| random.below(end))
    }

    fn one_in(&self, n: usize) -> bool {
        n > 0 && self.below(n) == 0
    }

    fn read(&self, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        let values = self.values.borrow();
        let value = values[index(key)].as_ref()?;
        Some((value.bytes.to_vec(), value.cas))
    }

    fn write(&self, key: &[u8], bytes: &[u8], cas: u32) -> Result<(), StoreError> {
        let mut values = self.values.borrow_mut();
        let slot = &mut values[index(key)];
        if slot.as_ref().map_or(0, |value| value.cas) != cas {
            return Err(StoreError::CasMismatch);
        }
        // No cas comes twice, also not after the zone was lost.
        self.cas.set(self.cas.get().wrapping_add(1).max(1));
        let previous = slot.take().map(|value| {
            assert_eq!(value.bytes.len(), bytes.len(), "a value was resized");
            (value.bytes, value.cas)
        });
        *slot = Some(Value {
            bytes: bytes.into(),
            cas: self.cas.get(),
            previous,
            settled: 0,
        });
        Ok(())
    }

    /// A copy that stopped in the middle.
    fn write_half(&self, key: &[u8], bytes: &[u8]) {
        let mut values = self.values.borrow_mut();
        let Some(value) = &mut values[index(key)] else {
            return;
        };
        let end = self.below(bytes.len());
        let mut half = value.bytes.to_vec();
        half[..end].copy_from_slice(&bytes[..end]);
        value.bytes = half.into();
    }
}

impl<'z> Writer<'z> {
    pub(crate) fn new(zone: &'z Zone, stop: Option<(u64, Stop)>) -> Self {
        Self {
            zone,
            calls: Cell::new(0),
            stop,
            dead: Cell::new(false),
            root: Cell::new(false),
            stopped_at: Cell::new(None),
        }
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.get()
    }

    fn step(&self, key: &[u8], write: Option<&[u8]>) -> Result<(), StoreError> {
        if self.dead.get() {
            return Err(StoreError::Unavailable);
        }
        self.zone.before_call();
        let call = self.calls.get();
        self.calls.set(call + 1);
        let step = match (write, place(index(key))) {
            (None, _) => Step::Read,
            (Some(_), Place::Epoch) if self.root.get() => Step::Flip,
            (Some(_), Place::Epoch) => Step::Claim,
            (Some(_), Place::Root) => Step::Root,
            (Some(_), Place::Page) => Step::Page,
        };
        match self.stop {
            Some((at, stop)) if at == call => {
                self.stopped_at.set(Some(step));
                match (stop, write) {
                    (Stop::Refused(error), _) => return Err(error),
                    (Stop::Killed { halfway: true }, Some(bytes))
                        if matches!(step, Step::Page | Step::Root) =>
                    {
                        self.zone.write_half(key, bytes);
                    }
                    (Stop::Killed { .. }, _) => {}
                }
                self.dead.set(true);
                return Err(StoreError::Unavailable);
            }
            _ => {}
        }
        if step == Step::Root {
            self.root.set(true);
        }
        Ok(())
    }
}

impl SharedData for Writer<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
        self.step(key, None)?;
        Ok(self.zone.read(key))
    }

    fn set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError> {
        self.step(key, Some(value))?;
        self.zone.write(key, value, cas)
    }
}

impl Reader<'_> {
    fn count(&self, of: impl FnOnce(&mut ReadTally)) {
        self.came.set(self.came.get() + 1);
        let mut tally = self.zone.tally.get();
        of(&mut tally);
        self.zone.tally.set(tally);
    }

    /// `None`: this read does not fail.
    #[expect(clippy::type_complexity, reason = "what a get gives, or none")]
    fn faulty(&self, key: &[u8]) -> Option<Result<Option<(Vec<u8>, u32)>, StoreError>> {
        let (zone, faults) = (self.zone, self.faults);
        let index = index(key);
        let sort = place(index) as usize;
        if zone.one_in(faults.refused) {
            self.count(|tally| tally.refused += 1);
            return Some(Err(StoreError::Unavailable));
        }
        if zone.one_in(faults.missing) {
            self.count(|tally| tally.missing[sort] += 1);
            return Some(Ok(None));
        }
        let mut values = zone.values.borrow_mut();
        if zone.one_in(faults.aliased) {
            // Any other key's value; most are pages.
            let other = if zone.one_in(4) {
                zone.below(4)
            } else {
                4 + zone.below(64)
            };
            if other != index
                && let Some(value) = &values[other]
            {
                self.count(|tally| tally.aliased[sort] += 1);
                return Some(Ok(Some((value.bytes.to_vec(), value.cas))));
            }
        }
        let value = values[index].as_mut()?;
        let (old, cas) = value.previous.clone()?;
        if zone.one_in(faults.stale) {
            self.count(|tally| tally.stale[sort] += 1);
            return Some(Ok(Some((old.to_vec(), cas))));
        }
        let bit = 1u64 << self.worker;
        if value.settled & bit == 0 && zone.one_in(faults.torn) {
            value.settled |= bit;
            self.count(|tally| tally.torn[sort] += 1);
            let at = 1 + zone.below(old.len() - 1);
            let (first, last) = match zone.one_in(2) {
                true => (&value.bytes, &old),
                false => (&old, &value.bytes),
            };
            return Some(Ok(Some(([&first[..at], &last[at..]].concat(), cas))));
        }
        None
    }
}

impl SharedData for Reader<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
        self.zone.before_call();
        if self.faults != ReadFaults::default()
            && let Some(got) = self.faulty(key)
        {
            return got;
        }
        let mut values = self.zone.values.borrow_mut();
        let Some(value) = &mut values[index(key)] else {
            return Ok(None);
        };
        value.settled |= 1 << self.worker;
        Ok(Some((value.bytes.to_vec(), value.cas)))
    }

    fn set(&self, _: &[u8], _: &[u8], _: u32) -> Result<(), StoreError> {
        // A worker of the run only reads.
        Err(StoreError::Unavailable)
    }
}
