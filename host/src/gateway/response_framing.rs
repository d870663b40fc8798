//! The length of an upstream's response: one, or chunks, and nothing that a client could read differently.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::headers;

/// A response whose end nobody can tell, or whose body is coded as it would be passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadFraming;

/// [`headers::strip_hop_by_hop`] for an upstream's response, whose length gets its one form.
pub(super) fn strip(headers: &mut HeaderMap, status: StatusCode) -> Result<(), BadFraming> {
    // In most responses there is nothing to do: see there.
    let (mut hop_by_hop, mut coded, mut lengths, mut plain) = (false, false, 0, true);
    for (name, value) in &*headers {
        if headers::is_hop_by_hop(name) {
            hop_by_hop = true;
            coded |= name == TRANSFER_ENCODING;
        } else if name == CONTENT_LENGTH {
            lengths += 1;
            plain = is_plain(value.as_bytes());
        }
    }
    if coded {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
        // The chunks are taken off here; what is under them would be passed on as if it were not there.
        if !codings.next().is_some_and(chunked) || codings.next().is_some() {
            return Err(BadFraming);
        }
        // RFC 9112 6.3: Transfer-Encoding overrides it, and it has to be removed.
        headers.remove(CONTENT_LENGTH);
    } else if lengths > 1 || !plain {
        let length = one_length(headers).ok_or(BadFraming)?;
        headers.insert(CONTENT_LENGTH, length.into());
    }
    if lengths > 0 && (status == StatusCode::NO_CONTENT || status.is_informational()) {
        // RFC 9110 8.6: "MUST NOT send a Content-Length header field in any response with a status code
        // of 1xx (Informational) or 204 (No Content)". In HTTP/2 clients take it for an error.
        headers.remove(CONTENT_LENGTH);
    }
    if hop_by_hop {
        headers::remove_hop_by_hop(headers);
    }
    Ok(())
}

/// Whether a length is in its one form; it may be none at all.
fn is_plain(length: &[u8]) -> bool {
    match length {
        [b'0'] => true,
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// What all lengths of a response say, if they say the same (RFC 9112 6.3).
fn one_length(headers: &HeaderMap) -> Option<u64> {
    let lines = headers.get_all(CONTENT_LENGTH).iter();
    let lengths = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    let mut one = None;
    for length in lengths {
        let length = length.trim_ascii();
        if !length.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let length: u64 = std::str::from_utf8(length).ok()?.parse().ok()?;
        if one.is_some_and(|one| one != length) {
            return None;
        }
        one = Some(length);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::super::headers::tests::map;
    use super::*;

    #[test]
    fn a_response_has_one_length_or_none() {
        for (headers, expected) in [
            (&[("content-length", "5")][..], Ok(Some("5"))),
            (&[("content-length", "0")], Ok(Some("0"))),
            (&[("content-length", "005")], Ok(Some("5"))),
            (&[("content-length", "5, 5")], Ok(Some("5"))),
            (
                &[("content-length", "5"), ("content-length", "05")],
                Ok(Some("5")),
            ),
            (
                &[("content-length", "5"), ("content-length", "6")],
                Err(BadFraming),
            ),
            (&[("content-length", "")], Err(BadFraming)),
            (&[("content-length", "+5")], Err(BadFraming)),
            (
                &[("content-length", "99999999999999999999")],
                Err(BadFraming),
            ),
            (
                &[("content-length", "5"), ("transfer-encoding", "chunked")],
                Ok(None),
            ),
            (&[("transfer-encoding", "CHUNKED")], Ok(None)),
            (&[("transfer-encoding", "gzip, chunked")], Err(BadFraming)),
            (&[("transfer-encoding", "gzip")], Err(BadFraming)),
            (&[("transfer-encoding", "")], Err(BadFraming)),
            (
                &[
                    ("transfer-encoding", "chunked"),
                    ("transfer-encoding", "chunked"),
                ],
                Err(BadFraming),
            ),
        ] {
            let mut seen = map(headers);
            let stripped = strip(&mut seen, StatusCode::OK);
            let length = seen
                .get(CONTENT_LENGTH)
                .and_then(|value| value.to_str().ok());
            assert_eq!(stripped.map(|()| length), expected, "{headers:?}");
            if expected.is_ok() {
                assert!(!seen.contains_key(TRANSFER_ENCODING), "{headers:?}");
            }
        }
    }

    #[test]
    fn a_response_that_has_no_body_by_its_status_has_no_length() {
        for (status, expected) in [
            (StatusCode::NO_CONTENT, None),
            (StatusCode::SWITCHING_PROTOCOLS, None),
            // That of what a GET would have got.
            (StatusCode::NOT_MODIFIED, Some("5")),
        ] {
            let mut seen = map(&[("content-length", "5")]);
            assert_eq!(strip(&mut seen, status), Ok(()));
            let length = seen.get(CONTENT_LENGTH).map(HeaderValue::as_bytes);
            assert_eq!(length, expected.map(str::as_bytes), "{status}");
        }
    }
}
