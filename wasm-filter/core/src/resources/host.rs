//! Hosts as Ingress rules, HTTPRoutes and listeners write them.

use core::net::Ipv4Addr;

use super::field::quote;
use crate::table::model::HostPattern;

/// The longest DNS name and the longest label (RFC 1035).
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// The pattern of a host that is a DNS name or `*.` and a DNS name; else what is wrong with it.
///
/// Kubernetes takes lower case only; upper case means the same here.
pub(crate) fn parse(text: &str) -> Result<HostPattern, String> {
    let shown = quote(text);
    if text.len() > MAX_HOST {
        return Err(format!("{shown} is longer than {MAX_HOST} characters"));
    }
    let host = text.to_ascii_lowercase();
    let name = host.strip_prefix("*.").unwrap_or(&host);
    if name.contains('*') {
        return Err(format!("{shown}: `*` may only be the whole first label"));
    }
    if name.contains("://") {
        return Err(format!("{shown} is a URL: only its host name belongs here"));
    }
    if name.contains(':') {
        return Err(format!("{shown} must not have a port"));
    }
    if name.parse::<Ipv4Addr>().is_ok() {
        return Err(format!("{shown} is an IP address"));
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(format!("{shown} has an empty label"));
        }
        if label.len() > MAX_LABEL {
            return Err(format!(
                "{shown} has a label longer than {MAX_LABEL} characters"
            ));
        }
        let letters = label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !letters || label.starts_with('-') || label.ends_with('-') {
            return Err(format!(
                "{shown}: labels have letters, digits and, inside, `-`"
            ));
        }
    }
    Ok(if name.len() < host.len() {
        HostPattern::Wildcard(name.into())
    } else {
        HostPattern::Exact(name.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_wildcards() {
        for (text, expected) in [
            ("a.example.com", Some("a.example.com")),
            ("A.Example.COM", Some("a.example.com")),
            ("localhost", Some("localhost")),
            ("*.example.com", Some("*.example.com")),
            ("1a.2b", Some("1a.2b")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("1.2.3.4.example", Some("1.2.3.4.example")),
            ("", None),
            ("*", None),
            ("*.", None),
            ("a.*.com", None),
            ("*a.com", None),
            ("**.com", None),
            ("*.*.com", None),
            ("a b.com", None),
            ("a_b.com", None),
            ("-a.com", None),
            ("a-.com", None),
            ("a..com", None),
            (".a.com", None),
            ("a.com.", None),
            ("a.com:80", None),
            ("10.0.0.1", None),
            ("*.10.0.0.1", None),
            ("[::1]", None),
            ("::1", None),
            ("bücher.example", None),
            ("a.com/x", None),
            ("a.com\0", None),
        ] {
            let got = parse(text).ok().map(|host| host.to_string());
            assert_eq!(got.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn labels_have_63_and_names_253_characters() {
        let label = "a".repeat(63);
        assert!(parse(&label).is_ok());
        assert!(parse(&format!("{label}a")).is_err());
        let long = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(long.len(), 253);
        assert!(parse(&long).is_ok());
        assert!(parse(&format!("{long}a")).is_err());
    }
}
