//! Properties: what a filter reads of the request and tells the data plane by dotted name.
//!
//! The table of names and the rules of its setters are Kong's (Kong facts 1 and 3).

use crate::headers::Headers;

/// Why a property cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// Kong's setter refuses: a trap, so the client gets a 500 and the worker's instance is lost
    /// (Kong facts 3).
    #[error("could not set \"{name}\": {reason}")]
    Refused {
        /// The property.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// An nginx variable that cannot be changed.
    #[error("\"{name}\" is read-only")]
    ReadOnly {
        /// The property.
        name: String,
    },
    /// No such property.
    #[error("no property \"{name}\"")]
    NotFound {
        /// The property.
        name: String,
    },
}

/// The properties of one request. The embedder sets what is readable; the filter's sets are
/// checked in strict mode as Kong checks them.
#[derive(Clone, Debug, Default)]
pub struct Properties {
    values: Headers,
    shim: bool,
    upstreams: Vec<String>,
    target: Option<(Vec<u8>, u16)>,
}

/// The prefix of the properties that Silverback's shim adds.
const SHIM: &[u8] = b"kong.silverback.";
/// The part of the context that Lua plugins and filters share.
const CTX_SHARED: &[u8] = b"kong.ctx.shared.";
/// Properties that Kong reads for a filter and does not let it set.
const KONG_READ_ONLY: [&[u8]; 18] = [
    b"kong.client.protocol",
    b"kong.nginx.subsystem",
    b"kong.node.id",
    b"kong.node.memory_stats",
    b"kong.request.forwarded_host",
    b"kong.request.forwarded_port",
    b"kong.request.forwarded_scheme",
    b"kong.request.port",
    b"kong.response.source",
    b"kong.router.route",
    b"kong.router.service",
    b"kong.route_id",
    b"kong.route_name",
    b"kong.service.response.status",
    b"kong.service_id",
    b"kong.service_name",
    b"kong.version",
    b"kong.configuration",
];
/// nginx variables of Kong's configuration that a filter can change.
const NGX_SETTABLE: [&[u8]; 15] = [
    b"ngx.upstream_uri",
    b"ngx.upstream_host",
    b"ngx.upstream_scheme",
    b"ngx.upstream_connection",
    b"ngx.upstream_upgrade",
    b"ngx.upstream_te",
    b"ngx.upstream_via",
    b"ngx.upstream_keepalive",
    b"ngx.upstream_x_forwarded_for",
    b"ngx.upstream_x_forwarded_proto",
    b"ngx.upstream_x_forwarded_host",
    b"ngx.upstream_x_forwarded_port",
    b"ngx.upstream_x_forwarded_path",
    b"ngx.upstream_x_forwarded_prefix",
    b"ngx.limit_rate",
];

impl Properties {
    /// No properties.
    pub const fn new() -> Self {
        Self {
            values: Headers::new(),
            shim: false,
            upstreams: Vec::new(),
            target: None,
        }
    }

    /// With Silverback's shim: `kong.silverback.*` exists and its setters never refuse.
    pub fn with_shim() -> Self {
        Self {
            // Request, plan and an address.
            values: Headers::with_capacity(4, 512),
            shim: true,
            ..Self::default()
        }
    }

    /// Whether the shim is there.
    pub fn has_shim(&self) -> bool {
        self.shim
    }

    /// With an upstream that `kong.service.upstream` may name.
    pub fn upstream(mut self, name: impl Into<String>) -> Self {
        self.upstreams.push(name.into());
        self
    }

    /// The value of a property, by its own name or proxy-wasm's (`source.address` is
    /// `ngx.remote_addr`).
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = canonical(name.as_ref());
        self.values.named(name)
    }

    /// Sets a property on the embedder's side: nothing is refused.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.put(canonical(name.as_bytes()), value.as_ref());
    }

    /// Takes a property away.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = canonical(name.as_ref());
        self.values.retain(|n| n != name);
    }

    /// Takes all properties away. Upstreams and shim stay.
    pub fn clear(&mut self) {
        self.values.reset();
        self.target = None;
    }

    /// All properties, in the order of their first set.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.values.iter()
    }

    /// Host and port that the filter gave as `kong.service.target`.
    pub fn target(&self) -> Option<(&[u8], u16)> {
        self.target
            .as_ref()
            .map(|(host, port)| (host.as_slice(), *port))
    }

    /// A filter's set. `None` clears.
    pub(crate) fn set_by_filter(
        &mut self,
        name: &[u8],
        value: Option<&[u8]>,
        strict: bool,
    ) -> Result<(), PropertyError> {
        let name = canonical(name);
        if strict {
            self.check(name, value)?;
        }
        match value {
            Some(value) => self.put(name, value),
            None => self.values.retain(|n| n != name),
        }
        Ok(())
    }

    fn check(&mut self, name: &[u8], value: Option<&[u8]>) -> Result<(), PropertyError> {
        let text = || String::from_utf8_lossy(name).into_owned();
        let refused = |reason| {
            Err(PropertyError::Refused {
                name: text(),
                reason,
            })
        };
        if name.starts_with(b"kong.") {
            let value = value.unwrap_or_default();
            return match name {
                b"kong.service.target" => {
                    let Some((host, port)) = host_and_port(value) else {
                        return refused(
                            "not HOST:PORT (hint: IPv6 addresses keep their brackets, [::1]:8080)",
                        );
                    };
                    // The setter overwrites the Host that goes upstream (Kong facts 1.3).
                    self.put(b"ngx.upstream_host", host);
                    self.target = Some((host.to_vec(), port));
                    Ok(())
                }
                b"kong.service.upstream"
                    if self.upstreams.iter().any(|u| u.as_bytes() == value) =>
                {
                    Ok(())
                }
                b"kong.service.upstream" => refused("could not find an Upstream of that name"),
                b"kong.service.request.scheme" if matches!(value, b"http" | b"https") => Ok(()),
                b"kong.service.request.scheme" => refused("scheme must be http or https"),
                b"kong.response.status" => match std::str::from_utf8(value)
                    .ok()
                    .and_then(|v| v.parse::<u16>().ok())
                {
                    Some(100..=599) => Ok(()),
                    _ => refused("code must be a number between 100 and 599"),
                },
                _ if name.starts_with(CTX_SHARED) => Ok(()),
                _ if self.shim && name.starts_with(SHIM) => Ok(()),
                _ if KONG_READ_ONLY.contains(&name) => refused("it has no setter"),
                _ => refused("unknown host property"),
            };
        }
        if NGX_SETTABLE.contains(&name) {
            return Ok(());
        }
        match self.get(name) {
            Some(_) => Err(PropertyError::ReadOnly { name: text() }),
            None => Err(PropertyError::NotFound { name: text() }),
        }
    }

    fn put(&mut self, name: &[u8], value: &[u8]) {
        let at = self.values.place(name);
        match at {
            Some(at) => self.values.set_at(at, value),
            None => self.values.add(name, value),
        }
    }
}

/// Kong's `^(.*):([0-9]+)$`, and then its balancer: a port over 65535 is an error, a bare IPv6
/// address is no host (Kong facts 1.5).
fn host_and_port(target: &[u8]) -> Option<(&[u8], u16)> {
    let colon = target.iter().rposition(|&b| b == b':')?;
    let (host, port) = (&target[..colon], &target[colon + 1..]);
    if host.is_empty() || port.is_empty() || !port.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let bracketed = host.first() == Some(&b'[') && host.last() == Some(&b']');
    if host.contains(&b':') && !bracketed {
        return None;
    }
    Some((host, std::str::from_utf8(port).ok()?.parse().ok()?))
}

/// proxy-wasm's attribute names are nginx variables in ngx_wasm_module.
pub(crate) fn canonical(name: &[u8]) -> &[u8] {
    if name.starts_with(b"kong.") || name.starts_with(b"ngx.") {
        return name;
    }
    match name {
        b"request.path" => b"ngx.request_uri",
        b"request.url_path" => b"ngx.uri",
        b"request.host" => b"ngx.hostname",
        b"request.scheme" => b"ngx.scheme",
        b"request.method" => b"ngx.request_method",
        b"request.useragent" => b"ngx.http_user_agent",
        b"request.protocol" => b"ngx.server_protocol",
        b"request.query" => b"ngx.args",
        b"request.duration" => b"ngx.request_time",
        b"request.size" => b"ngx.content_length",
        b"request.total_size" => b"ngx.request_length",
        b"response.code" => b"ngx.status",
        b"response.size" => b"ngx.body_bytes_sent",
        b"response.total_size" => b"ngx.bytes_sent",
        b"destination.address" => b"ngx.proxy_protocol_addr",
        b"destination.port" => b"ngx.proxy_protocol_port",
        b"connection.requested_server_name" => b"ngx.ssl_server_name",
        b"connection.tls_version" => b"ngx.ssl_protocol",
        b"connection.subject_local_certificate" => b"ngx.ssl_client_s_dn",
        b"source.address" => b"ngx.remote_addr",
        b"source.port" => b"ngx.remote_port",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_host_and_a_port() {
        assert_eq!(host_and_port(b"10.0.0.1:80"), Some((&b"10.0.0.1"[..], 80)));
        assert_eq!(host_and_port(b"[::1]:8080"), Some((&b"[::1]"[..], 8080)));
        for wrong in [
            &b"10.0.0.1"[..],
            b"::1:8080",
            b"a:65536",
            b"a:",
            b":80",
            b"a:8x",
            b"",
        ] {
            assert_eq!(host_and_port(wrong), None, "{}", wrong.escape_ascii());
        }
    }
}
