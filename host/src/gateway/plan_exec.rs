//! Carries a plan out: try after try, endpoint after endpoint.
//!
//! The rules of a retry are nginx's `proxy_next_upstream error timeout`: what could not be sent
//! goes to the next endpoint; what was sent goes there too if doing it twice is harmless. An
//! answer, 5xx included, is an answer.

use std::future::Future as _;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use silverback_core::contract::plan::{OwnedPlan, Protocol};
use silverback_core::contract::result::Outcome;

use super::body::{Progress, RequestBody, UpstreamBody};
use super::dial::DialError;
use super::errors::Refusal;
use super::filter;
use super::headers::{self, Forwarded};
use super::pool::Connection;
use super::transaction::Transaction;

const NO_TLS: Refusal = Refusal::new(
    StatusCode::BAD_GATEWAY,
    "TLS to the upstream is not supported yet",
);
const NO_GRPC: Refusal = Refusal::new(
    StatusCode::BAD_GATEWAY,
    "gRPC to the upstream is not supported yet",
);
pub(super) const BAD_GATEWAY: Refusal = Refusal::new(
    StatusCode::BAD_GATEWAY,
    "An invalid response was received from the upstream server",
);
const GATEWAY_TIMEOUT: Refusal = Refusal::new(
    StatusCode::GATEWAY_TIMEOUT,
    "The upstream server is timing out",
);
const BAD_BODY: Refusal = Refusal::closing(
    StatusCode::BAD_REQUEST,
    "the request body is malformed or did not come in time",
);
pub(super) const BAD_PLAN: Refusal = Refusal::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    "the filter's plan cannot be carried out",
);

/// An upstream's answer, with the connection that its body comes over.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) connection: Connection,
}

/// What a request is made of, for each try anew.
pub(super) struct Outgoing<'a> {
    pub(super) method: Method,
    /// The client's target.
    pub(super) target: Uri,
    /// The client's headers while they are as the filter left them and no try has used them;
    /// later tries make them anew from the exchange, so that the first needs no copy.
    pub(super) headers: Option<HeaderMap>,
    pub(super) body: Option<Rc<RequestBody>>,
    pub(super) forwarded: &'a Forwarded,
}

/// How a try failed.
struct Failure {
    outcome: Outcome,
    /// The upstream may have got some of the request.
    sent: bool,
    /// On a connection that had served before and then brought no answer.
    stale: bool,
}

/// Carries out the transaction's plan.
pub(super) async fn execute(
    tx: &mut Transaction,
    plan: &OwnedPlan,
    mut out: Outgoing<'_>,
) -> Result<Answered, Refusal> {
    match plan.protocol {
        Protocol::Http => {}
        Protocol::Https => return Err(NO_TLS),
        Protocol::Grpc | Protocol::Grpcs | Protocol::H2c => return Err(NO_GRPC),
    }
    let uri = target(plan, &out.target).ok_or(BAD_PLAN)?;
    let mut number = 0;
    let mut kept_allowed = true;
    loop {
        let index = number % plan.endpoints.len();
        let Some(&endpoint) = plan.endpoints.get(index) else {
            return Err(BAD_PLAN);
        };
        tx.endpoint = Some(endpoint);
        let failure = match attempt(tx, plan, &mut out, &uri, endpoint, kept_allowed).await {
            Ok(answered) => {
                tx.tried(index, Outcome::Answered);
                return Ok(answered);
            }
            Err(failure) => failure,
        };
        if out.body.as_ref().is_some_and(|body| body.failed()) {
            return Err(BAD_BODY);
        }
        let replayable = out.body.as_ref().is_none_or(|body| body.replayable());
        let again = replayable && (!failure.sent || out.method.is_idempotent());
        if failure.stale && again {
            // Not the endpoint's fault: the same one again, over a new connection, and it is not
            // one of the plan's tries (nginx does the same for a cached peer).
            tx.shared.counters.stale_connections.inc();
            tx.shared.pool.forget(endpoint);
            kept_allowed = false;
            continue;
        }
        tx.tried(index, failure.outcome);
        kept_allowed = true;
        number += 1;
        if number >= usize::from(plan.tries) || !again {
            tx.shared.counters.upstream_failures.inc();
            return Err(match failure.outcome {
                Outcome::TimedOut => GATEWAY_TIMEOUT,
                _ => BAD_GATEWAY,
            });
        }
        tx.shared.counters.retries.inc();
    }
}

/// One try.
async fn attempt(
    tx: &mut Transaction,
    plan: &OwnedPlan,
    out: &mut Outgoing<'_>,
    uri: &Uri,
    endpoint: SocketAddr,
    kept_allowed: bool,
) -> Result<Answered, Failure> {
    let shared = Rc::clone(&tx.shared);
    let kept = kept_allowed
        .then(|| shared.pool.take(endpoint, &shared.dialer))
        .flatten();
    let mut connection = match kept {
        Some(connection) => connection,
        None => {
            let timeout = Duration::from_millis(plan.timeouts.connect.into());
            match shared.dialer.dial(endpoint, timeout).await {
                Ok(connection) => {
                    shared.counters.upstream_connections.inc();
                    connection
                }
                Err(error) => {
                    tracing::debug!(%endpoint, %error, "no connection");
                    let outcome = match error {
                        DialError::TimedOut => Outcome::TimedOut,
                        _ => Outcome::Failed,
                    };
                    return Err(Failure {
                        outcome,
                        sent: false,
                        stale: false,
                    });
                }
            }
        }
    };

    let mut request = Request::new(match &out.body {
        Some(body) => body.start(),
        None => UpstreamBody::Empty,
    });
    *request.method_mut() = out.method.clone();
    *request.uri_mut() = uri.clone();
    *request.version_mut() = Version::HTTP_11;
    let headers = out.headers.take();
    *request.headers_mut() = headers.unwrap_or_else(|| filter::upstream_headers(&tx.exchange));
    prepare(request.headers_mut(), plan, out, endpoint);

    let stale = connection.used;
    let sent_at = Instant::now();
    let sending = pin!(connection.sender.try_send_request(request));
    let outcome = wait(sending, out.body.as_deref(), plan, sent_at).await;
    match outcome {
        Some(Ok(response)) => Ok(Answered {
            response,
            connection,
        }),
        Some(Err(mut error)) => {
            tracing::debug!(%endpoint, error = %error.error(), "no answer");
            Err(Failure {
                outcome: Outcome::Failed,
                // What comes back was not written.
                sent: error.take_message().is_none(),
                stale,
            })
        }
        None => Err(Failure {
            outcome: Outcome::TimedOut,
            sent: true,
            stale: false,
        }),
    }
}

/// Waits for the head of the answer; `None` when a timeout of the plan passes. The timer is set
/// once and looks, when it fires, at how far the request has got.
async fn wait<F: Future>(
    sending: std::pin::Pin<&mut F>,
    body: Option<&RequestBody>,
    plan: &OwnedPlan,
    sent_at: Instant,
) -> Option<F::Output> {
    let send = Duration::from_millis(plan.timeouts.send.into());
    let read = Duration::from_millis(plan.timeouts.read.into());
    let first = if body.is_some() { send.min(read) } else { read };
    let mut sending = sending;
    let mut timer = pin!(tokio::time::sleep_until((sent_at + first).into()));
    std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(output) = sending.as_mut().poll(cx) {
            return std::task::Poll::Ready(Some(output));
        }
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let due = match body.map_or(Progress::Sent(sent_at), RequestBody::progress) {
                // The client is slow: it has a timeout of its own.
                Progress::Client => now + send,
                Progress::Sending(at) => at + send,
                Progress::Sent(at) => at + read,
            };
            if due <= now {
                return std::task::Poll::Ready(None);
            }
            timer.as_mut().reset(due.into());
        }
        std::task::Poll::Pending
    })
    .await
}

/// The target that goes upstream, in origin form.
fn target(plan: &OwnedPlan, client: &Uri) -> Option<Uri> {
    let path = match &plan.uri {
        None if client.authority().is_none() => return Some(client.clone()),
        None => client.path_and_query()?.clone(),
        Some(uri) if uri.first() == Some(&b'/') => PathAndQuery::try_from(uri.as_slice()).ok()?,
        Some(_) => return None,
    };
    Some(Uri::from(path))
}

/// Makes a client's headers an upstream's.
fn prepare(headers: &mut HeaderMap, plan: &OwnedPlan, out: &Outgoing<'_>, endpoint: SocketAddr) {
    headers::strip_request(headers);
    for name in &plan.remove_headers {
        if let Ok(name) = http::HeaderName::from_bytes(name) {
            headers.remove(name);
        }
    }
    // X-Forwarded-Host is the client's Host, not the plan's.
    let path = out.target.path_and_query().map_or("", |path| path.as_str());
    out.forwarded.apply(headers, path);
    let host = match &plan.host {
        Some(host) => HeaderValue::from_bytes(host).ok(),
        // HTTP/1.0 without Host: HTTP/1.1 needs one.
        None if !headers.contains_key(HOST) => HeaderValue::try_from(endpoint.to_string()).ok(),
        None => None,
    };
    if let Some(host) = host {
        headers.insert(HOST, host);
    }
    if out.body.as_ref().is_some_and(|body| body.is_chunked()) {
        // Without the header hyper takes a GET for one without a body, and drops it.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}
