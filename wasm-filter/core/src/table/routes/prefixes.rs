//! The prefixes of a request's path that end at a `/` and are as long as one of the table's.

/// The bit that stands for its length and all greater ones.
pub(super) const LONGEST: u32 = 63;

/// The prefixes of a path that end at a `/`, and the path itself, longest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prefixes<'p> {
    path: &'p [u8],
    /// Bit n: a prefix of n bytes is asked for, and not taken yet.
    lengths: u64,
    /// The part of the path in which the next of [`LONGEST`] or more bytes is looked for.
    long: &'p [u8],
}

/// The bit of a prefix of this length.
pub(super) fn length_bit(len: usize) -> u64 {
    1 << u32::try_from(len).unwrap_or(LONGEST).min(LONGEST)
}

impl<'p> Prefixes<'p> {
    /// Bit n of `lengths`: prefixes of n bytes are asked for. A table has few lengths, and nothing
    /// else of the path is looked at.
    #[inline(always)]
    pub(super) fn new(path: &'p [u8], lengths: u64) -> Self {
        Self {
            path,
            lengths,
            long: path,
        }
    }

    /// The longest prefix that is left.
    pub(super) fn longest(&self) -> Option<&'p [u8]> {
        let mut copy = *self;
        copy.next_longest()
    }

    /// Takes the longest prefix that is left.
    pub(super) fn next_longest(&mut self) -> Option<&'p [u8]> {
        if self.lengths >> LONGEST != 0 {
            if let Some(prefix) = self.next_long() {
                return Some(prefix);
            }
            self.lengths ^= 1 << LONGEST;
        }
        self.next_short()
    }

    /// Takes the longest prefix that is left, if none has [`LONGEST`] or more bytes.
    #[inline(always)]
    pub(super) fn next_short(&mut self) -> Option<&'p [u8]> {
        while self.lengths != 0 {
            let length = 63 - self.lengths.leading_zeros();
            self.lengths ^= 1 << length;
            if let Some((prefix, rest)) = self.path.split_at_checked(length as usize)
                && matches!(rest.first(), None | Some(b'/'))
            {
                return Some(prefix);
            }
        }
        None
    }

    /// Takes the longest prefix that is left, if it has at least [`LONGEST`] bytes.
    fn next_long(&mut self) -> Option<&'p [u8]> {
        let prefix = self.long;
        if prefix.len() < LONGEST as usize {
            return None;
        }
        let slash = prefix.iter().rposition(|byte| *byte == b'/');
        self.long = slash.and_then(|end| prefix.get(..end)).unwrap_or_default();
        Some(prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(path: &str, lengths: u64) -> Vec<String> {
        let mut prefixes = Prefixes::new(path.as_bytes(), lengths);
        core::iter::from_fn(|| {
            let longest = prefixes.longest();
            assert_eq!(prefixes.next_longest(), longest);
            longest.map(|prefix| String::from_utf8_lossy(prefix).into_owned())
        })
        .collect()
    }

    #[test]
    fn prefixes_end_at_slashes_longest_first() {
        assert_eq!(
            prefixes("/a/bb/ccc", u64::MAX),
            ["/a/bb/ccc", "/a/bb", "/a", ""]
        );
        assert_eq!(prefixes("/", u64::MAX), ["/", ""]);
        assert_eq!(prefixes("/a/", u64::MAX), ["/a/", "/a", ""]);
    }

    #[test]
    fn only_lengths_that_the_table_has_are_asked_for() {
        assert_eq!(prefixes("/a/bb/ccc", 0b101), ["/a", ""]);
        assert_eq!(prefixes("/a/bb/ccc", 0b1), [""]);
        assert_eq!(prefixes("/a/bb/ccc", 0b1111_1000_1110), ["/a/bb/ccc", "/a"]);
        assert_eq!(prefixes("/a", 0b100), ["/a"]);
        assert_eq!(prefixes("/a", 0b1010), [""; 0]);
        assert_eq!(prefixes("/a/bb", 0), [""; 0]);
    }

    #[test]
    fn any_lengths_of_paths_of_any_length() {
        for segment in ["", "s", "segment"] {
            for segments in 1..60 {
                let text = |n| (0..n).map(|i| format!("/{segment}{i}")).collect::<String>();
                let path = text(segments);
                for lengths in [u64::MAX, 1 << 63, 0xf0f0_5555_aaaa_1234, !1 >> 1, 1, 0] {
                    let expected: Vec<_> = (0..=segments)
                        .rev()
                        .map(text)
                        .filter(|text| lengths & length_bit(text.len()) != 0)
                        .collect();
                    assert_eq!(prefixes(&path, lengths), expected, "{path} {lengths:#x}");
                }
            }
        }
    }

    #[test]
    fn a_slash_is_found_at_every_place() {
        for len in 1..=70 {
            for at in 0..len {
                let mut path = vec![b'.'; len];
                path[at] = b'/';
                let path = String::from_utf8(path).expect("ASCII");
                assert_eq!(prefixes(&path, u64::MAX), [&path, &path[..at]]);
            }
        }
    }
}
