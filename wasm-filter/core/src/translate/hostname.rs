//! Hosts that a route and a listener have in common (Gateway API `HTTPRouteSpec.hostnames`).

use crate::table::model::HostPattern;

/// The more specific of two hosts, if one contains the other. A wildcard stands for one label or
/// more.
pub(crate) fn intersect(a: &HostPattern, b: &HostPattern) -> Option<HostPattern> {
    use HostPattern::{Any, Exact, Wildcard};
    match (a, b) {
        (Any, other) | (other, Any) => Some(other.clone()),
        (Exact(x), Exact(y)) => (x == y).then(|| a.clone()),
        (Exact(host), Wildcard(suffix)) => below(host, suffix).then(|| a.clone()),
        (Wildcard(suffix), Exact(host)) => below(host, suffix).then(|| b.clone()),
        (Wildcard(x), Wildcard(y)) if x == y || below(x, y) => Some(a.clone()),
        (Wildcard(x), Wildcard(y)) => below(y, x).then(|| b.clone()),
    }
}

/// Is `host` at least one label below `suffix`?
fn below(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix)
        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostPattern {
        match text.strip_prefix("*.") {
            _ if text == "*" => HostPattern::Any,
            Some(suffix) => HostPattern::Wildcard(suffix.into()),
            None => HostPattern::Exact(text.into()),
        }
    }

    #[test]
    fn hosts_intersect_in_the_more_specific_one() {
        for (a, b, expected) in [
            ("*", "*", Some("*")),
            ("*", "a.com", Some("a.com")),
            ("*", "*.a.com", Some("*.a.com")),
            ("a.com", "a.com", Some("a.com")),
            ("a.com", "b.com", None),
            ("x.a.com", "*.a.com", Some("x.a.com")),
            ("y.x.a.com", "*.a.com", Some("y.x.a.com")),
            ("a.com", "*.a.com", None),
            ("xa.com", "*.a.com", None),
            (".a.com", "*.a.com", None),
            ("*.a.com", "*.a.com", Some("*.a.com")),
            ("*.x.a.com", "*.a.com", Some("*.x.a.com")),
            ("*.xa.com", "*.a.com", None),
            ("*.b.com", "*.a.com", None),
        ] {
            let expected = expected.map(host);
            assert_eq!(intersect(&host(a), &host(b)), expected, "{a} {b}");
            assert_eq!(intersect(&host(b), &host(a)), expected, "{b} {a}");
        }
    }
}
