//! One node's Admin API over HTTP/1.1 with a connection that is kept.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use silverback_core::node::{CONTENT_TYPE as BODY_TYPE, PREFIX};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;

use super::tls::AdminTls;
use super::url::NodeUrl;

/// An answer longer than this is not from a node.
const MAX_ANSWER: usize = 1 << 20;

/// How nodes are spoken to.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// For a connection, and for each request from its first byte to the answer's last.
    pub timeout: Duration,
    /// Sent with every request: the Admin API's token.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Needed for https.
    pub tls: Option<AdminTls>,
}

/// A client of one node.
#[derive(Debug)]
pub struct NodeClient {
    url: NodeUrl,
    options: Arc<ClientOptions>,
    kept: Option<SendRequest<Full<Bytes>>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The TLS handshake failed.
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    /// https without certificates to verify it by.
    #[error("https needs a CA certificate")]
    NoTls,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[source] hyper::Error),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// An answer without end.
    #[error("the answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
    /// The answer's body broke.
    #[error("the answer cannot be read: {0}")]
    Answer(String),
}

// === impl ClientOptions ===

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            headers: Vec::new(),
            tls: None,
        }
    }
}

// === impl ClientError ===

impl ClientError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Connect(_) | Self::TimedOut(_) => {
                "is the Admin API listening there, and may this host reach it?"
            }
            Self::Tls(_) => "check --kong-admin-ca-cert-file and --kong-admin-tls-server-name",
            Self::NoTls => "--kong-admin-ca-cert-file FILE",
            Self::Broken(_) | Self::TooLong | Self::Answer(_) => "is this Kong's Admin API?",
        }
    }
}

// === impl NodeClient ===

impl NodeClient {
    /// A client that connects when it is first used.
    pub fn new(url: NodeUrl, options: Arc<ClientOptions>) -> Self {
        Self {
            url,
            options,
            kept: None,
        }
    }

    /// The node's URL.
    pub fn url(&self) -> &NodeUrl {
        &self.url
    }

    /// Sends a request; `path` is what follows the protocol's prefix. Every request of the protocol
    /// may be repeated, so one that failed on a kept connection is sent again on a new one.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let limit = self.options.timeout;
        if let Some(mut kept) = self.kept.take().filter(|kept| !kept.is_closed()) {
            let request = self.request(&method, path, body.clone());
            if let Ok(Ok(answer)) = timeout(limit, exchange(&mut kept, request)).await {
                self.kept = Some(kept);
                return Ok(answer);
            }
        }
        let request = self.request(&method, path, body);
        let work = async {
            let mut sender = self.connect().await?;
            let answer = exchange(&mut sender, request).await?;
            self.kept = Some(sender);
            Ok(answer)
        };
        timeout(limit, work)
            .await
            .unwrap_or(Err(ClientError::TimedOut(limit)))
    }

    fn request(&self, method: &Method, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        let target = format!("{}{PREFIX}{path}", self.url.prefix);
        // Prefix and path were parsed as parts of a URI, or are made of digits.
        *request.uri_mut() = target.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(&self.url.authority()) {
            headers.insert(HOST, host);
        }
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("silverback/", env!("CARGO_PKG_VERSION"))),
        );
        if matches!(*method, Method::POST | Method::PUT) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(BODY_TYPE));
        }
        for (name, value) in &self.options.headers {
            headers.insert(name, value.clone());
        }
        request
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let address = (&*self.url.host, self.url.port);
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(ClientError::Connect)?;
        let _ = stream.set_nodelay(true);
        if !self.url.tls {
            return handshake(stream).await;
        }
        let tls = self.options.tls.as_ref().ok_or(ClientError::NoTls)?;
        let name = tls.server_name.as_deref().unwrap_or(&self.url.host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| ClientError::Tls(io::Error::other(error)))?;
        let stream = tls.connector.connect(name, stream).await;
        handshake(stream.map_err(ClientError::Tls)?).await
    }
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, ClientError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let made = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = made.map_err(ClientError::Broken)?;
    tokio::spawn(async move {
        // The sender learns of it too.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), ClientError> {
    sender.ready().await.map_err(ClientError::Broken)?;
    let answer = sender.send_request(request).await;
    let (head, body) = answer.map_err(ClientError::Broken)?.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    match body {
        Ok(body) => Ok((head.status, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(ClientError::TooLong),
        Err(error) => Err(ClientError::Answer(error.to_string())),
    }
}
