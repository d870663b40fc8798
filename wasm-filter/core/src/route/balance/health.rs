//! Passive ejection: an endpoint that failed several times in a row gets no requests for a while.
//!
//! The counters are those of KongUpstreamPolicy's `healthchecks.passive`. What Kong leaves to an active
//! check or an operator, an endpoint's return, is a matter of time here: after [`FIRST`] it gets
//! requests again, on probation. One more failure ejects it for twice as long, up to [`LONGEST`];
//! `healthy.successes` successes end the probation. **At most half of a Service's endpoints are
//! ejected**, of one none: what fails everywhere is not the endpoints' fault.

use core::ops::Range;

/// How long the first ejection is, milliseconds.
pub(super) const FIRST: u64 = 10_000;
/// How long an ejection is at most, milliseconds.
pub(super) const LONGEST: u64 = 300_000;

/// What became of one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Success,
    Failure(Failure),
}

/// How a try failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Tcp,
    Timeout,
    Http,
}

/// Thresholds; 0 = such failures do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Thresholds {
    pub(super) tcp: u8,
    pub(super) timeouts: u8,
    pub(super) http: u8,
    pub(super) successes: u8,
}

/// What is known of one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Record {
    /// Failures since the last success, by sort.
    failures: [u8; 3],
    /// Successes on probation.
    successes: u8,
    /// Ejections without an end of probation in between.
    ejections: u8,
}

/// The ejected endpoints of a Service.
#[derive(Debug)]
pub(super) struct Ejected {
    /// Sorted by endpoint.
    list: Vec<Ejection>,
    /// The times at which nobody returns: from the last ejection to the first end of one. Half of 10,000
    /// endpoints are not gone through for each request.
    quiet: Range<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Ejection {
    endpoint: u64,
    since: u64,
    until: u64,
    /// A mark of [`Ejected::fit`].
    there: bool,
}

// === impl Record ===

impl Record {
    /// Takes one verdict; for how long the endpoint is to be ejected now, if it is.
    pub(super) fn take(&mut self, verdict: Verdict, thresholds: Thresholds) -> Option<u64> {
        let failure = match verdict {
            Verdict::Success => {
                self.failures = [0; 3];
                self.successes = self.successes.saturating_add(1);
                if self.successes >= thresholds.successes.max(1) {
                    self.ejections = 0;
                }
                return None;
            }
            Verdict::Failure(failure) => failure,
        };
        let [tcp, timeouts, http] = &mut self.failures;
        let (count, threshold) = match failure {
            Failure::Tcp => (tcp, thresholds.tcp),
            Failure::Timeout => (timeouts, thresholds.timeouts),
            Failure::Http => (http, thresholds.http),
        };
        if threshold == 0 {
            return None;
        }
        *count = count.saturating_add(1);
        self.successes = 0;
        if *count < threshold && self.ejections == 0 {
            return None;
        }
        // 2^5 times the first is past the longest.
        Some((FIRST << self.ejections.min(5)).min(LONGEST))
    }

    /// It was ejected.
    pub(super) fn ejected(&mut self) {
        self.failures = [0; 3];
        self.successes = 0;
        self.ejections = self.ejections.saturating_add(1);
    }
}

// === impl Ejected ===

impl Default for Ejected {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            quiet: 0..u64::MAX,
        }
    }
}

impl Ejected {
    pub(super) fn contains(&self, endpoint: u64) -> bool {
        !self.list.is_empty() && self.find(endpoint).is_ok()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Those whose time is over return. So do all from the future: the clock has jumped back, and
    /// nobody knows how far.
    pub(super) fn settle(&mut self, now: u64) {
        if self.quiet.contains(&now) {
            return;
        }
        self.list.retain(|e| (e.since..e.until).contains(&now));
        self.hush();
    }

    fn hush(&mut self) {
        let since = self.list.iter().map(|e| e.since).max();
        let until = self.list.iter().map(|e| e.until).min();
        self.quiet = since.unwrap_or(0)..until.unwrap_or(u64::MAX);
    }

    /// Ejects one of `endpoints` endpoints, if no more than half are.
    pub(super) fn eject(&mut self, endpoint: u64, now: u64, time: u64, endpoints: usize) -> bool {
        self.settle(now);
        let Err(at) = self.find(endpoint) else {
            return false;
        };
        if self.list.len() >= ceiling(endpoints) {
            return false;
        }
        let ejection = Ejection {
            endpoint,
            since: now,
            until: now.saturating_add(time),
            there: false,
        };
        self.list.insert(at, ejection);
        // Settled: no ejection is later than now.
        self.quiet = now..self.quiet.end.min(ejection.until);
        true
    }

    /// The Service has these endpoints now. What it has no more goes; if more than half of the rest
    /// are ejected, those return whose time is over first.
    pub(super) fn fit(&mut self, endpoints: impl Iterator<Item = u64>) {
        if self.list.is_empty() {
            return;
        }
        let mut count = 0;
        for endpoint in endpoints {
            count += 1;
            if let Ok(at) = self.find(endpoint)
                && let Some(ejection) = self.list.get_mut(at)
            {
                ejection.there = true;
            }
        }
        // Clears the mark too.
        self.list.retain_mut(|e| core::mem::take(&mut e.there));
        self.hush();
        let excess = self.list.len().saturating_sub(ceiling(count));
        if excess == 0 {
            return;
        }
        // The least time up to which `excess` of them or more end, by halves: a sort would be 4 KB of
        // the module. Of those that end at that very time as many stay as may.
        let ended = |by: u64| self.list.iter().filter(|e| e.until <= by).count();
        let (mut low, mut high) = (0, u64::MAX);
        while low < high {
            let middle = low + (high - low) / 2;
            if ended(middle) < excess {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut stay = ended(low) - excess;
        self.list.retain(|e| {
            let last = e.until == low && stay > 0;
            stay -= usize::from(last);
            e.until > low || last
        });
        self.hush();
    }

    fn find(&self, endpoint: u64) -> Result<usize, usize> {
        self.list.binary_search_by_key(&endpoint, |e| e.endpoint)
    }
}

/// How many of so many endpoints may be ejected.
fn ceiling(endpoints: usize) -> usize {
    endpoints / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds {
        tcp: 2,
        timeouts: 3,
        http: 0,
        successes: 2,
    };

    const FAIL: [Verdict; 3] = [
        Verdict::Failure(Failure::Tcp),
        Verdict::Failure(Failure::Timeout),
        Verdict::Failure(Failure::Http),
    ];

    #[test]
    fn failures_of_one_sort_in_a_row_eject() {
        let [tcp, timeout, http] = FAIL;
        let ok = Verdict::Success;
        let out = Some(FIRST);
        let rows: [(&str, &[Verdict], Option<u64>); 7] = [
            ("one", &[tcp], None),
            ("two", &[tcp, tcp], out),
            ("a success in between", &[tcp, ok, tcp], None),
            ("two sorts", &[tcp, timeout, timeout], None),
            ("two sorts, one reaches its own", &[tcp, timeout, tcp], out),
            ("timeouts", &[timeout, timeout, timeout], out),
            ("not counted", &[http; 100], None),
        ];
        for (name, verdicts, expected) in rows {
            let mut record = Record::default();
            let all = verdicts.iter().map(|v| record.take(*v, THRESHOLDS));
            let last = all.last().unwrap();
            assert_eq!(last, expected, "{name}");
        }
    }

    #[test]
    fn each_ejection_is_twice_as_long_until_successes_end_the_probation() {
        let mut record = Record::default();
        record.take(FAIL[0], THRESHOLDS);
        for expected in [10, 20, 40, 80, 160, 300, 300, 300] {
            // On probation the first failure is enough.
            assert_eq!(record.take(FAIL[0], THRESHOLDS), Some(expected * 1_000));
            record.ejected();
        }
        record.take(Verdict::Success, THRESHOLDS);
        assert_eq!(
            record.take(FAIL[0], THRESHOLDS),
            Some(LONGEST),
            "one of two"
        );
        record.ejected();
        record.take(Verdict::Success, THRESHOLDS);
        record.take(Verdict::Success, THRESHOLDS);
        assert_eq!(record.take(FAIL[0], THRESHOLDS), None);
        assert_eq!(record.take(FAIL[0], THRESHOLDS), Some(FIRST));
    }

    #[test]
    fn at_most_half_are_ejected_also_when_endpoints_go() {
        for (count, allowed) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (10, 5)] {
            let mut ejected = Ejected::default();
            let done = (0..count).filter(|n| ejected.eject(*n, 5, 10 + n, count as usize));
            assert_eq!(done.count(), allowed, "{count}");
            assert_eq!(ejected.len(), allowed);
        }
        let mut ejected = Ejected::default();
        for n in 0..5 {
            assert!(ejected.eject(n, 0, 100 - n, 10));
        }
        assert!(!ejected.eject(4, 0, 1, 10), "already");
        // Of 1..=4 two may be: those that have the longest to go.
        ejected.fit(1..=4);
        let left: Vec<_> = (0..5).filter(|n| ejected.contains(*n)).collect();
        assert_eq!(left, [1, 2]);
        ejected.fit(2..3);
        assert_eq!(ejected.len(), 0);
        // Of some that end at one time as many stay as may.
        for n in 0..5 {
            assert!(ejected.eject(n, 0, 100 + n / 4, 10));
        }
        ejected.fit(0..7);
        assert_eq!(ejected.len(), 3);
        assert!(ejected.contains(4));
    }

    #[test]
    fn they_return_after_their_time_and_when_the_clock_jumps_back() {
        let mut ejected = Ejected::default();
        ejected.eject(1, 1_000, 10, 4);
        ejected.settle(1_009);
        assert!(ejected.contains(1));
        ejected.settle(1_010);
        assert!(!ejected.contains(1));
        ejected.eject(1, 1_000, 10, 4);
        ejected.settle(999);
        assert!(!ejected.contains(1));
    }
}
