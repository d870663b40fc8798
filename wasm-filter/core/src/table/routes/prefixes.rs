//! The prefixes of a request's path that end at a `/`, with their hashes.

use crate::table::hash::Fast;

/// How many prefixes are kept; shorter ones are hashed again when asked for. Most hosts have paths
/// of one to four depths.
const KEPT: usize = 4;

/// The bit that stands for its depth and all greater ones.
pub(super) const DEEPEST: u32 = 15;

/// Hash of a path and of its prefixes that end at a `/`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prefixes<'p> {
    path: &'p [u8],
    depths: u16,
    /// Hash of the whole path, if it was asked for.
    pub(super) whole: u64,
    /// End and hash of the longest prefixes that are left, longest first. Moved, never indexed: so
    /// they stay out of memory, which took 100 instructions off.
    kept: [(usize, u64); KEPT],
    count: usize,
    /// There were more.
    dropped: bool,
    /// End of the prefix that was taken last.
    taken: usize,
}

/// The highest bit of each byte that is a `/`.
#[inline]
fn boundaries(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let zeros = word ^ 0x2f2f_2f2f_2f2f_2f2f;
    !(((zeros & LOW) + LOW) | zeros) & !LOW
}

/// Is a prefix with this many slashes asked for?
fn wanted(depths: u16, slashes: usize) -> bool {
    let slashes = u32::try_from(slashes).unwrap_or(DEEPEST).min(DEEPEST);
    (depths >> slashes) & 1 == 1
}

impl<'p> Prefixes<'p> {
    /// No prefixes.
    #[inline]
    pub(super) fn none(path: &'p [u8]) -> Self {
        Self {
            path,
            depths: 0,
            whole: 0,
            kept: [(0, 0); KEPT],
            count: 0,
            dropped: false,
            taken: 0,
        }
    }

    /// Bit n of `depths`: prefixes with n slashes are asked for. Hashing only those, and nothing
    /// behind the deepest, spares two thirds of the hashes of a usual path.
    #[inline]
    pub(super) fn fill(&mut self, depths: u16, whole: bool) {
        let path = self.path;
        self.depths = depths;
        // Shifted down with each slash; the sign, bit 15, comes after itself.
        let mut left = depths.cast_signed();
        let mut run = Fast::new(0);
        let mut at = 0;
        let (chunks, tail) = path.as_chunks::<8>();
        for chunk in chunks {
            let word = u64::from_le_bytes(*chunk);
            let mut found = boundaries(word);
            while found != 0 {
                if left & 1 != 0 {
                    let i = found.trailing_zeros() / 8;
                    self.keep(at + i as usize, run.finish_head(word, i));
                }
                left >>= 1;
                found &= found - 1;
            }
            if left == 0 && !whole {
                return;
            }
            run = run.step(*chunk);
            at += 8;
        }
        for (i, byte) in tail.iter().enumerate() {
            if *byte == b'/' {
                if left & 1 != 0 {
                    let head = tail.get(..i).unwrap_or_default();
                    self.keep(at + i, run.finish(head));
                }
                left >>= 1;
            }
        }
        self.whole = run.finish(tail);
        // The whole path is a prefix too.
        if left & 1 != 0 {
            self.keep(path.len(), self.whole);
        }
    }

    #[inline(always)]
    fn keep(&mut self, end: usize, hash: u64) {
        let [a, b, c, _] = self.kept;
        self.kept = [(end, hash), a, b, c];
        self.dropped |= self.count == KEPT;
        self.count = KEPT.min(self.count + 1);
    }

    /// The longest prefix that is left, and its hash.
    pub(super) fn longest(&self) -> Option<(&'p [u8], u64)> {
        let mut copy = *self;
        copy.next_longest()
    }

    /// Takes the longest prefix that is left.
    #[inline(always)]
    pub(super) fn next_longest(&mut self) -> Option<(&'p [u8], u64)> {
        if self.count == 0 {
            if !self.dropped {
                return None;
            }
            self.taken = shorter(self.path, self.depths, self.taken)?;
            let prefix = self.path.get(..self.taken)?;
            return Some((prefix, Fast::of(0, prefix)));
        }
        let [(end, hash), b, c, d] = self.kept;
        self.kept = [b, c, d, d];
        self.count -= 1;
        self.taken = end;
        Some((self.path.get(..end)?, hash))
    }
}

/// The end of the next prefix shorter than `end` that is asked for.
#[inline(never)]
fn shorter(path: &[u8], depths: u16, end: usize) -> Option<usize> {
    let mut prefix = path.get(..end)?;
    let mut slashes = prefix.iter().filter(|b| **b == b'/').count();
    loop {
        let end = prefix.iter().rposition(|b| *b == b'/')?;
        prefix = prefix.get(..end)?;
        slashes = slashes.saturating_sub(1);
        if wanted(depths, slashes) {
            return Some(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(path: &str, depths: u16) -> Vec<String> {
        let mut prefixes = Prefixes::none(path.as_bytes());
        prefixes.fill(depths, true);
        assert_eq!(prefixes.whole, Fast::of(0, path.as_bytes()));
        let mut all = Vec::new();
        while let Some((prefix, hash)) = prefixes.next_longest() {
            assert_eq!(hash, Fast::of(0, prefix));
            all.push(String::from_utf8_lossy(prefix).into_owned());
        }
        all
    }

    #[test]
    fn prefixes_end_at_slashes_longest_first() {
        assert_eq!(
            ends("/a/bb/ccc", u16::MAX),
            ["/a/bb/ccc", "/a/bb", "/a", ""]
        );
        assert_eq!(ends("/", u16::MAX), ["/", ""]);
        assert_eq!(ends("/a/", u16::MAX), ["/a/", "/a", ""]);
    }

    #[test]
    fn only_depths_that_the_table_has_are_asked_for() {
        assert_eq!(ends("/a/bb/ccc", 0b11), ["/a", ""]);
        assert_eq!(ends("/a/bb/ccc", 0b1), [""]);
        assert_eq!(ends("/a/bb/ccc", 0b1010), ["/a/bb/ccc", "/a"]);
        assert_eq!(ends("/a", 0b10), ["/a"]);
        assert_eq!(ends("/a", 0b100), [""; 0]);
    }

    #[test]
    fn any_depths_of_paths_with_any_number_of_segments() {
        for segments in 1..40 {
            let path: String = (0..segments).map(|i| format!("/s{i}")).collect();
            let prefixes: Vec<_> = (0..=segments)
                .map(|n| (0..n).map(|i| format!("/s{i}")).collect::<String>())
                .collect();
            for depths in [u16::MAX, 0x8000, 0x8421, 0xaaaa, 0x00ff, 0x0300, 1, 0] {
                let expected: Vec<_> = (prefixes.iter().enumerate().rev())
                    .filter(|(slashes, _)| wanted(depths, *slashes))
                    .map(|(_, prefix)| prefix.clone())
                    .collect();
                assert_eq!(ends(&path, depths), expected, "{path} {depths:#x}");
            }
        }
    }
}
