//! HTTP/2 frame by frame, for what no HTTP/2 library sends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::tcp;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// A client connection over which any frame can be sent.
pub(crate) struct Frames(TcpStream);

/// A frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered with this status.
    Status(u16),
    /// Its stream was reset.
    Reset,
    /// The connection was ended.
    Ended,
}

// === impl Frames ===

impl Frames {
    /// Connects and sends preface and settings.
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let mut frames = Self(tcp(addr));
        frames.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.raw(&frame);
    }

    /// A request's headers.
    pub(crate) fn headers(&mut self, stream: u32, flags: u8, headers: &[(&[u8], &[u8])]) {
        self.send(HEADERS, flags | END_HEADERS, stream, &block(headers));
    }

    /// The next frame; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// The next frame of this kind; settings are acknowledged on the way.
    pub(crate) fn until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if frame.kind == SETTINGS && frame.flags & ACK == 0 {
                self.send(SETTINGS, ACK, 0, &[]);
            }
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Whether the other side ends the connection, whatever it sends before.
    pub(crate) fn ends(&mut self) -> bool {
        while self.next().is_some() {}
        let error = self.0.read(&mut [0]);
        error.map_or_else(
            |e| e.kind() == std::io::ErrorKind::ConnectionReset,
            |n| n == 0,
        )
    }

    /// What becomes of the request of this stream.
    pub(crate) fn outcome(&mut self, stream: u32) -> Outcome {
        while let Some(frame) = self.next() {
            match frame.kind {
                HEADERS if frame.stream == stream => {
                    return Outcome::Status(status(&frame.payload));
                }
                RST_STREAM if frame.stream == stream => return Outcome::Reset,
                GOAWAY => return Outcome::Ended,
                _ => {}
            }
        }
        Outcome::Ended
    }
}

/// A header block: literals that are not indexed and not compressed (RFC 7541 6.2.2).
pub(crate) fn block(headers: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend(*text);
        }
    }
    block
}

/// An integer with a prefix of seven bits.
fn integer(out: &mut Vec<u8>, n: usize) {
    if n < 127 {
        out.push(u8::try_from(n).unwrap());
        return;
    }
    out.push(127);
    let mut rest = n - 127;
    while rest >= 128 {
        out.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    out.push(u8::try_from(rest).unwrap());
}

/// The status that a response's header block begins with: from the static table, or a literal
/// with its name from there.
fn status(block: &[u8]) -> u16 {
    match block[0] {
        at @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(at - 0x88)],
        0x08 | 0x48 if block[1] == 3 => digits(&block[2..5]),
        // Three digits in Huffman's code take two bytes and less than one more.
        0x08 | 0x48 => huffman_digits(&block[2..2 + usize::from(block[1] & 0x7f)]),
        other => panic!("no status: {other:#x}"),
    }
}

fn digits(text: &[u8]) -> u16 {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

/// Digits in the code of RFC 7541 appendix B: 0, 1 and 2 have five bits, the others six.
fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1))
        .collect();
    let (mut at, mut value) = (0, 0);
    for _ in 0..3 {
        let code = |len: usize| {
            bits[at..at + len]
                .iter()
                .fold(0, |code, bit| code << 1 | bit)
        };
        let (digit, len) = match code(5) {
            five @ 0..=2 => (five, 5),
            _ => (code(6) - 0x19 + 3, 6),
        };
        at += len;
        value = value * 10 + u16::from(digit);
    }
    value
}
