//! Path values of rules, brought into the form in which requests are looked up.

use super::field::quote;
use crate::route::path::normalize;
use crate::table::model::PathMatch;

/// An exact path; the empty one is `/`.
pub(crate) fn exact(text: &str) -> Result<PathMatch, String> {
    Ok(PathMatch::Exact(value(text)?.into()))
}

/// A prefix by segments; the empty one is `/`, and a trailing slash means nothing.
pub(crate) fn prefix(text: &str) -> Result<PathMatch, String> {
    let path = value(text)?;
    Ok(PathMatch::Prefix(
        path.strip_suffix('/').unwrap_or(&path).into(),
    ))
}

/// Every path that begins with this text (Ingress `ImplementationSpecific`).
pub(crate) fn text(text: &str) -> Result<PathMatch, String> {
    Ok(PathMatch::Text(value(text)?.into()))
}

/// The normal form of a path; the empty one is `/`.
pub(crate) fn value(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok("/".to_owned());
    }
    if !text.starts_with('/') {
        return Err(format!("{} does not start with `/`", quote(text)));
    }
    if let Some(c) = text
        .chars()
        .find(|c| matches!(c, '?' | '#' | ' ' | '\\') || c.is_control())
    {
        return Err(format!(
            "{} has a {}, which no request path has",
            quote(text),
            quote(c.encode_utf8(&mut [0; 4]))
        ));
    }
    match normalize(&escape(text)) {
        Some(path) => Ok(path.into_owned()),
        None => Err(format!(
            "{} is no path that a request can have",
            quote(text)
        )),
    }
}

/// Characters outside of ASCII as requests carry them: as percent-escapes of their UTF-8.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for b in c.encode_utf8(&mut [0; 4]).bytes() {
                out.push_str(&format!("%{b:02X}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_like_request_paths() {
        for (text, expected) in [
            ("", Some("/")),
            ("/", Some("/")),
            ("/foo", Some("/foo")),
            ("/foo/", Some("/foo/")),
            ("/foo//bar", Some("/foo/bar")),
            ("//", Some("/")),
            ("/a/../b", Some("/b")),
            ("/%7euser", Some("/~user")),
            ("/a%2fb", Some("/a%2Fb")),
            ("/café", Some("/caf%C3%A9")),
            ("foo", None),
            ("*", None),
            ("/a?b=1", None),
            ("/a#b", None),
            ("/a b", None),
            ("/a\nb", None),
        ] {
            let want = expected.map(|path| PathMatch::Exact(path.into()));
            assert_eq!(exact(text).ok(), want, "{text:?}");
        }
    }

    #[test]
    fn a_trailing_slash_of_a_prefix_means_nothing() {
        for (text, expected) in [
            ("", ""),
            ("/", ""),
            ("//", ""),
            ("/foo", "/foo"),
            ("/foo/", "/foo"),
            ("/foo//", "/foo"),
        ] {
            let want = PathMatch::Prefix(expected.into());
            assert_eq!(prefix(text).ok(), Some(want), "{text:?}");
        }
    }
}
