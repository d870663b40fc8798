//! A look at a gateway from outside.

use std::sync::Arc;

use super::stats::{Counters, Stats};

/// Reads a gateway's counters from any thread, without a word to its workers. It may outlive the
/// gateway: the counters then stand still.
#[derive(Clone, Debug)]
pub struct Monitor {
    pub(super) workers: Arc<[Arc<Counters>]>,
}

// === impl Monitor ===

impl Monitor {
    /// The counters, summed over the workers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for counters in &*self.workers {
            stats.add(counters);
        }
        stats
    }

    /// The counters of each worker, by its number.
    #[must_use]
    pub fn workers(&self) -> Vec<Stats> {
        let one = |counters: &Arc<Counters>| {
            let mut stats = Stats::default();
            stats.add(counters);
            stats
        };
        self.workers.iter().map(one).collect()
    }
}
