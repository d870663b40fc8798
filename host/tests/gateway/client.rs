//! A client that speaks bytes.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Much longer than anything takes: it only ends a test that has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that does not wait for ever.
pub(crate) fn tcp(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A client connection.
pub(crate) struct Client(BufReader<Box<dyn Stream>>);

/// What a client speaks over.
pub(crate) trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, Vec<String>>,
    pub(crate) body: Vec<u8>,
    /// Lines after the last chunk.
    pub(crate) trailers: Vec<String>,
}

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        Self::over(tcp(addr))
    }

    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self(BufReader::new(Box::new(stream)))
    }

    /// Writes; a gateway that has refused may not take all of it.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let _ = self.0.get_mut().write_all(bytes);
    }

    pub(crate) fn request(&mut self, request: &str) -> Reply {
        self.write(request.as_bytes());
        self.read_reply(false)
    }

    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let n = self.0.read_until(b'\n', &mut line).unwrap_or(0);
        (n > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// The lines of a head.
    pub(crate) fn head(&mut self) -> Vec<String> {
        let lines = std::iter::from_fn(|| self.line());
        lines.take_while(|line| !line.is_empty()).collect()
    }

    /// Everything to the end.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest);
        rest
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    pub(crate) fn try_read_reply(&mut self, head: bool) -> Option<Reply> {
        let mut status = self.line()?;
        while status.contains(" 100 ") {
            assert_eq!(self.line()?, "");
            status = self.line()?;
        }
        let status = status.split(' ').nth(1)?.parse().ok()?;
        let mut headers: HashMap<String, Vec<String>> = HashMap::new();
        while let Some(line) = self.line()
            && !line.is_empty()
        {
            let (name, value) = line.split_once(':')?;
            let values = headers.entry(name.to_ascii_lowercase()).or_default();
            values.push(value.trim().to_owned());
        }
        let (mut body, mut trailers) = (Vec::new(), Vec::new());
        if head || status == 204 || status == 304 {
        } else if let Some(length) = headers.get("content-length") {
            body.resize(length[0].parse().ok()?, 0);
            self.0.read_exact(&mut body).ok()?;
        } else if headers.contains_key("transfer-encoding") {
            trailers = self.read_chunks(&mut body)?;
        } else {
            self.0.read_to_end(&mut body).ok()?;
        }
        Some(Reply {
            status,
            headers,
            body,
            trailers,
        })
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> Option<Vec<String>> {
        loop {
            let size = usize::from_str_radix(&self.line()?, 16).ok()?;
            if size == 0 {
                break;
            }
            let start = body.len();
            body.resize(start + size, 0);
            self.0.read_exact(&mut body[start..]).ok()?;
            self.line()?;
        }
        let mut trailers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(trailers);
            }
            trailers.push(line);
        }
    }

    pub(crate) fn read_reply(&mut self, head: bool) -> Reply {
        self.try_read_reply(head).expect("a whole response")
    }

    /// Whether the gateway closes without another byte.
    pub(crate) fn closes(&mut self) -> bool {
        let mut rest = Vec::new();
        let read = self.0.read_to_end(&mut rest);
        let reset = |e: std::io::Error| e.kind() == std::io::ErrorKind::ConnectionReset;
        rest.is_empty() && read.map_or_else(reset, |_| true)
    }
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.first()?)
    }
}
