//! The ABI's format of headers.

use super::Headers;

/// The bytes are not a serialised header map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a serialised header map: a length leaves the {len} bytes given")]
pub struct MalformedPairs {
    /// How many bytes there were.
    pub len: usize,
}

impl Headers {
    /// Reads the ABI's wire format: count, then every name's and value's length, then every name
    /// and value with a NUL after each.
    pub fn from_pairs(bytes: &[u8]) -> Result<Self, MalformedPairs> {
        let malformed = MalformedPairs { len: bytes.len() };
        if bytes.is_empty() {
            return Ok(Self::new());
        }
        let word = |at: usize| -> Result<usize, MalformedPairs> {
            let end = at.checked_add(4).ok_or(malformed)?;
            let word: [u8; 4] = bytes
                .get(at..end)
                .and_then(|b| b.try_into().ok())
                .ok_or(malformed)?;
            Ok(u32::from_le_bytes(word) as usize)
        };
        let count = word(0)?;
        let mut at = count
            .checked_mul(8)
            .and_then(|n| n.checked_add(4))
            .ok_or(malformed)?;
        if at > bytes.len() {
            // Before any allocation: the count comes from the guest.
            return Err(malformed);
        }
        let mut field = |len: usize| -> Result<&[u8], MalformedPairs> {
            let end = at.checked_add(len).ok_or(malformed)?;
            let field = bytes.get(at..end).ok_or(malformed)?;
            at = end.checked_add(1).ok_or(malformed)?;
            Ok(field)
        };
        let mut headers = Self::with_capacity(count, bytes.len());
        for n in 0..count {
            let name = field(word(4 + n * 8)?)?;
            headers.add(name, field(word(8 + n * 8)?)?);
        }
        Ok(headers)
    }
}

/// Appends pairs in the ABI's format: count, then every name's and value's length, then every
/// name and value with a NUL after each (all numbers 32-bit little-endian).
pub(crate) fn write_pairs<'a>(
    pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    out: &mut Vec<u8>,
) {
    let word = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&word(pairs.clone().count()));
    for (name, value) in pairs.clone() {
        out.extend_from_slice(&word(name.len()));
        out.extend_from_slice(&word(value.len()));
    }
    for (name, value) in pairs {
        out.extend_from_slice(name);
        out.push(0);
        out.extend_from_slice(value);
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_round_trip() {
        let headers: Headers = [("a", "1"), ("b", ""), ("a", "2")].into_iter().collect();
        let mut bytes = Vec::new();
        write_pairs(headers.iter(), &mut bytes);
        assert_eq!(Headers::from_pairs(&bytes), Ok(headers));
        assert_eq!(Headers::from_pairs(&[]), Ok(Headers::new()));
        for cut in 1..bytes.len() - 1 {
            assert!(Headers::from_pairs(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(Headers::from_pairs(&[0xff; 16]).is_err());
    }
}
