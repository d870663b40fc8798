//! Paths: normal form, what fits, what comes first.

use regex::bytes::Regex;

use super::matches::{Anchor, regex};

/// What a path must be like. Texts are in normal form.
#[derive(Debug, Clone)]
pub(crate) enum PathCond {
    Exact(Vec<u8>),
    /// Without trailing slash.
    Prefix(Vec<u8>),
    Text(Vec<u8>),
    Regex {
        pattern: String,
        regex: Regex,
        /// Of an HTTPRoute: "before every prefix".
        first: bool,
    },
    /// Any gRPC service, this method.
    GrpcMethod(String),
    /// "Patterns match each as a whole"; with the length of each.
    GrpcPattern {
        service: Option<(usize, Regex)>,
        method: Option<(usize, Regex)>,
    },
    /// Any request of a GRPCRoute.
    GrpcAny,
}

/// Precedence; less is better.
pub(crate) type PathRank = (u8, usize, u8);

impl PathCond {
    /// "An exact path match on `/abc` will only match requests to `/abc`, NOT `/abc/`, `/Abc`, or
    /// `/abcd`."
    pub(crate) fn exact(value: &str) -> Option<Self> {
        Some(Self::Exact(of_object(value)?))
    }

    /// "Matches based on a URL path prefix split by `/`. [...] When specified, a trailing `/` is
    /// ignored."
    pub(crate) fn prefix(value: &str) -> Option<Self> {
        let mut path = of_object(value)?;
        if path.ends_with(b"/") {
            path.pop();
        }
        Some(Self::Prefix(path))
    }

    /// Ingress `ImplementationSpecific`: a text prefix, as in Kong.
    pub(crate) fn text(value: &str) -> Option<Self> {
        Some(Self::Text(of_object(value)?))
    }

    pub(crate) fn regex(pattern: &str, first: bool) -> Option<Self> {
        Some(Self::Regex {
            pattern: pattern.to_owned(),
            regex: regex(pattern, Anchor::Start, false)?,
            first,
        })
    }

    /// How much of the path matches; `None`: it does not fit.
    pub(crate) fn fits(&self, path: &[u8]) -> Option<usize> {
        match self {
            Self::Exact(exact) => (path == exact).then_some(path.len()),
            // "The paths `/abc`, `/abc/`, and `/abc/def` would all match the prefix `/abc`, but the
            // path `/abcd` would not."
            Self::Prefix(prefix) => {
                let rest = path.strip_prefix(prefix.as_slice())?;
                (rest.is_empty() || rest.starts_with(b"/")).then_some(prefix.len())
            }
            Self::Text(text) => path.starts_with(text).then_some(text.len()),
            Self::Regex { regex, .. } => regex.find(path).map(|found| found.end()),
            Self::GrpcMethod(method) => {
                let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
                (parts.len() == 3 && !parts[1].is_empty() && parts[2] == method.as_bytes())
                    .then_some(path.len())
            }
            Self::GrpcPattern { service, method } => {
                let rest = path.strip_prefix(b"/")?;
                let slashes = (0..rest.len()).filter(|at| rest[*at] == b'/');
                let is = |cond: &Option<(usize, Regex)>, part: &[u8]| match cond {
                    Some((_, regex)) => regex.is_match(part),
                    None => !part.is_empty(),
                };
                let mut splits = slashes.map(|at| (&rest[..at], &rest[at + 1..]));
                // Without a pattern it is one name.
                let name = |part: &[u8]| !part.contains(&b'/');
                splits
                    .any(|(first, last)| {
                        is(service, first) && is(method, last) && (service.is_some() || name(first))
                    })
                    .then_some(path.len())
            }
            Self::GrpcAny => Some(0),
        }
    }

    /// docs/routing.md, order of candidates, 3. "Precedence must be given to the match having:
    /// "Exact" path match; "Prefix" path match with largest number of characters. [...] The
    /// precedence of RegularExpression path matches are implementation-specific."
    pub(crate) fn rank(&self) -> PathRank {
        let longest = |len: usize| usize::MAX - len;
        match self {
            Self::Exact(_) => (0, 0, 0),
            Self::Regex { pattern, first, .. } => {
                (if *first { 1 } else { 2 }, longest(pattern.len()), 0)
            }
            Self::Prefix(prefix) => (2, longest(prefix.len().max(1)), 1),
            Self::Text(text) => (2, longest(text.len()), 2),
            // "A pattern of a GRPCRoute has the size of `/(?:service)/(?:method)$`, or of
            // `/(?:service)/.`; without service it comes with the methods alone."
            Self::GrpcPattern {
                service: Some((service, _)),
                method,
            } => {
                let size = match method {
                    Some((method, _)) => "/(?:)/(?:)$".len() + service + method,
                    None => "/(?:)/.".len() + service,
                };
                (2, longest(size), 0)
            }
            Self::GrpcPattern { service: None, .. } => (3, 0, 0),
            // "Characters in a matching service" come before "Characters in a matching method".
            Self::GrpcMethod(_) => (3, 0, 0),
            Self::GrpcAny => (4, 0, 0),
        }
    }
}

/// A path of an object in the form of requests: "Paths in objects are brought into the same form."
pub(crate) fn of_object(value: &str) -> Option<Vec<u8>> {
    let mut escaped = Vec::new();
    for byte in value.bytes() {
        if byte.is_ascii() {
            escaped.push(byte);
        } else {
            escaped.extend(format!("%{byte:02X}").into_bytes());
        }
    }
    if escaped.is_empty() {
        escaped.push(b'/');
    }
    normal(&escaped)
}

/// The normal form of a path; `None`: it has none.
pub(crate) fn normal(path: &[u8]) -> Option<Vec<u8>> {
    let decoded = decode(path)?;
    let rest = decoded.strip_prefix(b"/")?;
    // Repeated slashes are merged: an empty segment is none, unless it is the last.
    let mut segments: Vec<&[u8]> = Vec::new();
    let all: Vec<&[u8]> = rest.split(|byte| *byte == b'/').collect();
    for segment in &all {
        match *segment {
            b"" | b"." => {}
            // RFC 3986 5.2.4: `..` above the root stays at the root.
            b".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let slash = matches!(all.last(), Some(&b"" | &b"." | &b".."));
    let mut out = Vec::new();
    for segment in &segments {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if slash || segments.is_empty() {
        out.push(b'/');
    }
    Some(out)
}

/// RFC 3986 6.2.2: "percent-encoded octets [...] of unreserved characters" are decoded, the letters
/// of the others are in upper case.
fn decode(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = path.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            0..=0x20 | 0x7f | b'#' => return None,
            b'%' => {
                let pair = [rest.next()?, rest.next()?];
                if !pair.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                let text = std::str::from_utf8(&pair).ok()?;
                let byte = u8::from_str_radix(text, 16).ok()?;
                match byte {
                    b'-' | b'.' | b'_' | b'~' => out.push(byte),
                    _ if byte.is_ascii_alphanumeric() => out.push(byte),
                    _ => out.extend(format!("%{byte:02X}").into_bytes()),
                }
            }
            _ => out.push(byte),
        }
    }
    Some(out)
}
