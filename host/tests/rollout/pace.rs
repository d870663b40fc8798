//! Keeps requests and rollouts together: each kind of request goes on during each rollout, and none is
//! far ahead of the others.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::Size;

/// Much longer than anything takes: it only ends a test that has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// In place of the number of rollouts that are over.
const STOPPED: u64 = u64::MAX;

/// A kind of request, by what the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Http1,
    Http2Tls,
    H2c,
    WebSocket,
    Grpc,
}

/// See the module.
pub(crate) struct Pace {
    rollouts: u64,
    over: watch::Sender<u64>,
    kinds: [Counts; Kind::ALL.len()],
}

#[derive(Default)]
struct Counts {
    quota: u64,
    done: AtomicU64,
}

// === impl Kind ===

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Http1,
        Self::Http2Tls,
        Self::H2c,
        Self::WebSocket,
        Self::Grpc,
    ];

    /// The least of a hundred requests that are of this kind. The sum is a hundred.
    fn percent(self) -> u64 {
        match self {
            Self::Http1 => 35,
            Self::Http2Tls | Self::H2c => 20,
            Self::WebSocket => 5,
            Self::Grpc => 20,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2Tls => "HTTP/2 (TLS)",
            Self::H2c => "HTTP/2 (h2c)",
            Self::WebSocket => "WebSocket",
            Self::Grpc => "gRPC",
        }
    }
}

// === impl Pace ===

impl Pace {
    pub(crate) fn new(size: Size) -> Self {
        let counts = |kind: Kind| Counts {
            quota: (size.requests * kind.percent()).div_ceil(100),
            done: AtomicU64::new(0),
        };
        Self {
            rollouts: size.rollouts,
            over: watch::channel(0).0,
            kinds: Kind::ALL.map(counts),
        }
    }

    /// Waits until another request of this kind may be sent; `false` at the end.
    pub(crate) async fn next(&self, kind: Kind) -> bool {
        let Counts { quota, done } = &self.kinds[kind as usize];
        let mut over = self.over.subscribe();
        loop {
            let rollout = *over.borrow_and_update();
            if rollout == STOPPED {
                return false;
            }
            let done = done.load(Ordering::Relaxed);
            if rollout == self.rollouts && done >= *quota {
                return false;
            }
            // Enough for this rollout and the next one.
            if done * self.rollouts < quota * (rollout + 2) {
                return true;
            }
            if over.changed().await.is_err() {
                return false;
            }
        }
    }

    pub(crate) fn done(&self, kind: Kind) {
        self.kinds[kind as usize]
            .done
            .fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until every kind has its share of requests before this rollout behind it, or something
    /// else has happened.
    pub(crate) async fn before(&self, rollout: u64, or: impl Fn() -> bool) {
        let ready = |counts: &Counts| {
            let done = counts.done.load(Ordering::Relaxed);
            done * self.rollouts >= counts.quota * rollout
        };
        let what = format!("rollout {rollout}: enough requests of every kind");
        until(&what, || self.kinds.iter().all(ready) || or()).await;
    }

    pub(crate) fn rollout_is_over(&self) {
        self.over.send_modify(|over| *over += 1);
    }

    /// No more requests.
    pub(crate) fn stop(&self) {
        self.over.send_replace(STOPPED);
    }

    /// For each kind how many requests there had to be, and how many there were.
    pub(crate) fn counts(&self) -> [(Kind, u64, u64); Kind::ALL.len()] {
        Kind::ALL.map(|kind| {
            let Counts { quota, done } = &self.kinds[kind as usize];
            (kind, *quota, done.load(Ordering::Relaxed))
        })
    }
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
