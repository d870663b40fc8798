//! What was done to the run, and how much of it there has to be.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::zone::{Place, ReadTally, Step};

/// Counts by name.
#[derive(Debug, Default)]
pub(crate) struct Tally(RefCell<BTreeMap<&'static str, u64>>);

impl Tally {
    pub(crate) fn add(&self, name: &'static str) {
        *self.0.borrow_mut().entry(name).or_default() += 1;
    }

    pub(crate) fn get(&self, name: &str) -> u64 {
        self.0.borrow().get(name).copied().unwrap_or(0)
    }

    pub(crate) fn add_reads(&self, reads: ReadTally) {
        let places = [Place::Epoch, Place::Root, Place::Page].map(|place| place as usize);
        let names = [
            (
                reads.torn,
                ["torn epoch records", "torn roots", "torn pages"],
            ),
            (
                reads.stale,
                ["stale epoch records", "stale roots", "stale pages"],
            ),
            (
                reads.aliased,
                ["aliased epoch records", "aliased roots", "aliased pages"],
            ),
            (
                reads.missing,
                ["missing epoch records", "missing roots", "missing pages"],
            ),
        ];
        let mut tally = self.0.borrow_mut();
        for (counts, names) in names {
            for (place, name) in places.into_iter().zip(names) {
                tally.insert(name, counts[place]);
            }
        }
        tally.insert("refused reads", reads.refused);
    }

    /// The name under which a death at this step counts.
    pub(crate) fn killed(step: Step) -> &'static str {
        match step {
            Step::Read => "node killed before a read",
            Step::Claim => "node killed before the claim",
            Step::Page => "node killed at a page",
            Step::Root => "node killed at the root",
            Step::Flip => "node killed before the flip",
        }
    }

    /// Prints every count and says which are too few, for a run of so many commits and lookups.
    pub(crate) fn judge(&self, commits: u64, lookups: u64) -> Vec<String> {
        let mut short = Vec::new();
        let tally = self.0.borrow();
        let minimum: BTreeMap<&str, u64> = minimums(commits, lookups).into_iter().collect();
        for (name, count) in tally.iter() {
            let least = minimum.get(name).copied().unwrap_or(0);
            println!("{count:>12}  {name} (at least {least})");
        }
        for (name, least) in minimum {
            let count = tally.get(name).copied().unwrap_or(0);
            if count < least {
                short.push(format!("{name}: {count} of {least}"));
            }
        }
        short
    }
}

/// The least of each kind: somewhat below what the probabilities of the run give.
fn minimums(commits: u64, lookups: u64) -> Vec<(&'static str, u64)> {
    vec![
        ("torn epoch records", lookups / 20_000),
        ("torn roots", lookups / 20_000),
        ("torn pages", lookups / 20_000),
        ("stale epoch records", lookups / 2_000),
        ("stale roots", lookups / 20_000),
        ("stale pages", lookups / 20_000),
        ("aliased epoch records", lookups / 2_000),
        ("aliased roots", lookups / 20_000),
        ("aliased pages", lookups / 20_000),
        ("missing epoch records", lookups / 2_000),
        ("missing roots", lookups / 20_000),
        ("missing pages", lookups / 20_000),
        ("refused reads", lookups / 2_000),
        ("lookups during a commit", commits / 10),
        ("commits during a lookup", commits / 50),
        ("workers restarted", lookups / 40_000),
        ("truncated commits", commits / 200),
        ("bit-flipped commits", commits / 200),
        ("reordered commits", commits / 400),
        ("oversized commits", commits / 1_000),
        ("older-format commits", commits / 400),
        ("late commits", commits / 400),
        ("commits sent twice", commits / 400),
        ("lost commits", commits / 400),
        ("lost answers", commits / 400),
        ("segments left out", commits / 400),
        ("damaged segments put", commits / 2_000),
        ("two publishers at once", commits / 200),
        ("the other publisher won", commits / 1_000),
        ("node killed before a read", commits / 1_000),
        ("node killed before the claim", commits / 2_000),
        ("node killed at a page", commits / 2_000),
        ("node killed at the root", commits / 2_000),
        ("node killed before the flip", commits / 2_000),
        ("writes refused", commits / 1_000),
        ("nodes reloaded", commits / 2_000),
        ("zones lost", commits / 2_000),
        ("zone full", commits / 4_000),
        ("publishers restarted", commits / 1_000),
    ]
}
