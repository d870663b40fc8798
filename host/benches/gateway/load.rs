//! The load and the backend: raw sockets and fixed bytes, so that they cost little of the time.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

use crate::Speaks;
use crate::frames::Http2;
use crate::table::{HOST, PATH};

/// What any client sends besides the request line and Host.
pub(crate) const HEADERS: [(&str, &str); 5] = [
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    ("accept", "text/html,application/xhtml+xml"),
    ("accept-encoding", "gzip, br"),
    ("accept-language", "en"),
    ("cookie", "session=0123456789abcdef"),
];

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
content-type: text/plain\r\n\
cache-control: no-store\r\n\
date: Mon, 23 Nov 2026 00:00:00 GMT\r\n\
content-length: 64\r\n\r\n\
0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n";

/// What one measurement found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    /// CPU microseconds of the proxy's thread for each request.
    pub(crate) cpu_us: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    /// See `p50`.
    pub(crate) p99: f64,
}

/// A client connection.
pub(crate) enum Client {
    Http1 { stream: TcpStream, request: Vec<u8> },
    Http2(Http2),
}

/// Answers every request with the same bytes, at every address of the loopback.
pub(crate) fn backend() -> SocketAddr {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(answer(stream));
            }
        });
    });
    SocketAddr::from(([127, 0, 0, 1], port))
}

async fn answer(mut stream: TcpStream) {
    let mut buf = [0; 8192];
    let mut len = 0;
    while let Ok(n @ 1..) = stream.read(&mut buf[len..]).await {
        len += n;
        if buf[..len].ends_with(b"\r\n\r\n") {
            len = 0;
            if stream.write_all(RESPONSE).await.is_err() {
                return;
            }
        }
    }
}

/// Sends requests over so many connections, each one after the other, for so long.
pub(crate) fn measure(
    proxy: SocketAddr,
    thread: &str,
    speaks: Speaks,
    connections: usize,
    time: Duration,
) -> Measured {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    runtime.unwrap().block_on(async {
        // Nanoseconds of each request.
        let times = Rc::new(RefCell::new(Vec::with_capacity(1 << 20)));
        let warm = Rc::new(Cell::new(0));
        for _ in 0..connections {
            let mut client = Client::connect(proxy, speaks).await;
            let (times, warm) = (Rc::clone(&times), Rc::clone(&warm));
            tokio::task::spawn_local(async move {
                client.ask().await;
                warm.set(warm.get() + 1);
                loop {
                    let start = Instant::now();
                    client.ask().await;
                    times.borrow_mut().push(start.elapsed());
                }
            });
        }
        // Connections and pools are filled.
        while warm.get() < connections {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (cpu, start) = (cpu_ns(thread), Instant::now());
        times.borrow_mut().clear();
        tokio::time::sleep(time).await;
        let (elapsed, cpu) = (start.elapsed(), cpu_ns(thread) - cpu);
        let mut times = times.take();
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e6;
        Measured {
            per_second: times.len() as f64 / elapsed.as_secs_f64(),
            cpu_us: cpu as f64 / 1000.0 / times.len() as f64,
            p50: at(50),
            p99: at(99),
        }
    })
}

// === impl Client ===

impl Client {
    pub(crate) async fn connect(proxy: SocketAddr, speaks: Speaks) -> Self {
        let stream = TcpStream::connect(proxy).await.unwrap();
        stream.set_nodelay(true).unwrap();
        match speaks {
            Speaks::Http1 => Self::Http1 {
                stream,
                request: request(),
            },
            Speaks::H2c => Self::Http2(Http2::start(stream).await),
        }
    }

    /// One request and its whole answer, which must be 200.
    pub(crate) async fn ask(&mut self) {
        let (stream, request) = match self {
            Self::Http2(http2) => return http2.ask().await,
            Self::Http1 { stream, request } => (stream, request),
        };
        let mut buf = [0; 8192];
        stream.write_all(request).await.unwrap();
        let mut len = 0;
        while !buf[..len].ends_with(b"abcd\r\n") {
            let n = stream.read(&mut buf[len..]).await.unwrap();
            len += n;
            assert!(n > 0, "the proxy closed the connection");
        }
        assert!(buf.starts_with(b"HTTP/1.1 200"), "not 200");
    }
}

fn request() -> Vec<u8> {
    let mut request = format!("GET {PATH} HTTP/1.1\r\nhost: {HOST}\r\n");
    for (name, value) in HEADERS {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    request.into_bytes()
}

/// CPU time of the thread of this name.
fn cpu_ns(thread: &str) -> u64 {
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let name = std::fs::read_to_string(path.join("comm")).unwrap_or_default();
        if name.trim_end() == thread {
            let stat = std::fs::read_to_string(path.join("schedstat")).unwrap();
            return stat.split(' ').next().unwrap().parse().unwrap();
        }
    }
    panic!("no thread {thread}")
}

/// The median of each number.
pub(crate) fn median(all: &[Measured]) -> Measured {
    let middle = |of: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = all.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Measured {
        per_second: middle(|m| m.per_second),
        cpu_us: middle(|m| m.cpu_us),
        p50: middle(|m| m.p50),
        p99: middle(|m| m.p99),
    }
}
