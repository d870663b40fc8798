//! One try: a connection, the request, and the head of its response.

use std::error::Error as _;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::result::Outcome;

use super::body::{Progress, RequestBody, UpstreamBody};
use super::dial::DialError;
use super::outgoing::{NoAuthority, Peer};
use super::pool::Connection;
use super::timer::LazySleep;
use super::worker::Shared;

/// An upstream's answer, with the connection that its body comes over.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) connection: Box<Connection>,
}

/// How a try failed.
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    /// The upstream may have got some of the request.
    pub(super) sent: bool,
    /// On a connection that had served before and then brought no answer.
    pub(super) stale: bool,
}

/// Why there is no answer.
pub(super) enum NoAnswer {
    Failed(Failure),
    /// Nothing was sent, and nothing would be another time.
    NoAuthority,
}

/// How long a try may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) connect: Duration,
    pub(super) send: Duration,
    pub(super) read: Duration,
    /// The head of the response must have come by then.
    pub(super) until: Option<Instant>,
}

impl From<NoAuthority> for NoAnswer {
    fn from(NoAuthority: NoAuthority) -> Self {
        Self::NoAuthority
    }
}

// === impl Answered ===

impl Answered {
    /// Throws the answer away; its connection is kept if nothing more comes over it.
    pub(super) fn discard(self, shared: &Shared, request: Option<&RequestBody>) {
        let whole = self.response.body().is_end_stream();
        if whole && request.is_none_or(RequestBody::sent) {
            shared.pool.put(self.connection);
        }
    }
}

// === impl Patience ===

impl Patience {
    pub(super) fn new(plan: &OwnedPlan, until: Option<Instant>) -> Self {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        Self {
            connect: ms(plan.timeouts.connect),
            send: ms(plan.timeouts.send),
            read: ms(plan.timeouts.read),
            until,
        }
    }

    fn connect(&self) -> Duration {
        match self.until {
            None => self.connect,
            Some(until) => self
                .connect
                .min(until.saturating_duration_since(Instant::now())),
        }
    }
}

// === impl Failure ===

impl Failure {
    fn unsent(outcome: Outcome) -> Self {
        Self {
            outcome,
            sent: false,
            stale: false,
        }
    }
}

/// Makes a try. The request is made when there is a connection: what was not sent is still the
/// caller's.
pub(super) async fn attempt(
    shared: &Shared,
    peer: &Peer,
    patience: &Patience,
    kept: bool,
    body: Option<&RequestBody>,
    request: impl FnOnce() -> Result<Request<UpstreamBody>, NoAuthority>,
) -> Result<Answered, NoAnswer> {
    let endpoint = peer.key.endpoint;
    let (pool, counters) = (&shared.pool, &shared.counters);
    let connecting = shared
        .dialer
        .connect(pool, counters, &peer.key, kept, patience.connect());
    let mut connection = connecting.await.map_err(|error| {
        tracing::debug!(%endpoint, %error, "no connection");
        NoAnswer::Failed(Failure::unsent(match error {
            DialError::TimedOut => Outcome::TimedOut,
            _ => Outcome::Failed,
        }))
    })?;

    let request = request()?;
    let mut timer = connection.timer.take();
    let sending = pin!(connection.send(request));
    let outcome = wait(&mut connection, sending, body, patience, &mut timer).await;
    connection.timer = timer;
    let mut error = match outcome {
        Some(Ok(response)) => {
            // A request that is not sent yet goes on, however slowly its client takes the answer.
            if body.is_some_and(|body| !body.sent()) || response.status().is_informational() {
                connection.detach();
            }
            return Ok(Answered {
                response,
                connection,
            });
        }
        Some(Err(error)) => error,
        None => {
            return Err(NoAnswer::Failed(Failure {
                outcome: Outcome::TimedOut,
                sent: true,
                stale: false,
            }));
        }
    };
    tracing::debug!(%endpoint, error = ?error.error(), "no answer");
    // What comes back was not written.
    let unsent = error.take_message().is_some();
    let http2 = error.error().source().and_then(|e| e.downcast_ref());
    let stale = connection.used && !http2.is_some_and(h2::Error::is_reset);
    if stale {
        pool.forget(&connection);
    }
    Err(NoAnswer::Failed(Failure {
        outcome: Outcome::Failed,
        sent: !(unsent || http2.is_some_and(not_processed)),
        stale,
    }))
}

/// RFC 9113 8.7: of a request that was refused, or came after the last one that a server going
/// away names, nothing was processed.
fn not_processed(error: &h2::Error) -> bool {
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => true,
        Some(h2::Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
        _ => false,
    }
}

/// Waits for the head of the answer; `None` when a timeout passes. The timer is set once and
/// looks, when it fires, at how far the request has got.
fn wait<F: Future>(
    connection: &mut Connection,
    mut sending: Pin<&mut F>,
    body: Option<&RequestBody>,
    patience: &Patience,
    timer: &mut Option<Pin<Box<LazySleep>>>,
) -> impl Future<Output = Option<F::Output>> {
    let &Patience {
        send, read, until, ..
    } = patience;
    let sent_at = Instant::now();
    let by = move |due: Instant| until.map_or(due, |until| due.min(until));
    let first = by(sent_at + if body.is_some() { send.min(read) } else { read });
    let timer = LazySleep::set(timer, first);
    std::future::poll_fn(move |cx| {
        if let Poll::Ready(output) = connection.poll(cx, |cx| sending.as_mut().poll(cx)) {
            return Poll::Ready(Some(output));
        }
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let due = by(
                match body.map_or(Progress::Sent(sent_at), RequestBody::progress) {
                    // The client is slow: it has a timeout of its own.
                    Progress::Client => now + send,
                    Progress::Sending(at) => at + send,
                    Progress::Sent(at) => at + read,
                },
            );
            if due <= now {
                return Poll::Ready(None);
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    })
}
