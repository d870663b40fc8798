//! One keep-alive connection, without anything between it and the bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// See the module.
pub(crate) struct Client {
    stream: TcpStream,
    buf: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self {
            stream,
            buf: vec![0; 16 * 1024],
        }
    }

    /// One request; the status of the answer.
    pub(crate) fn get(&mut self, host: &str, path: &str) -> u16 {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut len = 0;
        loop {
            let n = self.stream.read(&mut self.buf[len..]).unwrap();
            assert!(n > 0, "the connection was closed");
            len += n;
            let Some(head) = find(&self.buf[..len], b"\r\n\r\n") else {
                continue;
            };
            let text = String::from_utf8_lossy(&self.buf[..head]).to_ascii_lowercase();
            let body = text
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok())
                .unwrap_or_else(|| panic!("no content-length: {text}"));
            if len == head + 4 + body {
                return text.split(' ').nth(1).unwrap().parse().unwrap();
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
