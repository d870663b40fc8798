//! Certificates for the gateway, and requests over TLS.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use silverback::gateway::{Certificates, HostPattern, KeyPair};

use crate::client::{Client, Reply};
pub(crate) use crate::shared_certs::{Authority, Offer, connect, leaf};

/// Certificates by host.
pub(crate) fn certificates<'a>(
    pairs: impl IntoIterator<Item = (&'a str, KeyPair)>,
) -> Certificates {
    let mut by_host: BTreeMap<HostPattern, Vec<KeyPair>> = BTreeMap::new();
    for (host, pair) in pairs {
        by_host
            .entry(HostPattern::parse(host))
            .or_default()
            .push(pair);
    }
    Certificates {
        by_host,
        ..Certificates::default()
    }
}

impl Offer {
    /// One request over a connection of its own.
    pub(crate) fn send(&self, addr: SocketAddr, request: &str) -> Option<Reply> {
        let mut client = Client::over(self.connect(addr).ok()?);
        client.write(request.as_bytes());
        client.try_read_reply(false)
    }
}
