//! The stream under a client connection. It cuts off a client that takes nothing for too long, gives hyper's
//! own error responses a body, and does not cut off a client that has not sent all of its request.
//!
//! hyper answers what it cannot parse (400, 414, 431) itself, with an empty body, and there is no
//! hook. Such a response is all that is in the buffer when it is written, and has a shape that no
//! other response of the gateway has: ours have a Content-Type, an upstream's have a Via.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::errors::{self, RequestIds};
use super::limits::Limits;
use super::stats::Counters;
use super::transport::Io;

/// How long, and for how many bytes, a client that still sends is read after its answer. Closing
/// with unread bytes resets the connection, and the client may never see the response.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;
/// hyper's error responses are shorter.
const LONGEST: usize = 256;

/// See the module.
pub(super) struct ServerIo {
    stream: Io,
    /// What was read to tell HTTP/2 from HTTP/1.
    first: Bytes,
    http1: bool,
    context: IoContext,
    /// What is written in place of hyper's response, and how much of it is.
    instead: Option<(Vec<u8>, usize)>,
    linger: Option<Linger>,
    unread: Unread,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// What the streams of a worker share. It can cross threads, as hyper wants of a stream that may
/// be upgraded.
#[derive(Clone)]
pub(super) struct IoContext {
    pub(super) limits: Arc<Limits>,
    pub(super) ids: Arc<RequestIds>,
    pub(super) counters: Arc<Counters>,
}

/// Whether a client's last request was answered and not read to its end. Requests and stream share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

struct Linger {
    until: Pin<Box<Sleep>>,
    read: usize,
}

// === impl Unread ===

impl Unread {
    pub(super) fn set(&self, unread: bool) {
        self.0.store(unread, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl Linger ===

impl Linger {
    fn start() -> Self {
        Self {
            until: Box::pin(tokio::time::sleep(LINGER)),
            read: 0,
        }
    }
}

// === impl ServerIo ===

impl ServerIo {
    pub(super) fn new(
        stream: Io,
        first: Bytes,
        http1: bool,
        context: IoContext,
        unread: Unread,
    ) -> Self {
        Self {
            stream,
            first,
            http1,
            context,
            instead: None,
            linger: None,
            unread,
            stalled: None,
        }
    }

    /// The stream of a client that speaks HTTP no longer and has sent this in the meantime.
    pub(super) fn into_raw(mut self, read: Bytes) -> Self {
        self.http1 = false;
        // hyper has read what was there.
        self.first = read;
        self
    }

    /// Writes what stands in for a response of `len` bytes.
    fn poll_instead(&mut self, cx: &mut Context<'_>, len: usize) -> Poll<io::Result<usize>> {
        while let Some((text, written)) = &mut self.instead {
            let rest = text.get(*written..).unwrap_or_default();
            if rest.is_empty() {
                self.instead = None;
                break;
            }
            *written += ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
        }
        Poll::Ready(Ok(len))
    }

    /// Whether `buf` is an error of hyper's; then something else is prepared in its place.
    fn replaces(&mut self, buf: &[u8]) -> bool {
        if self.instead.is_some() {
            return true;
        }
        if !self.http1
            || buf.len() > LONGEST
            || !buf.starts_with(b"HTTP/1.")
            || buf.get(9) != Some(&b'4')
        {
            return false;
        }
        let Some(text) = self.replacement(buf) else {
            return false;
        };
        self.context.counters.refused.inc();
        self.instead = Some((text, 0));
        self.linger = Some(Linger::start());
        true
    }

    fn replacement(&self, buf: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(buf).ok()?.strip_suffix("\r\n\r\n")?;
        let mut lines = text.split("\r\n");
        let status = lines.next()?;
        let bare = |line: &str| {
            let line = line.to_ascii_lowercase();
            line == "content-length: 0" || line == "connection: close" || line.starts_with("date: ")
        };
        if !lines.all(bare) {
            return None;
        }
        let limits = &self.context.limits;
        let message = match status.get(9..12)? {
            "414" => "URI too long".to_owned(),
            "431" => format!(
                "request headers too large: at most {} bytes in {} lines",
                limits.max_header_bytes, limits.max_headers
            ),
            _ => "malformed request".to_owned(),
        };
        let body = errors::body(&message, &self.context.ids);
        let head = format!(
            "{status}\r\ncontent-type: application/json; charset=utf-8\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Some([head.as_bytes(), &body].concat())
    }

    /// Passes on the outcome of a write, and ends the wait for a client that takes nothing.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let timeout = self.context.limits.write_timeout;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(stalled.as_mut().poll(cx));
        self.context.counters.stalled_clients.inc();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads and drops what the client still sends.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(linger) = &mut self.linger else {
            return Poll::Ready(());
        };
        let mut space = [0; 4096];
        while linger.read < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    linger.read += buf.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return linger.until.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for ServerIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.first.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let n = this.first.len().min(buf.remaining());
        buf.put_slice(this.first.get(..n).unwrap_or_default());
        this.first.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ServerIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = if this.replaces(buf) {
            this.poll_instead(cx, buf.len())
        } else {
            Pin::new(&mut this.stream).poll_write(cx, buf)
        };
        this.watch(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match bufs {
            [only] if this.replaces(only) => this.poll_instead(cx, only.len()),
            _ => Pin::new(&mut this.stream).poll_write_vectored(cx, bufs),
        };
        this.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Over TLS this is where bytes reach the socket.
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        this.watch(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
        ready!(this.watch(cx, shut))?;
        if this.http1 && this.unread.get() {
            this.linger.get_or_insert_with(Linger::start);
        }
        this.poll_linger(cx).map(Ok)
    }
}
