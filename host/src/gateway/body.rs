//! Bodies on their way through: the request's can be sent again as long as it is small, the
//! response's carries the transaction and gives its connection back.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::access::Answer;
use super::limits::Limits;
use super::mirror::{self, Copies};
use super::pool::Connection;
use super::timer::LazySleep;
use super::transaction::Transaction;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the client's request body: {0}")]
    Client(hyper::Error),
    #[error("the client sent no more of the request body in time")]
    ClientTimeout,
    #[error("the client's request body is larger than the limit")]
    TooLarge,
    #[error("another try has taken the request body over")]
    Superseded,
    #[error("the upstream's response body: {0}")]
    Upstream(hyper::Error),
    #[error("the upstream sent no more of the response body in time")]
    UpstreamTimeout,
}

/// How far the request body has got: which of the plan's timeouts runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Progress {
    /// Waiting for the client: none of them.
    Client,
    /// A piece was taken by the upstream connection then.
    Sending(Instant),
    /// All of it was.
    Sent(Instant),
}

/// The client's request body, shared by all tries.
pub(super) struct RequestBody {
    state: RefCell<BodyState>,
    /// The try that may read.
    turn: Cell<u32>,
    progress: Cell<Progress>,
    failed: Cell<bool>,
    /// Bytes that the client may still send.
    left: Cell<u64>,
    /// Bytes that it has sent.
    received: Rc<Cell<u64>>,
    limit: usize,
    hint: SizeHint,
    pause: Duration,
    /// Wakes the try that reads: when another takes over, it must not wait any longer. (A stream of
    /// HTTP/2 goes on with its body when nobody waits for its answer any more.)
    reader: Cell<Option<Waker>>,
    tap: RefCell<Option<Tap>>,
}

/// A copy of the body in the making.
struct Tap {
    pieces: Vec<Bytes>,
    bytes: usize,
    copies: Copies,
}

struct BodyState {
    incoming: Incoming,
    /// What was read so far, unless it was more than the limit.
    kept: Vec<Bytes>,
    kept_bytes: usize,
    overflow: bool,
    trailers: Option<HeaderMap>,
    finished: bool,
    pause: Option<Pin<Box<Sleep>>>,
}

/// The request body as one try sends it.
pub(super) enum UpstreamBody {
    Empty,
    /// For a mirror.
    Copy {
        pieces: Rc<[Bytes]>,
        /// Index of the next piece.
        at: usize,
    },
    Stream {
        body: Rc<RequestBody>,
        turn: u32,
        /// Index of the next kept piece.
        at: usize,
        yielded: u64,
        trailers_sent: bool,
    },
}

// === impl RequestBody ===

impl RequestBody {
    /// `None` if there is no body.
    pub(super) fn new(
        incoming: Incoming,
        limits: &Limits,
        received: &Rc<Cell<u64>>,
    ) -> Option<Rc<Self>> {
        if incoming.is_end_stream() {
            return None;
        }
        Some(Rc::new(Self {
            hint: incoming.size_hint(),
            state: RefCell::new(BodyState {
                incoming,
                kept: Vec::new(),
                kept_bytes: 0,
                overflow: false,
                trailers: None,
                finished: false,
                pause: None,
            }),
            turn: Cell::new(0),
            progress: Cell::new(Progress::Client),
            failed: Cell::new(false),
            left: Cell::new(match limits.max_body_bytes {
                0 => u64::MAX,
                max => max,
            }),
            received: Rc::clone(received),
            limit: limits.replay_bytes,
            pause: limits.body_read_timeout,
            reader: Cell::new(None),
            tap: RefCell::new(None),
        }))
    }

    /// Gives copies of the body to mirrors as soon as it has been read, unless it is too long.
    pub(super) fn copy_to(&self, copies: Copies) {
        let state = self.state.borrow();
        if state.overflow || state.kept_bytes > mirror::LONGEST_BODY {
            return;
        }
        *self.tap.borrow_mut() = Some(Tap {
            pieces: state.kept.clone(),
            bytes: state.kept_bytes,
            copies,
        });
        if state.finished || state.incoming.is_end_stream() {
            self.finish_copy();
        }
    }

    fn note_copy(&self, data: &Bytes) {
        let mut tap = self.tap.borrow_mut();
        if let Some(open) = tap.as_mut() {
            open.bytes = open.bytes.saturating_add(data.len());
            open.pieces.push(data.clone());
            if open.bytes > mirror::LONGEST_BODY {
                *tap = None;
            }
        }
    }

    fn finish_copy(&self) {
        if let Some(tap) = self.tap.take() {
            tap.copies.send(&tap.pieces.into());
        }
    }

    /// The body for a new try; the last one gets nothing more.
    pub(super) fn start(self: &Rc<Self>) -> UpstreamBody {
        let turn = self.turn.get() + 1;
        self.turn.set(turn);
        self.progress.set(Progress::Client);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        UpstreamBody::Stream {
            body: Rc::clone(self),
            turn,
            at: 0,
            yielded: 0,
            trailers_sent: false,
        }
    }

    /// Whether a new try can send all of it.
    pub(super) fn replayable(&self) -> bool {
        !self.state.borrow().overflow && !self.failed.get()
    }

    /// Whether its length is not known beforehand.
    pub(super) fn is_chunked(&self) -> bool {
        self.hint.exact().is_none()
    }

    /// Whether it was the client's fault that it ended.
    pub(super) fn failed(&self) -> bool {
        self.failed.get()
    }

    /// Whether it ended because it was too large.
    pub(super) fn too_large(&self) -> bool {
        self.failed.get() && self.left.get() == 0
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.get()
    }

    /// Whether the upstream has taken all of it.
    pub(super) fn sent(&self) -> bool {
        matches!(self.progress.get(), Progress::Sent(_))
    }

    /// Whether nothing, trailers included, comes after this many pieces that are kept, and this many bytes.
    /// Known with the last piece, it saves a frame of HTTP/2 that says nothing else.
    fn is_end(&self, at: usize, yielded: u64) -> bool {
        if self.hint.exact() == Some(yielded) {
            return true;
        }
        let state = self.state.borrow();
        at >= state.kept.len() && state.trailers.is_none() && state.incoming.is_end_stream()
    }

    /// Reads all of it for the filter; it can still be sent afterwards. `Ok(None)` if it is
    /// larger than `max`.
    pub(super) async fn collect(&self, max: usize) -> Result<Option<Vec<u8>>, BodyError> {
        loop {
            let more = std::future::poll_fn(|cx| self.poll_more(cx, max)).await?;
            let state = self.state.borrow();
            if state.overflow {
                return Ok(None);
            }
            if !more {
                return Ok(Some(state.kept.concat()));
            }
        }
    }

    /// Reads one more piece into what is kept; `false` at the end.
    fn poll_more(&self, cx: &mut Context<'_>, limit: usize) -> Poll<Result<bool, BodyError>> {
        match self.poll_client(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(Ok(false)),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Err(error)),
            Poll::Ready(Some(Ok(frame))) => {
                self.state.borrow_mut().keep(&frame, limit);
                Poll::Ready(Ok(true))
            }
        }
    }

    fn poll_client(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.state.borrow_mut();
        if state.finished {
            return Poll::Ready(None);
        }
        match poll_piece(&mut state.incoming, cx) {
            Poll::Ready(Some(Ok(frame))) => {
                state.pause = None;
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.received
                    .set(self.received.get().saturating_add(length));
                match self.left.get().checked_sub(length) {
                    Some(left) => self.left.set(left),
                    None => {
                        self.left.set(0);
                        self.failed.set(true);
                        return Poll::Ready(Some(Err(BodyError::TooLarge)));
                    }
                }
                if let Some(data) = frame.data_ref() {
                    self.note_copy(data);
                }
                if state.incoming.is_end_stream() {
                    self.finish_copy();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.failed.set(true);
                Poll::Ready(Some(Err(BodyError::Client(error))))
            }
            Poll::Ready(None) => {
                state.finished = true;
                self.finish_copy();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let pause = state
                    .pause
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(self.pause)));
                if pause.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.failed.set(true);
                Poll::Ready(Some(Err(BodyError::ClientTimeout)))
            }
        }
    }

    fn poll_from(
        &self,
        cx: &mut Context<'_>,
        at: &mut usize,
        trailers_sent: &mut bool,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(piece) = self.state.borrow().kept.get(*at) {
            *at += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        match self.poll_client(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                *trailers_sent |= frame.is_trailers();
                let mut state = self.state.borrow_mut();
                state.keep(&frame, self.limit);
                *at = state.kept.len();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) if !*trailers_sent => {
                *trailers_sent = true;
                let trailers = self.state.borrow().trailers.clone();
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            other => other,
        }
    }
}

impl BodyState {
    fn keep(&mut self, frame: &Frame<Bytes>, limit: usize) {
        if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        }
        let Some(data) = frame.data_ref() else {
            return;
        };
        self.kept_bytes += data.len();
        if self.overflow || self.kept_bytes > limit {
            self.overflow = true;
            self.kept.clear();
        } else {
            self.kept.push(data.clone());
        }
    }
}

// === impl UpstreamBody ===

impl UpstreamBody {
    pub(super) fn copy(pieces: &Rc<[Bytes]>) -> Self {
        let pieces = Rc::clone(pieces);
        Self::Copy { pieces, at: 0 }
    }
}

/// The next frame that says something. A message that ends with an empty DATA frame comes with an empty
/// piece at its end; passed on, it would be a frame of its own that ends nothing, and h2 (from 0.4.16 on,
/// behind every peer made with hyper) closes a connection after a hundred of them.
fn poll_piece(
    incoming: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
    loop {
        let polled = Pin::new(&mut *incoming).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) if frame.data_ref().is_some_and(Bytes::is_empty) => {}
            _ => return polled,
        }
    }
}

/// Bytes from a piece on.
fn left(pieces: &[Bytes], at: usize) -> u64 {
    let left = pieces.get(at..).unwrap_or_default().iter();
    left.map(|piece| piece.len() as u64).sum()
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (body, turn, at, yielded, trailers_sent) = match self.get_mut() {
            Self::Empty => return Poll::Ready(None),
            Self::Copy { pieces, at } => {
                let piece = pieces.get(*at).cloned();
                *at += 1;
                return Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))));
            }
            Self::Stream {
                body,
                turn,
                at,
                yielded,
                trailers_sent,
            } => (body, turn, at, yielded, trailers_sent),
        };
        if body.turn.get() != *turn {
            return Poll::Ready(Some(Err(BodyError::Superseded)));
        }
        let polled = body.poll_from(cx, at, trailers_sent);
        if polled.is_pending() {
            body.reader.set(Some(cx.waker().clone()));
        }
        body.progress.set(match &polled {
            Poll::Pending => Progress::Client,
            Poll::Ready(Some(Ok(frame))) => {
                *yielded += frame.data_ref().map_or(0, |data| data.len() as u64);
                // hyper does not ask again after the last piece.
                if body.is_end(*at, *yielded) {
                    Progress::Sent(Instant::now())
                } else {
                    Progress::Sending(Instant::now())
                }
            }
            Poll::Ready(_) => Progress::Sent(Instant::now()),
        });
        polled
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Copy { pieces, at } => left(pieces, *at) == 0,
            Self::Stream {
                body, at, yielded, ..
            } => body.is_end(*at, *yielded),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Copy { pieces, at } => SizeHint::with_exact(left(pieces, *at)),
            Self::Stream { body, yielded, .. } => match body.hint.exact() {
                Some(all) => SizeHint::with_exact(all.saturating_sub(*yielded)),
                None => SizeHint::new(),
            },
        }
    }
}

/// The body of a response to the client.
pub(super) enum ResponseBody {
    /// Made here.
    Full {
        body: Option<Bytes>,
        transaction: Option<Box<Transaction>>,
    },
    /// On its way from an upstream.
    Upstream(Box<Relay>),
}

/// An upstream's response body, with what must be done when it is over.
pub(super) struct Relay {
    pub(super) incoming: Incoming,
    /// Goes back to the pool at the end of the body.
    pub(super) connection: Option<Box<Connection>>,
    pub(super) request: Option<Rc<RequestBody>>,
    pub(super) read_timeout: Duration,
    /// The connection's timer.
    pub(super) timer: Option<Pin<Box<LazySleep>>>,
    /// It runs: the upstream lets the client wait.
    pub(super) waits: bool,
    pub(super) transaction: Box<Transaction>,
    pub(super) over: bool,
}

impl ResponseBody {
    /// A body made here.
    pub(super) fn full(body: Bytes, transaction: Option<Box<Transaction>>) -> Self {
        let body = (!body.is_empty()).then_some(body);
        Self::Full { body, transaction }
    }
}

impl Relay {
    /// The whole body came.
    fn complete(&mut self) {
        self.over = true;
        self.transaction.answer = Answer::Proxied;
        if let Some(mut connection) = self.connection.take() {
            connection.timer = self.timer.take();
            // An upstream that answers before it has read the request still reads it: the
            // connection is of no use.
            if self.request.as_ref().is_none_or(|request| request.sent()) {
                self.transaction.shared.pool.put(connection);
            }
        }
    }

    fn broken(&mut self) {
        self.over = true;
        self.connection = None;
        self.transaction.answer = Answer::Proxied;
        self.transaction.shared.counters.broken_responses.inc();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.over {
            return Poll::Ready(None);
        }
        match poll_piece(&mut self.incoming, cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.waits = false;
                self.transaction.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                if self.incoming.is_end_stream() {
                    self.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.complete();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                let endpoint = self.transaction.endpoint;
                tracing::debug!(?endpoint, ?error, "a response broke off");
                self.broken();
                Poll::Ready(Some(Err(BodyError::Upstream(error))))
            }
            Poll::Pending => {
                let timer = match &mut self.timer {
                    Some(timer) if self.waits => timer,
                    kept => LazySleep::set(kept, Instant::now() + self.read_timeout),
                };
                self.waits = true;
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.broken();
                Poll::Ready(Some(Err(BodyError::UpstreamTimeout)))
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // hyper does not read a body that it need not send (HEAD, 304, 204).
        if !self.over && self.incoming.is_end_stream() {
            self.complete();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Full { body, transaction } => {
                let body = body.take();
                if let (Some(body), Some(tx)) = (&body, transaction) {
                    tx.sent += body.len() as u64;
                }
                Poll::Ready(body.map(|body| Ok(Frame::data(body))))
            }
            Self::Upstream(relay) => relay.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full { body, .. } => body.is_none(),
            Self::Upstream(relay) => relay.over || relay.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full { body, .. } => {
                SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64))
            }
            Self::Upstream(relay) => relay.incoming.size_hint(),
        }
    }
}
