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
    Copy(Bytes),
    Stream {
        body: Rc<RequestBody>,
        turn: u32,
        yielded: u64,
        trailers_sent: bool,
    },
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (body, turn, yielded, trailers_sent) = match self.get_mut() {
            Self::Empty => return Poll::Ready(None),
            Self::Copy(bytes) => {
                let bytes = std::mem::take(bytes);
                let piece = (!bytes.is_empty()).then_some(bytes);
                return Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))));
            }
            Self::Stream {
                body,
                turn,
                yielded,
                trailers_sent,
            } => (body, turn, yielded, trailers_sent),
        };
        if body.turn.get() != *turn {
            return Poll::Ready(Some(Err(BodyError::Superseded)));
        }
        let polled = body.poll_from(cx, *yielded, trailers_sent);
        if polled.is_pending() {
            body.reader.set(Some(cx.waker().clone()));
        }
        body.progress.set(match &polled {
            Poll::Pending => Progress::Client,
            Poll::Ready(Some(Ok(frame))) => {
                *yielded += frame.data_ref().map_or(0, |data| data.len() as u64);
                // hyper does not ask again after the last piece.
                if body.is_end(*yielded) {
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
            Self::Copy(bytes) => bytes.is_empty(),
            Self::Stream { body, yielded, .. } => body.is_end(*yielded),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Copy(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream { body, yielded, .. } => match body.hint.exact() {
                Some(all) => SizeHint::with_exact(all.saturating_sub(*yielded)),
                None => SizeHint::new(),
            },
        }
    }
}
