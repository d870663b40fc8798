//! Telling HTTP/2 with prior knowledge (h2c) from HTTP/1 by the first bytes of a connection.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What every HTTP/2 connection of a client begins with (RFC 9113 3.4). No HTTP/1 request does:
/// PRI is a method that nobody may use.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads as much as it takes to tell. Returns what was read, and whether it is HTTP/2. A client that
/// ends before that is left to HTTP/1 to deal with.
pub(super) async fn detect(io: &mut (impl AsyncRead + Unpin)) -> io::Result<(Bytes, bool)> {
    let mut read = BytesMut::with_capacity(PREFACE.len());
    loop {
        let rest = PREFACE.len() - read.len();
        let n = (&mut *io).take(rest as u64).read_buf(&mut read).await?;
        if n == 0 || !PREFACE.starts_with(&read) {
            return Ok((read.freeze(), false));
        }
        if read.len() == PREFACE.len() {
            return Ok((read.freeze(), true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_is_found_however_it_is_cut() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for (text, expected) in [
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest", true),
            ("PRI * HTTP/1.1\r\n", false),
            ("PRI", false),
            ("POST / HTTP/1.1\r\n", false),
            ("G", false),
            ("", false),
        ] {
            for cut in 1..8 {
                let mut pieces = in_pieces(text.as_bytes(), cut);
                let (read, http2) = runtime.block_on(detect(&mut pieces)).unwrap();
                assert_eq!(http2, expected, "{text:?}");
                assert!(text.as_bytes().starts_with(&read));
                // Nothing is lost.
                let mut all = read.to_vec();
                runtime.block_on(pieces.read_to_end(&mut all)).unwrap();
                assert_eq!(all, text.as_bytes());
            }
        }
    }

    /// A reader that gives at most `cut` bytes at a time.
    fn in_pieces(text: &[u8], cut: usize) -> impl AsyncRead + Unpin {
        struct Pieces(Vec<u8>, usize);
        impl AsyncRead for Pieces {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                let n = self.1.min(self.0.len()).min(buf.remaining());
                let piece: Vec<u8> = self.0.drain(..n).collect();
                buf.put_slice(&piece);
                std::task::Poll::Ready(Ok(()))
            }
        }
        Pieces(text.to_vec(), cut)
    }
}
