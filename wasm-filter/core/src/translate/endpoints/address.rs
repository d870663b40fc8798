//! Addresses that no endpoint should have: they lead to the gateway itself, its node or its link.
//!
//! Kubernetes refuses them in EndpointSlices only as far as its own API server writes them, and a DNS
//! name can resolve to anything.

use core::net::IpAddr;

/// Loopback, link-local, unspecified, broadcast or multicast, also as IPv4 within IPv6.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            // "This network", of which 0.0.0.0 is one, reaches the host itself.
            ip.octets().first() == Some(&0)
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_broadcast()
                || ip.is_multicast()
        }
        IpAddr::V6(ip) => {
            ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_multicast()
                // IPv4-compatible and IPv4-translated addresses hide the same.
                || embedded(ip.segments()).is_some_and(|ip| is_local(IpAddr::V4(ip)))
        }
    }
}

/// The IPv4 address within `::a.b.c.d` and `64:ff9b::a.b.c.d`.
fn embedded(segments: [u16; 8]) -> Option<core::net::Ipv4Addr> {
    match segments {
        [0, 0, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let bits = u32::from(high) << 16 | u32::from(low);
            Some(core::net::Ipv4Addr::from(bits))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_addresses() {
        for (ip, local) in [
            ("127.0.0.1", true),
            ("127.255.0.9", true),
            ("169.254.169.254", true),
            ("0.0.0.0", true),
            ("0.1.2.3", true),
            ("224.0.0.1", true),
            ("255.255.255.255", true),
            ("::1", true),
            ("::", true),
            ("fe80::1", true),
            ("ff02::1", true),
            ("::ffff:127.0.0.1", true),
            ("::ffff:169.254.1.1", true),
            ("::127.0.0.1", true),
            ("64:ff9b::7f00:1", true),
            ("10.0.0.1", false),
            ("192.168.1.1", false),
            ("100.64.0.1", false),
            ("8.8.8.8", false),
            ("fd00::1", false),
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", false),
            ("64:ff9b::a00:1", false),
        ] {
            assert_eq!(is_local(ip.parse().unwrap()), local, "{ip}");
        }
    }
}
