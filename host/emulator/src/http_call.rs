//! HTTP calls that a filter dispatches.

use std::time::Duration;

use crate::headers::Headers;
use crate::worker::ContextId;

/// A call that the filter wants to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    /// Names the call in its answer.
    pub token: u32,
    /// Who asked: a request, or `None` for the root context.
    pub context: Option<ContextId>,
    /// Where to: host and port in Kong, a cluster's name elsewhere.
    pub upstream: Vec<u8>,
    /// Headers, pseudo-headers `:method`, `:path`, `:authority`, `:scheme` among them.
    pub headers: Headers,
    /// Body, empty for none.
    pub body: Vec<u8>,
    /// Trailers.
    pub trailers: Headers,
    /// How long it may take.
    pub timeout: Duration,
}

/// A call that is not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct Outstanding {
    pub(crate) call: HttpCall,
    /// The root context that is told, when no request asked.
    pub(crate) root: usize,
    /// The embedder has it.
    pub(crate) taken: bool,
}

/// The answer to a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallResponse {
    /// Status code; it is not among the headers.
    pub status: u16,
    /// Headers.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
    /// Trailers.
    pub trailers: Headers,
    /// Why there is no answer: what the filter reads as `:dispatch_status`.
    pub(crate) failed: bool,
}

impl CallResponse {
    /// An answer with this status and body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
            ..Self::default()
        }
    }

    /// With one more header.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// No answer: 0 headers, no body (Kong facts 5).
    pub(crate) fn failed() -> Self {
        Self {
            failed: true,
            ..Self::default()
        }
    }
}

/// What the answer to a call set going again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// The request goes on.
    pub request: bool,
    /// The response goes on.
    pub response: bool,
}
