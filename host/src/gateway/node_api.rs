//! The embedded gateway as a node: `/silverback/v1/` over HTTP, as Kong's Admin API serves it with
//! the plugin (docs/node-protocol.md).

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use silverback_core::node::answer::Worker;
use silverback_core::node::{self, MAX_BODY, Node, Reply};
use silverback_core::table::store::SharedData;
use silverback_core::table::store::publish::PublishError;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::nodes::same;

/// For a request's headers and for its body.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause after accept fails (file descriptors have run out).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The node side of the protocol for one store.
pub struct NodeApi<S> {
    node: Mutex<Node>,
    store: S,
    workers: Box<dyn Fn() -> Vec<Worker> + Send + Sync>,
    /// What `Authorization` must say; `None`: nothing is asked for.
    authorization: Option<HeaderValue>,
}

// === impl NodeApi ===

impl<S: SharedData + Send + Sync + 'static> NodeApi<S> {
    /// Takes over a store with room for so many pages. `workers` says what each worker has read.
    pub fn new(
        store: S,
        pages: u16,
        workers: impl Fn() -> Vec<Worker> + Send + Sync + 'static,
    ) -> Result<Self, PublishError> {
        Ok(Self {
            node: Mutex::new(Node::open(&store, pages)?),
            store,
            workers: Box::new(workers),
            authorization: None,
        })
    }

    /// Answers 401 to whoever does not send this as `Authorization`.
    #[must_use]
    pub fn with_authorization(mut self, value: HeaderValue) -> Self {
        self.authorization = Some(value);
        self
    }

    /// Serves until it is dropped, and its connections with it.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(Arc::clone(&self).connection(TokioIo::new(stream)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
            while connections.try_join_next().is_some() {}
        }
    }

    /// Serves one connection, which may be over TLS.
    pub async fn connection<I>(self: Arc<Self>, io: I)
    where
        I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
    {
        let service = service_fn(move |request| {
            let api = Arc::clone(&self);
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE);
        // A client that breaks off is its own affair.
        let _ = builder.serve_connection(io, service).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if !self.is_allowed(request.headers()) {
            return message(StatusCode::UNAUTHORIZED, "Unauthorized");
        }
        let (head, body) = request.into_parts();
        // One byte more than a body may have: the node says so itself.
        let body = Limited::new(body, MAX_BODY + 1).collect();
        let body = match tokio::time::timeout(PATIENCE, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return message(StatusCode::PAYLOAD_TOO_LARGE, "body too large"),
            Err(_) => return message(StatusCode::REQUEST_TIMEOUT, "body too slow"),
        };
        let request = node::Request {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            body: &body,
        };
        // A panic in another request leaves no half of a commit: the store says what is there.
        let mut node = self.node.lock().unwrap_or_else(PoisonError::into_inner);
        match node.serve(&self.store, &self.workers, request) {
            Some(Reply { status, body }) => json(
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                body,
            ),
            None => message(StatusCode::NOT_FOUND, "Not found"),
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

fn message(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    json(status, format!("{{\"message\":\"{text}\"}}"))
}

fn json(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
