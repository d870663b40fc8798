//! The built-in backend: it says who it is and what it got.
//!
//! In `silverback dev` a Service without pods gets fake endpoint addresses that are registered
//! here; a connection to one is a pipe in memory.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::io::DuplexStream;

use super::dial::LocalExecutor;

/// Marks a response of the echo.
pub const ECHO_HEADER: HeaderName = HeaderName::from_static("x-silverback-echo");

/// Whom an echo endpoint stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EchoIdentity {
    /// Name of the Service.
    pub service: String,
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Name or number of the Service's port.
    pub port: String,
}

/// Which endpoint addresses are echoes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EchoRegistry(HashMap<SocketAddr, Arc<EchoIdentity>>);

/// What the echo answers.
#[derive(Serialize)]
struct Echo<'a> {
    #[serde(flatten)]
    identity: &'a EchoIdentity,
    method: &'a str,
    path: &'a str,
    host: String,
    headers: BTreeMap<&'a str, Vec<String>>,
    body_bytes: usize,
}

impl EchoRegistry {
    /// No echoes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an address an echo.
    pub fn insert(&mut self, endpoint: SocketAddr, identity: EchoIdentity) {
        self.0.insert(endpoint, Arc::new(identity));
    }

    /// How many addresses there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The addresses.
    pub fn addresses(&self) -> impl Iterator<Item = &SocketAddr> {
        self.0.keys()
    }

    /// These, and those of another list that are not among them.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = other.0.clone();
        both.extend(self.0.clone());
        Self(both)
    }

    pub(super) fn get(&self, endpoint: &SocketAddr) -> Option<&Arc<EchoIdentity>> {
        self.0.get(endpoint)
    }
}

impl FromIterator<(SocketAddr, EchoIdentity)> for EchoRegistry {
    fn from_iter<I: IntoIterator<Item = (SocketAddr, EchoIdentity)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self(pairs.map(|(at, who)| (at, Arc::new(who))).collect())
    }
}

/// Serves one connection.
pub(super) async fn serve(io: DuplexStream, identity: Arc<EchoIdentity>, http2: bool) {
    let service = service_fn(|request| {
        let identity = Arc::clone(&identity);
        async move { answer(request, &identity).await }
    });
    let io = TokioIo::new(io);
    let served = if http2 {
        let http = http2::Builder::new(LocalExecutor);
        http.serve_connection(io, service).await
    } else {
        http1::Builder::new().serve_connection(io, service).await
    };
    if let Err(error) = served {
        tracing::debug!(%error, "an echo connection broke");
    }
}

async fn answer(
    request: Request<Incoming>,
    identity: &EchoIdentity,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, mut body) = request.into_parts();
    let mut body_bytes = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => body_bytes += frame.data_ref().map_or(0, Bytes::len),
            // The connection ends with it.
            Err(_) => break,
        }
    }
    let echo = Echo {
        identity,
        method: parts.method.as_str(),
        path: parts.uri.path_and_query().map_or("", |path| path.as_str()),
        host: host(&parts),
        headers: by_name(&parts.headers),
        body_bytes,
    };
    let (status, body) = match serde_json::to_vec(&echo) {
        Ok(body) => (StatusCode::OK, body),
        // Strings and numbers: it does not happen.
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ECHO_HEADER, HeaderValue::from_static("1"));
    Ok(response)
}

/// Of HTTP/2 it is the authority.
fn host(request: &http::request::Parts) -> String {
    let header = request.headers.get(HOST).map(lossy);
    let authority = || request.uri.authority().map(ToString::to_string);
    header.or_else(authority).unwrap_or_default()
}

fn by_name(headers: &HeaderMap) -> BTreeMap<&str, Vec<String>> {
    let mut by_name: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        by_name.entry(name.as_str()).or_default().push(lossy(value));
    }
    by_name
}

fn lossy(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}
