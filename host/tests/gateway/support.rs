//! A gateway with the test filter, a client that speaks bytes, and waiting with a deadline.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use silverback::gateway::{AccessEvent, Gateway, GatewayOptions, ListenerSpec};
use silverback_core::contract::plan::{Plan, Timeouts};
use silverback_core::contract::result::PlanResult;
use silverback_emulator::MemoryLog;

pub(crate) use crate::filter::filter;

/// Much longer than anything takes: it only ends a test that has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway that listens at one port.
pub(crate) struct Proxy {
    pub(crate) gateway: Gateway,
    pub(crate) addr: SocketAddr,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
}

/// An access event, owned.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) status: u16,
    pub(crate) tries: usize,
    pub(crate) tags: String,
    pub(crate) text: String,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// One worker: the tests of pools and traps need to know which one serves.
    pub(crate) fn with(change: impl FnOnce(&mut GatewayOptions)) -> Self {
        let log = Arc::new(MemoryLog::default());
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let sink = Arc::clone(&events);
        let mut options = GatewayOptions {
            workers: 1,
            on_access: Some(Arc::new(move |event: &AccessEvent<'_>| {
                sink.lock().unwrap().push(Event {
                    status: event.status,
                    tries: event.tries,
                    tags: String::from_utf8_lossy(event.tags).into_owned(),
                    text: format!("{event:?}"),
                });
            })),
            ..GatewayOptions::default()
        };
        options.filter.log = log.clone();
        change(&mut options);
        let gateway = Gateway::start(&filter(), options).unwrap();
        gateway.set_listeners(&[any_port(8000)]).unwrap();
        let addr = gateway.listeners()[0].addr;
        Self {
            gateway,
            addr,
            log,
            events,
        }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.addr)
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, request: &str) -> Reply {
        let mut client = self.connect();
        client.write(request.as_bytes());
        let head = request.starts_with("HEAD ");
        client.read_reply(head)
    }

    /// The results that the filter read in `on_log`, once there are so many.
    pub(crate) fn results(&self, count: usize) -> Vec<PlanResult> {
        let lines = || {
            let lines = self.log.lines().into_iter();
            let lines = lines.filter_map(|l| Some(l.message.strip_prefix("result ")?.to_owned()));
            lines.filter(|hex| !hex.is_empty()).collect::<Vec<_>>()
        };
        until("the filter's on_log", || lines().len() >= count);
        let decode = |hex: String| PlanResult::decode(&unhex(&hex)).unwrap();
        lines().into_iter().map(decode).collect()
    }
}

/// A listener at a free port of the loopback, which the filter knows as `proxy_port`.
pub(crate) fn any_port(proxy_port: u16) -> ListenerSpec {
    ListenerSpec {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        proxy_port,
        tls: false,
    }
}

/// The same with TLS.
pub(crate) fn any_tls_port(proxy_port: u16) -> ListenerSpec {
    ListenerSpec {
        tls: true,
        ..any_port(proxy_port)
    }
}

/// A plan with these endpoints, as the header that the test filter reads.
pub(crate) fn plan(endpoints: &[SocketAddr]) -> PlanHeader<'_> {
    PlanHeader(Plan {
        route_name: b"route",
        service_name: b"service",
        ..Plan::to(7, 42, endpoints)
    })
}

pub(crate) struct PlanHeader<'a>(pub(crate) Plan<'a>);

impl<'a> PlanHeader<'a> {
    pub(crate) fn tries(mut self, tries: u8) -> Self {
        self.0.tries = tries;
        self
    }

    pub(crate) fn timeouts(mut self, connect: u32, send: u32, read: u32) -> Self {
        self.0.timeouts = Timeouts {
            connect,
            send,
            read,
        };
        self
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut Plan<'a>)) -> Self {
        change(&mut self.0);
        self
    }

    pub(crate) fn hex(&self) -> String {
        let mut bytes = Vec::new();
        self.0.encode(&mut bytes).unwrap();
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The header line, with its line break.
    pub(crate) fn line(&self) -> String {
        format!("x-test-plan: {}\r\n", self.hex())
    }

    /// A GET with this plan.
    pub(crate) fn get(&self) -> String {
        format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", self.line())
    }
}

/// Bytes of a hexadecimal text. Kong puts a line break behind a filter's response, and so does
/// the emulator.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let text = text.trim_end();
    let byte = |n: usize| u8::from_str_radix(&text[n..n + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Waits for a condition.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

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
pub(crate) trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

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
