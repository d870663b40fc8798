//! Backends that do exactly what a test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// A backend on threads. They end with the process.
pub(crate) struct Backend {
    pub(crate) addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request that a backend read.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Number of the connection, from 0.
    pub(crate) connection: usize,
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// As on the wire: chunked if it was.
    pub(crate) body: Vec<u8>,
}

/// What the script of a backend works with.
pub(crate) struct Peer {
    pub(crate) number: usize,
    stream: BufReader<TcpStream>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Backend {
    /// Runs the script for each connection, each on a thread.
    pub(crate) fn scripted(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (script, sink) = (Arc::new(script), Arc::clone(&seen));
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&sink));
                let stream = BufReader::new(stream.unwrap());
                std::thread::spawn(move || {
                    let mut peer = Peer {
                        number,
                        stream,
                        seen,
                    };
                    script(&mut peer);
                });
            }
        });
        Self { addr, seen }
    }

    /// Answers every request with this body.
    pub(crate) fn saying(body: &'static str) -> Self {
        Self::scripted(move |peer| while peer.read() && peer.say(body) {})
    }

    /// Reads a request and never answers.
    pub(crate) fn silent() -> Self {
        Self::scripted(|peer| while peer.read() {})
    }

    /// Reads a request and closes.
    pub(crate) fn closing() -> Self {
        Self::scripted(|peer| {
            peer.read();
        })
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

impl Peer {
    /// Reads one request; `false` at the end of the connection.
    pub(crate) fn read(&mut self) -> bool {
        let mut line = String::new();
        if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
            return false;
        }
        let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
        loop {
            let mut header = Vec::new();
            if self.stream.read_until(b'\n', &mut header).unwrap_or(0) == 0 {
                return false;
            }
            let header = header.trim_ascii();
            if header.is_empty() {
                break;
            }
            let colon = header.iter().position(|&b| b == b':').unwrap();
            let name = String::from_utf8_lossy(&header[..colon]).to_ascii_lowercase();
            headers.push((name, header[colon + 1..].trim_ascii().to_vec()));
        }
        let mut seen = Seen {
            connection: self.number,
            line: line.trim_end().to_owned(),
            headers,
            body: Vec::new(),
        };
        if let Some(length) = seen.header("content-length") {
            seen.body.resize(length.parse().unwrap(), 0);
            if self.stream.read_exact(&mut seen.body).is_err() {
                return false;
            }
        } else if seen.header("transfer-encoding").is_some() {
            while !seen.body.ends_with(b"0\r\n\r\n") && !seen.body.ends_with(b"END\r\n\r\n") {
                if self.stream.read_until(b'\n', &mut seen.body).unwrap_or(0) == 0 {
                    return false;
                }
            }
        }
        self.seen.lock().unwrap().push(seen);
        true
    }

    /// Reads the head of a request, and nothing of its body.
    pub(crate) fn read_head(&mut self) {
        let mut line = String::new();
        while line.trim_end() != "" || line.is_empty() {
            line.clear();
            if self.stream.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
        }
    }

    /// The request line that was read last.
    pub(crate) fn last_line(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let of_this = seen.iter().rfind(|seen| seen.connection == self.number);
        of_this.unwrap().line.clone()
    }

    pub(crate) fn say(&mut self, body: &str) -> bool {
        self.write(&format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    pub(crate) fn write(&mut self, text: &str) -> bool {
        self.stream.get_mut().write_all(text.as_bytes()).is_ok()
    }

    pub(crate) fn read_exact(&mut self, to: &mut [u8]) {
        self.stream.read_exact(to).unwrap();
    }

    pub(crate) fn read_to_end(&mut self, to: &mut Vec<u8>) {
        let _ = self.stream.read_to_end(to);
    }

    /// Waits until the other side closes.
    pub(crate) fn wait_for_close(&mut self) {
        self.read_to_end(&mut Vec::new());
    }
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(n, _)| n == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

/// An address where nobody listens.
pub(crate) fn refused() -> SocketAddr {
    // Bound and not listening, for as long as the process lives: nobody else gets the port.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    addr
}

/// An address where a connection never comes about: the backlog is full.
pub(crate) fn unanswered() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    let fill = || TcpStream::connect_timeout(&addr, Duration::from_millis(100));
    let filling: Vec<_> = std::iter::from_fn(|| fill().ok()).take(64).collect();
    assert!(filling.len() < 64, "the backlog has no end");
    std::mem::forget((socket, filling));
    addr
}
