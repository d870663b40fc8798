//! The table in shared data: a pool of fixed-size pages that are created once.
//!
//! In ngx_wasm_module a get copies a value after it has released the lock. A value that changes
//! its size or is deleted can be read after it was freed, which can crash a worker. So no value
//! here ever changes its size, and none is deleted:
//!
//! ```text
//! silverback/zone        sentinel: proves that the key went to the zone that is meant
//! silverback/epoch       64 bytes: which root is current                        [epoch]
//! silverback/root0|1     fixed size: every segment, its digest and its pages    [physical]
//! silverback/p0000...    fixed size: parts of segments                          [page]
//! silverback/pull        32 bytes: which worker pulls  [lease](crate::node::pull::lease)
//! ```
//! A publisher writes pages that neither the current nor the previous root uses, then a root, then
//! flips the epoch ([publish]). A reader pins the epoch and checks every digest ([view]).
//!
//! Keys are found by CRC-32 and never compared there. All keys that differ only in their last four
//! bytes have different CRC-32s (a burst of at most 32 bits is always seen), and a test proves the
//! whole set.

pub mod epoch;
pub mod page;
pub mod physical;
pub mod publish;
pub mod view;

/// Key of the sentinel.
pub const SENTINEL_KEY: &[u8] = b"silverback/zone";
/// Value of the sentinel.
pub const SENTINEL: &[u8] = b"silverback zone 1";
/// Key of the epoch record.
pub const EPOCH_KEY: &[u8] = b"silverback/epoch";
/// The most pages that a pool can have; page numbers are 16 bits with room to spare.
pub const MAX_PAGES: u16 = 4096;

/// Key of a root's place, 0 or 1.
#[must_use]
pub fn root_key(slot: u8) -> &'static [u8] {
    if slot == 0 {
        b"silverback/root0"
    } else {
        b"silverback/root1"
    }
}

/// Key of a page.
#[must_use]
pub fn page_key(page: u16) -> [u8; 16] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |shift: u16| {
        HEX.get(usize::from(page >> shift) & 0xf)
            .copied()
            .unwrap_or(b'0')
    };
    let mut key = *b"silverback/p0000";
    if let Some(digits) = key.last_chunk_mut::<4>() {
        *digits = [digit(12), digit(8), digit(4), digit(0)];
    }
    key
}

/// Shared data as proxy-wasm and the shim offer it.
pub trait SharedData {
    /// The value and its cas; `None` if the key does not exist.
    ///
    /// # Errors
    /// [`StoreError`] if the store could not be asked.
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError>;

    /// Writes a value. `cas` is what the last [`Self::get`] gave, 0 for a key that must not exist.
    ///
    /// # Errors
    /// [`StoreError::CasMismatch`] if somebody else wrote in between.
    fn set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError>;
}

/// Why shared data could not be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreError {
    /// Somebody else wrote in between.
    CasMismatch,
    /// The zone is full.
    NoMemory,
    /// Anything else: no zone, a host that refuses.
    Unavailable,
}

impl core::fmt::Display for StoreError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::CasMismatch => "somebody else wrote the value in between",
            Self::NoMemory => "the shared-data zone is full",
            Self::Unavailable => {
                "shared data is not available (hint: nginx_wasm_shm_kv_silverback = 64m eviction=none)"
            }
        })
    }
}

impl core::error::Error for StoreError {}

/// Reads until two successive gets return the same cas and gives the earlier copy: what a
/// concurrent write has torn is not seen (Kong shim facts, second round 2: 0 torn of 80,000).
///
/// # Errors
/// [`StoreError`]; [`StoreError::CasMismatch`] if the value never came to rest.
pub fn get_stable(store: &impl SharedData, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    /// Measured: 3.2 reads on average under a hammer.
    const READS: usize = 12;
    let Some((mut value, mut cas)) = store.get(key)? else {
        return Ok(None);
    };
    for _ in 0..READS {
        let Some((next, next_cas)) = store.get(key)? else {
            return Ok(None);
        };
        if next_cas == cas {
            return Ok(Some(value));
        }
        (value, cas) = (next, next_cas);
    }
    Err(StoreError::CasMismatch)
}

/// Shared data in memory, for tests and tools.
#[derive(Debug, Default)]
pub struct MemoryStore {
    values: core::cell::RefCell<Values>,
}

/// Value and cas by key.
type Values = std::collections::BTreeMap<Vec<u8>, (Vec<u8>, u32)>;

impl SharedData for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
        let values = self
            .values
            .try_borrow()
            .map_err(|_| StoreError::Unavailable)?;
        Ok(values.get(key).cloned())
    }

    fn set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError> {
        let mut values = self
            .values
            .try_borrow_mut()
            .map_err(|_| StoreError::Unavailable)?;
        let current = values.get(key).map_or(0, |(_, cas)| *cas);
        if current != cas {
            return Err(StoreError::CasMismatch);
        }
        values.insert(
            key.to_vec(),
            (value.to_vec(), current.wrapping_add(1).max(1)),
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::pull::lease::LEASE_KEY;
    use std::collections::BTreeMap;

    #[test]
    fn no_two_keys_have_one_crc32() {
        let mut seen: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let mut keys: Vec<Vec<u8>> = (0..=u16::MAX).map(|p| page_key(p).to_vec()).collect();
        keys.push(SENTINEL_KEY.to_vec());
        keys.push(EPOCH_KEY.to_vec());
        keys.push(root_key(0).to_vec());
        keys.push(root_key(1).to_vec());
        keys.push(LEASE_KEY.to_vec());
        for key in keys {
            let other = seen.insert(crc32fast::hash(&key), key.clone());
            assert_eq!(other, None, "{}", String::from_utf8_lossy(&key));
        }
    }
}
