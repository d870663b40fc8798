//! Checked little-endian reads and length-prefixed writes, shared by the contract's messages.

/// Why bytes are not a message of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// The message ends inside the named field.
    Truncated(&'static str),
    /// The first byte is not a version that this build knows.
    Version(u8),
    /// A field that must be understood has an unknown tag.
    UnknownField(u8),
    /// The named field has a value out of its range or with a forbidden byte (CR, LF, NUL).
    BadValue(&'static str),
    /// The named field is longer than its length prefix can say.
    TooLong(&'static str),
    /// The named field is missing or given twice.
    Count(&'static str),
}

impl core::fmt::Display for WireError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Truncated(field) => write!(f, "message ends inside `{field}`"),
            Self::Version(v) => write!(
                f,
                "unknown version {v} (hint: filter and data plane are of different releases)"
            ),
            Self::UnknownField(tag) => write!(
                f,
                "unknown mandatory field {tag} (hint: the filter is newer than the data plane)"
            ),
            Self::BadValue(field) => write!(f, "value of `{field}` is not allowed"),
            Self::TooLong(field) => write!(f, "value of `{field}` is too long"),
            Self::Count(field) => write!(f, "`{field}` is missing or given twice"),
        }
    }
}

impl core::error::Error for WireError {}

/// A cursor that never reads past the end.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn bytes(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], WireError> {
        let (head, tail) = self
            .rest
            .split_at_checked(len)
            .ok_or(WireError::Truncated(field))?;
        self.rest = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], WireError> {
        let (head, tail) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(WireError::Truncated(field))?;
        self.rest = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        Ok(u8::from_le_bytes(self.array(field)?))
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, WireError> {
        Ok(u16::from_le_bytes(self.array(field)?))
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, WireError> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }

    /// `u16 length, bytes`.
    pub(crate) fn prefixed(&mut self, field: &'static str) -> Result<&'a [u8], WireError> {
        let len = self.u16(field)?;
        self.bytes(usize::from(len), field)
    }
}

/// Appends `u16 length, bytes`.
pub(crate) fn put_prefixed(
    out: &mut Vec<u8>,
    value: &[u8],
    field: &'static str,
) -> Result<(), WireError> {
    let len = u16::try_from(value.len()).map_err(|_| WireError::TooLong(field))?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(value);
    Ok(())
}

/// Refuses what could split a header or a log line: CR, LF and NUL.
pub(crate) fn check_line(value: &[u8], field: &'static str) -> Result<(), WireError> {
    const ALL: u64 = u64::MAX / 255;
    /// One more than a carriage return, the greatest of the three.
    const ABOVE: u64 = 0x0e;
    // Eight at a time: nearly no text has a byte as small as these, and only such a one is looked at.
    let (eights, rest) = value.as_chunks::<8>();
    let small = eights.iter().fold(0, |small, eight| {
        let eight = u64::from_le_bytes(*eight);
        small | (eight.wrapping_sub(ABOVE * ALL) & !eight & (0x80 * ALL))
    });
    let bad = |bad, b: &u8| bad | (*b == b'\r') | (*b == b'\n') | (*b == 0);
    let looked_at = if small == 0 { rest } else { value };
    if looked_at.iter().fold(false, bad) {
        return Err(WireError::BadValue(field));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_end_in_it_wherever() {
        for len in 1..20 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    // A tab is small and good.
                    let mut line = vec![b'\t'; len];
                    line[at] = byte;
                    let good = ![b'\r', b'\n', 0].contains(&byte);
                    assert_eq!(check_line(&line, "line").is_ok(), good, "{byte} at {at}");
                    line.fill(b'\xff');
                    line[at] = byte;
                    assert_eq!(check_line(&line, "line").is_ok(), good, "{byte} at {at}");
                }
            }
        }
    }
}
