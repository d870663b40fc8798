//! The oracle's own normal forms of host and path, written from the texts quoted here and without
//! looking at speed. Nothing of `route` is used.

/// The compared form of a Host header; `None` = 400.
///
/// RFC 9112 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1
/// request message that ... contains ... a Host header field with an invalid field value."
/// RFC 3986 3.2.3: "URI producers and normalizers should omit the port component and its ":"
/// delimiter if port is empty". Gateway API `Hostname`: "a RFC 1123 subdomain".
pub(crate) fn host(header: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(header).ok()?;
    let (name, port) = if text.starts_with('[') {
        let end = text.find(']')?;
        text.split_at(end + 1)
    } else {
        text.split_at(text.find(':').unwrap_or(text.len()))
    };
    if let Some(port) = port.strip_prefix(':') {
        let digits = port.chars().all(|c| c.is_ascii_digit()) && port.len() <= 5;
        if !digits || port.parse::<u32>().is_ok_and(|port| port > 65_535) {
            return None;
        }
    } else if !port.is_empty() {
        return None;
    }
    if name.is_empty() {
        return Some(String::new());
    }
    if name.starts_with('[') {
        let ok = |c: char| c.is_ascii_hexdigit() || matches!(c, '[' | ']' | ':' | '.');
        return name.chars().all(ok).then(|| name.to_ascii_lowercase());
    }
    // The root's own dot is no label.
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let ok = name.len() <= 253 && name.split('.').all(label);
    ok.then(|| name.to_ascii_lowercase())
}

/// The compared form of a path; `None` = 400.
///
/// RFC 3986 6.2.2.2: "these URIs should be normalized by decoding any percent-encoded octet that
/// corresponds to an unreserved character"; 6.2.2.1: "should be normalized to use uppercase
/// letters"; 5.2.4: remove_dot_segments. Kong merges slashes.
pub(crate) fn path(path: &[u8]) -> Option<Vec<u8>> {
    if !path.starts_with(b"/") {
        return None;
    }
    let mut plain = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let byte = path[at];
        if byte <= b' ' || byte == 0x7f || byte == b'#' || byte == b'?' {
            return None;
        }
        if byte != b'%' {
            plain.push(byte);
            at += 1;
            continue;
        }
        let digits = core::str::from_utf8(path.get(at + 1..at + 3)?).ok()?;
        if !digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        let value = u8::from_str_radix(digits, 16).ok()?;
        if value == 0 {
            return None;
        }
        if value.is_ascii_alphanumeric() || b"-._~".contains(&value) {
            plain.push(value);
        } else {
            plain.extend_from_slice(format!("%{value:02X}").as_bytes());
        }
        at += 3;
    }
    // The segments that stay, and whether the path ends behind a slash.
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut open = true;
    for segment in plain.split(|b| *b == b'/').skip(1) {
        open = true;
        if segment == b".." {
            segments.pop();
        } else if !segment.is_empty() && segment != b"." {
            segments.push(segment);
            open = false;
        }
    }
    let mut out = Vec::new();
    for segment in segments {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if open {
        out.push(b'/');
    }
    Some(out)
}

/// The elements of a normal path: what stands between the slashes.
pub(crate) fn elements(path: &[u8]) -> Vec<&[u8]> {
    path.split(|b| *b == b'/').skip(1).collect()
}

/// The query's parameters, decoded, in order. HTML `application/x-www-form-urlencoded` parsing.
pub(crate) fn parameters(query: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let text = query.strip_prefix(b"?").unwrap_or(query);
    let mut all = Vec::new();
    for pair in text.split(|b| *b == b'&') {
        if pair.is_empty() {
            continue;
        }
        let mut halves = pair.splitn(2, |b| *b == b'=');
        let name = halves.next().unwrap_or_default();
        let value = halves.next().unwrap_or_default();
        all.push((unescape(name), unescape(value)));
    }
    all
}

fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut i = 0;
    while i < raw.len() {
        let pair = raw
            .get(i + 1..i + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = pair
            .filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (raw[i], byte) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 2;
            }
            (b'+', _) => out.push(b' '),
            (other, _) => out.push(other),
        }
        i += 1;
    }
    out
}
