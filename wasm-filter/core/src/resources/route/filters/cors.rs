//! `cors` (Gateway API `HTTPCORSFilter`).
//!
//! An entry that cannot be read is left out: whatever is not listed is refused by browsers.

use std::collections::BTreeSet;

use super::super::conditions::is_token;
use crate::problem::Code;
use crate::resources::field::{Field, Read, Sink, quote};
use crate::resources::unknown;
use crate::table::model::Cors;

/// "When the MaxAge field is unspecified, the gateway sets Access-Control-Max-Age: 5."
const DEFAULT_MAX_AGE: u32 = 5;
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

pub(super) fn read(config: &Field<'_, '_>, sink: &mut Sink) -> Cors {
    unknown::warn(
        config,
        &[
            "allowOrigins",
            "allowCredentials",
            "allowMethods",
            "allowHeaders",
            "exposeHeaders",
            "maxAge",
        ],
        sink,
    );
    let method = |text: &str| {
        let known = METHODS.contains(&text);
        known
            .then(|| text.to_owned())
            .ok_or_else(|| format!("{} is no method", quote(text)))
    };
    let header = |text: &str| {
        let known = is_token(text);
        known
            .then(|| text.to_owned())
            .ok_or_else(|| format!("{} is no header name", quote(text)))
    };
    let credentials = config.key("allowCredentials").boolean(sink);
    Cors {
        origins: list(&config.key("allowOrigins"), origin, true, sink),
        credentials: credentials.ok().flatten().unwrap_or(false),
        methods: list(&config.key("allowMethods"), method, true, sink),
        headers: list(&config.key("allowHeaders"), header, true, sink),
        expose: list(&config.key("exposeHeaders"), header, false, sink),
        max_age: max_age(&config.key("maxAge"), sink).unwrap_or(DEFAULT_MAX_AGE),
    }
}

/// The entries that can be read, each once. `*` "cannot be alongside others" where it must be alone.
fn list(
    field: &Field<'_, '_>,
    parse: impl Fn(&str) -> Result<String, String>,
    alone: bool,
    sink: &mut Sink,
) -> Vec<Box<str>> {
    let mut out: Vec<Box<str>> = Vec::new();
    let mut seen = BTreeSet::new();
    let items = field.items(sink).unwrap_or_default();
    for (_, entry) in &items {
        let Ok(text) = entry.required_text(sink) else {
            continue;
        };
        let parsed = match text {
            "*" if alone && items.len() > 1 => {
                Err("\"*\" must be alone; it is left out".to_owned())
            }
            "*" => Ok(text.to_owned()),
            _ => parse(text).map_err(|message| format!("{message}; it is left out")),
        };
        match parsed {
            Ok(text) if !seen.insert(text.clone()) => {}
            Ok(text) => out.push(text.into()),
            Err(message) => sink.push(entry.error(Code::InvalidValue, message)),
        }
    }
    out
}

/// `scheme://host[:port]` as browsers send it: lower case, without the scheme's own port ("if not
/// included, port 80 is assumed for http scheme origins, and port 443 for https").
fn origin(text: &str) -> Result<String, String> {
    let wrong = |what: &str| format!("{} {what}", quote(text));
    let lower = text.to_ascii_lowercase();
    let Some((scheme, authority)) = lower
        .split_once("://")
        .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
    else {
        return Err(wrong("does not begin with http:// or https://"));
    };
    let (host, port) = match authority.split_once(':') {
        None => (authority, None),
        Some((host, port)) => match port.parse::<u16>() {
            Ok(number) if number > 0 && !port.starts_with('+') => (host, Some(number)),
            _ => return Err(wrong("has no port from 1 to 65535")),
        },
    };
    // A wildcard is a whole first label, or the host.
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if host != "*" && !name.split('.').all(label) {
        return Err(wrong("has no host of labels, with `*` only as the first"));
    }
    let own = if scheme == "http" { 80 } else { 443 };
    Ok(match port.filter(|port| *port != own) {
        None => format!("{scheme}://{host}"),
        Some(port) => format!("{scheme}://{host}:{port}"),
    })
}

fn max_age(field: &Field<'_, '_>, sink: &mut Sink) -> Read<u32> {
    let Some(number) = field.integer(sink)? else {
        return Ok(DEFAULT_MAX_AGE);
    };
    Ok(match u32::try_from(number) {
        Ok(age) if (1..=i32::MAX.unsigned_abs()).contains(&age) => age,
        _ => {
            sink.push(field.error(
                Code::InvalidValue,
                format!("{number} is not from 1 to {}; 5 is in effect", i32::MAX),
            ));
            DEFAULT_MAX_AGE
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_scheme_host_and_port() {
        for (text, expected) in [
            ("https://a.com", Some("https://a.com")),
            ("HTTPS://A.com", Some("https://a.com")),
            ("https://a.com:443", Some("https://a.com")),
            ("http://a.com:443", Some("http://a.com:443")),
            ("http://a.com:80", Some("http://a.com")),
            ("http://10.0.0.1:3000", Some("http://10.0.0.1:3000")),
            ("https://*.a.com", Some("https://*.a.com")),
            ("https://*", Some("https://*")),
            ("https://*:8443", Some("https://*:8443")),
            ("a.com", None),
            ("ftp://a.com", None),
            ("https://", None),
            ("https://a.com/", None),
            ("https://a.com:0", None),
            ("https://a.com:x", None),
            ("https://a.com:99999", None),
            ("https://a.*.com", None),
            ("https://*a.com", None),
            ("https://a..com", None),
            ("https://[::1]", None),
            ("null", None),
        ] {
            assert_eq!(origin(text).ok().as_deref(), expected, "{text:?}");
        }
    }
}
