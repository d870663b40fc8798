//! Upgrades: WebSocket, and whatever else a client and an upstream agree on (RFC 9110 7.8).
//!
//! ```text
//! client  -> GET, Connection: upgrade -> gateway -> the same -> upstream
//! client  <- 101                      <- gateway <- 101      <- upstream
//! client <=> bytes, 16 KiB at a time in each direction      <=> upstream
//! ```
//!
//! An upstream that does not want to answers with an ordinary response, which is passed on as
//! such.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use hyper::body::{Body, Incoming};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::access::Answer;
use super::connection::Client;
use super::headers;
use super::server_io::ServerIo;
use super::transaction::Transaction;

/// Bytes in flight in each direction.
const BUFFER: usize = 16 * 1024;

/// What a client wants to change to.
pub(super) struct Asked {
    /// The protocols, as they go upstream.
    pub(super) protocols: HeaderValue,
    on_upgrade: OnUpgrade,
}

/// What an upgraded connection is made of.
pub(super) struct Tunnel {
    asked: Box<Asked>,
    upstream: OnUpgrade,
    /// How long neither side may send anything: the plan's read timeout, as in nginx.
    timeout: Duration,
    transaction: Box<Transaction>,
    /// Counted as an open connection.
    _client: Rc<Client>,
}

/// A stream that notes when it was read from, and how many bytes.
struct Noted<'a, T> {
    io: T,
    last: &'a Cell<Instant>,
    bytes: u64,
}

// === impl Asked ===

impl Asked {
    /// What a request asks for. `None` if for nothing, or for nothing that may be passed on:
    /// then it is an ordinary request.
    pub(super) fn of(request: &mut Request<Incoming>) -> Option<Box<Self>> {
        // RFC 9110 7.8: in HTTP/1.0 it is to be ignored; HTTP/2 does not have it. A body would
        // have to be sent in HTTP before the protocol changes, and WebSocket has none.
        let possible = request.version() == Version::HTTP_11
            && request.method() != Method::CONNECT
            && request.body().is_end_stream();
        if !possible {
            return None;
        }
        let protocols = protocols(request.headers())?;
        Some(Box::new(Self {
            protocols,
            on_upgrade: hyper::upgrade::on(request),
        }))
    }

    /// Whether a 101 changes to one of the protocols that were asked for.
    fn agrees(&self, head: &HeaderMap) -> bool {
        let asked: Vec<_> = tokens(self.protocols.as_bytes()).collect();
        let mut chosen = head
            .get_all(UPGRADE)
            .iter()
            .flat_map(|value| tokens(value.as_bytes()))
            .peekable();
        chosen.peek().is_some()
            && chosen.all(|token| asked.iter().any(|asked| asked.eq_ignore_ascii_case(token)))
    }
}

/// The protocols of an Upgrade header that Connection names. Versions of HTTP are left out: a client
/// that spoke one to the upstream would be past the filter.
fn protocols(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut connection = headers.get_all(CONNECTION).iter();
    let named = connection
        .any(|value| tokens(value.as_bytes()).any(|token| token.eq_ignore_ascii_case(b"upgrade")));
    if !named {
        return None;
    }
    let values = headers.get_all(UPGRADE).iter();
    let wanted = values.flat_map(|value| tokens(value.as_bytes()));
    let wanted: Vec<_> = wanted.filter(|token| !is_http(token)).collect();
    if wanted.is_empty() {
        return None;
    }
    HeaderValue::from_bytes(&wanted.join(&b", "[..])).ok()
}

fn is_http(protocol: &[u8]) -> bool {
    let name = protocol.split(|&byte| byte == b'/').next();
    let name = name.unwrap_or_default().to_ascii_lowercase();
    matches!(&*name, b"h2c" | b"h2" | b"http" | b"tls")
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let tokens = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    tokens.filter(|token| !token.is_empty())
}

/// Makes the headers of a request that asks for these protocols.
pub(super) fn ask(headers: &mut HeaderMap, protocols: &HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocols.clone());
}

// === impl Tunnel ===

impl Tunnel {
    /// Makes an upstream's 101 the client's, and a tunnel of the two connections. Gives the
    /// transaction back if the client did not ask for what the upstream answers.
    pub(super) fn new(
        asked: Option<Box<Asked>>,
        head: &mut http::response::Parts,
        upstream: OnUpgrade,
        timeout: Duration,
        parts: (Box<Transaction>, Rc<Client>),
    ) -> Result<Self, Box<Transaction>> {
        let (transaction, client) = parts;
        let asked = match asked {
            Some(asked) if asked.agrees(&head.headers) => asked,
            _ => return Err(transaction),
        };
        let protocol = head.headers.get(UPGRADE).cloned();
        headers::strip_hop_by_hop(&mut head.headers);
        // RFC 9110 8.6 and RFC 9112 6.1: no 1xx has them.
        head.headers.remove(CONTENT_LENGTH);
        head.headers.remove(TRANSFER_ENCODING);
        if let Some(protocol) = protocol {
            ask(&mut head.headers, &protocol);
        }
        Ok(Self {
            asked,
            upstream,
            timeout,
            transaction,
            _client: client,
        })
    }

    pub(super) fn transaction(&mut self) -> &mut Transaction {
        &mut self.transaction
    }

    pub(super) fn into_transaction(self) -> Box<Transaction> {
        self.transaction
    }

    /// Carries bytes until both sides have ended, one fails, or both are silent for too long.
    pub(super) async fn run(mut self) {
        let both = async { tokio::try_join!(self.asked.on_upgrade, self.upstream) };
        let (client, upstream) = match tokio::time::timeout(self.timeout, both).await {
            Ok(Ok(both)) => both,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a connection was not upgraded");
                return;
            }
            Err(_) => return,
        };
        self.transaction.shared.counters.upgrades.inc();
        self.transaction.answer = Answer::Proxied;
        let last = Cell::new(Instant::now());
        let Some(client) = raw(client) else { return };
        let mut client = Noted {
            io: client,
            last: &last,
            bytes: 0,
        };
        let mut upstream = Noted {
            io: TokioIo::new(upstream),
            last: &last,
            bytes: 0,
        };
        // The end of one direction is passed on and the other goes on.
        let copy =
            tokio::io::copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER);
        let ended = tokio::select! {
            ended = copy => ended.map(drop),
            () = silence(&last, self.timeout) => Err(io::ErrorKind::TimedOut.into()),
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "an upgraded connection broke");
        }
        self.transaction.tunnelled = client.bytes;
        self.transaction.sent = upstream.bytes;
    }
}

/// The stream of a client that has spoken HTTP.
fn raw(client: Upgraded) -> Option<ServerIo> {
    // No other type serves clients.
    let parts = client.downcast::<TokioIo<ServerIo>>().ok()?;
    Some(parts.io.into_inner().into_raw(parts.read_buf))
}

/// Returns when nothing was read for this long.
async fn silence(last: &Cell<Instant>, timeout: Duration) {
    while last.get().elapsed() < timeout {
        tokio::time::sleep_until((last.get() + timeout).into()).await;
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Noted<'_, T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        if read.is_ready() {
            this.last.set(Instant::now());
            this.bytes += (buf.filled().len() - before) as u64;
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Noted<'_, T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        let protocols = protocols(&map)?;
        Some(String::from_utf8_lossy(protocols.as_bytes()).into_owned())
    }

    #[test]
    fn only_what_connection_names_and_is_not_http_is_passed_on() {
        let cases: [(&[(&str, &str)], _); 8] = [
            (
                &[("connection", "Upgrade"), ("upgrade", "websocket")],
                Some("websocket"),
            ),
            (
                &[
                    ("connection", "keep-alive, upgrade"),
                    ("upgrade", "WebSocket"),
                ],
                Some("WebSocket"),
            ),
            (
                &[
                    ("connection", "a"),
                    ("connection", "upgrade"),
                    ("upgrade", "x/1, y"),
                ],
                Some("x/1, y"),
            ),
            (&[("upgrade", "websocket")], None),
            (&[("connection", "upgrade")], None),
            (
                &[
                    ("connection", "upgrade, http2-settings"),
                    ("upgrade", "h2c"),
                ],
                None,
            ),
            (
                &[("connection", "upgrade"), ("upgrade", "HTTP/2.0, TLS/1.0")],
                None,
            ),
            (
                &[("connection", "upgrade"), ("upgrade", "h2c, websocket")],
                Some("websocket"),
            ),
        ];
        for (headers, expected) in cases {
            assert_eq!(asked(headers).as_deref(), expected, "{headers:?}");
        }
    }
}
