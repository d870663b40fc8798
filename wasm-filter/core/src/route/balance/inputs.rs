//! What a policy hashes: values of the request.

use crate::route::query;
use crate::route::select::{Headers, Request};
use crate::route::uri::Found;
use crate::table::endpoints::{InputEntry, PolicyEntry};
use crate::table::model::Algorithm;
use crate::table::store::view::Unreadable;

use super::hash;

/// Where the values come from.
#[derive(Debug)]
pub(crate) struct Inputs<'a, H> {
    /// The request's headers.
    pub(crate) headers: &'a H,
    /// The request.
    pub(crate) request: &'a Request<'a>,
    /// The client's address as text; empty if unknown.
    pub(crate) source: &'a [u8],
    /// The path of its rule.
    pub(crate) found: &'a Found<'a>,
}

/// What the endpoint is chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key<'p> {
    /// Nothing: in turn.
    None,
    /// The fewest requests in flight.
    Load,
    /// A hash.
    Hash(u64),
    /// A hash of a value that the client does not have yet: it is given one in a cookie.
    NewHash(&'p str, &'p str),
    /// The endpoint that a cookie names, if there is one. Name and path of the cookie.
    Endpoint(Option<u64>, &'p str, &'p str),
}

/// The key of a request under a policy.
///
/// # Errors
/// [`Unreadable`] for a pattern that is none.
pub(super) fn key<'p, H: Headers>(
    policy: &PolicyEntry<'p>,
    inputs: &Inputs<'_, H>,
) -> Result<Key<'p>, Unreadable> {
    match (policy.algorithm, policy.hash_on) {
        (Algorithm::RoundRobin, _) => return Ok(Key::None),
        (Algorithm::LeastConnections | Algorithm::Latency, _) => return Ok(Key::Load),
        (Algorithm::StickySessions, InputEntry::Cookie(name, path)) => {
            let mut id = None;
            inputs.cookie(name, &mut |value| id = read_token(value));
            return Ok(Key::Endpoint(id, name, path));
        }
        (Algorithm::ConsistentHashing | Algorithm::StickySessions, _) => {}
    }
    for input in [policy.hash_on, policy.fallback] {
        if let Some(key) = inputs.hash(&input)? {
            return Ok(Key::Hash(key));
        }
        if let InputEntry::Cookie(name, path) = input {
            return Ok(Key::NewHash(name, path));
        }
    }
    Ok(Key::None)
}

// === impl Inputs ===

impl<H: Headers> Inputs<'_, H> {
    /// The hash of a value; `None` if the request has no such value, or an empty one.
    fn hash(&self, input: &InputEntry<'_>) -> Result<Option<u64>, Unreadable> {
        let hash = |value: &[u8]| (!value.is_empty()).then(|| hash::key(value));
        let mut found = None;
        Ok(match input {
            // Only Kong knows who the consumer is.
            InputEntry::None | InputEntry::Consumer => None,
            InputEntry::Ip => hash(self.source),
            InputEntry::Path => hash(self.request.path),
            InputEntry::Header(name) => {
                self.header(name, &mut |value| found = hash(value));
                found
            }
            InputEntry::Cookie(name, _) => {
                self.cookie(name, &mut |value| found = hash(value));
                found
            }
            InputEntry::Query(name) => query::first(self.request.query, name.as_bytes())
                .and_then(|raw| hash(&query::decode(raw))),
            InputEntry::Capture(group) => self.found.group(group)?.and_then(hash),
        })
    }

    /// Shows the first cookie of this name (RFC 6265 4.2.1), if there is one.
    fn cookie(&self, name: &str, show: &mut dyn FnMut(&[u8])) {
        self.header("cookie", &mut |header| {
            let mut cookies = header.split(|b| *b == b';');
            let value = cookies.find_map(|cookie| {
                let cookie = cookie.trim_ascii();
                cookie.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
            });
            if let Some(value) = value {
                show(value);
            }
        });
    }

    /// Shows a header, if there is one. One copy of it for all that is looked for: asking a header is a
    /// good part of this module's code.
    #[inline(never)]
    fn header(&self, name: &str, show: &mut dyn FnMut(&[u8])) {
        self.headers.first(name, |value| {
            if let Some(value) = value {
                show(value);
            }
        });
    }
}

/// The value of a cookie that this filter gives: 16 hexadecimal digits.
pub(super) fn write_token(token: u64, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for shift in (0..16).rev() {
        out.extend(HEX.get((token >> (shift * 4)) as usize & 0xf));
    }
}

fn read_token(value: &[u8]) -> Option<u64> {
    if value.len() != 16 {
        return None;
    }
    value.iter().try_fold(0, |token: u64, digit| {
        // The same value in other letters is no value that was given.
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(token << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_as_they_were_written() {
        for token in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            let mut text = Vec::new();
            write_token(token, &mut text);
            assert_eq!(read_token(&text), Some(token));
        }
        for text in [
            "",
            "0",
            "0123456789abcdeF",
            "0123456789abcde ",
            "0123456789abcdef0",
        ] {
            assert_eq!(read_token(text.as_bytes()), None, "{text}");
        }
    }
}
