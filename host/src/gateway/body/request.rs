//! The client's request body.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::EXPECT;
use http::request::Parts;
use http::{HeaderMap, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::kept::{self, Kept};
use super::{BodyError, UpstreamBody, poll_piece};
use crate::gateway::limits::Limits;
use crate::gateway::mirror::{self, Copies};
use crate::gateway::server_io::Unread;

/// How far the request body has got: which of the plan's timeouts runs.
#[derive(Clone, Copy, Debug)]
pub(in crate::gateway) enum Progress {
    /// Waiting for the client: none of them.
    Client,
    /// A piece was taken by the upstream connection then.
    Sending(Instant),
    /// All of it was.
    Sent(Instant),
}

/// The client's request body, shared by all tries.
pub(in crate::gateway) struct RequestBody {
    state: RefCell<BodyState>,
    /// The try that may read.
    pub(super) turn: Cell<u32>,
    pub(super) progress: Cell<Progress>,
    failed: Cell<bool>,
    /// Bytes that the client may still send.
    left: Cell<u64>,
    /// Bytes that it has sent.
    received: Cell<u64>,
    limit: usize,
    pub(super) hint: SizeHint,
    pause: Duration,
    /// Wakes the try that reads: when another takes over, it must not wait any longer. (A stream of
    /// HTTP/2 goes on with its body when nobody waits for its answer any more.)
    pub(super) reader: Cell<Option<Waker>>,
    tap: RefCell<Option<Tap>>,
    /// The client sends nothing before it is asked to.
    waits: bool,
    unread: Unread,
}

/// What may be thrown away of a body for its connection's sake.
const DISCARDED: u64 = 64 * 1024;

/// A copy of the body in the making.
struct Tap {
    kept: Kept,
    copies: Copies,
}

struct BodyState {
    incoming: Incoming,
    /// What was read so far, unless it was more than the limit.
    kept: Kept,
    trailers: Option<HeaderMap>,
    finished: bool,
    pause: Option<Pin<Box<Sleep>>>,
}

// === impl RequestBody ===

impl RequestBody {
    /// `None` if there is no body. `unread` is told if it is dropped before its end.
    pub(in crate::gateway) fn new(
        incoming: Incoming,
        head: &Parts,
        limits: &Limits,
        unread: &Unread,
    ) -> Option<Rc<Self>> {
        if incoming.is_end_stream() {
            return None;
        }
        Some(Rc::new(Self {
            hint: incoming.size_hint(),
            state: RefCell::new(BodyState {
                incoming,
                kept: Kept::default(),
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
            received: Cell::new(0),
            limit: limits.replay_bytes,
            pause: limits.body_read_timeout,
            reader: Cell::new(None),
            tap: RefCell::new(None),
            waits: head.version != Version::HTTP_10 && head.headers.contains_key(EXPECT),
            unread: unread.clone(),
        }))
    }

    /// Whether it was read to its end.
    pub(in crate::gateway) fn is_read(&self) -> bool {
        let state = self.state.borrow();
        state.finished || state.incoming.is_end_stream()
    }

    /// Drops what of it has come already; whether that was all. No try gets any more.
    pub(in crate::gateway) async fn discard(self: &Rc<Self>) -> bool {
        drop(self.start());
        if self.failed.get() || (self.waits && self.received.get() == 0) {
            return false;
        }
        let most = self.received.get().saturating_add(DISCARDED);
        let mut waited = false;
        while !self.is_read() {
            match std::future::poll_fn(|cx| Poll::Ready(self.poll_client(cx))).await {
                Poll::Ready(Some(Err(_))) => return false,
                Poll::Ready(_) if self.received.get() > most => return false,
                Poll::Ready(_) => waited = false,
                Poll::Pending if waited => return false,
                Poll::Pending => {
                    waited = true;
                    // hyper reads on when it is its turn.
                    tokio::task::yield_now().await;
                }
            }
        }
        true
    }

    /// Bytes of it that were read so far.
    pub(in crate::gateway) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Gives copies of the body to mirrors as soon as it has been read, unless it is too long.
    pub(in crate::gateway) fn copy_to(&self, copies: Copies) {
        let state = self.state.borrow();
        if state.kept.overflowed() {
            return;
        }
        let mut kept = Kept::default();
        kept.push(state.kept.bytes(), mirror::LONGEST_BODY);
        if kept.overflowed() {
            return;
        }
        *self.tap.borrow_mut() = Some(Tap { kept, copies });
        if state.finished || state.incoming.is_end_stream() {
            self.finish_copy();
        }
    }

    fn note_copy(&self, data: &Bytes) {
        let mut tap = self.tap.borrow_mut();
        if let Some(open) = tap.as_mut() {
            open.kept.push(data, mirror::LONGEST_BODY);
            if open.kept.overflowed() {
                *tap = None;
            }
        }
    }

    fn finish_copy(&self) {
        if let Some(tap) = self.tap.take() {
            tap.copies.send(&tap.kept.into_bytes());
        }
    }

    /// The body for a new try; the last one gets nothing more.
    pub(in crate::gateway) fn start(self: &Rc<Self>) -> UpstreamBody {
        let turn = self.turn.get() + 1;
        self.turn.set(turn);
        self.progress.set(Progress::Client);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        UpstreamBody::Stream {
            body: Rc::clone(self),
            turn,
            yielded: 0,
            trailers_sent: false,
        }
    }

    /// Whether a new try can send all of it.
    pub(in crate::gateway) fn replayable(&self) -> bool {
        !self.state.borrow().kept.overflowed() && !self.failed.get()
    }

    /// Whether its length is not known beforehand.
    pub(in crate::gateway) fn is_chunked(&self) -> bool {
        self.hint.exact().is_none()
    }

    /// Whether it was the client's fault that it ended.
    pub(in crate::gateway) fn failed(&self) -> bool {
        self.failed.get()
    }

    /// Whether it ended because it was too large.
    pub(in crate::gateway) fn too_large(&self) -> bool {
        self.failed.get() && self.left.get() == 0
    }

    pub(in crate::gateway) fn progress(&self) -> Progress {
        self.progress.get()
    }

    /// Whether the upstream has taken all of it.
    pub(in crate::gateway) fn sent(&self) -> bool {
        matches!(self.progress.get(), Progress::Sent(_))
    }

    /// Whether nothing, trailers included, comes after this many bytes.
    /// Known with the last piece, it saves a frame of HTTP/2 that says nothing else.
    pub(super) fn is_end(&self, yielded: u64) -> bool {
        if self.hint.exact() == Some(yielded) {
            return true;
        }
        let state = self.state.borrow();
        yielded == self.received.get() && state.trailers.is_none() && state.incoming.is_end_stream()
    }

    /// Reads all of it for the filter; it can still be sent afterwards. `Ok(None)` if it is
    /// larger than `max`.
    pub(in crate::gateway) async fn collect(
        &self,
        max: usize,
    ) -> Result<Option<Vec<u8>>, BodyError> {
        loop {
            let more = std::future::poll_fn(|cx| self.poll_more(cx, max)).await?;
            let state = self.state.borrow();
            if state.kept.overflowed() {
                return Ok(None);
            }
            if !more {
                return Ok(Some(state.kept.bytes().to_vec()));
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
            Poll::Ready(Some(Ok(mut frame))) => {
                state.pause = None;
                if let Some(data) = frame.data_mut().filter(|_| self.is_chunked()) {
                    *data = kept::alone(std::mem::take(data));
                }
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

    pub(super) fn poll_from(
        &self,
        cx: &mut Context<'_>,
        yielded: u64,
        trailers_sent: &mut bool,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(piece) = self.state.borrow().kept.piece(yielded) {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match self.poll_client(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                *trailers_sent |= frame.is_trailers();
                self.state.borrow_mut().keep(&frame, self.limit);
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

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.is_read() {
            self.unread.set(true);
        }
    }
}

impl BodyState {
    fn keep(&mut self, frame: &Frame<Bytes>, limit: usize) {
        if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        }
        if let Some(data) = frame.data_ref() {
            self.kept.push(data, limit);
        }
    }
}
