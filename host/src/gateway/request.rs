//! Requests are checked before the filter sees them: what HTTP leaves no choice about is decided
//! here, in one place.

use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Version};

use super::errors::Refusal;
use super::limits::Limits;

const NOT_ALLOWED: Refusal =
    Refusal::closing(StatusCode::METHOD_NOT_ALLOWED, "CONNECT is not supported");
const ASTERISK: Refusal = Refusal::new(
    StatusCode::BAD_REQUEST,
    "a request target of '*' is not supported",
);
const NO_PATH: Refusal = Refusal::new(
    StatusCode::BAD_REQUEST,
    "the request target must be a path or an absolute URI",
);
const URI_TOO_LONG: Refusal = Refusal::closing(StatusCode::URI_TOO_LONG, "URI too long");
const NO_HOST: Refusal = Refusal::closing(
    StatusCode::BAD_REQUEST,
    "an HTTP/1.1 request needs a Host header",
);
const SEVERAL_HOSTS: Refusal = Refusal::closing(
    StatusCode::BAD_REQUEST,
    "a request has at most one Host header",
);
const BAD_HOST: Refusal = Refusal::closing(StatusCode::BAD_REQUEST, "invalid Host");

/// Checks a request, and makes its Host header the host that it asks for: that of an absolute
/// target wins over the header (RFC 9112 3.2.2).
///
/// Framing (Content-Length, Transfer-Encoding, chunks), obsolete line folding, NUL and the size of
/// the headers are hyper's to refuse; it has done so by now.
pub(super) fn check(parts: &mut Parts, limits: &Limits) -> Result<(), Refusal> {
    if parts.method == Method::CONNECT {
        return Err(NOT_ALLOWED);
    }
    let uri = &parts.uri;
    let path = uri.path_and_query().map_or("", |p| p.as_str());
    let authority = uri.authority().map_or("", |a| a.as_str());
    if path.len() + authority.len() > limits.max_uri_bytes {
        return Err(URI_TOO_LONG);
    }
    if path == "*" {
        return Err(ASTERISK);
    }
    if !path.starts_with('/') {
        return Err(NO_PATH);
    }

    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(SEVERAL_HOSTS);
    }
    if host.is_none() && parts.version >= Version::HTTP_11 {
        return Err(NO_HOST);
    }
    if host.is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(BAD_HOST);
    }
    if uri.authority().is_some() {
        if !is_host(authority.as_bytes()) {
            return Err(BAD_HOST);
        }
        let host = HeaderValue::from_str(authority).map_err(|_| BAD_HOST)?;
        parts.headers.insert(HOST, host);
    }
    Ok(())
}

/// What nginx takes as a host, without `@`: names only need to be harmless here, whether one is
/// known is the filter's to say. Bytes above ASCII pass.
fn is_host(host: &[u8]) -> bool {
    !host
        .iter()
        .any(|b| matches!(b, 0..=0x20 | 0x7f | b'/' | b'\\' | b'@' | b'#' | b'?'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn checked(request: Request<()>) -> Result<String, u16> {
        let (mut parts, ()) = request.into_parts();
        check(&mut parts, &Limits::default()).map_err(|refusal| refusal.status.as_u16())?;
        let host = parts.headers.get(HOST).map(HeaderValue::as_bytes);
        Ok(String::from_utf8_lossy(host.unwrap_or(b"-")).into_owned())
    }

    #[test]
    fn the_host_of_an_absolute_target_wins() {
        let request = Request::get("http://uri.example:81/x").header(HOST, "header.example");
        assert_eq!(
            checked(request.body(()).unwrap()).unwrap(),
            "uri.example:81"
        );
    }

    #[test]
    fn hosts() {
        let get = || Request::get("/");
        for (request, expected) in [
            (get(), Err(400)),
            (get().header(HOST, "a").header(HOST, "a"), Err(400)),
            (get().header(HOST, "a/b"), Err(400)),
            (get().header(HOST, "user@a"), Err(400)),
            (get().header(HOST, ""), Ok(String::new())),
            (get().version(Version::HTTP_10), Ok("-".to_owned())),
            (Request::options("*").header(HOST, "a"), Err(400)),
            (Request::connect("a:80").header(HOST, "a"), Err(405)),
        ] {
            assert_eq!(checked(request.body(()).unwrap()), expected);
        }
    }

    #[test]
    fn a_long_target_is_414() {
        let request = Request::get(format!("/{}", "x".repeat(16 * 1024))).header(HOST, "a");
        assert_eq!(checked(request.body(()).unwrap()), Err(414));
    }
}
