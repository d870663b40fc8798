//! The load and the backend: raw sockets and fixed bytes, so that they cost little of the time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

const REQUEST: &[u8] = b"GET /cart/items?id=4711 HTTP/1.1\r\n\
host: shop.example.com\r\n\
user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
accept: text/html,application/xhtml+xml\r\n\
accept-encoding: gzip, br\r\n\
accept-language: en\r\n\
cookie: session=0123456789abcdef\r\n\r\n";

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
}

/// Answers every request with the same bytes.
pub(crate) fn backend() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
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
    addr
}

async fn answer(mut stream: TcpStream) {
    let mut buf = [0; 8192];
    let mut len = 0;
    while let Ok(n @ 1..) = stream.read(buf.get_mut(len..).unwrap_or_default()).await {
        len += n;
        if buf.get(..len).unwrap_or_default().ends_with(b"\r\n\r\n") {
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
    connections: usize,
    time: Duration,
) -> Measured {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let count = Arc::new(AtomicU64::new(0));
        for _ in 0..connections {
            tokio::spawn(ask(proxy, Arc::clone(&count)));
        }
        // Connections and pools are filled.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (cpu, start) = (cpu_ns(thread), Instant::now());
        let before = count.load(Ordering::Relaxed);
        tokio::time::sleep(time).await;
        let elapsed = start.elapsed();
        let requests = (count.load(Ordering::Relaxed) - before) as f64;
        Measured {
            per_second: requests / elapsed.as_secs_f64(),
            cpu_us: (cpu_ns(thread) - cpu) as f64 / 1000.0 / requests,
        }
    })
}

async fn ask(proxy: SocketAddr, count: Arc<AtomicU64>) {
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buf = [0; 8192];
    loop {
        stream.write_all(REQUEST).await.unwrap();
        let mut len = 0;
        while !buf.get(..len).unwrap_or_default().ends_with(b"abcd\r\n") {
            let n = stream.read(buf.get_mut(len..).unwrap_or_default()).await;
            len += n.unwrap();
            assert!(len > 0, "the proxy closed the connection");
        }
        assert!(buf.starts_with(b"HTTP/1.1 200"), "not 200");
        count.fetch_add(1, Ordering::Relaxed);
    }
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
    }
}
