//! How long requests take, counted by one worker.

use std::time::Duration;

use super::stats::Counter;

/// Upper bounds of the buckets in microseconds: a request through the echo takes some hundred, one
/// that is cut by a usual timeout 60 s. What is longer has a bucket of its own behind them.
pub const LATENCY_BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000, 60_000_000,
];

/// One more than there are bounds.
const BUCKETS: usize = LATENCY_BOUNDS.len() + 1;

/// One worker's histogram.
#[derive(Debug, Default)]
pub(crate) struct LatencyCounters {
    buckets: [Counter; BUCKETS],
    nanos: Counter,
}

/// A histogram, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyStats {
    /// How many there were up to each of [`LATENCY_BOUNDS`] and above the one before; then those
    /// above all bounds.
    pub buckets: [u64; BUCKETS],
    /// All of them together.
    pub sum: Duration,
}

// === impl LatencyCounters ===

impl LatencyCounters {
    pub(crate) fn observe(&self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS.partition_point(|micros| *micros * 1_000 < nanos);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.inc();
        }
        self.nanos.add(nanos);
    }
}

// === impl LatencyStats ===

impl LatencyStats {
    pub(crate) fn add(&mut self, counters: &LatencyCounters) {
        for (sum, one) in self.buckets.iter_mut().zip(&counters.buckets) {
            *sum += one.get();
        }
        self.sum += Duration::from_nanos(counters.nanos.get());
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_bucket_that_ends_with_it() {
        let counters = LatencyCounters::default();
        for micros in [0, 500, 501, 60_000_000, 60_000_001] {
            counters.observe(Duration::from_micros(micros));
        }
        let mut stats = LatencyStats::default();
        stats.add(&counters);
        assert_eq!(stats.buckets[..2], [2, 1]);
        assert_eq!(stats.buckets[13..], [1, 1]);
        assert_eq!(stats.count(), 5);
        assert_eq!(stats.sum, Duration::from_micros(120_001_002));
    }
}
