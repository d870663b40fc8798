//! The CORS filter (Gateway API `HTTPCORSFilter`, GEP-1767).

use std::collections::BTreeMap;

use serde_json::Value;

use super::matches::first_header;
use super::objects::{list, text};
use crate::ask::Ask;

/// What each `access-control-...` header may be; an empty text stands for "absent".
pub(crate) type Allowed = BTreeMap<&'static str, Vec<String>>;

/// "A preflight (OPTIONS with Origin and Access-Control-Request-Method)".
pub(crate) fn is_preflight(ask: &Ask) -> bool {
    ask.method == b"OPTIONS"
        && first_header(&ask.headers, "origin").is_some()
        && first_header(&ask.headers, "access-control-request-method").is_some()
}

/// The headers of a response. "If the request `Origin` does not match the configured allowed origins,
/// the gateway returns 204/200 response but doesn't set the relevant cross-origin response headers."
pub(crate) fn headers(cors: &Value, ask: &Ask, preflight: bool) -> Allowed {
    let mut out = Allowed::new();
    let Some(origin) = first_header(&ask.headers, "origin") else {
        return out;
    };
    let origin = String::from_utf8_lossy(origin).into_owned();
    if !list(&cors["allowOrigins"]).any(|pattern| fits(text(pattern), &origin)) {
        return out;
    }
    let credentials = cors["allowCredentials"] == true;
    // "If the configuration contains the wildcard `*` in `allowOrigins` and `allowCredentials` is set
    // to `false`, the `Access-Control-Allow-Origin` response header may either contain the wildcard
    // `*` or echo the value"; "[...] set to `true`, the gateway must not return `*`".
    let any = list(&cors["allowOrigins"]).any(|pattern| pattern == "*");
    let mut origins = vec![origin];
    if any && !credentials {
        origins.push("*".to_owned());
    }
    out.insert("access-control-allow-origin", origins);
    if credentials {
        out.insert("access-control-allow-credentials", vec!["true".to_owned()]);
    }
    let asked = |name: &str| {
        let value = first_header(&ask.headers, name);
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let mut listed = |name, field: &str, request: Option<&str>| {
        let values: Vec<&str> = list(&cors[field]).map(text).collect();
        if values.is_empty() {
            return;
        }
        let mut allowed = Vec::new();
        if values.contains(&"*") {
            // Echoed, or `*` where credentials are not allowed.
            allowed.extend(request.map(|name| asked(name).unwrap_or_default()));
            if !credentials {
                allowed.push("*".to_owned());
            } else if request.is_none() {
                allowed.push(String::new());
            }
        } else {
            allowed.push(values.join(","));
        }
        out.insert(name, allowed);
    };
    if preflight {
        let request = Some("access-control-request-method");
        listed("access-control-allow-methods", "allowMethods", request);
        let request = Some("access-control-request-headers");
        listed("access-control-allow-headers", "allowHeaders", request);
        // "The default value of `Access-Control-Max-Age` response header is 5 (seconds)."
        let age = cors["maxAge"].as_u64().unwrap_or(5);
        out.insert("access-control-max-age", vec![age.to_string()]);
    } else {
        listed("access-control-expose-headers", "exposeHeaders", None);
    }
    out
}

/// "If not included, port `80` is assumed for `http` scheme origins, and port `443` is assumed for
/// `https` origins." "`*` is a greedy match to the _left_, including any number of DNS labels."
fn fits(pattern: &str, origin: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (Some(a), Some(b)) = (split(pattern), split(origin)) else {
        return false;
    };
    let host = match a.1.strip_prefix('*') {
        Some(suffix) => b.1.len() > suffix.len() && b.1.ends_with(suffix),
        None => a.1 == b.1,
    };
    a.0 == b.0 && a.2 == b.2 && host
}

fn split(origin: &str) -> Option<(&str, &str, u16)> {
    let (scheme, rest) = origin.split_once("://")?;
    let default = if scheme == "https" { 443 } else { 80 };
    match rest.split_once(':') {
        Some((host, port)) => Some((scheme, host, port.parse().ok()?)),
        None => Some((scheme, rest, default)),
    }
}

/// Are these the headers of a response?
pub(crate) fn check(headers: &[(String, String)], allowed: &Allowed) -> Result<(), String> {
    let plain = |text: &str| text.replace(' ', "").to_ascii_lowercase();
    for (name, values) in allowed {
        let seen = headers.iter().find(|(known, _)| known == name);
        let seen = seen.map(|(_, value)| plain(value)).unwrap_or_default();
        if !values.iter().any(|value| plain(value) == seen) {
            return Err(format!("{name}: {seen:?} instead of one of {values:?}"));
        }
    }
    let known =
        |name: &String| !name.starts_with("access-control-") || allowed.contains_key(name.as_str());
    // The methods that are always allowed may be said, and so may things that a preflight's client
    // does not look at.
    let harmless = [
        "access-control-allow-methods",
        "access-control-expose-headers",
    ];
    match headers.iter().find(|(name, _)| !known(name)) {
        Some((name, _)) if harmless.contains(&name.as_str()) && !allowed.is_empty() => Ok(()),
        Some((name, value)) => Err(format!("an unexpected {name}: {value}")),
        None => Ok(()),
    }
}
