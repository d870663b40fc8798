//! The path for the upstream, or for a redirect.

use serde_json::Value;

use super::objects::text;
use super::paths::PathCond;

/// What a path modifier makes of a path; `None`: there is no modifier.
pub(crate) fn modified(modifier: &Value, path: &[u8], matched: usize) -> Option<Vec<u8>> {
    match text(&modifier["type"]) {
        // "ReplaceFullPath specifies the value with which to replace the full path of a request".
        "ReplaceFullPath" => Some(text(&modifier["replaceFullPath"]).as_bytes().to_vec()),
        "ReplacePrefixMatch" => {
            let new = text(&modifier["replacePrefixMatch"]).as_bytes();
            Some(replace_prefix(path, matched, new))
        }
        _ => None,
    }
}

/// "A request to "/foo/bar" with a prefix match of "/foo" and a ReplacePrefixMatch of "/xyz" would be
/// modified to "/xyz/bar". [...] When specified, a trailing `/` is ignored."
///
/// | Request Path | Prefix Match | Replace Prefix | Modified Path |
/// | /foo/bar     | /foo         | /xyz/          | /xyz/bar      |
/// | /foo         | /foo         | <empty string> | /             |
/// | /foo/        | /foo         | /              | /             |
fn replace_prefix(path: &[u8], matched: usize, new: &[u8]) -> Vec<u8> {
    let new = new.strip_suffix(b"/").unwrap_or(new);
    let mut out = new.to_vec();
    out.extend_from_slice(&path[matched..]);
    if out.is_empty() {
        out.push(b'/');
    }
    out
}

/// `konghq.com/rewrite`: "`/x/$1` replaces the path by the template (`$1`..: groups of the path's
/// regex, `\$` a dollar)".
pub(crate) fn template(template: &str, cond: &PathCond, path: &[u8]) -> Vec<u8> {
    let groups = match cond {
        PathCond::Regex { regex, .. } => regex.captures(path),
        _ => None,
    };
    let mut out = Vec::new();
    let mut rest = template.chars().peekable();
    while let Some(char) = rest.next() {
        match (char, rest.peek().copied()) {
            ('\\', Some('$')) => {
                rest.next();
                out.push(b'$');
            }
            ('$', Some(digit)) if digit.is_ascii_digit() => {
                let mut number = 0;
                while let Some(digit) = rest.peek().and_then(|char| char.to_digit(10)) {
                    number = number * 10 + digit as usize;
                    rest.next();
                }
                let group = groups.as_ref().and_then(|groups| groups.get(number));
                out.extend_from_slice(group.map(|group| group.as_bytes()).unwrap_or_default());
            }
            (char, _) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if !out.starts_with(b"/") {
        out.insert(0, b'/');
    }
    out
}

/// What follows the matched part. "KIC's rules": a prefix `/foo` is the Kong paths `~/foo$` and
/// `/foo/`, so that the slash behind it belongs to the matched part.
pub(crate) fn postfix<'p>(cond: &PathCond, path: &'p [u8], matched: usize) -> &'p [u8] {
    let rest = &path[matched..];
    match cond {
        PathCond::Prefix(_) => rest.strip_prefix(b"/").unwrap_or(rest),
        _ => rest,
    }
}

/// The Service's `path` and the request's (Kong `kong/router/utils.lua`, kic-map 2.8).
pub(crate) fn join(base: &str, uri: &[u8], postfix: Option<&[u8]>, v1: bool) -> Vec<u8> {
    let base = base.as_bytes();
    let glue = |base: &[u8], rest: &[u8]| [base, rest].concat();
    if v1 {
        // Kong's table of `path_handling`: `/s` and `/fv1/req` without strip-path is `/sfv1/req`.
        let rest = postfix.unwrap_or_else(|| uri.strip_prefix(b"/").unwrap_or(uri));
        return match (base.ends_with(b"/"), rest.strip_prefix(b"/")) {
            (true, Some(rest)) => glue(base, rest),
            _ => glue(base, rest),
        };
    }
    let open = base.strip_suffix(b"/");
    match (open, postfix) {
        (Some(open), Some(b"")) => {
            if open.is_empty() || uri.ends_with(b"/") {
                base.to_vec()
            } else {
                open.to_vec()
            }
        }
        (Some(open), Some(rest)) if rest.starts_with(b"/") => glue(open, rest),
        (Some(_), Some(rest)) => glue(base, rest),
        (Some(_), None) => glue(base, uri.strip_prefix(b"/").unwrap_or(uri)),
        (None, Some(b"")) => {
            if uri.len() > 1 && uri.ends_with(b"/") {
                glue(base, b"/")
            } else {
                base.to_vec()
            }
        }
        (None, Some(rest)) if rest.starts_with(b"/") => glue(base, rest),
        (None, Some(rest)) => glue(&glue(base, b"/"), rest),
        (None, None) if uri == b"/" => base.to_vec(),
        (None, None) => glue(base, uri),
    }
}
