//! `Location` of redirects.

use serde_json::Value;

use super::uri::modified;

/// What a redirect takes from the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) tls: bool,
    pub(crate) host: &'a str,
    /// The listener's port.
    pub(crate) port: u16,
    pub(crate) path: &'a [u8],
    /// With `?`.
    pub(crate) query: &'a [u8],
    /// How much of the path matched.
    pub(crate) matched: usize,
}

/// Status and `Location` of a RequestRedirect filter.
pub(crate) fn of_filter(filter: &Value, origin: &Origin<'_>) -> (u16, Vec<u8>) {
    // "When empty, the scheme of the request is used."
    let scheme = filter["scheme"].as_str();
    let actual = scheme.unwrap_or(if origin.tls { "https" } else { "http" });
    // "When empty, the hostname in the `Host` header of the request is used."
    let host = filter["hostname"].as_str().unwrap_or(origin.host);
    let well_known = if actual == "https" { 443 } else { 80 };
    // "If redirect scheme is not-empty, the redirect port MUST be the well-known port associated with
    // the redirect scheme. [...] If redirect scheme is empty, the redirect port MUST be the Gateway
    // Listener port."
    let port = match (filter["port"].as_u64(), scheme) {
        (Some(port), _) => port,
        (None, Some(_)) => well_known,
        (None, None) => u64::from(origin.port),
    };
    // "Implementations SHOULD NOT add the port number in the 'Location' header [...]: a Location
    // header that will use HTTP _and_ use port 80, [...] HTTPS _and_ use port 443."
    let port = if port == well_known {
        String::new()
    } else {
        format!(":{port}")
    };
    let path = modified(&filter["path"], origin.path, origin.matched);
    let mut out = format!("{actual}://{host}{port}").into_bytes();
    out.extend_from_slice(path.as_deref().unwrap_or(origin.path));
    out.extend_from_slice(origin.query);
    // "+kubebuilder:default=302"
    let status = filter["statusCode"].as_u64().unwrap_or(302);
    (u16::try_from(status).unwrap_or(0), out)
}

/// A request without TLS for a rule that wants it (Kong `https_redirect_status_code`).
pub(crate) fn to_https(origin: &Origin<'_>) -> Vec<u8> {
    let mut out = format!("https://{}", origin.host).into_bytes();
    out.extend_from_slice(origin.path);
    out.extend_from_slice(origin.query);
    out
}
