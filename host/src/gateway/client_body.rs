//! A response's body as a client's connection takes it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use super::body::{BodyError, ResponseBody};
use super::streams::Stream;

/// See the module.
pub(super) struct ClientBody {
    inner: ResponseBody,
    /// Of an HTTP/2 request.
    stream: Option<Stream>,
    /// The response has none, whatever there is: hyper sees to that in HTTP/1 only.
    bodiless: bool,
}

// === impl ClientBody ===

impl ClientBody {
    /// `head`: the request's method is HEAD.
    pub(super) fn wrap(
        response: Response<ResponseBody>,
        head: bool,
        stream: Option<Stream>,
    ) -> Response<Self> {
        let status = response.status();
        let bodiless = stream.is_some()
            && (head || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED);
        let (mut parts, inner) = response.into_parts();
        if bodiless
            && head
            && let ResponseBody::Full { .. } = inner
            && let Some(length) = inner.size_hint().exact()
        {
            let headers = &mut parts.headers;
            headers
                .entry(header::CONTENT_LENGTH)
                .or_insert_with(|| length.into());
        }
        let body = Self {
            inner,
            stream,
            bodiless,
        };
        Response::from_parts(parts, body)
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.bodiless {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if let Some(stream) = &mut this.stream {
            stream.waits_for_client(matches!(polled, Poll::Ready(Some(Ok(_)))));
            stream.done |= matches!(polled, Poll::Ready(None | Some(Err(_))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.bodiless || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        let ended = self.is_end_stream();
        if let Some(stream) = &mut self.stream {
            // hyper does not ask again after the last frame.
            stream.done |= ended;
        }
    }
}
