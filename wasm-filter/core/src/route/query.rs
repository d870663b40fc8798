//! Query parameters as rules ask for them: `application/x-www-form-urlencoded`, decoded while they
//! are compared.
//!
//! Of a repeated name the first counts (Gateway API `HTTPQueryParamMatch.name`: "implementations
//! SHOULD ... the first"). `+` is a space, a broken escape stands for itself, as in nginx.

use crate::route::path::hex;

/// The raw value of the first parameter with this decoded name; empty for one without `=`.
#[must_use]
pub fn first<'q>(query: &'q [u8], name: &[u8]) -> Option<&'q [u8]> {
    let query = query.strip_prefix(b"?").unwrap_or(query);
    query
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .find_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=');
            let (raw, value) = pair.split_at(at.unwrap_or(pair.len()));
            is(raw, name).then(|| value.get(1..).unwrap_or_default())
        })
}

/// Is `text` what the raw name or value means?
#[must_use]
pub fn is(raw: &[u8], text: &[u8]) -> bool {
    let mut text = text.iter();
    Decoded(raw).all(|byte| text.next() == Some(&byte)) && text.next().is_none()
}

/// What a raw name or value means.
#[must_use]
pub fn decode(raw: &[u8]) -> Vec<u8> {
    Decoded(raw).collect()
}

struct Decoded<'q>(&'q [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if let [b'%', high, low, rest @ ..] = self.0
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            self.0 = rest;
            return Some(high << 4 | low);
        }
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(if *byte == b'+' { b' ' } else { *byte })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_parameter_of_a_name_counts() {
        for (query, name, expected) in [
            ("", "a", None),
            ("?", "a", None),
            ("?a=1", "a", Some("1")),
            ("?b=2&a=1&a=3", "a", Some("1")),
            ("?a", "a", Some("")),
            ("?a=", "a", Some("")),
            ("?&&a=1=2", "a", Some("1=2")),
            ("?A=1", "a", None),
            ("?aa=1", "a", None),
            ("?%61=1", "a", Some("1")),
            ("?a+b=1", "a b", Some("1")),
            ("?=1", "", Some("1")),
            ("?a%zz=1", "a%zz", Some("1")),
            ("?a%2=1", "a%2", Some("1")),
        ] {
            let got = first(query.as_bytes(), name.as_bytes());
            assert_eq!(got, expected.map(str::as_bytes), "{query} {name}");
        }
    }

    #[test]
    fn values_are_compared_decoded() {
        for (raw, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("ab", "a", false),
            ("%41%2f", "A/", true),
            ("a+b", "a b", true),
            ("a%2Bb", "a+b", true),
            ("%", "%", true),
            ("", "", true),
        ] {
            assert_eq!(
                is(raw.as_bytes(), text.as_bytes()),
                expected,
                "{raw} {text}"
            );
            assert_eq!(decode(raw.as_bytes()) == text.as_bytes(), expected);
        }
    }
}
