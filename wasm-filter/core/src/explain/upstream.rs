//! What the upstream sees of a request, or what the client gets instead of its answer.

use std::collections::BTreeMap;

use super::trace::{Outcome, Trace, Upstream, Via};
use super::{Given, lossy};
use crate::contract::plan::{OwnedPlan, Protocol};
use crate::route::answer::{Asked, Description, Reply, describe as answer};
use crate::route::balance::Spin;
use crate::route::edits::ResponseEdit;
use crate::route::select::Selected;
use crate::table::store::view::{Segments, Unreadable};

/// How many places of the sequence are tried to find a backend that takes the request.
const SPINS: u64 = 256;

/// Writes into the trace what happens with the request.
pub(super) fn describe(
    segments: &dyn Segments,
    asked: &Asked<'_>,
    selected: &Selected<'_, '_>,
    headers: &Given,
    authority: &str,
    trace: &mut Trace,
) -> Result<(), Unreadable> {
    for spin in 0..SPINS {
        let found = answer(segments, asked, selected, headers, Spin(spin))?;
        // Shares of backends that cannot take it say nothing of those that can.
        let share = matches!(
            found,
            Description::Reply {
                reply: Reply::NoBackend | Reply::NoGrpcBackend | Reply::NoEndpoints,
                ..
            }
        );
        if !share {
            write(found, asked, headers, authority, trace);
            return Ok(());
        }
        if trace.outcome != Outcome::Route {
            break;
        }
    }
    Ok(())
}

fn write(
    found: Description,
    asked: &Asked<'_>,
    headers: &Given,
    authority: &str,
    trace: &mut Trace,
) {
    match found {
        Description::Proxy { plan, response } => {
            trace.request = Some(request(&plan, asked, headers, authority));
            trace.upstream = Some(Via::of(&plan));
            trace.response_headers = response.iter().map(edit).collect();
        }
        Description::Reply { reply, headers } => {
            trace.outcome = match reply {
                Reply::Redirect(_) => Outcome::Redirect,
                Reply::BadRequest => Outcome::Rejected,
                _ => Outcome::Respond,
            };
            trace.status = Some(reply.status());
            trace.message = Some(reply.message().to_owned());
            for (name, value) in headers {
                if name == "location" {
                    trace.location = Some(value);
                } else {
                    trace.response_headers.push(format!("set {name}: {value}"));
                }
            }
        }
    }
}

fn request(plan: &OwnedPlan, asked: &Asked<'_>, headers: &Given, authority: &str) -> Upstream {
    let mut sent: BTreeMap<String, Vec<String>> = headers.0.clone();
    for name in &plan.remove_headers {
        sent.remove(&lossy(name));
    }
    for (name, value) in &plan.set_headers {
        sent.insert(lossy(name), vec![lossy(value)]);
    }
    for (name, value) in &plan.add_headers {
        sent.entry(lossy(name)).or_default().push(lossy(value));
    }
    let same = [asked.request.path, asked.request.query].concat();
    Upstream {
        method: lossy(asked.request.method),
        host: plan
            .host
            .as_ref()
            .map_or_else(|| authority.to_owned(), |host| lossy(host)),
        path: lossy(plan.uri.as_deref().unwrap_or(&same)),
        headers: sent,
    }
}

fn edit(edit: &ResponseEdit) -> String {
    match edit {
        ResponseEdit::Remove(name) => format!("remove {name}"),
        ResponseEdit::Set(name, value) => format!("set {name}: {}", lossy(value)),
        ResponseEdit::Add(name, value) => format!("add {name}: {}", lossy(value)),
    }
}

// === impl Via ===

impl Via {
    fn of(plan: &OwnedPlan) -> Self {
        let limit = |limit: u32| Some(limit).filter(|limit| *limit != 0);
        Self {
            protocol: match plan.protocol {
                Protocol::Http => "http",
                Protocol::Https => "https",
                Protocol::Grpc => "grpc",
                Protocol::Grpcs => "grpcs",
                Protocol::H2c => "h2c",
            },
            server_name: plan.tls.as_ref().map(|(_, name)| lossy(name)),
            tries: plan.tries,
            connect_timeout: plan.timeouts.connect,
            write_timeout: plan.timeouts.send,
            read_timeout: plan.timeouts.read,
            request_timeout: limit(plan.deadlines.request),
            try_timeout: limit(plan.deadlines.attempt),
            route_name: lossy(&plan.route_name),
            service_name: lossy(&plan.service_name),
        }
    }
}
