//! The one form of a host name in which requests and routes are compared: lower case, without port
//! and without the root's trailing dot.

/// Longest host name (RFC 1035 2.3.4), brackets of an IPv6 address included.
pub const MAX_HOST: usize = 253;

/// What a byte of a name becomes; 0 for one that no name has.
static NAME: [u8; 256] = lower(b"abcdefghijklmnopqrstuvwxyz0123456789-_.");
/// The same for an address in brackets.
static LITERAL: [u8; 256] = lower(b"abcdef0123456789[]:.");

/// A host name without allocation.
#[derive(Debug, Clone, Copy)]
pub struct HostName {
    bytes: [u8; MAX_HOST],
    len: u8,
}

impl HostName {
    /// Reads a Host header or `:authority`. `None`: not a host (the request is rejected with 400):
    /// characters that no name has, empty labels, a port that is none, more than 253 bytes.
    /// An empty host is a host: only routes without host can fit it.
    #[must_use]
    pub fn parse(authority: &[u8]) -> Option<Self> {
        let host = strip_port(authority)?;
        // The root's own dot goes; a second one, or a dot alone, would be an empty label.
        let host = match host.strip_suffix(b".") {
            Some(name) if name.is_empty() || name.ends_with(b".") => return None,
            Some(name) => name,
            None => host,
        };
        if host.len() > MAX_HOST {
            return None;
        }
        let mut name = Self {
            bytes: [0; MAX_HOST],
            len: u8::try_from(host.len()).ok()?,
        };
        let literal = host.first() == Some(&b'[');
        let forms = if literal { &LITERAL } else { &NAME };
        let mut bad = false;
        let mut last = b'.';
        // To the end in any case: nearly all are good, and this way nothing is decided byte by byte.
        for (to, from) in name.bytes.iter_mut().zip(host) {
            let byte = forms.get(usize::from(*from)).copied().unwrap_or(0);
            bad |= (byte == 0) | (!literal & (byte == b'.') & (last == b'.'));
            *to = byte;
            last = byte;
        }
        if bad {
            return None;
        }
        Some(name)
    }

    /// The name.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The name as text; it is ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// Each of these, and each capital of one, becomes its small form.
const fn lower(mut allowed: &[u8]) -> [u8; 256] {
    let mut forms = [0; 256];
    while let [byte, rest @ ..] = allowed {
        #[expect(clippy::indexing_slicing, reason = "a byte, in a constant")]
        {
            forms[byte.to_ascii_uppercase() as usize] = *byte;
            forms[*byte as usize] = *byte;
        }
        allowed = rest;
    }
    forms
}

/// `None` if what follows the colon is no port.
fn strip_port(authority: &[u8]) -> Option<&[u8]> {
    if authority.first() == Some(&b'[') {
        let end = authority.iter().position(|b| *b == b']')?;
        let (host, port) = authority.split_at_checked(end + 1)?;
        return match port.split_first() {
            None => Some(host),
            Some((b':', port)) if is_port(port) => Some(host),
            Some(_) => None,
        };
    }
    match authority.iter().position(|b| *b == b':') {
        None => Some(authority),
        Some(colon) => {
            let (host, port) = authority.split_at_checked(colon)?;
            is_port(port.get(1..)?).then_some(host)
        }
    }
}

/// An empty port is allowed by RFC 3986 3.2.3.
fn is_port(port: &[u8]) -> bool {
    port.len() <= 5
        && port
            .iter()
            .try_fold(0u32, |n, b| {
                b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0'))
            })
            .is_some_and(|n| n <= 65_535)
}

/// The suffixes of `host` that a wildcard could have: `b.c`, `c` for `a.b.c`.
pub fn suffixes(host: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = host;
    core::iter::from_fn(move || {
        let dot = rest.iter().position(|b| *b == b'.')?;
        rest = rest.get(dot + 1..)?;
        Some(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (name, authority, expected) in [
            ("plain", "a.example", Some("a.example")),
            ("case does not count", "A.Example", Some("a.example")),
            ("a port goes", "a.example:8080", Some("a.example")),
            ("an empty port goes", "a.example:", Some("a.example")),
            ("the root dot goes", "a.example.", Some("a.example")),
            ("root dot and port go", "a.example.:80", Some("a.example")),
            ("an underscore is used", "a_b.example", Some("a_b.example")),
            ("empty", "", Some("")),
            ("IPv4", "127.0.0.1:80", Some("127.0.0.1")),
            ("IPv6", "[::1]:80", Some("[::1]")),
            ("IPv6 without port", "[FE80::1]", Some("[fe80::1]")),
            ("no brackets", "::1", None),
            ("a port that is none", "a:b", None),
            ("a port too large", "a:65536", None),
            ("empty label", "a..b", None),
            ("leading dot", ".a", None),
            ("two dots at the end", "a..", None),
            ("a dot alone", ".", None),
            ("space", "a b", None),
            ("slash", "a/b", None),
            ("user", "u@a", None),
            ("wildcard", "*.a", None),
            ("NUL", "a\0", None),
            ("open bracket", "[::1", None),
            ("text after the bracket", "[::1]x", None),
            ("text after the bracket's colon", "[::1]:x", None),
        ] {
            let host = HostName::parse(authority.as_bytes());
            assert_eq!(host.as_ref().map(HostName::as_str), expected, "{name}");
        }
        assert!(HostName::parse(&[b'a'; 254]).is_none());
        assert!(HostName::parse(b"caf\xc3\xa9").is_none());
    }

    #[test]
    fn every_byte_of_a_name_and_of_an_address() {
        for byte in 0..=u8::MAX {
            let lower = byte.to_ascii_lowercase();
            let name = lower.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let name = name.then_some([b'a', lower, b'c']);
            let parsed = HostName::parse(&[b'a', byte, b'c']);
            // A colon ends the name, and `c` is no port.
            assert_eq!(
                parsed.as_ref().map(HostName::as_bytes),
                name.as_ref().map(|n| &n[..])
            );

            let address = lower.is_ascii_hexdigit() || b"[:.".contains(&byte);
            let address = address.then_some([b'[', b':', lower, b']']);
            let parsed = HostName::parse(&[b'[', b':', byte, b']']);
            assert_eq!(
                parsed.as_ref().map(HostName::as_bytes),
                address.as_ref().map(|n| &n[..])
            );
        }
        // Two dots are an empty label only in a name.
        assert!(HostName::parse(b"a..b").is_none() && HostName::parse(b"[1..2]").is_some());
    }

    #[test]
    fn suffixes_go_label_by_label() {
        let all: Vec<_> = suffixes(b"a.b.c").collect();
        assert_eq!(all, [&b"b.c"[..], b"c"]);
        assert_eq!(suffixes(b"c").count(), 0);
    }
}
