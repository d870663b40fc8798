//! As much of an HTTP/2 client as the load needs: the same header block every time, one request at a time,
//! and only the ends of answers are looked at. (A whole client would cost as much as the proxies.)

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::load::HEADERS;
use crate::table::{HOST, PATH};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Types and flags of frames (RFC 9113 6).
const DATA: u8 = 0;
const HEADER: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` in HPACK's static table.
const STATUS_200: u8 = 0x88;
/// More than any run needs.
const WINDOW: u32 = 0x7000_0000;

/// A connection.
pub(crate) struct Http2 {
    stream: TcpStream,
    /// The request's HEADERS frame; its stream id is written anew for each.
    request: Vec<u8>,
    id: u32,
    buf: Vec<u8>,
    /// Bytes of `buf` that are filled.
    len: usize,
}

// === impl Http2 ===

impl Http2 {
    pub(crate) async fn start(mut stream: TcpStream) -> Self {
        let mut hello = PREFACE.to_vec();
        hello.extend(frame(SETTINGS, 0, &[]));
        hello.extend(frame(WINDOW_UPDATE, 0, &WINDOW.to_be_bytes()));
        stream.write_all(&hello).await.unwrap();
        Self {
            stream,
            request: frame(HEADER, END_STREAM | END_HEADERS, &block()),
            id: 1,
            buf: vec![0; 32 * 1024],
            len: 0,
        }
    }

    pub(crate) async fn ask(&mut self) {
        self.request[5..9].copy_from_slice(&self.id.to_be_bytes());
        self.id += 2;
        self.stream.write_all(&self.request).await.unwrap();
        loop {
            let n = self.stream.read(&mut self.buf[self.len..]).await.unwrap();
            assert!(n > 0, "the proxy closed the connection");
            self.len += n;
            if self.frames().await {
                return;
            }
        }
    }

    /// Takes the frames that are whole; whether the last one of the answer is among them.
    async fn frames(&mut self) -> bool {
        let (mut at, mut over) = (0, false);
        while let Some(head) = self.buf[..self.len].get(at..at + 9) {
            let length =
                usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let (kind, flags) = (head[3], head[4]);
            let Some(payload) = self.buf[..self.len].get(at + 9..at + 9 + length) else {
                break;
            };
            let mut answer = None;
            match kind {
                SETTINGS if flags & ACK == 0 => answer = Some(frame(SETTINGS, ACK, &[])),
                PING if flags & ACK == 0 => answer = Some(frame(PING, ACK, payload)),
                HEADER => {
                    // A change of the table's size may come first.
                    let status = payload.iter().find(|byte| **byte & 0xe0 != 0x20);
                    assert_eq!(status, Some(&STATUS_200), "not 200");
                    over |= flags & END_STREAM != 0;
                }
                DATA => over |= flags & END_STREAM != 0,
                RST_STREAM | GOAWAY => panic!("refused: {payload:?}"),
                _ => {}
            }
            at += 9 + length;
            if let Some(answer) = answer {
                self.stream.write_all(&answer).await.unwrap();
            }
        }
        self.buf.copy_within(at..self.len, 0);
        self.len -= at;
        over
    }
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, 0]);
    frame.extend_from_slice(payload);
    frame
}

/// The header block, in literals that change no table (RFC 7541 6.2.2).
fn block() -> Vec<u8> {
    // `:method: GET` and `:scheme: http` of the static table.
    let mut block = vec![0x82, 0x86];
    let pseudo = [(":path", PATH), (":authority", HOST)];
    for (name, value) in pseudo.into_iter().chain(HEADERS) {
        block.push(0);
        for text in [name, value] {
            // One byte of length.
            assert!(text.len() < 127);
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}
