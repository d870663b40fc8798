//! Which worker asks: the one that holds the lease in shared data.
//!
//! ```text
//! silverback/pull: u32 magic "SBLE" | u32 0 | u64 holder | u64 until, milliseconds | u64 checksum
//! ```
//! It only keeps the workers of a node from asking all at once. Correctness does not rest on it: two
//! that publish at once are safe ([`crate::table::store::publish`]).
//!
//! A lease counts from a later millisecond than the one it was taken in, and only if the record still has
//! the holder's number then. In ngx_wasm_module compare-and-swap alone would do; in Envoy a cas of 0
//! writes whatever is there, so the record can be created twice, by workers that start together.

use crate::table::bytes::Cursor;
use crate::table::hash::Fast;
use crate::table::store::{SharedData, StoreError};

/// Key of the record.
pub const LEASE_KEY: &[u8] = b"silverback/pull";
/// Length of the record, which never changes.
pub const LEASE_LEN: usize = 32;
/// How long a lease counts if its holder says nothing more, milliseconds. A holder says so every
/// half of it; so long a dead one is waited for.
pub const TERM: u64 = 4_000;

const MAGIC: u32 = u32::from_le_bytes(*b"SBLE");

/// What a worker may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It asks.
    Held,
    /// It has taken the lease, which counts soon.
    Taken,
    /// Another holds it, for so many milliseconds at least if it is dead.
    Other(u64),
}

/// One worker's side of the lease.
#[derive(Debug)]
pub struct Lease {
    /// Makes numbers that no other worker has.
    seed: u64,
    taken: u64,
    /// Its number and when it was taken; 0 = does not hold it.
    holder: u64,
    since: u64,
}

/// Who holds it, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Record {
    holder: u64,
    until: u64,
}

// === impl Lease ===

impl Lease {
    /// A worker's side; `seed` is of this worker alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            taken: 0,
            holder: 0,
            since: 0,
        }
    }

    /// Takes or keeps the lease if that is possible.
    ///
    /// # Errors
    /// [`StoreError`]; somebody else wrote the record, or it cannot be had.
    pub fn hold(&mut self, now: u64, store: &impl SharedData) -> Result<Hold, StoreError> {
        let Some((value, cas)) = store.get(LEASE_KEY)? else {
            self.holder = 0;
            store.set(LEASE_KEY, &Record::default().encode(), 0)?;
            return Ok(Hold::Other(0));
        };
        if value.len() != LEASE_LEN {
            return Err(StoreError::Unavailable);
        }
        // Torn, or of another release: nobody's, and of the same length.
        let record = Record::decode(&value).unwrap_or_default();
        // A clock that went back leaves terms that are too long.
        let left = record.until.saturating_sub(now);
        let runs = left > 0 && left <= TERM;
        if self.holder != 0 && record.holder == self.holder {
            if left <= TERM / 2 || !runs {
                self.write(now, store, cas)?;
            }
            return Ok(if now == self.since {
                Hold::Taken
            } else {
                Hold::Held
            });
        }
        self.holder = 0;
        if runs && record.holder != 0 {
            return Ok(Hold::Other(left));
        }
        self.taken = self.taken.wrapping_add(1);
        let number = Fast::new(self.seed).step(now.to_le_bytes());
        let number = number.step(self.taken.to_le_bytes());
        self.holder = number.finish(&[]).max(1);
        self.since = now;
        self.write(now, store, cas)?;
        Ok(Hold::Taken)
    }

    fn write(&mut self, now: u64, store: &impl SharedData, cas: u32) -> Result<(), StoreError> {
        let record = Record {
            holder: self.holder,
            until: now.saturating_add(TERM),
        };
        let written = store.set(LEASE_KEY, &record.encode(), cas);
        if written.is_err() {
            self.holder = 0;
        }
        written
    }
}

// === impl Record ===

impl Record {
    fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEASE_LEN);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.holder.to_le_bytes());
        out.extend_from_slice(&self.until.to_le_bytes());
        let checksum = Fast::of(u64::from(MAGIC), &out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (checked, checksum) = bytes.split_last_chunk::<8>()?;
        if u64::from_le_bytes(*checksum) != Fast::of(u64::from(MAGIC), checked) {
            return None;
        }
        let mut cursor = Cursor::new(checked);
        if cursor.u32()? != MAGIC {
            return None;
        }
        cursor.u32()?;
        Some(Self {
            holder: cursor.u64()?,
            until: cursor.u64()?,
        })
    }
}
