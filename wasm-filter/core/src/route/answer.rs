//! The whole way of one request: message of the contract in, plan or reply out.

use core::net::SocketAddr;

use super::balance::{self, Spin};
use super::select::{Entry, Headers, Request, Selected, select};
use super::target::Target;
use crate::contract::plan::Plan;
use crate::contract::request::RequestInfo;
use crate::regex::Cache;
use crate::table::endpoints;
use crate::table::layout::HostKind;
use crate::table::model::RouteKind;
use crate::table::store::view::{Segments, Unreadable};

/// Tries in all: Kong's and KIC's default of 5 retries (kic-map 1.4).
const TRIES: u8 = 6;

/// The gateway's own answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// 400: host or path have no normal form.
    BadRequest,
    /// 404: no rule.
    NotFound,
    /// 500: the rule's share for invalid backends, or a rule without any.
    NoBackend,
    /// 503: the backend has no endpoints.
    NoEndpoints,
    /// 500: the decision cannot be written as a plan.
    NoPlan,
}

/// What happens with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The plan is in [`Scratch::plan`].
    Proxy,
    /// The gateway answers itself.
    Reply(Reply),
}

/// Buffers that live longer than a request, so that a request allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The plan's bytes.
    pub plan: Vec<u8>,
    /// Automata that requests needed so far.
    patterns: Cache,
    endpoints: Vec<SocketAddr>,
    uri: Vec<u8>,
    route_name: Vec<u8>,
    service_name: Vec<u8>,
}

impl Reply {
    /// The status code.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::NoBackend | Self::NoPlan => 500,
            Self::NoEndpoints => 503,
        }
    }

    /// The message, in Kong's words where Kong has some.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad request",
            Self::NotFound => "no Route matched with those values",
            Self::NoBackend => "no existing backendRef provided",
            Self::NoEndpoints => "failure to get a peer from the ring-balancer",
            Self::NoPlan => "An unexpected error occurred",
        }
    }
}

/// Answers one request.
///
/// # Errors
/// [`Unreadable`] if a part of the table that is needed cannot be read.
pub fn answer(
    segments: &dyn Segments,
    epoch: u64,
    entry: Entry,
    info: &RequestInfo<'_>,
    headers: &impl Headers,
    spin: Spin,
    scratch: &mut Scratch,
) -> Result<Answer, Unreadable> {
    let Some(target) = Target::parse(info.host, info.path) else {
        return Ok(Answer::Reply(Reply::BadRequest));
    };
    let request = Request {
        entry,
        tls: info.tls,
        host: target.host.as_bytes(),
        path: &target.path,
        query: target.query,
        method: info.method,
        sni: info.sni,
    };
    let Some(selected) = select(segments, &request, headers, &scratch.patterns)? else {
        return Ok(Answer::Reply(Reply::NotFound));
    };
    let Some(backend) = balance::backend(&selected.rule, spin)? else {
        return Ok(Answer::Reply(Reply::NoBackend));
    };
    let Some(id) = backend.service else {
        return Ok(Answer::Reply(Reply::NoBackend));
    };
    let Some((key, endpoints)) = balance::service(segments, id)? else {
        return Ok(Answer::Reply(Reply::NoEndpoints));
    };
    balance::order(&endpoints, spin, TRIES, &mut scratch.endpoints);
    if scratch.endpoints.is_empty() {
        return Ok(Answer::Reply(Reply::NoEndpoints));
    }
    write_names(
        &selected,
        key,
        &mut scratch.route_name,
        &mut scratch.service_name,
    )?;
    let uri = target.rewritten().map(|parts| {
        scratch.uri.clear();
        for part in parts {
            scratch.uri.extend_from_slice(part);
        }
        &*scratch.uri
    });
    let plan = Plan {
        tries: TRIES,
        uri,
        route_name: &scratch.route_name,
        service_name: &scratch.service_name,
        ..Plan::to(epoch, selected.rule.id(), &scratch.endpoints)
    };
    scratch.plan.clear();
    Ok(match plan.encode(&mut scratch.plan) {
        Ok(()) => Answer::Proxy,
        Err(_) => Answer::Reply(Reply::NoPlan),
    })
}

/// The names that KIC gives to the Kong route and service of a rule (kic-map 2.2, 2.4), so that
/// logs and dashboards stay as they are.
fn write_names(
    selected: &Selected<'_, '_>,
    service_key: &[u8],
    route: &mut Vec<u8>,
    service: &mut Vec<u8>,
) -> Result<(), Unreadable> {
    route.clear();
    service.clear();
    let rule = &selected.rule;
    let (namespace, name, port) = endpoints::names(service_key)?;
    match rule.kind {
        RouteKind::Ingress => {
            join(service, &[namespace.as_bytes(), name.as_bytes()]);
            push_number(service, port);
            join(route, &[rule.namespace, rule.name, name.as_bytes()]);
            match selected.level.kind {
                HostKind::Exact => join(route, &[selected.level.host]),
                HostKind::Wildcard => join(route, &[b"_", selected.level.host]),
                _ => join(route, &[b""]),
            }
            push_number(route, port);
        }
        RouteKind::HttpRoute | RouteKind::GrpcRoute => {
            let kind: &[u8] = if rule.kind == RouteKind::HttpRoute {
                b"httproute"
            } else {
                b"grpcroute"
            };
            let object = [kind, rule.namespace, rule.name];
            join(service, &object);
            push_number(service, rule.index);
            join(route, &object);
            push_number(route, rule.index);
            route.push(b'.');
            push_number(route, selected.matched.index);
        }
    }
    Ok(())
}

/// Appends each part and a dot.
fn join(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
        out.push(b'.');
    }
}

/// Appends a number; `core::fmt` would cost more than the whole lookup.
fn push_number(out: &mut Vec<u8>, number: u16) {
    let mut power = 10_000;
    while power > number.max(1) {
        power /= 10;
    }
    while power > 0 {
        // A digit.
        out.push(b'0' + (number / power % 10) as u8);
        power /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_fmt_writes_them() {
        for number in [0, 1, 9, 10, 99, 100, 1_234, 10_000, 65_535] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
