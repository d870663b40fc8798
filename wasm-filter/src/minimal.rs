//! The contract in a stock Kong, without the shim, for trying out: the request is read from nginx's
//! variables, and plans become Kong's own properties (docs/contract.md, "Stock Kong").
//!
//! A property that Kong refuses is a trap, with which the worker loses its instance and the requests in
//! it: what is set is judged before. What Kong does not do the same way fails closed, or is listed there.

use silverback_core::contract::plan::Protocol;
use silverback_core::contract::request::RequestInfo;

use crate::orders::{Orders, message};
use crate::proxy::NotAnswered;

/// Where Kong connects to at every try but the first; its setter overwrites [`HOST`].
pub const TARGET: &str = "kong.service.target";
/// `http` or `https`.
pub const SCHEME: &str = "kong.service.request.scheme";
/// Path and query for the upstream.
pub const URI: &str = "ngx.upstream_uri";
/// Host header for the upstream, and the server's name in TLS.
pub const HOST: &str = "ngx.upstream_host";

/// What is asked of Kong.
pub trait Calls {
    /// A property; `None` if it is not there.
    fn property(&self, name: &str) -> Option<Vec<u8>>;
    /// Sets a property.
    ///
    /// # Errors
    /// [`NotAnswered`]: it is not set.
    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), NotAnswered>;
    /// The first value of a request header.
    ///
    /// # Errors
    /// [`NotAnswered`]: nobody knows whether there is one.
    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, NotAnswered>;
    /// Replaces the first line of a request header, or adds one if there is none.
    ///
    /// # Errors
    /// [`NotAnswered`]: it is not done.
    fn set_header(&self, name: &str, value: &[u8]) -> Result<(), NotAnswered>;
    /// Adds a line of a request header.
    ///
    /// # Errors
    /// [`NotAnswered`]: it is not done.
    fn add_header(&self, name: &str, value: &[u8]) -> Result<(), NotAnswered>;
    /// Answers 500.
    fn refuse(&self);
}

/// The request as a message of the contract.
pub fn request(calls: &impl Calls) -> Option<Vec<u8>> {
    // Not `:authority`, which is nginx's own name, and not `:path`, which is decoded.
    let host = calls.header("host").ok()?.unwrap_or_default();
    let path = calls.property("ngx.request_uri")?;
    let method = calls.property("ngx.request_method")?;
    let tls = calls.property("ngx.scheme")? == b"https";
    let sni = match tls {
        true => calls.property("ngx.ssl_server_name"),
        false => None,
    };
    let port = calls.property("ngx.server_port")?;
    let source = calls.property("ngx.remote_addr").unwrap_or_default();
    let info = RequestInfo {
        tls,
        port: core::str::from_utf8(&port).ok()?.parse().ok()?,
        host: &host,
        path: &path,
        method: &method,
        sni: sni.as_deref().unwrap_or_default(),
        // "unix:" is no address.
        source: if source.starts_with(b"unix:") {
            b""
        } else {
            &source
        },
    };
    message(&info)
}

/// Carries a plan out; false if that cannot be, and the request is answered.
pub fn carry_out(plan: &[u8], calls: &impl Calls) -> bool {
    let done = Orders::read(plan).is_ok_and(|orders| orders.in_kong(calls).is_ok());
    if !done {
        calls.refuse();
    }
    done
}

// === impl Orders ===

impl Orders<'_> {
    fn in_kong(&self, calls: &impl Calls) -> Result<(), NotAnswered> {
        let client;
        let host = match self.host {
            Some(host) => host,
            None => {
                client = calls.header("host")?.unwrap_or_default();
                &client
            }
        };
        let scheme = match (self.protocol, self.tls) {
            (Protocol::Http, None) => "http",
            (Protocol::Https, None) => "https",
            (Protocol::Https, Some((0, name))) if is_name_of(name, host) => "https",
            // Policies are the shim's. Which module of nginx proxies, the one for gRPC or the other, has
            // been decided, and neither speaks HTTP/2 else.
            _ => return Err(NotAnswered),
        };
        let uri = self.uri.unwrap_or(b"/");
        must(uri.starts_with(b"/") && is_text(uri) && is_text(host))?;
        self.edit_headers(calls)?;
        // Always: which scheme the service has does not matter then.
        calls.set_property(SCHEME, scheme.as_bytes())?;
        if let Some(uri) = self.uri {
            calls.set_property(URI, uri)?;
        }
        calls.set_property(TARGET, self.address().as_bytes())?;
        calls.set_property(HOST, host)
    }

    /// ngx_wasm_module changes one line of a header and removes none (Kong facts 2, shim facts 4): what
    /// would leave other lines than the contract says is refused.
    fn edit_headers(&self, calls: &impl Calls) -> Result<(), NotAnswered> {
        let [removals, sets, additions] = &self.edits;
        for (name, _) in removals {
            must(calls.header(name)?.is_none())?;
        }
        for (name, value) in sets {
            // nginx's variable has all lines.
            let mut variable = String::from("ngx.http_");
            variable.extend(name.chars().map(|c| if c == '-' { '_' } else { c }));
            must(calls.header(name)? == calls.property(&variable))?;
            // An empty one is not added.
            must(!value.is_empty())?;
            calls.set_header(name, value)?;
            must(calls.header(name)?.as_deref() == Some(value))?;
        }
        for (name, value) in additions {
            must(!value.is_empty())?;
            let before = calls.header(name)?;
            calls.add_header(name, value)?;
            // Of those that nginx itself knows there is one line, and adding replaces it.
            must(calls.header(name)?.as_deref() == Some(before.as_deref().unwrap_or(value)))?;
        }
        Ok(())
    }
}

fn must(holds: bool) -> Result<(), NotAnswered> {
    if holds { Ok(()) } else { Err(NotAnswered) }
}

/// Kong's configuration takes the name for TLS from the host: does it find this one?
fn is_name_of(name: &[u8], host: &[u8]) -> bool {
    match host.split_at_checked(name.len()) {
        Some((start, rest)) => {
            name.is_empty()
                || start.eq_ignore_ascii_case(name) && matches!(rest.first(), None | Some(b':'))
        }
        None => false,
    }
}

/// There is something, and nothing in it ends a request line or a header.
fn is_text(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| *byte > b' ' && *byte != 0x7f)
}
