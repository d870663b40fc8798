//! Bodies on their way through: the request's can be sent again as long as it is small, the
//! response's carries the transaction and gives its connection back.

mod kept;
mod request;
mod response;
mod trailers;
mod upstream;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;

pub(super) use request::{Progress, RequestBody};
pub(super) use response::{Relay, ResponseBody};
pub(super) use upstream::UpstreamBody;

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

/// The next frame that says something, in both directions. A message that ends with an empty DATA frame
/// comes with an empty piece at its end; passed on, it would be a frame of its own that ends nothing, and
/// h2 (from 0.4.16 on, behind every peer made with hyper) closes a connection after a hundred of them.
/// Of trailers there is what may be one.
fn poll_piece(
    incoming: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
    loop {
        let mut polled = Pin::new(&mut *incoming).poll_frame(cx);
        let Poll::Ready(Some(Ok(frame))) = &mut polled else {
            return polled;
        };
        if let Some(fields) = frame.trailers_mut() {
            trailers::strip(fields);
            if !fields.is_empty() {
                return polled;
            }
        } else if !frame.data_ref().is_some_and(Bytes::is_empty) {
            return polled;
        }
    }
}
