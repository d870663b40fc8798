//! Requests in flight, counted so that a count that nobody takes back expires.
//!
//! `on_log` takes a request back, and does not always come: Kong leaves gRPC routes by an internal
//! redirect that ends the filter's context (Kong shim facts 1). So time is cut into periods, and an
//! endpoint has a count for this period and one for the last. A request belongs to the period in
//! which it began, and is forgotten with it: after one to two periods.

/// Length of a period, milliseconds.
pub(super) const PERIOD: u64 = 600_000;

/// Requests in flight at one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct InFlight {
    period: u32,
    current: u32,
    last: u32,
}

/// The period of a time.
pub(super) fn period(now: u64) -> u32 {
    u32::try_from(now / PERIOD).unwrap_or(u32::MAX)
}

// === impl InFlight ===

impl InFlight {
    /// How many there are.
    pub(super) fn count(&mut self, now: u64) -> u32 {
        self.turn(period(now));
        self.current.saturating_add(self.last)
    }

    /// One begins; the period that it belongs to.
    pub(super) fn begin(&mut self, now: u64) -> u32 {
        self.turn(period(now));
        self.current = self.current.saturating_add(1);
        self.period
    }

    /// One of this period ends.
    pub(super) fn end(&mut self, period_of: u32, now: u64) {
        self.turn(period(now));
        if period_of == self.period {
            self.current = self.current.saturating_sub(1);
        } else if period_of.wrapping_add(1) == self.period {
            self.last = self.last.saturating_sub(1);
        }
    }

    /// Goes on to a period. A clock that is set back a little stays in this one; one that jumps has
    /// nothing to say about what was counted before.
    fn turn(&mut self, to: u32) {
        if to == self.period || to.saturating_add(1) == self.period {
            return;
        }
        self.last = if to.checked_sub(1) == Some(self.period) {
            self.current
        } else {
            0
        };
        self.current = 0;
        self.period = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_and_ends_leaves_nothing() {
        let mut load = InFlight::default();
        let at = 7 * PERIOD;
        let first = load.begin(at);
        let second = load.begin(at + PERIOD);
        assert_eq!(load.count(at + PERIOD), 2);
        load.end(first, at + PERIOD + 1);
        load.end(second, at + PERIOD + 1);
        assert_eq!(load.count(at + PERIOD + 1), 0);
    }

    #[test]
    fn what_never_ends_expires_and_its_late_end_takes_nothing_from_others() {
        let mut load = InFlight::default();
        let lost = load.begin(PERIOD - 1);
        assert_eq!(load.count(2 * PERIOD - 1), 1, "at least one period");
        assert_eq!(load.count(2 * PERIOD), 0, "at most two");
        load.begin(2 * PERIOD);
        load.end(lost, 2 * PERIOD);
        assert_eq!(load.count(2 * PERIOD), 1);
    }

    #[test]
    fn a_clock_that_jumps_does_no_harm() {
        let mut load = InFlight::default();
        let at = 100 * PERIOD;
        let one = load.begin(at);
        assert_eq!(load.count(at - 1), 1, "a little back");
        load.end(one, at - 1);
        assert_eq!(load.count(at), 0);
        let lost = load.begin(at);
        assert_eq!(load.count(u64::MAX), 0, "ahead");
        let one = load.begin(u64::MAX);
        assert_eq!(load.count(at), 0, "and back again");
        let two = load.begin(at);
        load.end(one, at);
        assert_eq!(load.count(at), 1);
        load.end(two, at);
        load.end(lost, at);
        assert_eq!(load.count(at), 0);
    }
}
