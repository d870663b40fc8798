//! Path and query for the upstream.
//!
//! A rule that rewrites says the whole path (Gateway API `HTTPURLRewriteFilter`, annotation
//! `konghq.com/rewrite`): neither strip-path nor the Service's `path` has a part in it, as in Kong,
//! where `request-transformer` sets the path last. Else the path is joined as Kong joins it
//! (`kong/router/utils.lua`, kic-map 2.8).

use super::path::{is_path, normalize_joined};
use crate::regex::{Cache, captures::Captures};
use crate::table::model::Forwarding;
use crate::table::routes::{PathEntry, PathEntryEdit, PathKind, PieceEntry, Template};
use crate::table::segment::Broken;

/// The engines of a worker's patterns.
#[derive(Debug, Default)]
pub struct Patterns {
    /// Automata.
    pub automata: Cache,
    /// Engines for groups.
    pub captures: Captures,
}

/// A request's path, and the path of the table that it fits.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The path of the table.
    pub entry: PathEntry<'a>,
    /// The request's, in normal form.
    pub path: &'a [u8],
    /// For what the entry's pattern matched.
    pub patterns: &'a Patterns,
}

/// Why there is no path for the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPath {
    /// What the client sent cannot be rewritten: groups need UTF-8, and what is put together must
    /// not have dot segments or broken escapes.
    Request,
    /// What the rule says gives no path.
    Rule,
    /// The table cannot be read.
    Broken,
}

// === impl Found ===

impl<'a> Found<'a> {
    /// How many bytes of the path matched: all of an exact path, the whole match of a pattern.
    ///
    /// # Errors
    /// [`Broken`] for a pattern that is none.
    pub fn matched(&self) -> Result<usize, Broken> {
        Ok(match (self.entry.kind, self.entry.regex()) {
            (PathKind::Exact, _) => self.path.len(),
            (PathKind::Prefix | PathKind::Text, _) => self.entry.text.len().min(self.path.len()),
            (PathKind::Regex, Some(regex)) => regex
                .end(&self.patterns.automata, self.path)?
                .unwrap_or_default(),
            (PathKind::Regex, None) => return Err(Broken),
        })
    }

    /// What a group of the path's pattern, by name or number, matched; `None` if there is none.
    ///
    /// # Errors
    /// [`Broken`] for a pattern that is none.
    pub fn group(&self, group: &str) -> Result<Option<&'a [u8]>, Broken> {
        let (Some(regex), Ok(path)) = (self.entry.regex(), core::str::from_utf8(self.path)) else {
            return Ok(None);
        };
        let groups = self.patterns.captures.of(regex.pattern()?, path);
        Ok(groups.and_then(|groups| groups.named(group).map(str::as_bytes)))
    }

    /// What follows the matched part where that is stripped. KIC writes a prefix `/foo` as the Kong
    /// paths `~/foo$` and `/foo/`: the slash behind it belongs to the match.
    fn postfix(&self) -> Result<&'a [u8], Broken> {
        let (_, rest) = (self.path.split_at_checked(self.matched()?)).ok_or(Broken)?;
        let rest = match self.entry.kind {
            PathKind::Prefix => rest.strip_prefix(b"/").unwrap_or(rest),
            _ => rest,
        };
        Ok(sanitize(rest))
    }
}

/// As Kong's `sanitize_uri_postfix`: `/foo` stripped from `/foo../x` must not leave dot segments.
fn sanitize(postfix: &[u8]) -> &[u8] {
    if postfix == b"." || postfix == b".." {
        return b"";
    }
    let dots = (postfix.strip_prefix(b"./")).or_else(|| postfix.strip_prefix(b"../"));
    dots.unwrap_or(postfix)
}

/// Writes path and query for the upstream to `out`; `false`: they are `found.path` and `query`, and
/// nothing is written.
///
/// # Errors
/// [`NoPath`]; then `out` holds part of it.
pub fn upstream(
    found: &Found<'_>,
    edit: &PathEntryEdit<'_>,
    forwarding: Forwarding,
    base: Option<&[u8]>,
    query: &[u8],
    out: &mut Vec<u8>,
) -> Result<bool, NoPath> {
    out.clear();
    if !edited(found, edit, out)? {
        if !forwarding.strip_path && matches!(base, None | Some(b"/")) {
            return Ok(false);
        }
        let postfix = if forwarding.strip_path {
            Some(found.postfix()?)
        } else {
            None
        };
        // An empty one would be none for Kong.
        let base = base.filter(|base| !base.is_empty()).unwrap_or(b"/");
        join(base, found.path, postfix, forwarding.path_v1, out);
        // The path has a normal form; the Service's may be anything.
        if !is_path(out) {
            return Err(NoPath::Rule);
        }
    }
    out.extend_from_slice(query);
    Ok(true)
}

/// Appends the path that `edit` makes of the request's; `false` and nothing if there is no edit.
///
/// # Errors
/// [`NoPath`]; then `out` holds part of it.
pub fn edited(
    found: &Found<'_>,
    edit: &PathEntryEdit<'_>,
    out: &mut Vec<u8>,
) -> Result<bool, NoPath> {
    let start = out.len();
    match edit {
        PathEntryEdit::None => return Ok(false),
        PathEntryEdit::Full(text) => out.extend_from_slice(text),
        PathEntryEdit::Prefix(text) => replace_prefix(text, found.path, found.matched()?, out),
        PathEntryEdit::Template(template) => {
            let path = fill(template, found)?;
            out.extend_from_slice(normalize_joined(&path).ok_or(NoPath::Request)?.as_ref());
        }
    }
    if out.get(start..).is_some_and(is_path) {
        Ok(true)
    } else {
        Err(NoPath::Rule)
    }
}

/// A template with the groups of the path's pattern in it. What begins with no slash gets one.
fn fill(template: &Template<'_>, found: &Found<'_>) -> Result<Vec<u8>, NoPath> {
    let mut groups = None;
    let mut out = Vec::new();
    for piece in template.pieces() {
        match piece? {
            PieceEntry::Text(text) => out.extend_from_slice(text),
            PieceEntry::Capture(number) => {
                // Only the path of a pattern has groups.
                let Some(regex) = found.entry.regex() else {
                    continue;
                };
                if groups.is_none() {
                    let path = core::str::from_utf8(found.path).map_err(|_| NoPath::Request)?;
                    let captures = &found.patterns.captures;
                    groups = Some(captures.of(regex.pattern()?, path).ok_or(NoPath::Rule)?);
                }
                let group = groups.as_ref().map_or("", |groups| groups.get(number));
                out.extend_from_slice(group.as_bytes());
            }
        }
    }
    if out.first() != Some(&b'/') {
        out.insert(0, b'/');
    }
    Ok(out)
}

/// Appends `path` with its first `matched` bytes replaced (Gateway API
/// `HTTPPathModifier.replacePrefixMatch`: "a trailing `/` is ignored").
pub fn replace_prefix(with: &[u8], path: &[u8], matched: usize, out: &mut Vec<u8>) {
    let rest = path.get(matched..).unwrap_or_default();
    let with = with.strip_suffix(b"/").unwrap_or(with);
    out.extend_from_slice(with);
    if !matches!(rest.first(), Some(b'/')) && (with.is_empty() || !rest.is_empty()) {
        out.push(b'/');
    }
    out.extend_from_slice(rest);
}

/// Appends a Service's path and a request's path; `postfix` is what is left of the latter if the
/// matched part is stripped.
pub fn join(base: &[u8], path: &[u8], postfix: Option<&[u8]>, v1: bool, out: &mut Vec<u8>) {
    let (bare, slash) = match base.strip_suffix(b"/") {
        Some(bare) => (bare, true),
        None => (base, false),
    };
    let whole = path.strip_prefix(b"/").unwrap_or(path);
    let parts: [&[u8]; 2] = match (postfix, slash, v1) {
        (Some(postfix), true, true) if postfix.starts_with(b"/") => [bare, postfix],
        (Some(postfix), _, true) => [base, postfix],
        (None, _, true) => [base, whole],
        (Some(b""), true, false) if base == b"/" || path.ends_with(b"/") => [base, b""],
        (Some(b""), true, false) => [bare, b""],
        (Some(b""), false, false) if path.len() > 1 && path.ends_with(b"/") => [base, b"/"],
        (Some(b""), false, false) => [base, b""],
        (Some(postfix), true, false) if postfix.starts_with(b"/") => [bare, postfix],
        (Some(postfix), true, false) => [base, postfix],
        (Some(postfix), false, false) if postfix.starts_with(b"/") => [base, postfix],
        (Some(postfix), false, false) => {
            out.extend_from_slice(base);
            [b"/", postfix]
        }
        (None, true, false) => [base, whole],
        (None, false, false) if path == b"/" => [base, b""],
        (None, false, false) => [base, path],
    };
    for part in parts {
        out.extend_from_slice(part);
    }
}

impl From<Broken> for NoPath {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// kic-map 2.8: base, strip-path, postfix, request path, result.
    #[test]
    fn v0_joins_with_one_slash() {
        for (base, path, postfix, expected) in [
            // base ends with `/`, strip, postfix empty
            ("/", "/foo", Some(""), "/"),
            ("/", "/foo/", Some(""), "/"),
            ("/api/", "/foo/", Some(""), "/api/"),
            ("/api/", "/foo", Some(""), "/api"),
            // base ends with `/`, strip, postfix begins with `/`
            ("/", "/foo/bar", Some("/bar"), "/bar"),
            ("/api/", "/foo/bar", Some("/bar"), "/api/bar"),
            // base ends with `/`, strip, other postfix
            ("/", "/foobar", Some("bar"), "/bar"),
            ("/api/", "/foobar", Some("bar"), "/api/bar"),
            // base ends with `/`, no strip
            ("/", "/foo", None, "/foo"),
            ("/", "/", None, "/"),
            ("/api/", "/foo", None, "/api/foo"),
            ("/api/", "/", None, "/api/"),
            // base does not, strip, postfix empty
            ("/api", "/foo", Some(""), "/api"),
            ("/api", "/foo/", Some(""), "/api/"),
            ("/api", "/", Some(""), "/api"),
            // base does not, strip, postfix begins with `/`
            ("/api", "/foo/bar", Some("/bar"), "/api/bar"),
            // base does not, strip, other postfix
            ("/api", "/foobar", Some("bar"), "/api/bar"),
            // base does not, no strip
            ("/api", "/", None, "/api"),
            ("/api", "/foo", None, "/api/foo"),
            ("/api", "/foo/", None, "/api/foo/"),
        ] {
            let mut out = Vec::new();
            let postfix = postfix.map(str::as_bytes);
            join(base.as_bytes(), path.as_bytes(), postfix, false, &mut out);
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out, expected, "{base} {path} {postfix:?}");
        }
    }

    #[test]
    fn v1_joins_as_they_are_without_a_second_slash() {
        for (base, path, postfix, expected) in [
            ("/", "/foo", Some(""), "/"),
            ("/", "/foo/bar", Some("/bar"), "/bar"),
            ("/", "/foo/bar", Some("bar"), "/bar"),
            ("/api", "/foo", Some(""), "/api"),
            ("/api", "/foo/bar", Some("/bar"), "/api/bar"),
            ("/api", "/foo/bar", Some("bar"), "/apibar"),
            ("/api/", "/foo/bar", Some("/bar"), "/api/bar"),
            ("/api/", "/foo/bar", Some("bar"), "/api/bar"),
            ("/api/", "/foo", Some(""), "/api/"),
            ("/", "/foo", None, "/foo"),
            ("/api", "/foo", None, "/apifoo"),
            ("/api/", "/foo", None, "/api/foo"),
            ("/api", "/", None, "/api"),
        ] {
            let mut out = Vec::new();
            let postfix = postfix.map(str::as_bytes);
            join(base.as_bytes(), path.as_bytes(), postfix, true, &mut out);
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out, expected, "{base} {path} {postfix:?}");
        }
    }

    /// The table of Gateway API `HTTPPathModifier.replacePrefixMatch`. The table of routes has
    /// prefixes without trailing slash.
    #[test]
    fn a_prefix_is_replaced_by_segments() {
        for (path, prefix, with, expected) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
            // Beyond the specification's table.
            ("/", "/", "/xyz", "/xyz/"),
            ("/bar", "/", "/xyz", "/xyz/bar"),
            ("/", "/", "/", "/"),
        ] {
            let mut out = Vec::new();
            let prefix = prefix.trim_end_matches('/');
            replace_prefix(with.as_bytes(), path.as_bytes(), prefix.len(), &mut out);
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out, expected, "{path} {prefix} {with}");
        }
    }

    #[test]
    fn what_is_left_of_a_path_has_no_dot_segments() {
        for (postfix, expected) in [
            ("", ""),
            (".", ""),
            ("..", ""),
            ("./x", "x"),
            ("../x", "x"),
            ("...", "..."),
            (".x", ".x"),
            ("/x", "/x"),
        ] {
            assert_eq!(sanitize(postfix.as_bytes()), expected.as_bytes());
        }
    }
}
