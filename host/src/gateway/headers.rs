//! What a proxy does with headers: hop-by-hop headers stay on their connection, X-Forwarded-* and
//! Via say where a request came from.

use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use http::header::{
    CONNECTION, EXPECT, Entry, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PATH: HeaderName = HeaderName::from_static("x-forwarded-path");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Our name in Via, after the version that the message was received with (RFC 9110 7.6.3).
const VIA_SELF: HeaderValue = HeaderValue::from_static("1.1 silverback");
const VIA_SELF_10: HeaderValue = HeaderValue::from_static("1.0 silverback");
const VIA_SELF_2: HeaderValue = HeaderValue::from_static("2 silverback");

/// Header values that are the same for every request of a client connection.
#[derive(Debug)]
pub(super) struct Forwarded {
    ip: HeaderValue,
    proto: HeaderValue,
    port: HeaderValue,
}

impl Forwarded {
    pub(super) fn new(source: IpAddr, port: u16, tls: bool) -> Self {
        Self {
            ip: text(source.to_string()),
            proto: HeaderValue::from_static(if tls { "https" } else { "http" }),
            port: text(port.to_string()),
        }
    }

    /// The client's address as text.
    pub(super) fn source(&self) -> &[u8] {
        self.ip.as_bytes()
    }

    /// Sets what Kong sets on a request (Kong facts 2). The client is not trusted: only its
    /// X-Forwarded-For is kept, with its own address behind it.
    pub(super) fn apply(&self, headers: &mut HeaderMap, version: Version, path: &str) {
        append(headers, X_FORWARDED_FOR, &self.ip);
        via(headers, version);
        headers.insert(X_FORWARDED_PROTO, self.proto.clone());
        match headers.get(HOST).map(host_without_port) {
            Some(host) => headers.insert(X_FORWARDED_HOST, host),
            None => headers.remove(X_FORWARDED_HOST),
        };
        headers.insert(X_FORWARDED_PORT, self.port.clone());
        let path = path.split('?').next().unwrap_or_default();
        match HeaderValue::from_str(path) {
            Ok(path) => headers.insert(X_FORWARDED_PATH, path),
            Err(_) => headers.remove(X_FORWARDED_PATH),
        };
        // What Kong's route strips of the path, and the catch-all route strips nothing
        // (kong/runloop/handler.lua, access.before).
        headers.remove(X_FORWARDED_PREFIX);
        headers.insert(X_REAL_IP, self.ip.clone());
    }
}

/// Adds our Via to a message that came in this version.
pub(super) fn via(headers: &mut HeaderMap, version: Version) {
    let own = match version {
        Version::HTTP_10 => &VIA_SELF_10,
        Version::HTTP_2 => &VIA_SELF_2,
        _ => &VIA_SELF,
    };
    append(headers, VIA, own);
}

/// Removes what must not leave its connection (RFC 9110 7.6.1). `Trailer` stays: hyper sends
/// only those trailers that it names. `TE` is kept as far as it says `trailers`.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // In most messages there is none: to look at the names costs less than to look for each.
    if headers.keys().any(is_hop_by_hop) {
        remove_hop_by_hop(headers);
    }
}

pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        strip_named(headers);
    }
    for name in [
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
}

pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// [`strip_hop_by_hop`], and what else is between the client and us only.
pub(super) fn strip_request(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    // 100-continue was answered here when the body was asked for; nginx drops it too.
    headers.remove(EXPECT);
    if let Entry::Occupied(mut te) = headers.entry(TE) {
        if te.iter().any(has_trailers) {
            te.insert(HeaderValue::from_static("trailers"));
        } else {
            te.remove_entry_mult();
        }
    }
}

/// Removes Connection and what it names.
fn strip_named(headers: &mut HeaderMap) {
    let mut named: Vec<HeaderName> = Vec::new();
    for value in headers.get_all(CONNECTION) {
        for token in value.as_bytes().split(|&b| b == b',') {
            let token = token.trim_ascii();
            // The usual ones name no header that is still there, and Host and Content-Length are
            // for everybody: a client cannot take them from the upstream.
            if token.eq_ignore_ascii_case(b"host")
                || token.eq_ignore_ascii_case(b"content-length")
                || token.eq_ignore_ascii_case(b"keep-alive")
                || token.eq_ignore_ascii_case(b"close")
                || token.eq_ignore_ascii_case(b"te")
            {
                continue;
            }
            if let Ok(name) = HeaderName::from_bytes(token) {
                named.push(name);
            }
        }
    }
    headers.remove(CONNECTION);
    for name in named {
        headers.remove(name);
    }
}

fn has_trailers(value: &HeaderValue) -> bool {
    value.as_bytes().split(|&b| b == b',').any(|token| {
        let token = token.split(|&b| b == b';').next().unwrap_or_default();
        token.trim_ascii().eq_ignore_ascii_case(b"trailers")
    })
}

/// Appends to a list header; several lines become one.
fn append(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(entry) => {
            entry.insert(value.clone());
        }
        Entry::Occupied(mut entry) => {
            let mut all = BytesMut::new();
            for old in entry.iter() {
                all.extend_from_slice(old.as_bytes());
                all.extend_from_slice(b", ");
            }
            all.extend_from_slice(value.as_bytes());
            // Only bytes of valid values and ", ": it cannot fail.
            if let Ok(all) = HeaderValue::from_maybe_shared(all.freeze()) {
                entry.insert(all);
            }
        }
    }
}

/// As nginx's `$host`: no port, lower case.
fn host_without_port(host: &HeaderValue) -> HeaderValue {
    let bytes = host.as_bytes();
    let end = match bytes.iter().rposition(|&b| b == b':') {
        // Not the colon of an IPv6 address.
        Some(colon) if !bytes.get(colon..).unwrap_or_default().contains(&b']') => colon,
        _ => bytes.len(),
    };
    let name = bytes.get(..end).unwrap_or_default();
    if end == bytes.len() && !name.iter().any(u8::is_ascii_uppercase) {
        return host.clone();
    }
    HeaderValue::from_maybe_shared(Bytes::from(name.to_ascii_lowercase()))
        .unwrap_or_else(|_| host.clone())
}

/// A number or an address: always a valid value.
fn text(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::gateway) fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn connection_takes_what_it_names_with_it() {
        let mut headers = map(&[
            ("connection", "Keep-Alive, X-Secret"),
            ("connection", "x-other, host, content-length"),
            ("host", "a"),
            ("content-length", "2"),
            ("x-secret", "1"),
            ("x-other", "2"),
            ("x-kept", "3"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("upgrade", "h2c"),
        ]);
        strip_hop_by_hop(&mut headers);
        let kept = [("host", "a"), ("content-length", "2"), ("x-kept", "3")];
        assert_eq!(headers, map(&kept));
    }

    #[test]
    fn te_keeps_trailers_only() {
        let mut headers = map(&[("te", "gzip;q=0.5, trailers")]);
        strip_request(&mut headers);
        assert_eq!(headers, map(&[("te", "trailers")]));
        let mut headers = map(&[("te", "gzip"), ("te", "deflate")]);
        strip_request(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn forwarded_headers_are_kongs() {
        let mut headers = map(&[
            ("host", "Shop.Example:8000"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/p"),
            ("x-real-ip", "9.9.9.9"),
        ]);
        let source = IpAddr::from([10, 0, 0, 7]);
        Forwarded::new(source, 8000, false).apply(&mut headers, Version::HTTP_2, "/a?b=c");
        let expected = map(&[
            ("host", "Shop.Example:8000"),
            ("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.0.0.7"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "shop.example"),
            ("x-forwarded-port", "8000"),
            ("x-forwarded-path", "/a"),
            ("x-real-ip", "10.0.0.7"),
            ("via", "2 silverback"),
        ]);
        assert_eq!(headers, expected);
    }

    #[test]
    fn a_host_loses_its_port_and_an_ipv6_address_keeps_its_colons() {
        for (host, expected) in [
            ("a.b:80", "a.b"),
            ("A.b", "a.b"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(host_without_port(&HeaderValue::from_static(host)), expected);
        }
    }
}
