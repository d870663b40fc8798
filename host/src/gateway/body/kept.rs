//! The beginning of a body, kept for later.
//!
//! It is copied: a piece as it comes is a part of a read buffer, and holds all of that. A client that sends
//! its body byte by byte, each with a buffer full of something else, would be kept with thousands of times
//! what it is counted as.

use bytes::Bytes;

/// Bytes of a body up to a limit; see the module.
#[derive(Debug, Default)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    /// There was more than the limit: nothing is kept.
    overflow: bool,
}

/// A piece in which kept bytes are sent again.
const PIECE: usize = 64 * 1024;

/// A piece that is shorter must not hold a read buffer while it waits for the upstream.
const SHORT: usize = 1024;

/// A chunk as it may wait, with others, until the upstream takes it.
pub(super) fn alone(chunk: Bytes) -> Bytes {
    if chunk.len() < SHORT {
        Bytes::copy_from_slice(&chunk)
    } else {
        chunk
    }
}

// === impl Kept ===

impl Kept {
    /// Keeps a piece, or nothing at all any more if it is too much.
    pub(super) fn push(&mut self, piece: &[u8], limit: usize) {
        if self.overflow {
            return;
        }
        if self.bytes.len().saturating_add(piece.len()) > limit {
            self.overflow = true;
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }

    pub(super) fn overflowed(&self) -> bool {
        self.overflow
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }

    /// The next piece from a position on, if anything is kept there.
    pub(super) fn piece(&self, from: u64) -> Option<Bytes> {
        let rest = self.bytes.get(usize::try_from(from).ok()?..)?;
        let piece = rest.get(..PIECE).unwrap_or(rest);
        (!piece.is_empty()).then(|| Bytes::copy_from_slice(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_not_held() {
        let buffer = Bytes::from(vec![b'x'; 8192]);
        let mut kept = Kept::default();
        for n in 0..8192 {
            kept.push(&buffer.slice(n..=n), 8192);
        }
        assert!(buffer.is_unique(), "only what was kept is held");
        assert_eq!(kept.bytes(), buffer);
        assert!(kept.bytes.capacity() <= 2 * 8192);
    }

    #[test]
    fn a_short_chunk_holds_nothing_else() {
        let buffer = Bytes::from(vec![b'x'; 8192]);
        let short = alone(buffer.slice(..SHORT - 1));
        assert!(buffer.is_unique());
        let long = alone(buffer.slice(..SHORT));
        assert!(!buffer.is_unique());
        assert_eq!((short.len(), long.len()), (SHORT - 1, SHORT));
    }

    #[test]
    fn it_is_sent_again_from_anywhere() {
        let body: Vec<u8> = (0..3 * PIECE + 5).map(|n| n as u8).collect();
        let mut kept = Kept::default();
        kept.push(&body, usize::MAX);
        for from in [0, 1, PIECE, 3 * PIECE, body.len()] {
            let mut sent = Vec::new();
            while let Some(piece) = kept.piece((from + sent.len()) as u64) {
                sent.extend_from_slice(&piece);
            }
            assert_eq!(sent, body[from..]);
        }
        assert_eq!(kept.piece(u64::MAX), None);
    }

    #[test]
    fn beyond_the_limit_nothing_is_kept() {
        let mut kept = Kept::default();
        kept.push(b"abc", 4);
        kept.push(b"d", 4);
        assert_eq!((kept.bytes(), kept.overflowed()), (&b"abcd"[..], false));
        kept.push(b"e", 4);
        kept.push(b"", 4);
        assert_eq!((kept.bytes(), kept.overflowed()), (&b""[..], true));
    }
}
