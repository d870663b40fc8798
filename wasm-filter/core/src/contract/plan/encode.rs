//! A plan's bytes.

use core::net::{IpAddr, SocketAddr};

use super::{Deadlines, MAX_MIRRORS, Mirror, Plan, Protocol, Timeouts, VERSION, check, tag};
use crate::contract::wire::{WireError, check_line, put_prefixed};

// === impl Plan ===

impl Plan<'_> {
    /// Appends the plan to `out`; on an error `out` holds part of it and must be cleared.
    ///
    /// # Errors
    /// [`WireError::Count`] without endpoints or with too many of something,
    /// [`WireError::BadValue`] for CR, LF or NUL in a text, a header that a plan may not touch and
    /// a number out of its range, [`WireError::TooLong`] for a field above 65,535 bytes or a
    /// header's name above 255.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        check::endpoints(self.endpoints, "endpoints")?;
        check::tries(self.tries)?;
        out.push(VERSION);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.rule.to_le_bytes());

        put_head(
            out,
            tag::ENDPOINTS,
            endpoints_len(self.endpoints),
            "endpoints",
        )?;
        put_endpoints(out, self.endpoints);
        if self.timeouts != Timeouts::default() {
            check::timeouts(self.timeouts)?;
            put_head(out, tag::TIMEOUTS, 12, "timeouts")?;
            out.extend_from_slice(&self.timeouts.connect.to_le_bytes());
            out.extend_from_slice(&self.timeouts.send.to_le_bytes());
            out.extend_from_slice(&self.timeouts.read.to_le_bytes());
        }
        if self.tries != 1 {
            put_head(out, tag::TRIES, 1, "tries")?;
            out.push(self.tries);
        }
        if self.protocol != Protocol::Http {
            put_head(out, tag::PROTOCOL, 1, "protocol")?;
            out.push(self.protocol as u8);
        }
        if let Some(host) = self.host {
            put_text(out, tag::HOST, host, "host")?;
        }
        if let Some(uri) = self.uri {
            put_text(out, tag::URI, uri, "uri")?;
        }
        for name in self.remove_headers {
            check::require(!name.is_empty(), "remove_header")?;
            put_text(out, tag::REMOVE_HEADER, name, "remove_header")?;
        }
        if let Some(tls) = self.tls {
            check_line(tls.server_name, "tls")?;
            put_head(
                out,
                tag::TLS,
                tls.server_name.len().saturating_add(8),
                "tls",
            )?;
            out.extend_from_slice(&tls.policy.to_le_bytes());
            out.extend_from_slice(tls.server_name);
        }
        for (name, value) in self.set_headers {
            put_header(out, tag::SET_HEADER, name, value, "set_header")?;
        }
        for (name, value) in self.add_headers {
            put_header(out, tag::ADD_HEADER, name, value, "add_header")?;
        }
        if self.deadlines != Deadlines::default() {
            check::deadlines(self.deadlines)?;
            put_head(out, tag::DEADLINES, 8, "deadlines")?;
            out.extend_from_slice(&self.deadlines.request.to_le_bytes());
            out.extend_from_slice(&self.deadlines.attempt.to_le_bytes());
        }
        if let Some(retry) = self.retry {
            check::retry(retry.backoff, retry.codes)?;
            let len = retry.codes.len().saturating_mul(2).saturating_add(4);
            put_head(out, tag::RETRY, len, "retry")?;
            out.extend_from_slice(&retry.backoff.to_le_bytes());
            for code in retry.codes {
                out.extend_from_slice(&code.to_le_bytes());
            }
        }
        if self.mirrors.len() > MAX_MIRRORS {
            return Err(WireError::Count("mirror"));
        }
        for mirror in self.mirrors {
            put_mirror(out, mirror)?;
        }
        if self.plugin_set != 0 {
            put_head(out, tag::PLUGIN_SET, 8, "plugin_set")?;
            out.extend_from_slice(&self.plugin_set.to_le_bytes());
        }
        put_hint(out, tag::ROUTE_NAME, self.route_name, "route_name")?;
        put_hint(out, tag::SERVICE_NAME, self.service_name, "service_name")?;
        put_hint(out, tag::TAGS, self.tags, "tags")
    }
}

/// Tag and length.
fn put_head(out: &mut Vec<u8>, tag: u8, len: usize, field: &'static str) -> Result<(), WireError> {
    let len = u16::try_from(len).map_err(|_| WireError::TooLong(field))?;
    out.push(tag);
    out.extend_from_slice(&len.to_le_bytes());
    Ok(())
}

fn put_text(
    out: &mut Vec<u8>,
    tag: u8,
    value: &[u8],
    field: &'static str,
) -> Result<(), WireError> {
    check_line(value, field)?;
    out.push(tag);
    put_prefixed(out, value, field)
}

/// A text whose absence says the same as an empty one.
fn put_hint(
    out: &mut Vec<u8>,
    tag: u8,
    value: &[u8],
    field: &'static str,
) -> Result<(), WireError> {
    if value.is_empty() {
        return Ok(());
    }
    put_text(out, tag, value, field)
}

fn put_header(
    out: &mut Vec<u8>,
    tag: u8,
    name: &[u8],
    value: &[u8],
    field: &'static str,
) -> Result<(), WireError> {
    check::header(name, value, field)?;
    let name_len = u8::try_from(name.len()).map_err(|_| WireError::TooLong(field))?;
    let len = name.len().saturating_add(value.len()).saturating_add(1);
    put_head(out, tag, len, field)?;
    out.push(name_len);
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    Ok(())
}

fn put_mirror(out: &mut Vec<u8>, mirror: &Mirror<'_>) -> Result<(), WireError> {
    check::endpoints(mirror.endpoints, "mirror")?;
    let len = endpoints_len(mirror.endpoints).saturating_add(1);
    put_head(out, tag::MIRROR, len, "mirror")?;
    out.push(mirror.protocol as u8);
    put_endpoints(out, mirror.endpoints);
    Ok(())
}

fn endpoints_len(endpoints: &[SocketAddr]) -> usize {
    let len = |endpoint: &SocketAddr| if endpoint.is_ipv4() { 7 } else { 19 };
    endpoints.iter().map(len).sum()
}

fn put_endpoints(out: &mut Vec<u8>, endpoints: &[SocketAddr]) {
    for endpoint in endpoints {
        match endpoint.ip() {
            IpAddr::V4(ip) => {
                out.push(4);
                out.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                out.push(6);
                out.extend_from_slice(&ip.octets());
            }
        }
        out.extend_from_slice(&endpoint.port().to_le_bytes());
    }
}
