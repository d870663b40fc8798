//! Where a redirect goes. `Location` is always absolute (docs/routing.md).

use crate::table::routes::RedirectEntry;

/// What a redirect takes from the request.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Did it come over TLS?
    pub tls: bool,
    /// Normal form of the host, not empty.
    pub host: &'a [u8],
    /// The port of the Gateway listener; `None`: none is served there.
    pub listener: Option<u16>,
}

/// Writes the `Location` of a RequestRedirect filter; `path` is what its path modifier made of the
/// request's.
pub fn location(
    origin: &Origin<'_>,
    redirect: &RedirectEntry<'_>,
    path: &[u8],
    query: &[u8],
    out: &mut String,
) {
    let tls = redirect.tls.unwrap_or(origin.tls);
    let default = if tls { 443 } else { 80 };
    // "If redirect scheme is not-empty, the redirect port MUST be the well-known port associated
    // with the redirect scheme. [...] If redirect scheme is empty, the redirect port MUST be the
    // Gateway Listener port."
    let port = match (redirect.port, redirect.tls) {
        (Some(port), _) => port,
        (None, Some(_)) => default,
        (None, None) => origin.listener.unwrap_or(default),
    };
    let host = redirect.host.unwrap_or(origin.host);
    absolute(tls, host, port, path, query, out);
}

/// Writes the `Location` of a request that must come over TLS: as in Kong without port.
pub fn to_https(host: &[u8], path: &[u8], query: &[u8], out: &mut String) {
    absolute(true, host, 443, path, query, out);
}

fn absolute(tls: bool, host: &[u8], port: u16, path: &[u8], query: &[u8], out: &mut String) {
    out.push_str(if tls { "https://" } else { "http://" });
    escape(host, out);
    // "Implementations SHOULD NOT add the port number in the 'Location' header" for HTTP and 80,
    // HTTPS and 443.
    if port != if tls { 443 } else { 80 } {
        out.push(':');
        out.push_str(&port.to_string());
    }
    escape(path, out);
    escape(query, out);
}

/// Appends bytes as a URI may have them (RFC 3986): bytes that only lenient clients send as they are
/// become escapes, so that the header is text and ends where it should. An escape stays one.
fn escape(bytes: &[u8], out: &mut String) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    for byte in bytes {
        let raw = byte.is_ascii_graphic()
            && !matches!(
                byte,
                b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
            );
        if raw {
            out.push(char::from(*byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.extend(HEX.get(usize::from(digit)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::routes::PathEntryEdit;

    fn entry(tls: Option<bool>, host: Option<&'static str>, port: u16) -> RedirectEntry<'static> {
        RedirectEntry {
            status: 302,
            tls,
            port: Some(port).filter(|port| *port != 0),
            host: host.map(str::as_bytes),
            path: PathEntryEdit::None,
        }
    }

    /// The specification's rules for scheme, host and port, listener by listener; 0 = no port.
    #[test]
    fn scheme_host_and_port_are_the_filter_s_or_follow_from_the_listener() {
        const HTTP: Option<bool> = Some(false);
        const HTTPS: Option<bool> = Some(true);
        let other = Some("b.example");
        for (tls, listener, redirect, expected) in [
            // "When empty, the scheme of the request is used", "[...] MUST be the Gateway Listener
            // port".
            (false, 80, entry(None, None, 0), "http://a.example/p?q"),
            (
                false,
                8080,
                entry(None, None, 0),
                "http://a.example:8080/p?q",
            ),
            (true, 443, entry(None, None, 0), "https://a.example/p?q"),
            (
                true,
                8443,
                entry(None, None, 0),
                "https://a.example:8443/p?q",
            ),
            (false, 443, entry(None, None, 0), "http://a.example:443/p?q"),
            (true, 80, entry(None, None, 0), "https://a.example:80/p?q"),
            // "the hostname in the `Host` header of the request" otherwise.
            (false, 80, entry(None, other, 0), "http://b.example/p?q"),
            (
                false,
                8080,
                entry(None, other, 0),
                "http://b.example:8080/p?q",
            ),
            // "MUST be the well-known port associated with the redirect scheme".
            (false, 80, entry(HTTPS, None, 0), "https://a.example/p?q"),
            (false, 8080, entry(HTTPS, None, 0), "https://a.example/p?q"),
            (true, 443, entry(HTTP, None, 0), "http://a.example/p?q"),
            (true, 8443, entry(HTTP, other, 0), "http://b.example/p?q"),
            (false, 8080, entry(HTTP, None, 0), "http://a.example/p?q"),
            // The filter's port, left out if it is the scheme's own.
            (false, 8080, entry(None, None, 80), "http://a.example/p?q"),
            (
                false,
                80,
                entry(None, None, 8080),
                "http://a.example:8080/p?q",
            ),
            (
                false,
                80,
                entry(None, None, 443),
                "http://a.example:443/p?q",
            ),
            (true, 8443, entry(None, None, 443), "https://a.example/p?q"),
            (true, 443, entry(None, None, 80), "https://a.example:80/p?q"),
            (false, 80, entry(HTTPS, None, 443), "https://a.example/p?q"),
            (
                false,
                80,
                entry(HTTPS, None, 8443),
                "https://a.example:8443/p?q",
            ),
            (true, 443, entry(HTTP, None, 80), "http://a.example/p?q"),
            (
                true,
                443,
                entry(HTTP, None, 8080),
                "http://a.example:8080/p?q",
            ),
        ] {
            let origin = Origin {
                tls,
                host: b"a.example",
                listener: Some(listener),
            };
            let mut out = String::new();
            location(&origin, &redirect, b"/p", b"?q", &mut out);
            assert_eq!(out, expected, "{tls} {listener} {redirect:?}");
        }
    }

    #[test]
    fn a_port_without_listener_leaves_the_port_out() {
        let origin = Origin {
            tls: true,
            host: b"[::1]",
            listener: None,
        };
        let mut out = String::new();
        location(&origin, &entry(None, None, 0), b"/", b"", &mut out);
        assert_eq!(out, "https://[::1]/");
    }

    #[test]
    fn a_location_is_ascii_and_keeps_escapes() {
        let mut out = String::new();
        let path = b"/a%2Fb/\xff<\\>;=&$";
        to_https(b"a.example", path, b"?x[]=%20\"#|", &mut out);
        assert_eq!(
            out,
            "https://a.example/a%2Fb/%FF%3C%5C%3E;=&$?x[]=%20%22%23%7C"
        );
    }
}
