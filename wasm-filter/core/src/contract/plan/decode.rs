//! A plan of bytes.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    Deadlines, MAX_ENDPOINTS, MAX_MIRRORS, OwnedMirror, OwnedPlan, OwnedRetryOn, Protocol,
    Timeouts, check, fields::Fields, tag,
};
use crate::contract::wire::{Reader, WireError, check_line};

/// The tags that a plan had so far.
#[derive(Default)]
struct Seen([u128; 2]);

// === impl Seen ===

impl Seen {
    /// Whether the tag was there before; it is from now on.
    fn again(&mut self, tag: u8) -> bool {
        let Self([known, hints]) = self;
        let (half, tag) = match tag.checked_sub(tag::FIRST_HINT) {
            None => (known, tag),
            Some(tag) => (hints, tag),
        };
        let bit = 1_u128.wrapping_shl(tag.into());
        let before = *half & bit != 0;
        *half |= bit;
        before
    }
}

// === impl OwnedPlan ===

impl Default for OwnedPlan {
    /// A plan without endpoints, for [`OwnedPlan::read`].
    fn default() -> Self {
        Self {
            epoch: 0,
            rule: 0,
            endpoints: Vec::new(),
            timeouts: Timeouts::default(),
            deadlines: Deadlines::default(),
            tries: 1,
            retry: None,
            protocol: Protocol::Http,
            host: None,
            uri: None,
            remove_headers: Vec::new(),
            set_headers: Vec::new(),
            add_headers: Vec::new(),
            tls: None,
            mirrors: Vec::new(),
            plugin_set: 0,
            route_name: Vec::new(),
            service_name: Vec::new(),
            tags: Vec::new(),
        }
    }
}

impl OwnedPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// Any [`WireError`]: the reader answers 500 and counts it, it never guesses.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut plan = Self::default();
        plan.read(bytes)?;
        Ok(plan)
    }

    /// Reads a plan in place of this one, and uses the memory of what every plan has again:
    /// endpoints and names.
    ///
    /// # Errors
    /// As [`Self::decode`]; then this is no plan.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let (fields, epoch, rule) = Fields::of(bytes)?;
        self.clear();
        (self.epoch, self.rule) = (epoch, rule);
        let mut seen = Seen::default();
        for field in fields {
            let (tag, value) = field?;
            if seen.again(tag) && !tag::repeats(tag) {
                return Err(WireError::Count("field"));
            }
            self.field(tag, value)?;
        }
        if self.endpoints.is_empty() {
            return Err(WireError::Count("endpoints"));
        }
        Ok(())
    }

    /// Makes it [`Self::default`], with the memory of endpoints and names.
    pub fn clear(&mut self) {
        let mut endpoints = core::mem::take(&mut self.endpoints);
        let mut route_name = core::mem::take(&mut self.route_name);
        let mut service_name = core::mem::take(&mut self.service_name);
        endpoints.clear();
        route_name.clear();
        service_name.clear();
        *self = Self {
            endpoints,
            route_name,
            service_name,
            ..Self::default()
        };
    }

    fn field(&mut self, tag: u8, value: &[u8]) -> Result<(), WireError> {
        let mut reader = Reader::new(value);
        match tag {
            tag::ENDPOINTS => read_endpoints(&mut reader, &mut self.endpoints, "endpoints")?,
            tag::TIMEOUTS => {
                self.timeouts = Timeouts {
                    connect: reader.u32("timeouts")?,
                    send: reader.u32("timeouts")?,
                    read: reader.u32("timeouts")?,
                };
                check::timeouts(self.timeouts)?;
                end(&reader, "timeouts")?;
            }
            tag::TRIES => {
                self.tries = reader.u8("tries")?;
                check::tries(self.tries)?;
                end(&reader, "tries")?;
            }
            tag::PROTOCOL => {
                self.protocol = read_protocol(&mut reader, "protocol")?;
                end(&reader, "protocol")?;
            }
            tag::HOST => self.host = Some(text(value, "host")?),
            tag::URI => self.uri = Some(text(value, "uri")?),
            tag::REMOVE_HEADER => {
                check::require(!value.is_empty(), "remove_header")?;
                self.remove_headers.push(text(value, "remove_header")?);
            }
            tag::TLS => {
                let policy = reader.u64("tls")?;
                self.tls = Some((policy, text(reader.rest(), "tls")?));
            }
            tag::SET_HEADER => {
                let (name, value) = read_header(&mut reader, "set_header")?;
                self.set_headers.push((name.to_vec(), value.to_vec()));
            }
            tag::ADD_HEADER => {
                let (name, value) = read_header(&mut reader, "add_header")?;
                self.add_headers.push((name.to_vec(), value.to_vec()));
            }
            tag::DEADLINES => {
                self.deadlines = Deadlines {
                    request: reader.u32("deadlines")?,
                    attempt: reader.u32("deadlines")?,
                };
                check::deadlines(self.deadlines)?;
                end(&reader, "deadlines")?;
            }
            tag::RETRY => self.retry = Some(read_retry(&mut reader)?),
            tag::MIRROR => {
                if self.mirrors.len() == MAX_MIRRORS {
                    return Err(WireError::Count("mirror"));
                }
                let protocol = read_protocol(&mut reader, "mirror")?;
                let mut endpoints = Vec::new();
                read_endpoints(&mut reader, &mut endpoints, "mirror")?;
                self.mirrors.push(OwnedMirror {
                    protocol,
                    endpoints,
                });
            }
            tag::PLUGIN_SET => {
                self.plugin_set = reader.u64("plugin_set")?;
                check::require(self.plugin_set != 0, "plugin_set")?;
                end(&reader, "plugin_set")?;
            }
            tag::ROUTE_NAME => {
                check_line(value, "route_name")?;
                self.route_name.extend_from_slice(value);
            }
            tag::SERVICE_NAME => {
                check_line(value, "service_name")?;
                self.service_name.extend_from_slice(value);
            }
            tag::TAGS => self.tags = text(value, "tags")?,
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
    check::require(reader.is_empty(), field)
}

fn read_protocol(reader: &mut Reader<'_>, field: &'static str) -> Result<Protocol, WireError> {
    Protocol::from_byte(reader.u8(field)?).ok_or(WireError::BadValue(field))
}

pub(super) fn read_header<'p>(
    reader: &mut Reader<'p>,
    field: &'static str,
) -> Result<(&'p [u8], &'p [u8]), WireError> {
    let len = reader.u8(field)?;
    let name = reader.bytes(usize::from(len), field)?;
    let value = reader.rest();
    check::header(name, value, field)?;
    Ok((name, value))
}

fn read_retry(reader: &mut Reader<'_>) -> Result<OwnedRetryOn, WireError> {
    let backoff = reader.u32("retry")?;
    let mut codes = Vec::new();
    while !reader.is_empty() {
        codes.push(reader.u16("retry")?);
    }
    check::retry(backoff, &codes)?;
    Ok(OwnedRetryOn { backoff, codes })
}

/// All that is left, at least one, into an empty list.
fn read_endpoints(
    reader: &mut Reader<'_>,
    endpoints: &mut Vec<SocketAddr>,
    field: &'static str,
) -> Result<(), WireError> {
    // Of IPv4, the most that there can be.
    let most = (reader.rest().len() / 7).min(MAX_ENDPOINTS);
    endpoints.reserve(most);
    while !reader.is_empty() {
        if endpoints.len() == MAX_ENDPOINTS {
            return Err(WireError::Count(field));
        }
        endpoints.push(read_endpoint(reader, field)?);
    }
    check::endpoints(endpoints, field)
}

pub(super) fn read_endpoint(
    reader: &mut Reader<'_>,
    field: &'static str,
) -> Result<SocketAddr, WireError> {
    let ip = match reader.u8(field)? {
        4 => IpAddr::V4(Ipv4Addr::from(reader.array::<4>(field)?)),
        6 => IpAddr::V6(Ipv6Addr::from(reader.array::<16>(field)?)),
        _ => return Err(WireError::BadValue(field)),
    };
    Ok(SocketAddr::new(ip, reader.u16(field)?))
}
