//! One request and its response, as the data plane knows them.

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use crate::headers::{Headers, empty};
use crate::property::{Properties, canonical};
use crate::uri;

/// What the data plane knows of one request: handed to each callback, and read by the embedder
/// afterwards.
///
/// It is a pointer to its [`ExchangeParts`], since each callback takes it into the worker and gives it
/// back. An empty one takes no memory.
#[derive(Clone, Debug, Default)]
pub struct Exchange(Option<Box<ExchangeParts>>);

/// What is in an [`Exchange`].
///
/// Pseudo-headers are fields, not entries of [`ExchangeParts::request_headers`].
#[derive(Clone, Debug)]
pub struct ExchangeParts {
    /// `:method`.
    pub method: Vec<u8>,
    /// `:path`, path and query as the client sent them.
    pub path: Vec<u8>,
    /// `:scheme`.
    pub scheme: Vec<u8>,
    /// nginx's `server_name`: with the port, what `:authority` reads as in Kong (Kong facts 2).
    pub server_name: Cow<'static, str>,
    /// The port that the request came in at.
    pub server_port: u16,
    /// The client's headers, and what the filter made of them.
    pub request_headers: Headers,
    /// The whole request body, `None` if there is none.
    pub request_body: Option<Vec<u8>>,
    /// Trailers of the request.
    pub request_trailers: Headers,
    /// `:status` of the response.
    pub response_status: u16,
    /// Headers of the response.
    pub response_headers: Headers,
    /// The piece of the response body that is under way.
    pub response_body: Option<Vec<u8>>,
    /// Trailers of the response.
    pub response_trailers: Headers,
    /// Properties by dotted name.
    pub properties: Properties,
    /// The response that the filter produced itself; it stands whatever the callback returned.
    pub local_response: Option<LocalResponse>,
    /// What the filter thinks the path is after it set `:path` in strict mode.
    pub(crate) seen_path: Option<Vec<u8>>,
    /// Strict mode: header lines that the filter removed and Kong sends all the same.
    pub(crate) kept: Headers,
    /// Strict mode: the client's Host, which the filter's set does not change.
    pub(crate) client_host: Option<Vec<u8>>,
    pub(crate) strict: bool,
    pub(crate) body_shown: bool,
}

/// A response that the filter sends by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalResponse {
    /// Status code.
    pub status: u16,
    /// Reason phrase, empty for the usual one.
    pub reason: Vec<u8>,
    /// Headers.
    pub headers: Headers,
    /// Body.
    pub body: Vec<u8>,
    /// The gRPC status, if the filter gave one.
    pub grpc_status: Option<i32>,
}

/// Headers that Kong writes itself, with the property each comes from (Kong facts 2).
const OVERWRITTEN: [(&str, &str); 10] = [
    ("x-forwarded-for", "ngx.upstream_x_forwarded_for"),
    ("x-forwarded-proto", "ngx.upstream_x_forwarded_proto"),
    ("x-forwarded-host", "ngx.upstream_x_forwarded_host"),
    ("x-forwarded-port", "ngx.upstream_x_forwarded_port"),
    ("x-forwarded-path", "ngx.upstream_x_forwarded_path"),
    ("x-forwarded-prefix", "ngx.upstream_x_forwarded_prefix"),
    ("x-real-ip", "ngx.remote_addr"),
    ("via", "ngx.upstream_via"),
    ("connection", "ngx.upstream_connection"),
    ("host", "ngx.upstream_host"),
];
/// Those of them that it makes of what the client sent (kong/runloop/handler.lua, access.before):
/// where the embedder sets no property it makes them itself, and finds the client's.
const OF_THE_CLIENT: [&str; 4] = ["x-forwarded-for", "via", "connection", "host"];

/// What is in an exchange of which nothing was set.
const EMPTY: ExchangeParts = ExchangeParts {
    method: Vec::new(),
    path: Vec::new(),
    scheme: Vec::new(),
    server_name: Cow::Borrowed("kong"),
    server_port: 8000,
    request_headers: Headers::new(),
    request_body: None,
    request_trailers: Headers::new(),
    response_status: 0,
    response_headers: Headers::new(),
    response_body: None,
    response_trailers: Headers::new(),
    properties: Properties::new(),
    local_response: None,
    seen_path: None,
    kept: Headers::new(),
    client_host: None,
    strict: false,
    body_shown: false,
};

/// See [`EMPTY`].
static NOTHING: ExchangeParts = EMPTY;

// === impl Exchange ===

impl Exchange {
    /// A request without headers.
    pub fn new(method: impl Into<Vec<u8>>, path: impl Into<Vec<u8>>) -> Self {
        Self(Some(Box::new(ExchangeParts {
            method: method.into(),
            path: path.into(),
            scheme: b"http".to_vec(),
            ..EMPTY
        })))
    }

    /// With one more request header.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.request_headers.add(name, value);
        self
    }

    /// With a request body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request_body = Some(body.into());
        self
    }

    /// With these properties.
    pub fn properties(mut self, properties: Properties) -> Self {
        self.properties = properties;
        self
    }
}

impl Deref for Exchange {
    type Target = ExchangeParts;

    fn deref(&self) -> &ExchangeParts {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for Exchange {
    fn deref_mut(&mut self) -> &mut ExchangeParts {
        self.0.get_or_insert_with(|| Box::new(EMPTY))
    }
}

// === impl ExchangeParts ===

impl ExchangeParts {
    /// Empties it for another request, and keeps a few KB of the memory of what is in most. What the
    /// data plane offers (upstreams, the shim) stays.
    pub fn reset(&mut self) {
        let Self {
            method,
            path,
            scheme,
            server_name,
            server_port,
            request_headers,
            request_body,
            request_trailers,
            response_status,
            response_headers,
            response_body,
            response_trailers,
            properties,
            local_response,
            seen_path,
            kept,
            client_host,
            strict,
            body_shown,
        } = self;
        for text in [method, path, scheme] {
            empty(text);
        }
        let maps = [
            request_headers,
            request_trailers,
            response_headers,
            response_trailers,
            kept,
        ];
        for map in maps {
            map.reset();
        }
        properties.clear();
        (*server_name, *server_port) = (EMPTY.server_name, EMPTY.server_port);
        (*request_body, *response_body) = (None, None);
        (*local_response, *response_status) = (None, 0);
        (*seen_path, *client_host) = (None, None);
        (*strict, *body_shown) = (false, false);
    }

    /// The request line's target that goes upstream: property `ngx.upstream_uri`, else the path.
    pub fn upstream_uri(&self) -> &[u8] {
        self.properties
            .get("ngx.upstream_uri")
            .unwrap_or(&self.path)
    }

    /// The headers that go upstream. In strict mode they are Kong's: what the filter removed is
    /// still there, and Host, X-Forwarded-*, X-Real-IP, Via and Connection are Kong's own
    /// (Kong facts 2).
    pub fn upstream_request_headers(&self) -> Headers {
        if !self.strict {
            return self.request_headers.clone();
        }
        let own = |name: &[u8]| {
            OVERWRITTEN
                .iter()
                .any(|(n, _)| n.as_bytes().eq_ignore_ascii_case(name))
        };
        let mut headers = Headers::new();
        for (name, property) in OVERWRITTEN {
            if let Some(value) = self.properties.get(property) {
                headers.add(name, value);
                continue;
            }
            if !OF_THE_CLIENT.contains(&name) {
                continue;
            }
            if let Some(original) = self.request_headers.original() {
                for value in original.get_all(name) {
                    headers.add(name, value);
                }
            } else if name == "host"
                && let Some(host) = &self.client_host
            {
                headers.add(name, host);
            }
        }
        for (name, value) in self.request_headers.iter().chain(self.kept.iter()) {
            if !own(name) {
                headers.add(name, value);
            }
        }
        headers
    }

    /// Where stock Kong connects, try after try, for a service at `service` with this many
    /// retries: `kong.service.target` changes only the port at the first try (Kong facts 1.1),
    /// and every retry goes to the same target (1.4). With the shim the plan decides instead.
    pub fn kong_tries(&self, service: (&str, u16), retries: usize) -> Vec<(String, u16)> {
        let service = (service.0.to_owned(), service.1);
        let Some((host, port)) = self.properties.target() else {
            return vec![service; retries + 1];
        };
        let target = (String::from_utf8_lossy(host).into_owned(), port);
        let mut tries = vec![target; retries + 1];
        tries[0] = (service.0, port);
        tries
    }

    /// What `:authority` reads as.
    pub(crate) fn authority(&self) -> Cow<'_, [u8]> {
        if self.strict {
            return Cow::Owned(format!("{}:{}", self.server_name, self.server_port).into_bytes());
        }
        Cow::Borrowed(self.request_headers.get("host").unwrap_or_default())
    }

    /// A property: as the embedder set it, else as it follows from the request.
    pub(crate) fn property(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let name = canonical(name);
        if let Some(value) = self.properties.get(name) {
            return Some(Cow::Borrowed(value));
        }
        let borrowed =
            |value: &'_ [u8]| -> Option<Cow<'_, [u8]>> { Some(Cow::Owned(value.to_vec())) };
        let (path, query) = match self.path.iter().position(|&b| b == b'?') {
            Some(at) => (&self.path[..at], &self.path[at + 1..]),
            None => (&self.path[..], &[][..]),
        };
        match name {
            b"ngx.request_method" => borrowed(&self.method),
            b"ngx.request_uri" | b"ngx.upstream_uri" => borrowed(&self.path),
            b"ngx.uri" if self.strict => borrowed(&uri::decoded(path)),
            b"ngx.uri" => borrowed(path),
            b"ngx.args" => borrowed(query),
            b"ngx.scheme" => borrowed(&self.scheme),
            b"ngx.server_port" => borrowed(self.server_port.to_string().as_bytes()),
            b"ngx.server_name" => borrowed(self.server_name.as_bytes()),
            b"ngx.upstream_host" => self.request_headers.get("host").map(Cow::Borrowed),
            b"ngx.status" if self.response_status != 0 => {
                borrowed(self.response_status.to_string().as_bytes())
            }
            _ => self.header_property(name),
        }
    }

    fn header_property(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        if let Some(header) = name.strip_prefix(b"request.headers.") {
            return self.request_headers.get(header).map(Cow::Borrowed);
        }
        if let Some(header) = name.strip_prefix(b"response.headers.") {
            return self.response_headers.get(header).map(Cow::Borrowed);
        }
        let variable = name.strip_prefix(b"ngx.http_")?;
        let header: Vec<u8> = variable
            .iter()
            .map(|&b| if b == b'_' { b'-' } else { b })
            .collect();
        // nginx joins the lines of a name.
        let separator: &[u8] = match &*header {
            b"cookie" => b"; ",
            _ => b", ",
        };
        let lines: Vec<_> = self.request_headers.get_all(&header).collect();
        (!lines.is_empty()).then(|| Cow::Owned(lines.join(separator)))
    }
}
