//! The requests of nodes over HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use silverback_core::node::PREFIX;
use silverback_core::node::error::NodeError;
use silverback_core::node::hex::digest_from_hex;
use silverback_core::node::pull::answer;
use silverback_core::node::pull::request::{MAX_REQUEST, PullRequest};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::offer::{Offer, Pulls};
use crate::nodes::same;

/// For a request's headers and for its body.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause after accept fails (file descriptors have run out).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections at a time; each node has one. More wait.
const CONNECTIONS: usize = 4096;

type Answer = Response<Full<Bytes>>;

/// Answers nodes that ask.
#[derive(Debug)]
pub struct PullServer {
    offer: watch::Receiver<Option<Arc<Offer>>>,
    /// What `Authorization` must say; `None`: nothing is asked for.
    authorization: Option<HeaderValue>,
}

// === impl PullServer ===

impl PullServer {
    /// Gives out what is published. Whoever does not send this as `Authorization` gets 401.
    pub fn new(pulls: &Pulls, authorization: Option<HeaderValue>) -> Self {
        Self {
            offer: pulls.watch(),
            authorization,
        }
    }

    /// Serves until it is dropped, and its connections with it.
    pub async fn serve(self, listener: TcpListener) {
        let server = Arc::new(self);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    let served = Arc::clone(&server).connection(TokioIo::new(stream));
                    connections.spawn(async move {
                        served.await;
                        drop(place);
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn connection<I>(self: Arc<Self>, io: I)
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    {
        let service = service_fn(move |request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        // A node that breaks off is its own affair.
        let _ = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(io, service)
            .await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        if !self.is_allowed(request.headers()) {
            return message(StatusCode::UNAUTHORIZED, "Unauthorized");
        }
        let (head, body) = request.into_parts();
        let Some(name) = head.uri.path().strip_prefix(PREFIX) else {
            return message(StatusCode::NOT_FOUND, "Not found");
        };
        match (&head.method, name.split_once('/')) {
            (&Method::POST, None) if name == "pull" => {
                let body = Limited::new(body, MAX_REQUEST + 1).collect();
                match tokio::time::timeout(PATIENCE, body).await {
                    Ok(Ok(body)) => self.pull(&body.to_bytes()).await,
                    Ok(Err(_)) => message(StatusCode::PAYLOAD_TOO_LARGE, "body too large"),
                    Err(_) => message(StatusCode::REQUEST_TIMEOUT, "body too slow"),
                }
            }
            (&Method::GET, Some(("segments", digest))) => {
                let query = head.uri.query().unwrap_or_default();
                self.segment(digest, query)
            }
            _ => message(StatusCode::NOT_FOUND, "Not found"),
        }
    }

    async fn pull(&self, body: &[u8]) -> Answer {
        let request = match PullRequest::decode(body) {
            Ok(request) => request,
            Err(error) => return refused(&NodeError::from(error)),
        };
        let mut offer = self.offer.clone();
        let due = offer.wait_for(|offer| {
            let table = offer.as_ref().map(|offer| &*offer.table);
            table.is_some_and(|table| answer::is_due(&request, table))
        });
        let wait = Duration::from_millis(request.wait.into());
        let offer = match tokio::time::timeout(wait, due).await {
            Ok(Ok(offer)) => offer.clone(),
            // Nothing new, or the publisher ends.
            Ok(Err(_)) | Err(_) => None,
        };
        let Some(offer) = offer else {
            return reply(StatusCode::NO_CONTENT, Bytes::new());
        };
        match answer::commit(&request, &*offer.table, offer.root(&request.root)) {
            Ok(commit) => reply(StatusCode::OK, commit.into()),
            Err(error) => refused(&NodeError::from(error)),
        }
    }

    fn segment(&self, digest: &str, query: &str) -> Answer {
        let offset = match query.strip_prefix("offset=") {
            Some(offset) => offset.parse().ok(),
            None => query.is_empty().then_some(0),
        };
        let asked = digest_from_hex(digest).zip(offset);
        let offer = self.offer.borrow().clone();
        let piece = asked
            .zip(offer.as_deref())
            .and_then(|((digest, offset), offer)| {
                answer::piece(&*offer.table, &digest, offset).map(Bytes::copy_from_slice)
            });
        match piece {
            Some(piece) => reply(StatusCode::OK, piece),
            None => message(StatusCode::NOT_FOUND, "no such piece"),
        }
    }

    fn is_allowed(&self, headers: &HeaderMap) -> bool {
        match &self.authorization {
            None => true,
            Some(expected) => headers
                .get(AUTHORIZATION)
                .is_some_and(|given| same(given.as_bytes(), expected.as_bytes())),
        }
    }
}

fn refused(error: &NodeError) -> Answer {
    let status = StatusCode::from_u16(error.code.status());
    let body = serde_json::to_string(error).unwrap_or_default();
    json(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body)
}

fn message(status: StatusCode, text: &str) -> Answer {
    json(status, format!("{{\"message\":\"{text}\"}}"))
}

fn json(status: StatusCode, body: String) -> Answer {
    let mut answer = reply(status, body.into());
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn reply(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("application/octet-stream");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}
