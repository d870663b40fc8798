//! Slots: offsets found by hash. Hosts in a segment and paths of a host are found so.
//!
//! ```text
//! slot     u32: the hash's highest 6 bits | 26 bits offset, 0 = empty
//! ```
//! A power of two of slots, open addressing, linear probing. Whoever finds an offset compares what
//! is there with what is looked for; the 6 bits spare nearly all reads of something else.

use super::bytes::{offset, patch_u32, u32_at};

/// Offsets have as many bits as a pool of [`super::store::MAX_PAGES`] pages has bytes (64 MiB); a
/// table with larger ones is refused when it is published.
const OFFSET_BITS: u32 = 26;
const OFFSET: u32 = (1 << OFFSET_BITS) - 1;

/// Slots being read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slots<'a> {
    /// The slots, and what follows them: each read is checked against the end of all.
    bytes: &'a [u8],
    count: u32,
}

/// The bits of a hash that a slot repeats, in their place; the low bits choose the slot.
#[inline]
fn fingerprint(hash: u64) -> u32 {
    (hash >> 32) as u32 & !OFFSET
}

impl<'a> Slots<'a> {
    /// The first `count` slots of `bytes`.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], count: u32) -> Self {
        Self { bytes, count }
    }

    /// The offset in a slot.
    #[inline]
    pub(crate) fn get(self, slot: u32) -> Option<u32> {
        if slot >= self.count {
            return None;
        }
        Some(u32_at(self.bytes, slot as usize * 4)? & OFFSET)
    }

    /// The offsets at which what has this hash may be; each slot is seen once at most. The number of
    /// slots is a power of two.
    #[inline(always)]
    pub(crate) fn find(self, hash: u64) -> impl Iterator<Item = u32> + use<'a> {
        let fingerprint = fingerprint(hash);
        let mask = self.count.wrapping_sub(1);
        let mut at = hash as u32;
        let mut left = self.count;
        core::iter::from_fn(move || {
            while left != 0 {
                let slot = u32_at(self.bytes, (at & mask) as usize * 4)?;
                if slot == 0 {
                    return None;
                }
                left -= 1;
                at = at.wrapping_add(1);
                if (slot ^ fingerprint) >> OFFSET_BITS == 0 {
                    return Some(slot & OFFSET);
                }
            }
            None
        })
    }
}

/// Sets slot number `slot` of those that begin at `base` to an offset without a hash.
pub(crate) fn set(out: &mut [u8], base: usize, slot: usize, at: usize) {
    patch_u32(out, base + slot * 4, offset(at).min(OFFSET));
}

/// Puts an offset into a free one of the `count` slots (a power of two) that begin at `base`.
pub(crate) fn put(out: &mut [u8], base: usize, count: usize, hash: u64, at: usize) {
    let mask = count.wrapping_sub(1);
    let mut slot = hash as usize & mask;
    while u32_at(out, base + slot * 4).is_some_and(|taken| taken != 0) {
        slot = (slot + 1) & mask;
    }
    let value = fingerprint(hash) | offset(at).min(OFFSET);
    patch_u32(out, base + slot * 4, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(bytes: &[u8]) -> Slots<'_> {
        Slots::new(bytes, offset(bytes.len() / 4))
    }

    #[test]
    fn what_was_put_is_found_and_other_hashes_rarely_lead_to_it() {
        let hash = |i: u64| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut out = vec![0; 64 * 4];
        for i in 0..48 {
            put(&mut out, 0, 64, hash(i), 100 + i as usize);
        }
        for i in 0..48 {
            assert!(slots(&out).find(hash(i)).any(|at| at == 100 + i as u32));
        }
        let others: usize = (100..1_100)
            .map(|i| slots(&out).find(hash(i)).count())
            .sum();
        assert!(others < 200, "{others}");
        let taken = (0..65).filter_map(|slot| slots(&out).get(slot));
        assert_eq!(taken.filter(|at| *at != 0).count(), 48);
    }

    #[test]
    fn full_slots_and_none_end() {
        let mut out = vec![0; 8];
        put(&mut out, 0, 2, 0, 1);
        put(&mut out, 0, 2, 0, 2);
        assert_eq!(slots(&out).find(1).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(slots(&out).find(u64::MAX).count(), 0);
        assert_eq!(slots(&[]).find(7).count(), 0);
    }
}
