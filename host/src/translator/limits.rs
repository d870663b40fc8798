//! How much a call into the translator may take.
//!
//! Fuel is what a runaway guest is stopped by: about one unit an instruction, the same on every
//! machine, and given in proportion to the work, so that no honest object ever meets it however
//! big it is. The factors are generous; they were not derived from a measurement.

use std::time::Duration;

/// All limits of the translator.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Linear memory of one instance.
    pub memory_bytes: usize,
    /// Fuel of any call, before the work is counted.
    pub base_fuel: u64,
    /// `apply` parses its object: fuel for each byte of it.
    pub apply_fuel_per_byte: u64,
    /// `commit` compiles what was applied: fuel for each byte applied since the last one.
    pub commit_fuel_per_byte: u64,
    /// Calls that may touch the whole table (`commit`, `explain`, `dump`, `take-changes`): fuel
    /// for each byte of it.
    pub fuel_per_table_byte: u64,
    /// Longest that a call may take by the clock. The machine may be busy or asleep, so whoever
    /// runs into it is not to blame: the call is tried once more on a fresh instance.
    pub watchdog: Duration,
    /// Segment bytes that are taken over in one piece.
    pub piece_bytes: u32,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            base_fuel: 50_000_000,
            apply_fuel_per_byte: 5_000,
            commit_fuel_per_byte: 50_000,
            fuel_per_table_byte: 2_000,
            watchdog: Duration::from_secs(60),
            piece_bytes: 4 << 20,
        }
    }
}

impl Limits {
    pub(super) fn apply_fuel(&self, bytes: usize) -> u64 {
        self.fuel(self.apply_fuel_per_byte, bytes as u64)
    }

    pub(super) fn commit_fuel(&self, applied_bytes: u64, table_bytes: u64) -> u64 {
        self.fuel(self.commit_fuel_per_byte, applied_bytes)
            .saturating_add(self.fuel_per_table_byte.saturating_mul(table_bytes))
    }

    pub(super) fn table_fuel(&self, table_bytes: u64) -> u64 {
        self.fuel(self.fuel_per_table_byte, table_bytes)
    }

    fn fuel(&self, factor: u64, bytes: u64) -> u64 {
        self.base_fuel.saturating_add(factor.saturating_mul(bytes))
    }
}
