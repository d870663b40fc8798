//! The request body as a try sends it, or a mirror's copy.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{BodyError, Progress, RequestBody};

/// The request body as one try sends it.
pub(in crate::gateway) enum UpstreamBody {
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

// === impl UpstreamBody ===

impl UpstreamBody {
    pub(in crate::gateway) fn copy(pieces: &Rc<[Bytes]>) -> Self {
        let pieces = Rc::clone(pieces);
        Self::Copy { pieces, at: 0 }
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
