//! Which host names a certificate or a listener is for.

use std::fmt;

/// A host name, a wildcard, or every host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// Only this name.
    Exact(String),
    /// Every name below this one: `*.example.com` holds `example.com`. As in the Gateway API it
    /// stands for any number of labels.
    Below(String),
    /// Every host, and clients that name none.
    Any,
}

// === impl HostPattern ===

impl HostPattern {
    /// Reads `name`, `*.name`, and `*` or nothing for every host.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        match text.strip_prefix("*.") {
            Some(below) => Self::Below(below.to_owned()),
            None if text.is_empty() || text == "*" => Self::Any,
            None => Self::Exact(text),
        }
    }

    /// How well this fits a host in lower case; `None` if it does not. Exact names come first,
    /// then the longest wildcard.
    fn fit(&self, host: &str) -> Option<(bool, usize)> {
        match self {
            Self::Exact(name) => (name == host).then_some((true, 0)),
            Self::Below(name) => is_below(host, name).then_some((false, name.len() + 1)),
            Self::Any => Some((false, 0)),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// The pattern that fits a host best. The host is in lower case.
pub(super) fn best<'a>(
    patterns: impl IntoIterator<Item = &'a HostPattern>,
    host: &str,
) -> Option<&'a HostPattern> {
    let fitting = patterns.into_iter().filter_map(|pattern| {
        let fit = pattern.fit(host)?;
        Some((fit, pattern))
    });
    let (_, pattern) = fitting.max_by_key(|(fit, _)| *fit)?;
    Some(pattern)
}

/// The names whose wildcards fit a host, the longest first.
pub(super) fn parents(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent(host), |name| parent(name))
}

fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}

fn is_below(host: &str, name: &str) -> bool {
    host.strip_suffix(name)
        .and_then(|labels| labels.strip_suffix('.'))
        .is_some_and(|labels| !labels.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_and_shown() {
        for (text, shown) in [
            ("Shop.Example", "shop.example"),
            ("shop.example.", "shop.example"),
            ("*.Example", "*.example"),
            ("*", "*"),
            ("", "*"),
        ] {
            assert_eq!(HostPattern::parse(text).to_string(), shown);
        }
    }

    #[test]
    fn exact_beats_the_longest_wildcard_beats_any() {
        let patterns = ["*", "*.example", "*.shop.example", "a.shop.example"];
        let patterns = patterns.map(HostPattern::parse);
        for (host, expected) in [
            ("a.shop.example", "a.shop.example"),
            ("b.shop.example", "*.shop.example"),
            ("c.b.shop.example", "*.shop.example"),
            ("shop.example", "*.example"),
            ("xshop.example", "*.example"),
            ("example", "*"),
            (".example", "*"),
            ("", "*"),
        ] {
            let found = best(&patterns, host).unwrap();
            assert_eq!(found.to_string(), expected, "{host}");
        }
        assert_eq!(best(&patterns[1..], "example"), None);
    }

    #[test]
    fn parents_are_all_wildcards_of_a_host() {
        let parents: Vec<_> = parents("a.b.c").collect();
        assert_eq!(parents, ["b.c", "c"]);
    }
}
