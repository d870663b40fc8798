//! Requests over a connection that was made for another listener.

use serde_json::Value;

use crate::ask::Ask;
use crate::oracle::Classes;
use crate::oracle::attach::{self, Listener};
use crate::oracle::hosts;
use crate::oracle::objects::Objects;

/// Is a request to be answered with 421?
///
/// "If a client sends a request with a Host header that does not match the SNI [...] If another
/// Listener has an exact match or more specific wildcard entry, the Gateway SHOULD return a 421. If
/// the current Listener (selected by SNI matching during ClientHello) does not match the Host: [...]
/// If another Listener does match the Host, the Gateway SHOULD return a 421." A client without SNI has
/// chosen the listener for every host.
pub(crate) fn misdirected(objects: &[Value], classes: &Classes, ask: &Ask) -> bool {
    let (true, Some(port)) = (ask.tls, ask.listener) else {
        return false;
    };
    let Some(host) = hosts::of_request(&ask.host) else {
        return false;
    };
    let listeners = attach::listeners(Objects(objects), classes);
    let of_port = |listener: &&Listener<'_>| listener.port == port && listener.tls;
    let best = |name: &str| {
        let fitting = listeners.iter().filter(of_port);
        let fitting = fitting.filter(|listener| listener.host.fits(name));
        fitting
            .map(|listener| &listener.host)
            .min_by_key(|host| host.rank())
    };
    let wanted = best(&host);
    wanted.is_some() && wanted != best(&ask.sni.to_ascii_lowercase())
}
