//! A request path as nginx parses it into `$uri`.

use std::borrow::Cow;

/// Path and query as ngx_wasm_module gives them for `:path`: the path percent-decoded, its dot
/// segments resolved and its slashes merged, the query as it came. A filter that compares paths as
/// the client sent them reads property `request.path` instead.
pub(crate) fn decoded(target: &[u8]) -> Cow<'_, [u8]> {
    let end = target
        .iter()
        .position(|&b| b == b'?')
        .unwrap_or(target.len());
    let (path, query) = target.split_at(end);
    let plain = |pair: &[u8]| !(pair[0] == b'/' && matches!(pair[1], b'/' | b'.'));
    if !path.contains(&b'%') && path.windows(2).all(plain) {
        return Cow::Borrowed(target);
    }
    let mut uri = normalized(&percent_decoded(path));
    uri.extend_from_slice(query);
    Cow::Owned(uri)
}

fn percent_decoded(path: &[u8]) -> Vec<u8> {
    let hex = |byte: Option<&u8>| {
        byte.and_then(|&b| char::from(b).to_digit(16))
            .and_then(|d| u8::try_from(d).ok())
    };
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        let decoded = match (byte, hex(path.get(at + 1)), hex(path.get(at + 2))) {
            (b'%', Some(high), Some(low)) => Some(high << 4 | low),
            _ => None,
        };
        at += if decoded.is_some() { 3 } else { 1 };
        out.push(decoded.unwrap_or(byte));
    }
    out
}

fn normalized(path: &[u8]) -> Vec<u8> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut slash_at_end = false;
    for segment in path.split(|&b| b == b'/') {
        slash_at_end = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in &segments {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if slash_at_end || out.is_empty() {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_merged_and_resolved_and_queries_are_not() {
        for (target, uri) in [
            ("/a/b?c=%41//..", "/a/b?c=%41//.."),
            ("/a%2Fb/%41", "/a/b/A"),
            ("//a///b/", "/a/b/"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2e/b", "/b"),
            ("/../a/..", "/"),
            ("/a%3Fb?c", "/a?b?c"),
            ("/a%zz%4", "/a%zz%4"),
            ("/.hidden", "/.hidden"),
            ("/", "/"),
        ] {
            assert_eq!(decoded(target.as_bytes()), uri.as_bytes(), "{target}");
        }
    }
}
