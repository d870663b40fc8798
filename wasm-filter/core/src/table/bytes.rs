//! Checked reads and writes of table bytes: little-endian numbers and LEB128 varints.
//!
//! Every reader gives `None` for bytes that are not there. In the filter such a `None` means a
//! broken segment, whose digest was right: a bug or another format. It is answered like an
//! unreadable segment, never by a guess.

/// Reads a `u32` at `at`.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let (head, _) = bytes.get(at..)?.split_first_chunk::<4>()?;
    Some(u32::from_le_bytes(*head))
}

/// Are the bytes equal? In wasm `==` is a call that compares byte by byte. The last 8 bytes come
/// first: names that differ mostly differ there. (16 at a time took fewer instructions and more
/// time.)
#[inline(always)]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(a_end), Some(b_end)) = (a.last_chunk(), b.last_chunk()) else {
        return word(a) == word(b);
    };
    u64::from_le_bytes(*a_end) == u64::from_le_bytes(*b_end) && same_chunks(a, b)
}

/// Are the whole chunks of 8 bytes equal?
#[inline(always)]
fn same_chunks(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    a.iter()
        .zip(b)
        .all(|(a, b)| u64::from_le_bytes(*a) == u64::from_le_bytes(*b))
}

/// The highest bit of each byte of `word` that is `byte`.
#[inline(always)]
pub(crate) fn equal_bytes(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let zeros = word ^ (u64::from(byte) * 0x0101_0101_0101_0101);
    !(((zeros & LOW) + LOW) | zeros) & !LOW
}

/// The bytes of a slice of at most 7, little-endian and without a loop: where two loads overlap
/// they agree.
#[inline]
pub(crate) fn word(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(head), Some(end)) => {
            let shift = (bytes.len() as u32 * 8).wrapping_sub(32) & 31;
            u64::from(u32::from_le_bytes(*head)) | (u64::from(u32::from_le_bytes(*end)) << shift)
        }
        _ => match *bytes {
            [] => 0,
            [a] => u64::from(a),
            [a, b] => u64::from(a) | (u64::from(b) << 8),
            [a, b, c, ..] => u64::from(a) | (u64::from(b) << 8) | (u64::from(c) << 16),
        },
    }
}

/// A cursor over table bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// A cursor at offset `at` of `bytes`.
    #[inline]
    pub(crate) fn at(bytes: &'a [u8], at: u32) -> Option<Self> {
        bytes.get(at as usize..).map(Self::new)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(len)?;
        self.rest = tail;
        Some(head)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>()?;
        self.rest = tail;
        Some(*head)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (head, tail) = self.rest.split_first()?;
        self.rest = tail;
        Some(*head)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A LEB128 number of at most 5 bytes. One byte, as most have, is read where it is needed: as a
    /// call it cost 60 instructions a number, most of them to bring the cursor through memory.
    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Option<u32> {
        let (first, rest) = self.rest.split_first()?;
        if *first < 0x80 {
            self.rest = rest;
            return Some(u32::from(*first));
        }
        let (value, rest) = long_varint(self.rest)?;
        self.rest = rest;
        Some(value)
    }

    /// `varint length, bytes`.
    #[inline]
    pub(crate) fn prefixed(&mut self) -> Option<&'a [u8]> {
        let len = self.varint()?;
        self.take(len as usize)
    }

    /// `varint length, UTF-8`.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.prefixed()?).ok()
    }
}

/// A LEB128 number of any length, and what follows it.
#[inline(never)]
fn long_varint(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut value = 0;
    let mut rest = bytes;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, tail) = rest.split_first()?;
        rest = tail;
        let part = u32::from(byte & 0x7f);
        if shift == 28 && part > 0x0f {
            return None;
        }
        value |= part << shift;
        if *byte < 0x80 {
            return Some((value, rest));
        }
    }
    None
}

/// Appends a LEB128 number.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `varint length, bytes`. Texts of the table come from Kubernetes objects, which the API
/// server limits to about 1.5 MiB; a longer one is cut and could then match nothing.
pub(crate) fn put_prefixed(out: &mut Vec<u8>, value: &[u8]) {
    let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
    put_varint(out, len);
    out.extend_from_slice(value.get(..len as usize).unwrap_or_default());
}

/// A length or offset as the table stores it. A wasm memory has no segment of 4 GiB, and a pool of
/// [`super::store::MAX_PAGES`] pages holds 64 MiB: a larger table is refused when it is published.
pub(crate) fn offset(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Overwrites a `u32` that was reserved at `at`.
pub(crate) fn patch_u32(out: &mut [u8], at: usize, value: u32) {
    if let Some(slot) = out.get_mut(at..at.saturating_add(4)) {
        slot.copy_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_and_overlong_ones_are_refused() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, u32::MAX - 1, u32::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(Cursor::new(&out).varint(), Some(value));
        }
        assert_eq!(Cursor::new(&[0xff; 5]).varint(), None);
        assert_eq!(Cursor::new(&[0x80, 0x80]).varint(), None);
        assert_eq!(
            Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0x10]).varint(),
            None,
            "33 bits"
        );
    }
}
