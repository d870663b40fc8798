//! Cross-origin requests (Gateway API `HTTPCORSFilter`, GEP-1767; WHATWG Fetch 3.2).
//!
//! The gateway answers preflights itself. What it says on other responses is the filter's word alone:
//! the upstream's `access-control-allow-origin` and `-credentials` go.

use crate::table::routes::{CorsEntry, Texts};

/// Headers of the filter's own answers: names are constants, values follow from table and request.
pub type ReplyHeaders = Vec<(&'static str, String)>;

/// `access-control-allow-origin`.
pub const ALLOW_ORIGIN: &str = "access-control-allow-origin";
/// `access-control-allow-credentials`.
pub const ALLOW_CREDENTIALS: &str = "access-control-allow-credentials";
/// `vary`.
pub const VARY: &str = "vary";

/// What the request's origin is to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// The request has no `Origin`.
    NoOrigin,
    /// The origin may not see the response.
    Refused,
    /// It may; this is the `access-control-allow-origin`.
    Allowed(&'a str),
}

/// A preflight: what the actual request will have.
#[derive(Debug, Clone, Copy)]
pub struct Preflight<'a> {
    /// `access-control-request-method`.
    pub method: &'a [u8],
    /// `access-control-request-headers`.
    pub headers: Option<&'a [u8]>,
}

/// An origin in parts.
struct Parts<'a> {
    scheme: &'a [u8],
    host: &'a [u8],
    port: Option<&'a [u8]>,
}

/// Judges an `Origin` header.
#[must_use]
pub fn judge<'a>(cors: &CorsEntry<'_>, origin: Option<&'a [u8]>) -> Verdict<'a> {
    let Some(origin) = origin else {
        return Verdict::NoOrigin;
    };
    let text = match core::str::from_utf8(origin) {
        Ok(text) if allows(cors.origins.iter(), origin) => text,
        _ => return Verdict::Refused,
    };
    // "If the configuration contains the wildcard `*` in `allowOrigins` and `allowCredentials` is
    // set to `true`, the gateway must not return `*`".
    if cors.origins.contains(b"*") && !cors.credentials {
        Verdict::Allowed("*")
    } else {
        Verdict::Allowed(text)
    }
}

/// Is the origin one of these? Patterns are `scheme://host[:port]` in lower case; `*` alone is every
/// origin, as the first labels of a host one label or more.
pub fn allows<'p>(patterns: impl IntoIterator<Item = &'p [u8]>, origin: &[u8]) -> bool {
    // What is no printable ASCII is no origin, and would come back in a header.
    let printable = !origin.is_empty() && origin.iter().all(u8::is_ascii_graphic);
    printable
        && patterns
            .into_iter()
            .any(|pattern| pattern == b"*" || fits(pattern, origin).unwrap_or(false))
}

fn fits(pattern: &[u8], origin: &[u8]) -> Option<bool> {
    let (pattern, origin) = (split(pattern)?, split(origin)?);
    let same_scheme = pattern.scheme.eq_ignore_ascii_case(origin.scheme);
    if !same_scheme || port_of(pattern.scheme, pattern.port) != port_of(pattern.scheme, origin.port)
    {
        return Some(false);
    }
    let host = origin.host;
    let Some(suffix) = pattern.host.strip_prefix(b"*") else {
        return Some(pattern.host.eq_ignore_ascii_case(host));
    };
    // "`*` is a greedy match to the left, including any number of DNS labels": of a host, so that
    // `https://evil.example/.good.example` is none.
    let at = host.len().checked_sub(suffix.len())?;
    let (labels, tail) = host.split_at_checked(at)?;
    let label = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    Some(!labels.is_empty() && labels.iter().all(label) && tail.eq_ignore_ascii_case(suffix))
}

/// Takes an origin apart.
fn split(origin: &[u8]) -> Option<Parts<'_>> {
    let at = origin.windows(3).position(|bytes| bytes == b"://")?;
    let (scheme, rest) = origin.split_at_checked(at)?;
    let rest = rest.get(3..)?;
    // The last colon, unless it is one within the brackets of an IPv6 address.
    let colon = rest.iter().rposition(|byte| *byte == b':');
    match colon.filter(|colon| !rest.iter().skip(*colon).any(|byte| *byte == b']')) {
        Some(colon) => {
            let (host, port) = rest.split_at_checked(colon)?;
            Some(Parts {
                scheme,
                host,
                port: port.get(1..),
            })
        }
        None => Some(Parts {
            scheme,
            host: rest,
            port: None,
        }),
    }
}

/// "If not included, port `80` is assumed for `http` scheme origins, and port `443` is assumed for
/// `https` origins."
fn port_of<'a>(scheme: &[u8], port: Option<&'a [u8]>) -> Option<&'a [u8]> {
    let default: Option<&[u8]> = match scheme {
        b"http" => Some(b"80"),
        b"https" => Some(b"443"),
        _ => None,
    };
    port.or(default)
}

/// Appends the headers of a response; `preflight`: of the answer to one.
pub fn headers(
    cors: &CorsEntry<'_>,
    verdict: Verdict<'_>,
    preflight: Option<Preflight<'_>>,
    out: &mut ReplyHeaders,
) {
    let any = cors.origins.contains(b"*") && !cors.credentials;
    // The answer is another for another origin (Fetch 3.2.5), also where there is none.
    if !any {
        out.push((VARY, "Origin".to_owned()));
    }
    let Verdict::Allowed(origin) = verdict else {
        return;
    };
    out.push((ALLOW_ORIGIN, origin.to_owned()));
    if cors.credentials {
        out.push((ALLOW_CREDENTIALS, "true".to_owned()));
    }
    // "If [...] `allowCredentials` is set to `true`, the gateway cannot use the `*` in the
    // `Access-Control-Expose-Headers` response header": it would be the name of a header.
    let expose = list(&cors.expose, |name| !cors.credentials || name != b"*");
    if !expose.is_empty() {
        out.push(("access-control-expose-headers", expose));
    }
    let Some(preflight) = preflight else {
        return;
    };
    // `*`: what was asked for comes back, which holds with credentials and without.
    let methods = if cors.methods.contains(b"*") {
        echo(preflight.method)
    } else {
        list(&cors.methods, |_| true)
    };
    if !methods.is_empty() {
        out.push(("access-control-allow-methods", methods));
    }
    let headers = if cors.headers.contains(b"*") {
        preflight.headers.map(echo).unwrap_or_default()
    } else {
        list(&cors.headers, |_| true)
    };
    if !headers.is_empty() {
        out.push(("access-control-allow-headers", headers));
    }
    out.push(("access-control-max-age", cors.max_age.to_string()));
}

fn list(texts: &Texts<'_>, keep: impl Fn(&[u8]) -> bool) -> String {
    let mut out = String::new();
    for text in texts.iter().filter(|text| keep(text)) {
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(&String::from_utf8_lossy(text));
    }
    out
}

/// A request header's value, if it is one that may come back: names, commas and spaces.
fn echo(value: &[u8]) -> String {
    let sane = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    match core::str::from_utf8(value) {
        Ok(text) if value.iter().all(sane) => text.to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_by_scheme_host_and_port() {
        for (pattern, origin, expected) in [
            ("*", "https://a.example", true),
            ("*", "null", true),
            ("*", "", false),
            ("*", "https://caf\u{e9}.example", false),
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "HTTPS://A.Example", true),
            ("https://a.example", "http://a.example", false),
            ("https://a.example", "https://b.example", false),
            ("https://a.example", "https://a.example.evil", false),
            ("https://a.example", "https://a.example/", false),
            ("https://a.example", "null", false),
            // Ports that are the scheme's own.
            ("https://a.example", "https://a.example:443", true),
            ("https://a.example:443", "https://a.example", true),
            ("http://a.example:80", "http://a.example", true),
            ("http://a.example", "http://a.example:443", false),
            ("https://a.example", "https://a.example:8443", false),
            ("https://a.example:8443", "https://a.example:8443", true),
            ("https://a.example:8443", "https://a.example", false),
            // Wildcards: one label or more, of a host.
            ("https://*.bar.com", "https://www.bar.com", true),
            ("https://*.bar.com", "https://xpto.www.bar.com", true),
            ("https://*.bar.com", "https://bar.com", false),
            ("https://*.bar.com", "https://.bar.com", false),
            ("https://*.bar.com", "https://foobar.com", false),
            ("https://*.bar.com", "http://www.bar.com", false),
            ("https://*.bar.com", "https://www.bar.com:8443", false),
            ("https://*.bar.com:8443", "https://www.bar.com:8443", true),
            ("https://*.bar.com", "https://evil.com/.bar.com", false),
            ("https://*.bar.com", "https://evil.com?.bar.com", false),
            ("https://*.bar.com", "https://u@x.bar.com", false),
            ("https://*.bar.com", "https://evil.com:1.bar.com", false),
            // "A wildcard by itself matches all hosts."
            ("https://*", "https://a.example", true),
            ("https://*", "http://a.example", false),
            ("https://*:8443", "https://a.example:8443", true),
            // IPv6.
            ("http://[::1]", "http://[::1]", true),
            ("http://[::1]:80", "http://[::1]", true),
            ("http://[::1]", "http://[::1]:81", false),
        ] {
            let got = allows([pattern.as_bytes()], origin.as_bytes());
            assert_eq!(got, expected, "{pattern} {origin}");
        }
    }

    #[test]
    fn one_of_several_origins_is_enough() {
        let patterns: [&[u8]; 2] = [b"https://a.example", b"https://*.b.example"];
        assert!(allows(patterns, b"https://a.example"));
        assert!(allows(patterns, b"https://x.b.example"));
        assert!(!allows(patterns, b"https://c.example"));
        assert!(!allows([], b"https://a.example"));
    }

    #[test]
    fn only_names_come_back() {
        assert_eq!(echo(b"x-a, x-b"), "x-a, x-b");
        assert_eq!(echo(b"x\r\ny"), "");
        assert_eq!(echo(b"\xff"), "");
    }
}
