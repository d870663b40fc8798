//! Which trailers may go further.
//!
//! RFC 9110 6.5.1: a field that frames a message, says where it goes, who asks or what its content is has no
//! business behind the content: whoever decided by the headers has decided by then. And HTTP/2 cannot
//! carry those of a connection: h2 fails, and the message would have no end.

use http::{HeaderMap, HeaderName};

/// Removes what must not be a trailer, in either direction. gRPC's, and all that nobody gives a meaning,
/// stay.
pub(super) fn strip(trailers: &mut HeaderMap) {
    let forbidden = trailers.keys().filter(|name| !is_trailer(name));
    let forbidden: Vec<HeaderName> = forbidden.cloned().collect();
    for name in forbidden {
        trailers.remove(name);
    }
}

fn is_trailer(name: &HeaderName) -> bool {
    match name.as_str() {
        // Of the connection.
        "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade"
        | "http2-settings" => false,
        // Where it goes, and whence it comes.
        "host" | "via" | "forwarded" | "x-real-ip" => false,
        // How it is to be served.
        "cache-control"
        | "expect"
        | "max-forwards"
        | "pragma"
        | "range"
        | "if-match"
        | "if-none-match"
        | "if-modified-since"
        | "if-unmodified-since"
        | "if-range" => false,
        // Who asks.
        "authorization" | "www-authenticate" | "cookie" | "set-cookie" => false,
        // What is to be done with the answer.
        "age" | "date" | "expires" | "location" | "retry-after" | "vary" | "warning" => false,
        // Made for trailers (RFC 9530).
        "content-digest" => true,
        other => !["content-", "proxy-", "x-forwarded-"]
            .iter()
            .any(|prefix| other.starts_with(prefix)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_decides_about_a_message_is_no_trailer() {
        for (name, passes) in [
            ("connection", false),
            ("te", false),
            ("transfer-encoding", false),
            ("upgrade", false),
            ("proxy-connection", false),
            ("content-length", false),
            ("content-type", false),
            ("host", false),
            ("x-forwarded-for", false),
            ("x-real-ip", false),
            ("authorization", false),
            ("set-cookie", false),
            ("www-authenticate", false),
            ("location", false),
            ("cache-control", false),
            ("content-digest", true),
            ("etag", true),
            ("server-timing", true),
            ("grpc-status", true),
            ("grpc-message", true),
            ("grpc-status-details-bin", true),
            ("x-custom-bin", true),
        ] {
            let mut trailers = HeaderMap::new();
            for value in ["1", "2"] {
                trailers.append(name, HeaderValue::from_static(value));
            }
            trailers.append("x-other", HeaderValue::from_static("3"));
            strip(&mut trailers);
            assert_eq!(trailers.len(), if passes { 3 } else { 1 }, "{name}");
        }
    }
}
