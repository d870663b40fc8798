//! The two hashes of the table.
//!
//! * [`digest64`] and [`digest128`] (BLAKE3, truncated) name things: ids, segments, roots. Nobody
//!   can choose a name that hits another's.
//! * [`Fast`] finds things: hosts and paths within a segment. A hit is always compared with the
//!   stored text, so a collision costs time and never an answer. It eats 8 bytes a step with one
//!   64-bit multiplication, which wasm has.

use super::bytes::word;

/// Bytes of a [`Digest`].
pub const DIGEST_LEN: usize = 16;

/// Names content: the first 16 bytes of its BLAKE3 hash.
pub type Digest = [u8; DIGEST_LEN];

/// The digest of `bytes`.
#[must_use]
pub fn digest128(bytes: &[u8]) -> Digest {
    let hash = blake3::hash(bytes);
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// A 64-bit id of a list of texts; the lengths are hashed too, so `["ab"]` is not `["a", "b"]`.
#[must_use]
pub fn digest64(parts: &[&str]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        // A text of 2^32 bytes does not fit into a wasm memory.
        let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
        hasher.update(&len.to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let hash = hasher.finalize();
    hash.as_bytes()
        .first_chunk()
        .map_or(0, |head| u64::from_le_bytes(*head))
}

/// Odd, from the golden ratio: one step's multiplier.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// Odd, from MurmurHash3's finalizer: spreads the high bits down.
const FINISH: u64 = 0xff51_afd7_ed55_8ccd;

/// A running fast hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fast {
    state: u64,
}

impl Fast {
    /// A run in the name space `seed`.
    #[inline]
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(STEP) ^ FINISH,
        }
    }

    /// Eats one step of 8 bytes.
    #[inline]
    #[must_use]
    pub fn step(self, chunk: [u8; 8]) -> Self {
        Self {
            state: (self.state.rotate_left(23) ^ u64::from_le_bytes(chunk)).wrapping_mul(STEP),
        }
    }

    /// Ends the run with the last 0 to 7 bytes.
    #[inline]
    #[must_use]
    pub fn finish(self, tail: &[u8]) -> u64 {
        self.finish_word(word(tail), tail.len() as u64)
    }

    /// Ends the run over `bytes`, whose whole steps it has eaten. Where there was one, the last 0 to
    /// 7 bytes come out of the last 8 by a shift: 8 instructions instead of 25.
    #[inline]
    fn finish_all(self, bytes: &[u8]) -> u64 {
        let len = bytes.len() as u64 & 7;
        match bytes.last_chunk() {
            Some(end) => {
                let end = u64::from_le_bytes(*end);
                self.finish_word(end >> 1 >> (63 - len * 8), len)
            }
            None => self.finish(bytes),
        }
    }

    #[inline]
    fn finish_word(self, word: u64, len: u64) -> u64 {
        let mut h = (self.state.rotate_left(23) ^ word).wrapping_mul(STEP) ^ len;
        h = (h ^ (h >> 32)).wrapping_mul(FINISH);
        h ^ (h >> 29)
    }

    /// The hash of `bytes` in the name space `seed`.
    #[inline]
    #[must_use]
    pub fn of(seed: u64, bytes: &[u8]) -> u64 {
        let mut run = Self::new(seed);
        let mut rest = bytes;
        // Over chunks of a slice LLVM unrolls the loop, and a host is done before that pays.
        while let Some((chunk, tail)) = rest.split_first_chunk() {
            run = run.step(*chunk);
            rest = tail;
        }
        run.finish_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_in_steps_is_the_hash_of_the_whole() {
        let text = b"/api/v1/users/42/orders";
        for len in 0..text.len() {
            let text = &text[..len];
            let (chunks, tail) = text.as_chunks::<8>();
            let run = (chunks.iter()).fold(Fast::new(7), |run, chunk| run.step(*chunk));
            assert_eq!(run.finish(tail), Fast::of(7, text));
        }
    }

    #[test]
    fn zero_bytes_and_seeds_count() {
        assert_ne!(Fast::of(0, b"a"), Fast::of(0, b"a\0"));
        assert_ne!(Fast::of(0, b""), Fast::of(0, b"\0"));
        assert_ne!(Fast::of(0, b"abcdefgh"), Fast::of(0, b"abcdefgh\0"));
        assert_ne!(Fast::of(0, b"a"), Fast::of(1, b"a"));
    }

    #[test]
    fn ids_depend_on_where_the_parts_end() {
        assert_ne!(digest64(&["ab", "c"]), digest64(&["a", "bc"]));
        assert_ne!(digest64(&["ab"]), digest64(&["ab", ""]));
    }
}
