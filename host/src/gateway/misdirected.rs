//! Requests that came over a connection made for another host.
//!
//! A browser reuses a connection for every host that its certificate covers. If those hosts belong
//! to several listeners, the request is asked for again over a connection of its own, so that
//! what the other listener demands (its certificate, its client certificates) is not bypassed.

use silverback_core::route::host::HostName;

use super::host_pattern::{self, HostPattern};

/// Whether a request is to be answered with 421.
///
/// The Gateway API (`GatewayHTTPSListenerDetectMisdirectedRequests`), about a Host that the listener
/// chosen by SNI does not serve best: "If another Listener has an exact match or more specific
/// wildcard entry, the Gateway SHOULD return a 421"; "if no other Listener matches the Host, the
/// Gateway MUST return a 404", which is the filter's to do.
///
/// `listeners` are the hostnames of the port's listeners; without any nothing is misdirected. A
/// client that names no host in its handshake has chosen the listener for every host, or none of
/// them: a port that serves Ingress too has a certificate for such clients.
pub(super) fn misdirected(listeners: &[HostPattern], sni: Option<&str>, host: &[u8]) -> bool {
    if listeners.is_empty() {
        return false;
    }
    let Some(host) = HostName::parse(host) else {
        // A bad request, which is the filter's to say.
        return false;
    };
    let chosen = host_pattern::best(listeners, sni.unwrap_or_default());
    let wanted = host_pattern::best(listeners, host.as_str());
    wanted.is_some() && wanted != chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_another_listener_is_misdirected() {
        let all = ["a.example", "b.example", "*.example", "*.shop.example", "*"];
        let named = &all[..4];
        let cases: &[(&[&str], Option<&str>, &str, bool)] = &[
            // The same listener, whatever the spelling.
            (&all, Some("a.example"), "a.example", false),
            (&all, Some("a.example"), "A.Example.:8443", false),
            (&all, Some("x.example"), "y.example", false),
            // Another one that is exact, more specific, or less specific.
            (&all, Some("a.example"), "b.example", true),
            (&all, Some("x.example"), "a.example", true),
            (&all, Some("x.example"), "x.shop.example", true),
            (&all, Some("a.example"), "x.example", true),
            (&all, Some("a.example"), "elsewhere", true),
            // No host at all: a bad request.
            (&all, Some("a.example"), "b.example:99999", false),
            (&all, Some("a.example"), "b..example", false),
            // None: not found.
            (named, Some("a.example"), "elsewhere", false),
            (named, Some("a.example"), "\u{fc}.elsewhere", false),
            // No SNI, or one that nobody has, is the listener for every host.
            (&all, None, "elsewhere", false),
            (&all, None, "a.example", true),
            (&all, Some("elsewhere"), "also.elsewhere", false),
            (&all, Some("elsewhere"), "[::1]:443", false),
            // A client that has chosen none of them.
            (named, None, "a.example", true),
            (&["a.example"], Some("b.example"), "a.example", true),
            (&["a.example"], None, "a.example", true),
            (&["a.example"], None, "b.example", false),
            // One listener, or no listeners: there is no other.
            (&["a.example"], Some("a.example"), "b.example", false),
            (&[], Some("a.example"), "b.example", false),
        ];
        for (listeners, sni, host, expected) in cases {
            let listeners: Vec<_> = listeners
                .iter()
                .map(|text| HostPattern::parse(text))
                .collect();
            let found = misdirected(&listeners, *sni, host.as_bytes());
            assert_eq!(found, *expected, "SNI {sni:?}, Host {host}, {listeners:?}");
        }
    }
}
