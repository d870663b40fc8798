//! Responses that the gateway makes itself, in Kong's style.

use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

/// An answer of the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: &'static str,
    /// The rest of the connection cannot be trusted, or is of no use.
    pub(super) close: bool,
}

/// Makes request ids: 32 hexadecimal digits, unique in the process and, by its random half, in
/// practice everywhere.
#[derive(Debug)]
pub(super) struct RequestIds {
    seed: u64,
    worker: u64,
    /// Only its worker counts.
    next: AtomicU64,
}

impl Refusal {
    pub(super) const fn new(status: StatusCode, message: &'static str) -> Self {
        Self {
            status,
            message,
            close: false,
        }
    }

    pub(super) const fn closing(status: StatusCode, message: &'static str) -> Self {
        Self {
            status,
            message,
            close: true,
        }
    }

    /// The response, `{"message":"...","request_id":"..."}`.
    pub(super) fn response(&self, ids: &RequestIds) -> Response<Bytes> {
        let mut response = Response::new(body(self.message, ids));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            // RFC 9110 15.5.6 wants the header; what the resource allows is not known here.
            headers.insert(ALLOW, HeaderValue::from_static(""));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// `message` holds nothing that JSON escapes: it is text of this program.
pub(super) fn body(message: &str, ids: &RequestIds) -> Bytes {
    let mut text = String::with_capacity(message.len() + 64);
    text.push_str("{\"message\":\"");
    text.push_str(message);
    text.push_str("\",\"request_id\":\"");
    ids.write_next(&mut text);
    text.push_str("\"}");
    Bytes::from(text)
}

impl RequestIds {
    pub(super) fn new(worker: usize) -> Self {
        Self {
            // Randomly keyed by the system.
            seed: RandomState::new().hash_one(std::process::id()),
            worker: worker as u64,
            next: AtomicU64::new(0),
        }
    }

    fn write_next(&self, out: &mut String) {
        let n = self.next.load(Ordering::Relaxed);
        self.next.store(n.wrapping_add(1), Ordering::Relaxed);
        let low = (self.worker << 48) | (n & 0xffff_ffff_ffff);
        // Writing to a String cannot fail.
        let _ = write!(out, "{:016x}{low:016x}", self.seed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_32_hex_digits_and_differ() {
        let ids = RequestIds::new(3);
        let (mut a, mut b) = (String::new(), String::new());
        ids.write_next(&mut a);
        ids.write_next(&mut b);
        assert_ne!(a, b);
        assert!(a.len() == 32 && a.bytes().all(|c| c.is_ascii_hexdigit()));
    }

    #[test]
    fn the_body_is_json() {
        let refusal = Refusal::new(StatusCode::NOT_FOUND, "no Route matched with those values");
        let response = refusal.response(&RequestIds::new(0));
        let json: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(json["message"], "no Route matched with those values");
    }
}
