//! Faults of shared data that happen on demand.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::random;
use crate::sync::lock;

/// A way in which shared data can fail a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Fault {
    /// A get returns the cas before the last set and bytes from before and after it, as when
    /// the set runs between the get's lock and its copy (Kong facts 4.3). A worker sees a given
    /// set torn once at most and only if it has not read its result yet: its next read must wait
    /// for the lock, so two successive reads with one cas are never both torn.
    TornRead,
    /// A get returns the value and cas from before the last set.
    StaleRead,
    /// A get returns the value and cas of another key, as two keys with one CRC-32 do.
    AliasedRead,
    /// A get finds nothing, as after a reload or an eviction.
    Missing,
    /// A set finds another cas.
    CasMismatch,
    /// A set finds no room.
    NoMemory,
}

const KINDS: usize = 6;

/// What is to go wrong, and how often it did. Nothing does until it is asked for.
#[derive(Debug, Default)]
pub struct Faults {
    armed: AtomicBool,
    injected: [AtomicU64; KINDS],
    plan: Mutex<Plan>,
    on_get: OnGet,
}

/// What runs before each get.
#[derive(Default)]
struct OnGet(Mutex<Option<Hook>>);

type Hook = Arc<dyn Fn(&[u8]) + Send + Sync>;

impl fmt::Debug for OnGet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnGet")
            .field(&lock(&self.0).is_some())
            .finish()
    }
}

#[derive(Debug, Default)]
struct Plan {
    random: u64,
    probability: [f64; KINDS],
    next: Vec<Next>,
}

#[derive(Debug)]
struct Next {
    fault: Fault,
    prefix: Vec<u8>,
    left: u64,
}

impl Faults {
    /// Seeds the random numbers; the same seed and the same calls give the same faults.
    pub fn seed(&self, seed: u64) {
        lock(&self.plan).random = seed;
    }

    /// Each operation that the fault concerns fails with this probability.
    pub fn set_probability(&self, fault: Fault, probability: f64) {
        lock(&self.plan).probability[fault as usize] = probability;
        self.armed.store(true, Ordering::Release);
    }

    /// The next `count` operations on keys with this prefix fail.
    pub fn inject_next(&self, fault: Fault, prefix: impl Into<Vec<u8>>, count: u64) {
        lock(&self.plan).next.push(Next {
            fault,
            prefix: prefix.into(),
            left: count,
        });
        self.armed.store(true, Ordering::Release);
    }

    /// [`Faults::set_probability`] of torn reads.
    pub fn torn_reads(&self, probability: f64) {
        self.set_probability(Fault::TornRead, probability);
    }

    /// [`Faults::set_probability`] of stale reads.
    pub fn stale_reads(&self, probability: f64) {
        self.set_probability(Fault::StaleRead, probability);
    }

    /// Runs before each get of a filter or [`super::SharedStore::get`], with its key and without
    /// any lock: what it sets is there in the middle of a request. It reads by
    /// [`super::SharedStore::get_locked`] itself, which does not run it again.
    pub fn on_get(&self, hook: impl Fn(&[u8]) + Send + Sync + 'static) {
        *lock(&self.on_get.0) = Some(Arc::new(hook));
        self.armed.store(true, Ordering::Release);
    }

    pub(crate) fn before_get(&self, key: &[u8]) {
        let hook = lock(&self.on_get.0).clone();
        if let Some(hook) = hook {
            hook(key);
        }
    }

    /// No more faults, and no more hook. The counters stay.
    pub fn clear(&self) {
        *lock(&self.on_get.0) = None;
        let mut plan = lock(&self.plan);
        plan.probability = Default::default();
        plan.next.clear();
        self.armed.store(false, Ordering::Release);
    }

    /// How many times the fault was injected.
    pub fn injected(&self, fault: Fault) -> u64 {
        self.injected[fault as usize].load(Ordering::Relaxed)
    }

    /// Whether any fault is asked for: the only cost of an operation without faults.
    pub(crate) fn armed(&self) -> bool {
        self.armed.load(Ordering::Acquire)
    }

    /// Whether this operation is to fail; `possible` says whether it can here and now, so that a
    /// fault asked for is kept for the first operation that it fits.
    pub(crate) fn strikes(
        &self,
        fault: Fault,
        key: &[u8],
        possible: impl FnOnce() -> bool,
    ) -> bool {
        let mut plan = lock(&self.plan);
        let next = plan
            .next
            .iter()
            .position(|n| n.fault == fault && n.left > 0 && key.starts_with(&n.prefix));
        let wanted = match next {
            Some(_) => true,
            None => {
                let probability = plan.probability[fault as usize];
                probability > 0.0 && plan.unit() < probability
            }
        };
        if !wanted || !possible() {
            return false;
        }
        if let Some(next) = next {
            plan.next[next].left -= 1;
            plan.next.retain(|n| n.left > 0);
        }
        self.injected[fault as usize].fetch_add(1, Ordering::Relaxed);
        true
    }

    /// A number below `end` (0 if `end` is 0).
    pub(crate) fn below(&self, end: usize) -> usize {
        let number = lock(&self.plan).number();
        if end == 0 {
            0
        } else {
            usize::try_from(number % end as u64).unwrap_or(0)
        }
    }
}

impl Plan {
    fn number(&mut self) -> u64 {
        random::next(&mut self.random)
    }

    fn unit(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }
}
