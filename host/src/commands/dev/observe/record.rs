//! What is kept of a request that is over: copied on the worker's thread, so it is short, bounded, and
//! without what may be secret.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use http::Version;
use silverback_core::contract::result::Outcome;

use crate::gateway::{AccessEvent, Answer};

/// Bytes of a host or path that are kept.
const LONGEST: usize = 1024;

/// A request that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::commands::dev) struct Record {
    pub(super) at: SystemTime,
    pub(super) client: IpAddr,
    pub(super) method: String,
    pub(super) host: String,
    /// With the names of query parameters, without their values.
    pub(super) path: String,
    pub(super) status: u16,
    pub(super) answer: Answer,
    pub(super) rule: u64,
    pub(super) epoch: u64,
    /// As Kong calls them.
    pub(super) route: String,
    pub(super) service: String,
    pub(super) endpoint: Option<SocketAddr>,
    pub(super) attempts: Vec<(SocketAddr, Outcome)>,
    pub(super) latency: Duration,
    pub(super) upstream: Option<Duration>,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) version: Version,
    pub(super) tls: bool,
    pub(super) port: u16,
    pub(super) worker: usize,
}

// === impl Record ===

impl Record {
    pub(super) fn of(event: &AccessEvent<'_>) -> Self {
        Self {
            at: SystemTime::now(),
            client: event.source,
            method: text(event.method),
            host: text(event.host),
            path: path(event.path),
            status: event.status,
            answer: event.answer,
            rule: event.rule,
            epoch: event.epoch,
            route: text(event.route),
            service: text(event.service),
            endpoint: event.endpoint,
            attempts: event.attempts.iter().collect(),
            latency: event.latency,
            upstream: event.upstream_latency,
            received: event.received,
            sent: event.sent,
            version: event.version,
            tls: event.tls,
            port: event.port,
            worker: event.worker,
        }
    }
}

fn text(bytes: &[u8]) -> String {
    let (kept, cut) = match bytes.get(..LONGEST) {
        Some(kept) if bytes.len() > LONGEST => (kept, true),
        _ => (bytes, false),
    };
    let text = String::from_utf8_lossy(kept);
    match cut {
        true => format!("{text}…"),
        false => text.into_owned(),
    }
}

/// The path; of its query the names only. A value is as likely as not a token, and so is a parameter
/// without a value.
fn path(target: &[u8]) -> String {
    let end = target.iter().position(|byte| *byte == b'?');
    let Some((path, query)) = end.and_then(|end| target.split_at_checked(end)) else {
        return text(target);
    };
    let mut kept = Cow::Borrowed(path);
    for (parameter, n) in query
        .get(1..)
        .unwrap_or_default()
        .split(|b| *b == b'&')
        .zip(0..)
    {
        if kept.len() > LONGEST {
            break;
        }
        kept.to_mut().push(if n == 0 { b'?' } else { b'&' });
        if let Some(equals) = parameter.iter().position(|byte| *byte == b'=') {
            let name = parameter.get(..=equals).unwrap_or_default();
            kept.to_mut().extend_from_slice(name);
        }
        kept.to_mut().push(b'*');
    }
    text(&kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_query_are_not_kept() {
        for (target, kept) in [
            ("/a", "/a"),
            ("/a?", "/a?*"),
            ("/a?b=secret&c=&secret&d=e=f", "/a?b=*&c=*&*&d=*"),
            ("/a?b=?&x", "/a?b=*&*"),
        ] {
            assert_eq!(path(target.as_bytes()), kept);
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = "/".repeat(LONGEST);
        assert_eq!(path(long.as_bytes()), long);
        let cut = format!("{long}…");
        assert_eq!(path(format!("{long}x").as_bytes()), cut);
        let many = format!("/?{}", "a=1&".repeat(100_000));
        assert!(path(many.as_bytes()).len() < LONGEST + 10);
        assert_eq!(text(b"a\xffb"), "a\u{fffd}b");
    }
}
