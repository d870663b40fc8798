//! The prefixes of a request's path that end at a `/`, with their hashes.

use crate::table::hash::Fast;

/// How many boundaries are hashed in the one pass; deeper ones are hashed again when asked for.
const KEPT: usize = 8;

/// Hash of a path and of its prefixes that end at a `/`, with at most `depth` slashes.
pub(super) struct Prefixes<'p> {
    path: &'p [u8],
    /// Hash of the whole path.
    pub(super) whole: u64,
    /// Ends and hashes of the first [`KEPT`] prefixes, shortest first. Few, because zeroing a
    /// larger array is a call in wasm.
    ends: [u32; KEPT],
    hashes: [u64; KEPT],
    count: usize,
    /// Prefixes beyond `kept`: where to look for the next `/` backwards, exclusive.
    beyond: Option<usize>,
}

/// The highest bit of each byte that is a `/`.
#[inline]
fn boundaries(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let zeros = word ^ 0x2f2f_2f2f_2f2f_2f2f;
    !(((zeros & LOW) + LOW) | zeros) & !LOW
}

impl<'p> Prefixes<'p> {
    #[inline]
    pub(super) fn new(path: &'p [u8], depth: u8) -> Self {
        let mut prefixes = Self {
            path,
            whole: 0,
            ends: [0; KEPT],
            hashes: [0; KEPT],
            count: 0,
            beyond: None,
        };
        let mut slashes = 0u32;
        let limit = if depth == u8::MAX {
            u32::MAX
        } else {
            u32::from(depth)
        };
        let mut run = Fast::new(0);
        let (chunks, tail) = path.as_chunks::<8>();
        let mut at = 0;
        for chunk in chunks {
            let word = u64::from_le_bytes(*chunk);
            let mut found = boundaries(word);
            while found != 0 && slashes <= limit {
                // The prefix that ends before this slash has `slashes` of them.
                let i = found.trailing_zeros() / 8;
                prefixes.keep(at + i as usize, run.finish_head(word, i));
                slashes += 1;
                found &= found - 1;
            }
            run = run.step(*chunk);
            at += 8;
        }
        for (i, byte) in tail.iter().enumerate() {
            if *byte == b'/' && slashes <= limit {
                let head = tail.get(..i).unwrap_or_default();
                prefixes.keep(at + i, run.finish(head));
                slashes += 1;
            }
        }
        prefixes.whole = run.finish(tail);
        // The whole path is a prefix too, if it is not too deep.
        if slashes <= limit {
            prefixes.keep(path.len(), prefixes.whole);
        }
        prefixes
    }

    #[inline]
    fn keep(&mut self, end: usize, hash: u64) {
        match (
            self.ends.get_mut(self.count),
            self.hashes.get_mut(self.count),
            u32::try_from(end),
        ) {
            (Some(end_slot), Some(hash_slot), Ok(end32)) => {
                *end_slot = end32;
                *hash_slot = hash;
                self.count += 1;
            }
            _ => self.beyond = Some(end),
        }
    }

    /// The next shorter prefix and its hash.
    #[inline]
    pub(super) fn next_longest(&mut self) -> Option<(&'p [u8], u64)> {
        if let Some(end) = self.beyond {
            let prefix = self.path.get(..end)?;
            let first_kept = self.ends.last().map_or(0, |end| *end as usize);
            self.beyond = prefix
                .iter()
                .rposition(|b| *b == b'/')
                .filter(|shorter| *shorter > first_kept);
            return Some((prefix, Fast::of(0, prefix)));
        }
        self.count = self.count.checked_sub(1)?;
        let end = *self.ends.get(self.count)?;
        let hash = *self.hashes.get(self.count)?;
        Some((self.path.get(..end as usize)?, hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(path: &str, depth: u8) -> Vec<String> {
        let mut prefixes = Prefixes::new(path.as_bytes(), depth);
        let mut all = Vec::new();
        while let Some((prefix, hash)) = prefixes.next_longest() {
            assert_eq!(hash, Fast::of(0, prefix));
            all.push(String::from_utf8_lossy(prefix).into_owned());
        }
        all
    }

    #[test]
    fn prefixes_end_at_slashes_longest_first() {
        assert_eq!(ends("/a/bb/ccc", 9), ["/a/bb/ccc", "/a/bb", "/a", ""]);
        assert_eq!(ends("/", 9), ["/", ""]);
        assert_eq!(ends("/a/", 9), ["/a/", "/a", ""]);
    }

    #[test]
    fn prefixes_deeper_than_the_table_are_not_asked_for() {
        assert_eq!(ends("/a/bb/ccc", 1), ["/a", ""]);
        assert_eq!(ends("/a/bb/ccc", 0), [""]);
        assert_eq!(ends("/a", 1), ["/a", ""]);
    }

    #[test]
    fn paths_with_more_segments_than_are_kept_are_whole() {
        for segments in 14..40 {
            let path: String = (0..segments).map(|i| format!("/s{i}")).collect();
            let all = ends(&path, u8::MAX);
            assert_eq!(all.len(), segments + 1, "{path}");
            assert!(all.windows(2).all(|w| w[0].len() > w[1].len()));
        }
    }
}
