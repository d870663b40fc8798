//! What happened.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use silverback::gateway::Stats;

use crate::Size;
use crate::pace::{Kind, Pace};

/// How many failures are told in full.
const TOLD: usize = 20;

/// See the module.
pub(crate) struct Report {
    size: Size,
    failures: Mutex<Vec<String>>,
    failed: AtomicU64,
    /// Microseconds of each request, by kind.
    latencies: [Mutex<Vec<u32>>; Kind::ALL.len()],
    /// How many requests of this kind there had to be.
    quotas: Mutex<Vec<(Kind, u64, u64)>>,
    pub(crate) pushes: AtomicU64,
    pub(crate) pods: AtomicU64,
    pub(crate) certificates: AtomicU64,
    pub(crate) filters: AtomicU64,
    pub(crate) translators: AtomicU64,
    pub(crate) messages: AtomicU64,
}

// === impl Report ===

impl Report {
    pub(crate) fn new(size: Size) -> Self {
        Self {
            size,
            failures: Mutex::default(),
            failed: AtomicU64::new(0),
            latencies: Kind::ALL.map(|_| Mutex::default()),
            quotas: Mutex::default(),
            pushes: AtomicU64::new(0),
            pods: AtomicU64::new(0),
            certificates: AtomicU64::new(0),
            filters: AtomicU64::new(0),
            translators: AtomicU64::new(0),
            messages: AtomicU64::new(0),
        }
    }

    pub(crate) fn passed(&self, kind: Kind, latency: Duration) {
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        self.latencies[kind as usize].lock().unwrap().push(micros);
    }

    pub(crate) fn failed(&self, kind: Kind, what: &str, why: &str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut failures = self.failures.lock().unwrap();
        if failures.len() < TOLD {
            failures.push(format!("{}: {what}: {why}", kind.name()));
        }
    }

    pub(crate) fn has_failures(&self) -> bool {
        self.failed.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn keep_counts(&self, pace: &Pace) {
        *self.quotas.lock().unwrap() = pace.counts().to_vec();
    }

    pub(crate) fn print(&self, took: Duration, stats: &Stats) {
        let Size { rollouts, seed, .. } = self.size;
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut all = 0;
        println!("kind          | requests | p50 ms | p99 ms | longest ms");
        for kind in Kind::ALL {
            let mut times = self.latencies[kind as usize].lock().unwrap().clone();
            times.sort_unstable();
            all += times.len();
            let at = |percent: usize| match times.len() {
                0 => f64::NAN,
                count => f64::from(times[(count - 1) * percent / 100]) / 1000.0,
            };
            let (count, name) = (times.len(), kind.name());
            println!(
                "{name:<13} | {count:>8} | {:>6.2} | {:>6.2} | {:>7.2}",
                at(50),
                at(99),
                at(100)
            );
        }
        println!(
            "{all} requests passed, {} failed, in {:.1} s, during {rollouts} rollouts: {} tables, {} pods \
             replaced, {} certificates renewed, silverback.wasm {} times and translator.wasm {} times \
             reloaded; {} WebSocket and gRPC messages (seed {seed})",
            get(&self.failed),
            took.as_secs_f64(),
            get(&self.pushes),
            get(&self.pods),
            get(&self.certificates),
            get(&self.filters),
            get(&self.translators),
            get(&self.messages),
        );
        println!("{stats:?}");
    }

    /// That nothing failed, and that it was as much as it should be.
    pub(crate) fn assert_complete(&self) {
        let failures = self.failures.lock().unwrap();
        let failed = self.failed.load(Ordering::Relaxed);
        assert!(
            failed == 0,
            "{failed} failed (seed {}):\n{}",
            self.size.seed,
            failures.join("\n")
        );
        let quotas = self.quotas.lock().unwrap();
        assert_eq!(quotas.len(), Kind::ALL.len());
        for (kind, quota, done) in &*quotas {
            let passed = self.latencies[*kind as usize].lock().unwrap().len() as u64;
            assert_eq!(passed, *done, "{}", kind.name());
            assert!(passed >= *quota, "{}: {passed} of {quota}", kind.name());
        }
        let passed: u64 = quotas.iter().map(|(_, _, done)| done).sum();
        assert!(passed >= self.size.requests, "{passed}");
    }
}
