//! The contract in Envoy, where there is no shim: the request is read from headers and properties, and
//! plans become headers of an ORIGINAL_DST cluster (docs/contract.md, "Envoy").
//!
//! What Envoy cannot do the same way fails closed, or is listed there.

use silverback_core::contract::plan::Protocol;
use silverback_core::contract::request::RequestInfo;
use silverback_core::contract::result::{Outcome, PlanResult, Try};

use crate::orders::{Orders, message};

/// Where the ORIGINAL_DST cluster connects to.
pub const DESTINATION: &str = "x-envoy-original-dst-host";
/// `h2` for upstreams that speak HTTP/2 without TLS: Envoy's routes choose the cluster by it.
pub const PROTOCOL: &str = "x-silverback-protocol";
/// Envoy's limit for the whole response, milliseconds.
const TIMEOUT: &str = "x-envoy-upstream-rq-timeout-ms";

/// What is asked of Envoy.
pub trait Calls {
    /// A property by its two names.
    fn property(&self, path: [&str; 2]) -> Option<Vec<u8>>;
    /// The first value of a request header.
    fn header(&self, name: &str) -> Option<Vec<u8>>;
    /// Removes all request headers of the name. False: not done.
    fn remove_header(&self, name: &str) -> bool;
    /// Adds a request header. False: not done.
    fn add_header(&self, name: &str, value: &[u8]) -> bool;
    /// Replaces a pseudo-header of the request. False: not done.
    fn replace_header(&self, name: &str, value: &[u8]) -> bool;
    /// Answers 500.
    fn refuse(&self);
}

/// The request as a message of the contract.
pub fn request(calls: &impl Calls) -> Option<Vec<u8>> {
    let (host, path) = (calls.header(":authority"), calls.header(":path")?);
    let (host, method) = (host.unwrap_or_default(), calls.header(":method")?);
    let tls = calls.property(["connection", "tls_version"]);
    let tls = tls.is_some_and(|version| !version.is_empty());
    let sni = match tls {
        true => calls.property(["connection", "requested_server_name"]),
        false => None,
    };
    let port = number(calls.property(["destination", "port"])?)?;
    // With the port, in brackets if that is IPv6.
    let source = calls.property(["source", "address"]).unwrap_or_default();
    let colon = source.iter().rposition(|byte| *byte == b':');
    let address = source.get(..colon?).unwrap_or_default();
    let bare = address.strip_prefix(b"[").unwrap_or(address);
    let info = RequestInfo {
        tls,
        port: u16::try_from(port).ok()?,
        host: &host,
        path: &path,
        method: &method,
        sni: sni.as_deref().unwrap_or_default(),
        source: bare.strip_suffix(b"]").unwrap_or(bare),
    };
    message(&info)
}

/// Carries a plan out; false if that cannot be, and the request is answered.
pub fn carry_out(plan: &[u8], calls: &impl Calls) -> bool {
    let done = Orders::read(plan).is_ok_and(|orders| orders.in_envoy(calls));
    if !done {
        calls.refuse();
    }
    done
}

/// What became of the request, as a message of the contract: there was one try.
pub fn result(calls: &impl Calls) -> Option<Vec<u8>> {
    /// Envoy's flags of a response: no healthy upstream, reset by it, no connection, connection lost,
    /// overflow.
    const FAILED: i64 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7;
    const TIMED_OUT: i64 = 1 << 2;
    /// The client went away.
    const GONE: i64 = 1 << 14;
    let flags = calls.property(["response", "flags"]).and_then(number);
    let flags = flags.unwrap_or_default();
    let status = number(calls.property(["response", "code"])?)?;
    let outcome = match flags {
        flags if flags & TIMED_OUT != 0 => Outcome::TimedOut,
        flags if flags & FAILED != 0 => Outcome::Failed,
        _ => Outcome::Answered,
    };
    let result = PlanResult {
        status: match flags & GONE {
            0 => u16::try_from(status).ok()?,
            _ => 499,
        },
        tries: vec![Try {
            endpoint: 0,
            outcome,
        }],
    };
    let mut message = Vec::new();
    result.encode(&mut message).ok()?;
    Some(message)
}

/// A number as Envoy gives properties.
fn number(bytes: Vec<u8>) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_le_bytes)
}

// === impl Orders ===

impl Orders<'_> {
    /// False if Envoy did not do all of it: a client's own destination may be left.
    fn in_envoy(&self, calls: &impl Calls) -> bool {
        let h2 = match (self.protocol, self.tls) {
            (Protocol::Http, None) => false,
            (Protocol::H2c | Protocol::Grpc, None) => true,
            // The cluster knows nothing of the TLS policy.
            _ => return false,
        };
        let [removals, sets, additions] = &self.edits;
        let mut done = true;
        for (name, _) in removals.iter().chain(sets) {
            done &= calls.remove_header(name);
        }
        for (name, value) in sets.iter().chain(additions) {
            done &= calls.add_header(name, value);
        }
        // After the rule's: neither a rule nor a client chooses these.
        done &= calls.remove_header(DESTINATION) & calls.remove_header(PROTOCOL);
        done &= calls.add_header(DESTINATION, self.address().as_bytes());
        if h2 {
            done &= calls.add_header(PROTOCOL, b"h2");
        }
        if self.deadline > 0 {
            done &= calls.remove_header(TIMEOUT);
            done &= calls.add_header(TIMEOUT, self.deadline.to_string().as_bytes());
        }
        if let Some(host) = self.host {
            done &= calls.replace_header(":authority", host);
        }
        if let Some(uri) = self.uri {
            done &= calls.replace_header(":path", uri);
        }
        done
    }
}
