//! What was in effect when. A change comes into effect at some time between the moment it is begun and
//! the moment it is done; what an observer may see is all that overlaps with its own time.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::objects::{Route, Service};

/// Values that replace each other.
pub(crate) struct Timeline<T> {
    begun: Mutex<Vec<Arc<T>>>,
    /// Index of the last one that is in effect everywhere.
    done: AtomicUsize,
}

/// Since which configuration each request under way has been, plus one; 0 = none is.
pub(crate) struct Watch {
    pub(crate) configs: Timeline<Config>,
    slots: Mutex<Vec<Arc<AtomicUsize>>>,
}

/// Where one client says that it has a request under way.
#[derive(Clone)]
pub(crate) struct Slot(Arc<AtomicUsize>);

/// A request under way.
pub(crate) struct Entered<'a> {
    slot: &'a Slot,
    /// The oldest configuration that may answer it.
    pub(crate) since: usize,
}

/// What requests can tell of a configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) revisions: BTreeMap<Route, u32>,
    pub(crate) ready: BTreeMap<Service, Vec<u32>>,
    /// Of `web-a` and `web-b`.
    pub(crate) weights: [u32; 2],
    /// Number of the one route that comes and goes.
    pub(crate) extra: u32,
}

// === impl Timeline ===

impl<T> Timeline<T> {
    pub(crate) fn new(first: T) -> Self {
        Self {
            begun: Mutex::new(vec![Arc::new(first)]),
            done: AtomicUsize::new(0),
        }
    }

    /// From now on it may be in effect.
    pub(crate) fn begin(&self, next: T) {
        self.begun.lock().unwrap().push(Arc::new(next));
    }

    /// From now on only the last one is.
    pub(crate) fn done(&self) {
        let last = self.begun.lock().unwrap().len() - 1;
        self.done.store(last, Ordering::SeqCst);
    }

    /// The oldest that can be seen now.
    pub(crate) fn now(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    /// The last one that was begun.
    pub(crate) fn last(&self) -> Arc<T> {
        let begun = self.begun.lock().unwrap();
        Arc::clone(&begun[begun.len() - 1])
    }

    /// Those that can have been seen since then.
    pub(crate) fn since(&self, first: usize) -> Vec<Arc<T>> {
        self.begun.lock().unwrap()[first..].to_vec()
    }

    /// Their numbers.
    pub(crate) fn numbers_since(&self, first: usize) -> Range<usize> {
        first..self.begun.lock().unwrap().len()
    }
}

// === impl Watch ===

impl Watch {
    pub(crate) fn new(first: Config) -> Self {
        Self {
            configs: Timeline::new(first),
            slots: Mutex::default(),
        }
    }

    pub(crate) fn slot(&self) -> Slot {
        let slot = Slot(Arc::default());
        self.slots.lock().unwrap().push(Arc::clone(&slot.0));
        slot
    }

    /// Whether no request is under way that an older configuration than the last may have sent on
    /// its way.
    pub(crate) fn settled(&self) -> bool {
        let last = self.configs.now() + 1;
        let slots = self.slots.lock().unwrap();
        slots.iter().all(|slot| {
            let since = slot.load(Ordering::SeqCst);
            since == 0 || since >= last
        })
    }
}

// === impl Slot ===

impl Slot {
    /// A request is about to be sent.
    pub(crate) fn enter(&self, watch: &Watch) -> Entered<'_> {
        loop {
            let since = watch.configs.now();
            self.0.store(since + 1, Ordering::SeqCst);
            // Else `settled` may have overlooked it.
            if watch.configs.now() == since {
                return Entered { slot: self, since };
            }
        }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.slot.0.store(0, Ordering::SeqCst);
    }
}

// === impl Config ===

impl Config {
    /// Whether this pod may have answered by this revision of the route.
    pub(crate) fn allows(&self, route: Route, revision: u32, pod: u32) -> bool {
        let weight = |service: &Service| match service {
            Service::WebA => self.weights[0],
            Service::WebB => self.weights[1],
            _ => 1,
        };
        self.revisions[&route] == revision
            && route
                .services()
                .iter()
                .any(|service| weight(service) > 0 && self.ready[service].contains(&pod))
    }
}
