//! How long to wait after a failure.

use std::time::Duration;

/// Doubles with each failure, from `first` to `most`; each wait is a random part of that, at least
/// half, so that fifty hosts or nodes that failed together do not come back together.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

// === impl Backoff ===

impl Backoff {
    pub(super) fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            failures: 0,
        }
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since it worked last.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// It failed: wait so long.
    pub(super) fn next(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        jitter(doubled.min(self.most))
    }
}

/// Between half of `time` and all of it.
pub(super) fn jitter(time: Duration) -> Duration {
    time.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_begin_anew() {
        let (first, most) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, most);
        for expected in [100, 200, 400, 800, 1_000, 1_000] {
            let expected = Duration::from_millis(expected);
            let wait = backoff.next();
            assert!(wait >= expected / 2 && wait <= expected, "{wait:?}");
        }
        assert_eq!(backoff.failures(), 6);
        backoff.reset();
        assert!(backoff.next() <= first);
    }
}
