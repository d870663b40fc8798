//! The contract's messages for data planes without the shim: they try one endpoint, and run no plugins.

use core::net::SocketAddr;

use silverback_core::contract::WireError;
use silverback_core::contract::plan::{Protocol, fields, tag};
use silverback_core::contract::request::RequestInfo;

/// The message of a request; `None` if a text is longer than it can say.
#[inline(never)]
pub(crate) fn message(info: &RequestInfo<'_>) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    info.encode(&mut message).ok()?;
    Some(message)
}

/// What such a data plane can do of a plan; the rest is left out or refused (docs/contract.md).
#[derive(Debug)]
pub(crate) struct Orders<'p> {
    /// The first of the plan.
    pub(crate) endpoint: SocketAddr,
    pub(crate) protocol: Protocol,
    /// Id of the TLS policy and the server's name.
    pub(crate) tls: Option<(u64, &'p [u8])>,
    /// Milliseconds, 0 = none.
    pub(crate) deadline: u32,
    pub(crate) host: Option<&'p [u8]>,
    pub(crate) uri: Option<&'p [u8]>,
    /// In the order of the contract: removals, sets, additions.
    pub(crate) edits: [Vec<(&'p str, &'p [u8])>; 3],
}

impl<'p> Orders<'p> {
    /// # Errors
    /// [`WireError`]: it is no plan, or asks for something that no data plane without the shim can do.
    pub(crate) fn read(plan: &'p [u8]) -> Result<Self, WireError> {
        let (all, _, _) = fields::Fields::of(plan)?;
        let mut endpoint = None;
        let mut orders = Self {
            endpoint: SocketAddr::from(([0; 4], 0)),
            protocol: Protocol::Http,
            tls: None,
            deadline: 0,
            host: None,
            uri: None,
            edits: Default::default(),
        };
        let [removals, sets, additions] = &mut orders.edits;
        for field in all {
            let (tag, value) = field?;
            match tag {
                tag::ENDPOINTS => endpoint = Some(fields::first_endpoint(value)?),
                tag::PROTOCOL => {
                    let byte = value.first().copied().unwrap_or(u8::MAX);
                    let protocol = Protocol::from_byte(byte);
                    orders.protocol = protocol.ok_or(WireError::BadValue("protocol"))?;
                }
                tag::TLS => {
                    let (policy, name) = value
                        .split_first_chunk()
                        .ok_or(WireError::BadValue("tls"))?;
                    orders.tls = Some((u64::from_le_bytes(*policy), name));
                }
                tag::HOST => orders.host = Some(value),
                tag::URI => orders.uri = Some(value),
                tag::REMOVE_HEADER => removals.push((text(value)?, &[])),
                tag::SET_HEADER => sets.push(header(value)?),
                tag::ADD_HEADER => additions.push(header(value)?),
                tag::DEADLINES => orders.deadline = deadline(value),
                // The data plane's own configuration says these (docs/contract.md).
                tag::TIMEOUTS | tag::TRIES | tag::RETRY | tag::MIRROR => {}
                hint if hint >= tag::FIRST_HINT => {}
                // Plugins, and what this build does not know.
                tag => return Err(WireError::UnknownField(tag)),
            }
        }
        orders.endpoint = endpoint.ok_or(WireError::Count("endpoints"))?;
        Ok(orders)
    }

    /// The endpoint as text, an IPv6 address in brackets.
    #[inline(never)]
    pub(crate) fn address(&self) -> String {
        self.endpoint.to_string()
    }
}

fn header(value: &[u8]) -> Result<(&str, &[u8]), WireError> {
    let (name, value) = fields::header(value)?;
    Ok((text(name)?, value))
}

fn text(name: &[u8]) -> Result<&str, WireError> {
    core::str::from_utf8(name).map_err(|_| WireError::BadValue("header"))
}

/// The shorter of the limits of the request and of its only try.
fn deadline(value: &[u8]) -> u32 {
    let (limits, _) = value.as_chunks::<4>();
    let limits = limits.iter().map(|limit| u32::from_le_bytes(*limit));
    limits.filter(|limit| *limit > 0).min().unwrap_or_default()
}
