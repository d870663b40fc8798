//! How an upstream is spoken to: protocol, limits, tries, Host, server name.

use core::fmt::Write as _;
use core::net::{Ipv4Addr, SocketAddr};

use super::edits::HostEdit;
use super::host::HostName;
use crate::contract::plan::{Deadlines, Protocol, Timeouts};
use crate::table::endpoints::Settings;
use crate::table::model::{Forwarding, RouteKind, Timeouts as RuleTimeouts, UpstreamProtocol};
use crate::table::routes::RetryEntry;

/// Tries after the first: Kong's and KIC's default (kic-map 1.4).
const RETRIES: u8 = 5;

/// No limit, as far as nginx can say it.
const NO_LIMIT: u32 = i32::MAX as u32;

/// What is spoken with the endpoints of a Service that belongs to a rule of this kind.
#[must_use]
pub fn protocol(settings: &Settings<'_>, kind: RouteKind) -> Protocol {
    use UpstreamProtocol as Spoken;
    match settings.protocol {
        // "Implementations MAY infer the protocol from the Route type referring to the backend".
        Spoken::Http | Spoken::H2c if kind == RouteKind::GrpcRoute => Protocol::Grpc,
        Spoken::Https if kind == RouteKind::GrpcRoute => Protocol::Grpcs,
        Spoken::Http => Protocol::Http,
        Spoken::Https => Protocol::Https,
        Spoken::Grpc => Protocol::Grpc,
        Spoken::Grpcs => Protocol::Grpcs,
        Spoken::H2c => Protocol::H2c,
    }
}

/// Tries in all.
#[must_use]
pub fn tries(settings: &Settings<'_>, retry: Option<&RetryEntry<'_>>) -> u8 {
    let retries = match retry {
        Some(retry) => retry.attempts,
        None => settings.retries.unwrap_or(RETRIES),
    };
    retries.saturating_add(1)
}

/// Limits of a request and of each try.
#[must_use]
pub fn deadlines(rule: RuleTimeouts) -> Deadlines {
    let limit = |limit: Option<u32>| limit.unwrap_or_default().min(NO_LIMIT);
    Deadlines {
        request: limit(rule.request),
        attempt: limit(rule.backend_request),
    }
}

/// Limits of connecting, and between two writes or reads: the Service's, and no more than a try may
/// take. Where the Service says nothing, waiting ends when the rule says: the default must not cut
/// short what the rule allows ("implementations that cannot completely disable the timeout MUST
/// instead interpret the zero duration as the longest possible value").
#[must_use]
pub fn timeouts(settings: &Settings<'_>, rule: RuleTimeouts) -> Timeouts {
    let default = Timeouts::default();
    let no_limit = |limit: u32| if limit == 0 { NO_LIMIT } else { limit };
    let attempt = rule.backend_request.map(no_limit);
    let request = rule.request.map(no_limit);
    let within = |limit: u32| limit.min(attempt.unwrap_or(NO_LIMIT)).clamp(1, NO_LIMIT);
    let waiting = |given: Option<u32>, default: u32| {
        within(given.unwrap_or_else(|| match (attempt, request) {
            (Some(attempt), _) => attempt,
            (None, Some(request)) => request.max(default),
            (None, None) => default,
        }))
    };
    Timeouts {
        connect: within(settings.connect_timeout.unwrap_or(default.connect)),
        send: waiting(settings.write_timeout, default.send),
        read: waiting(settings.read_timeout, default.read),
    }
}

/// What may become the Host of a request to an upstream, first to last.
#[derive(Debug, Clone, Copy)]
pub struct HostSources<'a> {
    /// URLRewrite's hostname.
    pub rewrite: Option<&'a [u8]>,
    /// A header modifier's.
    pub edit: HostEdit<'a>,
    /// Is the client's preserved?
    pub forwarding: Forwarding,
    /// The Service's, or its external name.
    pub settings: &'a Settings<'a>,
    /// The first endpoint.
    pub endpoint: SocketAddr,
    /// What is spoken with it.
    pub protocol: Protocol,
}

/// The Host for the upstream; `None`: the client's.
#[must_use]
pub fn host<'a>(from: &HostSources<'a>, out: &'a mut String) -> Option<&'a [u8]> {
    match (from.rewrite, from.edit) {
        (Some(host), _) | (None, HostEdit::Set(host)) => return Some(host),
        (None, HostEdit::None) if from.forwarding.preserve_host => return None,
        (None, HostEdit::None | HostEdit::Remove) => {}
    }
    if let Some(host) = from.settings.host_header {
        return Some(host);
    }
    out.clear();
    let default = if from.protocol.is_tls() { 443 } else { 80 };
    // Writing to a string does not fail.
    let _ = match (from.settings.external, from.endpoint) {
        (Some((name, port)), _) if port == default => write!(out, "{name}"),
        (Some((name, port)), _) => write!(out, "{name}:{port}"),
        (None, SocketAddr::V4(v4)) if v4.port() == default => write!(out, "{}", v4.ip()),
        (None, SocketAddr::V6(v6)) if v6.port() == default => write!(out, "[{}]", v6.ip()),
        (None, endpoint) => write!(out, "{endpoint}"),
    };
    Some(out.as_bytes())
}

/// The TLS server name for a Host: without port; none for an address (RFC 6066 3).
#[must_use]
pub fn server_name(host: &[u8]) -> Option<HostName> {
    HostName::parse(host).filter(|name| {
        let text = name.as_str();
        !text.starts_with('[') && text.parse::<Ipv4Addr>().is_err()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u32 = NO_LIMIT;

    #[test]
    fn timeouts_are_the_service_s_within_the_rule_s() {
        type Row = (
            &'static str,
            [Option<u32>; 3],
            Option<u32>,
            Option<u32>,
            [u32; 3],
        );
        let rows: [Row; 10] = [
            ("default", [None; 3], None, None, [60_000; 3]),
            (
                "the Service's",
                [Some(1), Some(2), Some(3)],
                None,
                None,
                [1, 2, 3],
            ),
            (
                "a try bounds all",
                [Some(1), Some(9), None],
                None,
                Some(5),
                [1, 5, 5],
            ),
            (
                "a try longer than the default",
                [None; 3],
                None,
                Some(90_000),
                [60_000, 90_000, 90_000],
            ),
            (
                "a try without limit",
                [None; 3],
                None,
                Some(0),
                [60_000, MAX, MAX],
            ),
            (
                "a request longer than the default",
                [None; 3],
                Some(90_000),
                None,
                [60_000, 90_000, 90_000],
            ),
            (
                "a request shorter than the default",
                [None; 3],
                Some(10),
                None,
                [60_000; 3],
            ),
            (
                "a request without limit",
                [None; 3],
                Some(0),
                None,
                [60_000, MAX, MAX],
            ),
            (
                "the Service's holds without limit",
                [None, Some(7), Some(8)],
                Some(0),
                Some(0),
                [60_000, 7, 8],
            ),
            (
                "both",
                [None; 3],
                Some(90_000),
                Some(70_000),
                [60_000, 70_000, 70_000],
            ),
        ];
        for (name, [connect, write, read], request, backend_request, expected) in rows {
            let settings = Settings {
                connect_timeout: connect,
                write_timeout: write,
                read_timeout: read,
                ..Settings::default()
            };
            let rule = RuleTimeouts {
                request,
                backend_request,
            };
            let got = timeouts(&settings, rule);
            assert_eq!([got.connect, got.send, got.read], expected, "{name}");
        }
    }

    #[test]
    fn a_deadline_of_0_is_none() {
        let rule = |request, backend_request| RuleTimeouts {
            request,
            backend_request,
        };
        let of = |rule| {
            let Deadlines { request, attempt } = deadlines(rule);
            (request, attempt)
        };
        assert_eq!(of(rule(None, None)), (0, 0));
        assert_eq!(of(rule(Some(0), Some(0))), (0, 0));
        assert_eq!(of(rule(Some(5), Some(3))), (5, 3));
        assert_eq!(of(rule(Some(u32::MAX - 1), None)), (MAX, 0));
    }

    #[test]
    fn tries_are_the_rule_s_or_the_service_s() {
        let service = |retries| Settings {
            retries,
            ..Settings::default()
        };
        assert_eq!(tries(&service(None), None), 6);
        assert_eq!(tries(&service(Some(0)), None), 1);
        assert_eq!(tries(&service(Some(255)), None), 255);
    }

    #[test]
    fn the_server_name_is_a_name() {
        for (host, expected) in [
            ("a.example", Some("a.example")),
            ("A.example:8443", Some("a.example")),
            ("10.0.0.1:8443", None),
            ("[::1]:8443", None),
            ("a b", None),
            ("", Some("")),
        ] {
            let name = server_name(host.as_bytes());
            assert_eq!(name.as_ref().map(HostName::as_str), expected, "{host}");
        }
    }

    #[test]
    fn backends_of_a_grpc_route_speak_grpc() {
        use UpstreamProtocol as Up;
        for (speaks, kind, expected) in [
            (Up::Http, RouteKind::HttpRoute, Protocol::Http),
            (Up::Http, RouteKind::GrpcRoute, Protocol::Grpc),
            (Up::Https, RouteKind::Ingress, Protocol::Https),
            (Up::Https, RouteKind::GrpcRoute, Protocol::Grpcs),
            (Up::Grpc, RouteKind::Ingress, Protocol::Grpc),
            (Up::Grpcs, RouteKind::GrpcRoute, Protocol::Grpcs),
            (Up::H2c, RouteKind::HttpRoute, Protocol::H2c),
            (Up::H2c, RouteKind::GrpcRoute, Protocol::Grpc),
        ] {
            let settings = Settings {
                protocol: speaks,
                ..Settings::default()
            };
            assert_eq!(protocol(&settings, kind), expected, "{speaks:?} {kind:?}");
        }
    }
}
