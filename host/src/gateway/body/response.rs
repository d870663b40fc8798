//! The body of a response to the client.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{BodyError, poll_piece};
use crate::gateway::access::Answer;
use crate::gateway::pool::Connection;
use crate::gateway::timer::LazySleep;
use crate::gateway::transaction::Transaction;

/// The body of a response to the client.
pub(in crate::gateway) enum ResponseBody {
    /// Made here.
    Full {
        body: Option<Bytes>,
        transaction: Option<Box<Transaction>>,
    },
    /// On its way from an upstream.
    Upstream(Relay),
}

/// An upstream's response body, with what must be done when it is over.
pub(in crate::gateway) struct Relay {
    pub(in crate::gateway) incoming: Incoming,
    /// Goes back to the pool at the end of the body.
    pub(in crate::gateway) connection: Option<Box<Connection>>,
    /// In milliseconds.
    pub(in crate::gateway) read_timeout: u32,
    /// The connection's timer.
    pub(in crate::gateway) timer: Option<Pin<Box<LazySleep>>>,
    /// It runs: the upstream lets the client wait.
    pub(in crate::gateway) waits: bool,
    pub(in crate::gateway) transaction: Box<Transaction>,
    pub(in crate::gateway) over: bool,
    /// It broke off, which is said when what came before is on its way.
    pub(in crate::gateway) failed: Option<hyper::Error>,
}

impl ResponseBody {
    /// A body made here.
    pub(in crate::gateway) fn full(body: Bytes, transaction: Option<Box<Transaction>>) -> Self {
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
            let request = self.transaction.out.body.as_ref();
            if request.is_none_or(|request| request.sent()) {
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

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let incoming = &mut self.incoming;
        match &mut self.connection {
            Some(connection) => connection.poll(cx, |cx| poll_piece(incoming, cx)),
            None => poll_piece(incoming, cx),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if let Some(error) = self.failed.take() {
            let endpoint = self.transaction.endpoint;
            tracing::debug!(?endpoint, ?error, "a response broke off");
            self.broken();
            return Poll::Ready(Some(Err(BodyError::Upstream(error))));
        }
        match self.poll_piece(cx) {
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
                // hyper throws away what it has not sent, the head first of all, and the client could
                // not tell this from a gateway that never answered. While it waits it sends.
                self.failed = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => {
                let timer = match &mut self.timer {
                    Some(timer) if self.waits => timer,
                    kept => {
                        let timeout = Duration::from_millis(self.read_timeout.into());
                        LazySleep::set(kept, Instant::now() + timeout)
                    }
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
