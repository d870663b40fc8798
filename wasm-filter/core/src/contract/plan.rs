//! `kong.silverback.plan`: the filter's decision in one value.
//!
//! ```text
//! u8 version = 1 | u64 epoch | u64 rule | field*
//! field = u8 tag | u16 length | bytes
//! ```
//! Numbers are little-endian. A tag is given at most once (except [`tag::REMOVE_HEADER`]). A
//! reader that does not know a tag below 128 must refuse the plan: the filter asks for something
//! the reader cannot do. Tags from 128 on are hints that may be skipped. Field text never holds
//! CR, LF or NUL: encoder and decoder both refuse them, so that no value of a request can split a
//! header or a log line.
//!
//! One value costs half of what five properties cost (Kong shim facts 8).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::wire::{Reader, WireError, check_line, put_prefixed};

/// The version that this build writes and reads.
pub const VERSION: u8 = 1;

/// The longest list of endpoints in a plan. More would cost every request; a request that has
/// failed this often is not saved by one more try.
pub const MAX_ENDPOINTS: usize = 16;

/// Field tags.
pub mod tag {
    /// Ordered endpoints: the first is tried first, the list wraps round. Each is `u8 4 | 6`,
    /// address (4 or 16 bytes), `u16 port`. Mandatory.
    pub const ENDPOINTS: u8 = 1;
    /// `u32 connect | u32 send | u32 read` in milliseconds, for each try.
    pub const TIMEOUTS: u8 = 2;
    /// `u8`: tries in all, the first included, 1..=255.
    pub const TRIES: u8 = 3;
    /// `u8` upstream protocol, see [`super::Protocol`].
    pub const PROTOCOL: u8 = 4;
    /// Host header (gRPC: authority) for the upstream; absent = the client's.
    pub const HOST: u8 = 5;
    /// Path with query for the upstream; absent = the client's.
    pub const URI: u8 = 6;
    /// Name of one request header that the upstream must not see, lower case. May repeat.
    pub const REMOVE_HEADER: u8 = 7;
    /// TLS: `u64` policy id, then the server name.
    pub const TLS: u8 = 8;
    /// Tags from here on may be skipped by a reader that does not know them.
    pub const FIRST_HINT: u8 = 128;
    /// Name of the rule as a Kong route, for logs and metrics. May be skipped.
    pub const ROUTE_NAME: u8 = 128;
    /// Name of the backend as a Kong service, for logs and metrics. May be skipped.
    pub const SERVICE_NAME: u8 = 129;
}

/// What is spoken with the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Protocol {
    /// HTTP/1.1 without TLS.
    #[default]
    Http = 0,
    /// HTTP/1.1 (or what ALPN agrees on) with TLS.
    Https = 1,
    /// gRPC over HTTP/2 without TLS.
    Grpc = 2,
    /// gRPC over HTTP/2 with TLS.
    Grpcs = 3,
}

impl Protocol {
    /// The protocol of a wire byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Http),
            1 => Some(Self::Https),
            2 => Some(Self::Grpc),
            3 => Some(Self::Grpcs),
            _ => None,
        }
    }
}

/// Time limits of one try, in milliseconds, 1..=2^31-1 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection (TLS included) stands.
    pub connect: u32,
    /// Between two successful writes to the upstream.
    pub send: u32,
    /// Between two successful reads from the upstream.
    pub read: u32,
}

impl Default for Timeouts {
    /// Kong's and KIC's default: 60 s each (kic-map 1.4).
    fn default() -> Self {
        Self {
            connect: 60_000,
            send: 60_000,
            read: 60_000,
        }
    }
}

/// TLS towards the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamTls<'a> {
    /// Id of the policy (CA, client certificate, verification); 0 = none, no verification.
    pub policy: u64,
    /// Server name to send and to verify; empty = none.
    pub server_name: &'a [u8],
}

/// A decision to proxy. Borrowed from table and request, so that making one allocates nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<'a> {
    /// Epoch of the table that decided.
    pub epoch: u64,
    /// Stable id of the rule.
    pub rule: u64,
    /// Endpoints in the order of tries, 1..=[`MAX_ENDPOINTS`].
    pub endpoints: &'a [SocketAddr],
    /// Limits of each try.
    pub timeouts: Timeouts,
    /// Tries in all, at least 1.
    pub tries: u8,
    /// Protocol towards the upstream.
    pub protocol: Protocol,
    /// Host header for the upstream; `None` = the client's.
    pub host: Option<&'a [u8]>,
    /// Path with query for the upstream; `None` = the client's.
    pub uri: Option<&'a [u8]>,
    /// Request headers that the upstream must not see, lower case.
    pub remove_headers: &'a [&'a [u8]],
    /// TLS settings; only with a TLS protocol.
    pub tls: Option<UpstreamTls<'a>>,
    /// Kong-style route name.
    pub route_name: &'a [u8],
    /// Kong-style service name.
    pub service_name: &'a [u8],
}

/// A plan as a reader holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedPlan {
    /// See [`Plan::epoch`].
    pub epoch: u64,
    /// See [`Plan::rule`].
    pub rule: u64,
    /// See [`Plan::endpoints`].
    pub endpoints: Vec<SocketAddr>,
    /// See [`Plan::timeouts`].
    pub timeouts: Timeouts,
    /// See [`Plan::tries`].
    pub tries: u8,
    /// See [`Plan::protocol`].
    pub protocol: Protocol,
    /// See [`Plan::host`].
    pub host: Option<Vec<u8>>,
    /// See [`Plan::uri`].
    pub uri: Option<Vec<u8>>,
    /// See [`Plan::remove_headers`].
    pub remove_headers: Vec<Vec<u8>>,
    /// Policy id and server name, see [`Plan::tls`].
    pub tls: Option<(u64, Vec<u8>)>,
    /// See [`Plan::route_name`].
    pub route_name: Vec<u8>,
    /// See [`Plan::service_name`].
    pub service_name: Vec<u8>,
}

// === impl Plan ===

impl Plan<'_> {
    /// Appends the plan to `out`; on an error `out` holds part of it and must be cleared.
    ///
    /// # Errors
    /// [`WireError::Count`] without endpoints or with too many, [`WireError::BadValue`] for CR,
    /// LF or NUL in a text or a zero (port, tries, timeouts) where none is allowed, [`WireError::TooLong`] for a field
    /// above 65,535 bytes.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        if self.endpoints.is_empty() || self.endpoints.len() > MAX_ENDPOINTS {
            return Err(WireError::Count("endpoints"));
        }
        if self.endpoints.iter().any(|endpoint| endpoint.port() == 0) {
            return Err(WireError::BadValue("endpoints"));
        }
        out.push(VERSION);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.rule.to_le_bytes());

        out.push(tag::ENDPOINTS);
        let len: usize = self.endpoints.iter().map(endpoint_len).sum();
        // At most 16 x 19 bytes.
        out.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes());
        for endpoint in self.endpoints {
            put_endpoint(out, endpoint);
        }
        if self.timeouts != Timeouts::default() {
            check_timeouts(self.timeouts)?;
            out.push(tag::TIMEOUTS);
            out.extend_from_slice(&12u16.to_le_bytes());
            out.extend_from_slice(&self.timeouts.connect.to_le_bytes());
            out.extend_from_slice(&self.timeouts.send.to_le_bytes());
            out.extend_from_slice(&self.timeouts.read.to_le_bytes());
        }
        if self.tries == 0 {
            return Err(WireError::BadValue("tries"));
        }
        if self.tries != 1 {
            out.push(tag::TRIES);
            out.extend_from_slice(&1u16.to_le_bytes());
            out.push(self.tries);
        }
        if self.protocol != Protocol::Http {
            out.push(tag::PROTOCOL);
            out.extend_from_slice(&1u16.to_le_bytes());
            out.push(self.protocol as u8);
        }
        if let Some(host) = self.host {
            put_text(out, tag::HOST, host, "host")?;
        }
        if let Some(uri) = self.uri {
            put_text(out, tag::URI, uri, "uri")?;
        }
        for name in self.remove_headers {
            if name.is_empty() {
                return Err(WireError::BadValue("remove_header"));
            }
            put_text(out, tag::REMOVE_HEADER, name, "remove_header")?;
        }
        if let Some(tls) = self.tls {
            check_line(tls.server_name, "tls")?;
            let len = u16::try_from(tls.server_name.len().saturating_add(8))
                .map_err(|_| WireError::TooLong("tls"))?;
            out.push(tag::TLS);
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&tls.policy.to_le_bytes());
            out.extend_from_slice(tls.server_name);
        }
        if !self.route_name.is_empty() {
            put_text(out, tag::ROUTE_NAME, self.route_name, "route_name")?;
        }
        if !self.service_name.is_empty() {
            put_text(out, tag::SERVICE_NAME, self.service_name, "service_name")?;
        }
        Ok(())
    }
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

fn endpoint_len(endpoint: &SocketAddr) -> usize {
    if endpoint.is_ipv4() { 7 } else { 19 }
}

fn put_endpoint(out: &mut Vec<u8>, endpoint: &SocketAddr) {
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

fn check_timeouts(timeouts: Timeouts) -> Result<(), WireError> {
    // nginx keeps milliseconds in a signed 32-bit number.
    let ok = |ms: u32| ms > 0 && i32::try_from(ms).is_ok();
    if ok(timeouts.connect) && ok(timeouts.send) && ok(timeouts.read) {
        Ok(())
    } else {
        Err(WireError::BadValue("timeouts"))
    }
}

// === impl OwnedPlan ===

impl OwnedPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// Any [`WireError`]: the reader answers 500 and counts it, it never guesses.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8("version")?;
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        let mut plan = Self {
            epoch: reader.u64("epoch")?,
            rule: reader.u64("rule")?,
            endpoints: Vec::new(),
            timeouts: Timeouts::default(),
            tries: 1,
            protocol: Protocol::Http,
            host: None,
            uri: None,
            remove_headers: Vec::new(),
            tls: None,
            route_name: Vec::new(),
            service_name: Vec::new(),
        };
        let mut seen = [false; 256];
        while !reader.is_empty() {
            let tag = reader.u8("tag")?;
            let value = reader.prefixed("field")?;
            if let Some(seen) = seen.get_mut(usize::from(tag)) {
                if *seen && tag != tag::REMOVE_HEADER {
                    return Err(WireError::Count("field"));
                }
                *seen = true;
            }
            plan.field(tag, value)?;
        }
        if plan.endpoints.is_empty() {
            return Err(WireError::Count("endpoints"));
        }
        Ok(plan)
    }

    fn field(&mut self, tag: u8, value: &[u8]) -> Result<(), WireError> {
        let mut reader = Reader::new(value);
        match tag {
            tag::ENDPOINTS => {
                while !reader.is_empty() {
                    if self.endpoints.len() == MAX_ENDPOINTS {
                        return Err(WireError::Count("endpoints"));
                    }
                    self.endpoints.push(read_endpoint(&mut reader)?);
                }
            }
            tag::TIMEOUTS => {
                self.timeouts = Timeouts {
                    connect: reader.u32("timeouts")?,
                    send: reader.u32("timeouts")?,
                    read: reader.u32("timeouts")?,
                };
                check_timeouts(self.timeouts)?;
                end(&reader, "timeouts")?;
            }
            tag::TRIES => {
                self.tries = reader.u8("tries")?;
                if self.tries == 0 {
                    return Err(WireError::BadValue("tries"));
                }
                end(&reader, "tries")?;
            }
            tag::PROTOCOL => {
                self.protocol = Protocol::from_byte(reader.u8("protocol")?)
                    .ok_or(WireError::BadValue("protocol"))?;
                end(&reader, "protocol")?;
            }
            tag::HOST => self.host = Some(text(value, "host")?),
            tag::URI => self.uri = Some(text(value, "uri")?),
            tag::REMOVE_HEADER => {
                if value.is_empty() {
                    return Err(WireError::BadValue("remove_header"));
                }
                self.remove_headers.push(text(value, "remove_header")?);
            }
            tag::TLS => {
                let policy = reader.u64("tls")?;
                let name = value.get(8..).unwrap_or_default();
                self.tls = Some((policy, text(name, "tls")?));
            }
            tag::ROUTE_NAME => self.route_name = text(value, "route_name")?,
            tag::SERVICE_NAME => self.service_name = text(value, "service_name")?,
            hint if hint >= tag::FIRST_HINT => {}
            _ => return Err(WireError::UnknownField(tag)),
        }
        Ok(())
    }
}

fn text(value: &[u8], field: &'static str) -> Result<Vec<u8>, WireError> {
    check_line(value, field)?;
    Ok(value.to_vec())
}

fn end(reader: &Reader<'_>, field: &'static str) -> Result<(), WireError> {
    if reader.is_empty() {
        Ok(())
    } else {
        Err(WireError::BadValue(field))
    }
}

fn read_endpoint(reader: &mut Reader<'_>) -> Result<SocketAddr, WireError> {
    let ip = match reader.u8("endpoints")? {
        4 => IpAddr::V4(Ipv4Addr::from(reader.array::<4>("endpoints")?)),
        6 => IpAddr::V6(Ipv6Addr::from(reader.array::<16>("endpoints")?)),
        _ => return Err(WireError::BadValue("endpoints")),
    };
    let port = reader.u16("endpoints")?;
    if port == 0 {
        return Err(WireError::BadValue("endpoints"));
    }
    Ok(SocketAddr::new(ip, port))
}
