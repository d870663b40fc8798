//! Weighted round-robin with the state of one number.
//!
//! Every weight is an interval of `[0, total)`. A rotation visits the places of `[0, total)` by steps
//! that have no divisor in common with `total`, so that any `total` successive requests visit every
//! place once: **the shares are exact over every cycle**, wherever it begins. Steps of about the golden
//! section spread the visits of each interval evenly in between, as nginx's smooth weighted
//! round-robin does, which needs a number for each backend and begins every cycle with the heaviest:
//! a canary would get nothing from workers that see few requests. A rotation can begin anywhere.

/// A place in a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rotation {
    at: u32,
    /// Length of the cycle that `at` and `step` are for; 0 = none yet.
    total: u32,
    step: u32,
}

/// 2^32 times the golden section.
const GOLDEN: u64 = 0x9e37_79b9;

// === impl Rotation ===

impl Rotation {
    /// The next place of a cycle of `total` places. A cycle of another length goes on where this one
    /// was; the first begins at `start`. Below `total`, or 0.
    pub(super) fn next(&mut self, total: u32, start: impl FnOnce(u32) -> u32) -> u32 {
        if self.total != total {
            self.at = match self.total {
                0 => start(total),
                // Below `total`, as `at` is below the old one.
                old => (u64::from(self.at) * u64::from(total) / u64::from(old)) as u32,
            };
            self.total = total;
            self.step = step(total);
        }
        let at = self.at;
        // Both are below 2^32.
        let next = u64::from(at) + u64::from(self.step);
        self.at = (next % u64::from(total.max(1))) as u32;
        at
    }
}

/// The number next to the golden section of `total` that has no divisor in common with it.
fn step(total: u32) -> u32 {
    let golden = ((u64::from(total) * GOLDEN) >> 32) as u32;
    // There is one: 1, or for 0 and 1 none is needed.
    (0..total)
        .flat_map(|off| [golden.checked_add(off), golden.checked_sub(off)])
        .flatten()
        .find(|step| gcd(*step, total) == 1)
        .unwrap_or(1)
}

/// Greatest common divisor; of 0 and a number the number.
pub(super) fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cycle_visits_every_place_once_wherever_it_begins() {
        for total in (1..=300).chain([997, 1_000, 1_024, 65_536, 100_003]) {
            let mut rotation = Rotation::default();
            for _ in 0..total / 3 {
                rotation.next(total, |_| total / 2);
            }
            let mut seen = vec![false; total as usize];
            for _ in 0..total {
                let at = rotation.next(total, |_| 0) as usize;
                assert!(!core::mem::replace(&mut seen[at], true), "{total}: {at}");
            }
        }
    }

    #[test]
    fn another_length_goes_on_at_the_same_part() {
        let mut rotation = Rotation::default();
        for (total, most) in [(100, 99), (7, 6), (1, 0), (1_000_000, 999_999), (3, 2)] {
            let at = rotation.next(total, |_| 42);
            assert!(at <= most, "{total}: {at}");
        }
        assert_eq!(Rotation::default().next(0, |_| 0), 0);
        let mut rotation = Rotation::default();
        rotation.next(10, |_| 0);
        // 6 or 7 of 10.
        let at = rotation.next(100, |_| 0);
        assert!((60..80).contains(&at), "{at}");
    }

    #[test]
    fn divisors() {
        for (a, b, expected) in [(0, 0, 0), (0, 5, 5), (5, 0, 5), (50, 50, 50), (90, 12, 6)] {
            assert_eq!(gcd(a, b), expected);
        }
    }
}
