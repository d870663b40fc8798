//! The one form of a path in which requests and routes are compared.
//!
//! RFC 3986 6.2.2 (escapes of unreserved characters decoded, the others in upper case, dot segments
//! removed) and repeated slashes merged, as Kong's router does (`kong.tools.uri.normalize` with
//! `merge_slashes`). `%2F` stays an escape: it is no segment boundary. The upstream gets this form
//! too, so that it can never see another path than the one that was matched.
//!
//! A path with a NUL, a control character, a broken escape or without leading `/` has no such form:
//! the request is rejected with 400, as nginx does.

use std::borrow::Cow;

/// No path has it: control characters, space, `#` and `?`.
const REJECTED: u8 = 1;
/// `%`.
const ESCAPE: u8 = 2;
/// `/`.
const SLASH: u8 = 4;
/// `/` and `.`: behind a slash they begin a segment that may have to go.
const AFTER_SLASH: u8 = SLASH << 1;
static CLASSES: [u8; 256] = classes();

/// The normal form of a request's path (without query); `None` = reject.
#[must_use]
pub fn normalize_bytes(path: &[u8]) -> Option<Cow<'_, [u8]>> {
    let seen = look(path);
    if path.first() != Some(&b'/') || seen & REJECTED != 0 {
        return None;
    }
    if seen == 0 {
        return Some(Cow::Borrowed(path));
    }
    let normal = remove_dots(&decode(path)?);
    // `/.well-known` and `%2F` only look as if something had to change.
    Some(if normal == path {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(normal)
    })
}

/// The normal form of a path in a manifest; `None` = not a path that a request could have.
#[must_use]
pub fn normalize(path: &str) -> Option<Cow<'_, str>> {
    match normalize_bytes(path.as_bytes())? {
        Cow::Borrowed(_) => Some(Cow::Borrowed(path)),
        // Only ASCII is decoded, so the rest is the UTF-8 that it was.
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// The normal form of a path that was put together from parts of a request's and a rule's. `None` if
/// it has none, or has dot segments: those of the parts were removed, so that nothing but the
/// putting together can have made them, and they would lead out of what the rule says.
#[must_use]
pub(crate) fn normalize_joined(path: &[u8]) -> Option<Cow<'_, [u8]>> {
    let normal = normalize_bytes(path)?;
    if matches!(normal, Cow::Owned(_)) {
        let decoded = decode(path)?;
        let mut segments = decoded.split(|byte| *byte == b'/');
        if segments.any(|segment| segment == b"." || segment == b"..") {
            return None;
        }
    }
    Some(normal)
}

/// Begins with `/`, and no byte ends the path or splits a request line.
#[must_use]
pub(crate) fn is_path(path: &[u8]) -> bool {
    path.first() == Some(&b'/') && look(path) & REJECTED == 0
}

/// May the query of a request be passed on? Without control characters and spaces, which could
/// split a request line.
#[must_use]
pub fn is_query(query: &[u8]) -> bool {
    let bad = |bad, byte: &u8| bad | (*byte <= 0x20) | (*byte == 0x7f);
    !query.iter().fold(false, bad)
}

/// What is in a path that may not be there, or may have to change; 0 in the common case, which is
/// seen without a copy. To the end in any case: this way nothing is decided byte by byte.
fn look(path: &[u8]) -> u8 {
    let mut seen = 0;
    let mut last = 0;
    for byte in path {
        let class = CLASSES.get(usize::from(*byte)).copied().unwrap_or(REJECTED);
        seen |= class & (REJECTED | ESCAPE | ((last & SLASH) << 1));
        last = class;
    }
    seen
}

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < classes.len() {
        let class = match byte {
            0..=0x20 | 0x7f | 0x23 | 0x3f => REJECTED,
            0x25 => ESCAPE,
            0x2f => SLASH | AFTER_SLASH,
            0x2e => AFTER_SLASH,
            _ => 0,
        };
        #[expect(clippy::indexing_slicing, reason = "below the length, in a constant")]
        {
            classes[byte] = class;
        }
        byte += 1;
    }
    classes
}

fn decode(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let high = hex(*rest.next()?)?;
        let low = hex(*rest.next()?)?;
        match high << 4 | low {
            0 => return None,
            c if c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_' | b'~') => out.push(c),
            _ => {
                out.push(b'%');
                out.push(upper_hex(high));
                out.push(upper_hex(low));
            }
        }
    }
    Some(out)
}

/// The value of a hexadecimal digit.
pub(crate) fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn upper_hex(digit: u8) -> u8 {
    if digit < 10 {
        b'0' + digit
    } else {
        b'A' + digit - 10
    }
}

/// Merges slashes and removes `.` and `..` segments; `..` above the root stays at the root.
fn remove_dots(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut segments = path.split(|b| *b == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." => {}
            b".." => {
                let parent = out.iter().rposition(|b| *b == b'/').unwrap_or(0);
                out.truncate(parent);
            }
            b"" => {}
            _ => {
                out.push(b'/');
                out.extend_from_slice(segment);
                continue;
            }
        }
        // "/a/", "/a/." and "/a/b/.." end with a slash.
        if last {
            out.push(b'/');
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(path: &str) -> Option<String> {
        normalize(path).map(Cow::into_owned)
    }

    #[test]
    fn every_two_bytes_are_looked_at_as_one_by_one() {
        let rejected = |byte: u8| matches!(byte, 0..=0x20 | 0x7f | b'#' | b'?');
        for (a, b) in (0..=255).flat_map(|a| (0..=255).map(move |b| (a, b))) {
            for path in [&[b'/', a, b][..], &[b'/', b'x', a, b, b'x']] {
                let good = !rejected(a) && !rejected(b);
                assert_eq!(is_path(path), good, "{path:?}");
                let escape = a == b'%' || b == b'%';
                let segment = path
                    .windows(2)
                    .any(|pair| pair[0] == b'/' && matches!(pair[1], b'/' | b'.'));
                assert_eq!(look(path) == 0, good && !escape && !segment, "{path:?}");
            }
        }
        assert!(!is_path(b"") && !is_path(b"x/"));
    }

    #[test]
    fn normal_forms() {
        for (name, path, expected) in [
            ("root", "/", "/"),
            ("plain", "/a/b", "/a/b"),
            ("trailing slash stays", "/a/b/", "/a/b/"),
            ("repeated slashes merge", "//a///b//", "/a/b/"),
            ("dot segments go", "/a/./b/../c", "/a/c"),
            ("dot at the end leaves a slash", "/a/.", "/a/"),
            ("dots at the end leave a slash", "/a/b/..", "/a/"),
            ("dots above the root stay at the root", "/../../a", "/a"),
            ("only dots", "/..", "/"),
            ("encoded dots are dots", "/a/%2e%2E/b", "/b"),
            (
                "a name may begin with a dot",
                "/.well-known/x",
                "/.well-known/x",
            ),
            ("three dots are a name", "/a/...", "/a/..."),
            ("unreserved escapes are decoded", "/%61%7E%2d", "/a~-"),
            (
                "other escapes become upper case",
                "/a%2fb%c3%a9",
                "/a%2Fb%C3%A9",
            ),
            (
                "an encoded slash is no boundary",
                "/a%2F..%2Fb",
                "/a%2F..%2Fb",
            ),
            ("an escaped percent stays", "/%2561", "/%2561"),
        ] {
            assert_eq!(normal(path).as_deref(), Some(expected), "{name}");
        }
    }

    #[test]
    fn what_is_no_path() {
        for path in [
            "", "a", "*", "/a%", "/a%4", "/a%zz", "/%00", "/a b", "/a\0", "/a#b", "/a\r\n",
            "/\u{7f}",
        ] {
            assert_eq!(normal(path), None, "{path:?}");
        }
    }

    #[test]
    fn queries_that_could_split_a_request_line_are_none() {
        for (query, expected) in [
            ("", true),
            ("?a=b&c=%20#", true),
            ("?\u{e9}", true),
            ("?a b", false),
            ("?a\u{1f}", false),
            ("?a\r\nx: y", false),
            ("?a\u{7f}", false),
            ("?\0", false),
        ] {
            assert_eq!(is_query(query.as_bytes()), expected, "{query:?}");
        }
    }

    #[test]
    fn what_is_put_together_has_no_dot_segments() {
        for (path, expected) in [
            ("/a/b", Some("/a/b")),
            ("/a//b", Some("/a/b")),
            ("//a", Some("/a")),
            ("/a/%41", Some("/a/A")),
            ("/a/..", None),
            ("/a/../b", None),
            ("/a/./b", None),
            ("/a/%2e%2e/b", None),
            ("/a/.b", Some("/a/.b")),
            ("/a/%2", None),
            ("/a/%00", None),
            ("a", None),
        ] {
            let normal = normalize_joined(path.as_bytes());
            assert_eq!(normal.as_deref(), expected.map(str::as_bytes), "{path}");
        }
    }

    #[test]
    fn non_utf8_bytes_pass() {
        assert_eq!(
            normalize_bytes(b"/a//\xff").as_deref(),
            Some(&b"/a/\xff"[..])
        );
    }

    proptest::proptest! {
        #[test]
        fn the_normal_form_is_its_own_normal_form(path in "/[a-z/.%25-9A-F]{0,40}") {
            if let Some(once) = normal(&path) {
                proptest::prop_assert_eq!(normal(&once), Some(once.clone()));
                proptest::prop_assert!(!once.contains("//"));
                proptest::prop_assert!(!once.split('/').any(|s| s == "." || s == ".."));
            }
        }
    }
}
