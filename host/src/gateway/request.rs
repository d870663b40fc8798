//! Requests are checked before the filter sees them: what HTTP leaves no choice about is decided
//! here, in one place.

use bytes::{BufMut, BytesMut};
use http::header::{CONTENT_LENGTH, COOKIE, Entry, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version};

use super::errors::Refusal;
use super::limits::Limits;

const NO_CONNECT: Refusal =
    Refusal::closing(StatusCode::METHOD_NOT_ALLOWED, "CONNECT is not supported");
/// nginx's answer: what comes back of a TRACE holds what was added on the way.
const NO_TRACE: Refusal =
    Refusal::closing(StatusCode::METHOD_NOT_ALLOWED, "TRACE is not supported");
const ASTERISK: Refusal = Refusal::new(
    StatusCode::BAD_REQUEST,
    "a request target of '*' is not supported",
);
const NO_PATH: Refusal = Refusal::new(
    StatusCode::BAD_REQUEST,
    "the request target must be a path or an absolute URI",
);
const URI_TOO_LONG: Refusal = Refusal::closing(StatusCode::URI_TOO_LONG, "URI too long");
const NO_HOST: Refusal = Refusal::closing(StatusCode::BAD_REQUEST, "a request needs a Host header");
const SEVERAL_HOSTS: Refusal = Refusal::closing(
    StatusCode::BAD_REQUEST,
    "a request has at most one Host header",
);
const BAD_HOST: Refusal = Refusal::closing(StatusCode::BAD_REQUEST, "invalid Host");
const OTHER_HOST: Refusal = Refusal::new(
    StatusCode::BAD_REQUEST,
    "Host is not the same as :authority",
);
const SEVERAL_LENGTHS: Refusal = Refusal::closing(
    StatusCode::BAD_REQUEST,
    "a request has at most one Content-Length header",
);
const UNKNOWN_CODING: Refusal = Refusal::closing(
    StatusCode::NOT_IMPLEMENTED,
    "no transfer coding but chunked is supported",
);
const TOO_MANY_HEADERS: Refusal = Refusal::new(
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    "too many request headers",
);
pub(super) const TOO_LARGE: Refusal = Refusal::closing(
    StatusCode::PAYLOAD_TOO_LARGE,
    "the request body is too large",
);

/// Checks a request, and makes its Host header the host that it asks for: that of an absolute
/// target wins over the header (RFC 9112 3.2.2).
///
/// Framing (Content-Length, Transfer-Encoding, chunks), obsolete line folding, NUL and the size of
/// the headers are hyper's to refuse; it has done so by now. So are, in HTTP/2, the headers that it
/// does not have (Transfer-Encoding, Connection). What hyper takes and others might read
/// differently is refused here ([`framing`]), or given its one form.
pub(super) fn check(parts: &mut Parts, limits: &Limits) -> Result<(), Refusal> {
    if parts.method == Method::CONNECT {
        return Err(NO_CONNECT);
    }
    if parts.method == Method::TRACE {
        return Err(NO_TRACE);
    }
    with_path(&mut parts.uri);
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

    framing(&mut parts.headers)?;
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(SEVERAL_HOSTS);
    }
    // HTTP/2 has :authority in its place; in HTTP/1.1 an absolute target does not replace it.
    let named = parts.version == Version::HTTP_2 && uri.authority().is_some();
    if host.is_none() && !named && parts.version >= Version::HTTP_11 {
        return Err(NO_HOST);
    }
    if host.is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(BAD_HOST);
    }
    if uri.authority().is_some() {
        if !is_host(authority.as_bytes()) {
            return Err(BAD_HOST);
        }
        // RFC 9113 8.3.1: a request whose Host "identifies an entity that differs from the entity
        // in the :authority" is malformed. In HTTP/1.1 the target wins.
        let differs =
            |host: &HeaderValue| !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
        if parts.version == Version::HTTP_2 && host.is_some_and(differs) {
            return Err(OTHER_HOST);
        }
        let host = HeaderValue::from_str(authority).map_err(|_| BAD_HOST)?;
        parts.headers.insert(HOST, host);
    }
    if parts.version == Version::HTTP_2 {
        // First: browsers make a piece of each cookie. h2 has seen to it that there are not more bytes
        // than may be.
        join_cookies(&mut parts.headers);
        // hyper counts them in HTTP/1 only.
        if parts.headers.len() > limits.max_headers {
            return Err(TOO_MANY_HEADERS);
        }
    }
    Ok(())
}

/// `http://a.example?b` has an empty path, which is the same as `/` (RFC 9110 4.2.3).
fn with_path(uri: &mut Uri) {
    let Some(path) = uri.path_and_query().filter(|p| p.as_str().starts_with('?')) else {
        return;
    };
    let Ok(path) = PathAndQuery::try_from(format!("/{}", path.as_str())) else {
        return;
    };
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(path);
    // Only the path is another: it cannot fail.
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

/// What hyper is more generous about than is good for those behind: a length that is said twice or
/// in unusual digits, and transfer codings that nobody here decodes.
fn framing(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    // RFC 9112 6.1: "A server that receives a request message with a transfer coding it does not
    // understand SHOULD respond with 501". Chunked twice is none that anybody understands.
    if !codings.next().is_none_or(chunked) || codings.next().is_some() {
        return Err(UNKNOWN_CODING);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err(SEVERAL_LENGTHS);
    }
    let zeros = |length: &&HeaderValue| length.len() > 1 && length.as_bytes().starts_with(b"0");
    if let Some(length) = length.filter(zeros) {
        let length: Option<u64> = length.to_str().ok().and_then(|text| text.parse().ok());
        // hyper has read it as a number.
        let length = length.ok_or(SEVERAL_LENGTHS)?;
        headers.insert(CONTENT_LENGTH, length.into());
    }
    Ok(())
}

/// Refuses a body that says itself that it is too large; others are measured as they come.
pub(super) fn check_length(parts: &Parts, limits: &Limits) -> Result<(), Refusal> {
    let length = parts.headers.get(CONTENT_LENGTH);
    // One that is no number was refused before.
    let length: u64 = length
        .and_then(|length| length.to_str().ok()?.parse().ok())
        .unwrap_or(0);
    if limits.max_body_bytes != 0 && length > limits.max_body_bytes {
        return Err(TOO_LARGE);
    }
    Ok(())
}

/// RFC 9113 8.2.3: the pieces of a Cookie header "MUST be concatenated into a single octet
/// string using the two-octet delimiter of 0x3b, 0x20" before they leave HTTP/2.
fn join_cookies(headers: &mut HeaderMap) {
    let Entry::Occupied(mut cookies) = headers.entry(COOKIE) else {
        return;
    };
    if cookies.iter().nth(1).is_none() {
        return;
    }
    let mut all = BytesMut::new();
    for cookie in cookies.iter() {
        if !all.is_empty() {
            all.put_slice(b"; ");
        }
        all.put_slice(cookie.as_bytes());
    }
    // Only bytes of valid values: it cannot fail.
    if let Ok(all) = HeaderValue::from_maybe_shared(all.freeze()) {
        cookies.insert(all);
    }
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
            (Request::trace("/").header(HOST, "a"), Err(405)),
        ] {
            assert_eq!(checked(request.body(()).unwrap()), expected);
        }
    }

    #[test]
    fn in_http2_host_and_authority_are_the_same() {
        let get = || Request::get("https://a.example/x").version(Version::HTTP_2);
        for (request, expected) in [
            (get(), Ok("a.example".to_owned())),
            (get().header(HOST, "A.example"), Ok("a.example".to_owned())),
            (get().header(HOST, "b.example"), Err(400)),
            (get().header(HOST, "a.example:443"), Err(400)),
            (Request::get("/").version(Version::HTTP_2), Err(400)),
        ] {
            assert_eq!(checked(request.body(()).unwrap()), expected);
        }
    }

    #[test]
    fn in_http2_the_pieces_of_a_cookie_are_joined_and_headers_counted() {
        let mut request = Request::get("https://a/").version(Version::HTTP_2);
        for cookie in ["a=1", "b=2; c=3", "d=4"] {
            request = request.header(COOKIE, cookie);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        check(&mut parts, &Limits::default()).unwrap();
        let cookies: Vec<_> = parts.headers.get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3; d=4"]);

        let few = Limits {
            max_headers: 0,
            ..Limits::default()
        };
        let refused = check(&mut parts, &few).unwrap_err();
        assert_eq!(refused.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }

    #[test]
    fn a_length_above_the_limit_is_413() {
        for (max, length, expected) in [
            (0, "99999999999999999", true),
            (10, "10", true),
            (10, "11", false),
        ] {
            let request = Request::post("/").header(CONTENT_LENGTH, length);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            let limits = Limits {
                max_body_bytes: max,
                ..Limits::default()
            };
            assert_eq!(check_length(&parts, &limits).is_ok(), expected, "{length}");
        }
    }

    #[test]
    fn a_long_target_is_414() {
        let request = Request::get(format!("/{}", "x".repeat(16 * 1024))).header(HOST, "a");
        assert_eq!(checked(request.body(()).unwrap()), Err(414));
    }
}
