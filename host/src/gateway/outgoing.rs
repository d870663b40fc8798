//! A client's request as an upstream gets it.

use std::net::SocketAddr;
use std::rc::Rc;

use http::header::{HOST, TE, TRANSFER_ENCODING};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use silverback_core::contract::plan::{OwnedPlan, Protocol};

use super::body::{RequestBody, UpstreamBody};
use super::connection::Client;
use super::filter;
use super::headers;
use super::pool::{Key, TlsKey};
use super::transaction::Transaction;
use super::upgrade;
use super::upstream_tls::NO_POLICY;

/// What a request is made of, for each try anew.
pub(super) struct Outgoing {
    pub(super) method: Method,
    /// The client's version of HTTP.
    pub(super) version: Version,
    /// The client's target in origin form.
    pub(super) target: Uri,
    pub(super) body: Option<Rc<RequestBody>>,
    pub(super) client: Rc<Client>,
    /// What the client wants to change to.
    pub(super) upgrade: Option<Box<upgrade::Asked>>,
}

/// What a plan makes of a request, checked once for all tries and mirrors. Most plans change nothing.
pub(super) struct Template(Option<Box<Changes>>);

/// See [`Template`].
struct Changes {
    target: Option<Uri>,
    host: Option<HeaderValue>,
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
}

/// Where a request goes, and how it is spoken there.
pub(super) struct Peer {
    pub(super) key: Key,
    grpc: bool,
}

/// The request's host cannot be an authority, which HTTP/2 needs.
#[derive(Debug)]
pub(super) struct NoAuthority;

// === impl Template ===

impl Template {
    /// `None` if the plan says what HTTP cannot.
    pub(super) fn new(plan: &OwnedPlan) -> Option<Self> {
        let headers = [&plan.set_headers, &plan.add_headers];
        let same = plan.uri.is_none()
            && plan.host.is_none()
            && plan.remove_headers.is_empty()
            && headers.iter().all(|list| list.is_empty());
        if same {
            return Some(Self(None));
        }
        let host = plan.host.as_ref();
        Some(Self(Some(Box::new(Changes {
            target: match &plan.uri {
                None => None,
                Some(uri) => Some(target(uri)?),
            },
            host: host
                .map(|host| HeaderValue::from_bytes(host))
                .transpose()
                .ok()?,
            remove: plan
                .remove_headers
                .iter()
                // What is no name is in no request.
                .filter_map(|name| HeaderName::from_bytes(name).ok())
                .collect(),
            set: pairs(&plan.set_headers)?,
            add: pairs(&plan.add_headers)?,
        }))))
    }

    fn target(&self, out: &Outgoing) -> Uri {
        let changed = self.0.as_ref().and_then(|changes| changes.target.as_ref());
        changed.unwrap_or(&out.target).clone()
    }

    /// The client's headers as an upstream's, for HTTP/1.1, without those that frame a body.
    fn headers(&self, mut headers: HeaderMap, out: &Outgoing, endpoint: SocketAddr) -> HeaderMap {
        headers::strip_request(&mut headers);
        if let Some(changes) = &self.0 {
            changes.edit(&mut headers);
        }
        // For what comes now, in one step.
        headers.reserve(8);
        // X-Forwarded-Host is the client's Host, not the plan's.
        let path = out.target.path_and_query().map_or("", |path| path.as_str());
        out.client.forwarded.apply(&mut headers, out.version, path);
        let changed = self.0.as_ref().and_then(|changes| changes.host.as_ref());
        let host = match changed {
            Some(host) => Some(host.clone()),
            // HTTP/1.0 without Host: HTTP/1.1 needs one.
            None if !headers.contains_key(HOST) => HeaderValue::try_from(endpoint.to_string()).ok(),
            None => None,
        };
        if let Some(host) = host {
            headers.insert(HOST, host);
        }
        headers
    }

    /// The request for one try.
    pub(super) fn request(
        &self,
        tx: &mut Transaction,
        peer: &Peer,
    ) -> Result<Request<UpstreamBody>, NoAuthority> {
        let headers = filter::upstream_headers(&mut tx.exchange);
        let out = &tx.out;
        let mut headers = self.headers(headers, out, peer.key.endpoint);
        if !peer.key.http2 && out.body.as_ref().is_some_and(|body| body.is_chunked()) {
            // Without the header hyper takes a GET for one without a body, and drops it.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        if let Some(asked) = out.upgrade.as_ref().filter(|_| !peer.key.http2) {
            upgrade::ask(&mut headers, &asked.protocols);
        }
        let body = match &out.body {
            Some(body) => body.start(),
            None => UpstreamBody::Empty,
        };
        let mut request = Request::new(body);
        *request.method_mut() = out.method.clone();
        *request.uri_mut() = self.target(out);
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers;
        peer.speak(&mut request)?;
        Ok(request)
    }

    /// The head of the request for a mirror; the caller gives it a body of known length.
    pub(super) fn copy(&self, tx: &Transaction, endpoint: SocketAddr) -> Request<()> {
        let out = &tx.out;
        let headers = filter::copied_headers(&tx.exchange);
        let mut headers = self.headers(headers, out, endpoint);
        headers.remove(http::header::CONTENT_LENGTH);
        headers.remove(http::header::TRAILER);
        let mut request = Request::new(());
        *request.method_mut() = out.method.clone();
        *request.uri_mut() = self.target(out);
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers;
        request
    }
}

// === impl Changes ===

impl Changes {
    fn edit(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}

fn pairs(list: &[(Vec<u8>, Vec<u8>)]) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let pair = |(name, value): &(Vec<u8>, Vec<u8>)| {
        let name = HeaderName::from_bytes(name).ok()?;
        Some((name, HeaderValue::from_bytes(value).ok()?))
    };
    list.iter().map(pair).collect()
}

/// A plan's target, if it is one in origin form.
fn target(uri: &[u8]) -> Option<Uri> {
    let path = uri.starts_with(b"/").then(|| PathAndQuery::try_from(uri));
    path?.ok().map(Uri::from)
}

// === impl Outgoing ===

impl Outgoing {
    /// There will be no other try: what only that needs would otherwise be kept for as long as the
    /// response takes.
    pub(super) fn answered(&mut self) {
        self.target = Uri::default();
    }
}

// === impl Peer ===

impl Peer {
    pub(super) fn new(
        endpoint: SocketAddr,
        protocol: Protocol,
        tls: Option<&(u64, Vec<u8>)>,
    ) -> Self {
        let grpc = matches!(protocol, Protocol::Grpc | Protocol::Grpcs);
        let tls = protocol.is_tls().then(|| match tls {
            Some((policy, server_name)) => TlsKey {
                policy: *policy,
                server_name: server_name.clone(),
            },
            None => TlsKey {
                policy: NO_POLICY,
                server_name: Vec::new(),
            },
        });
        let http2 = grpc || protocol == Protocol::H2c;
        Self {
            key: Key {
                endpoint,
                http2,
                tls,
            },
            grpc,
        }
    }

    /// Makes an HTTP/1.1 request one for the peer.
    pub(super) fn speak<B>(&self, request: &mut Request<B>) -> Result<(), NoAuthority> {
        if !self.key.http2 {
            return Ok(());
        }
        let host = request.headers_mut().remove(HOST);
        let authority = match host.filter(|host| !host.is_empty()) {
            Some(host) => Authority::try_from(host.as_bytes()).map_err(|_| NoAuthority)?,
            None => Authority::try_from(self.key.endpoint.to_string()).map_err(|_| NoAuthority)?,
        };
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(match self.key.tls {
            Some(_) => Scheme::HTTPS,
            None => Scheme::HTTP,
        });
        parts.authority = Some(authority);
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| NoAuthority)?;
        *request.version_mut() = Version::HTTP_2;
        if self.grpc {
            // gRPC servers refuse a request without it; a client behind HTTP/1.1 cannot know.
            request
                .headers_mut()
                .insert(TE, HeaderValue::from_static("trailers"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http2(host: Option<&'static str>) -> Option<String> {
        let endpoint = SocketAddr::from(([10, 0, 0, 1], 81));
        let peer = Peer::new(endpoint, Protocol::H2c, None);
        let mut request = Request::get("/a?b").body(()).unwrap();
        if let Some(host) = host {
            request
                .headers_mut()
                .insert(HOST, HeaderValue::from_static(host));
        }
        peer.speak(&mut request).ok()?;
        assert!(!request.headers().contains_key(HOST));
        Some(request.uri().to_string())
    }

    #[test]
    fn http2_has_the_host_as_its_authority() {
        for (host, uri) in [
            (Some("a.test:8"), Some("http://a.test:8/a?b")),
            (Some(""), Some("http://10.0.0.1:81/a?b")),
            (None, Some("http://10.0.0.1:81/a?b")),
            (Some("a b"), None),
        ] {
            assert_eq!(http2(host).as_deref(), uri, "{host:?}");
        }
    }
}
