//! Whether what should happen with a request did happen: the plan and the changes of the response
//! as the filter makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use silverback_core::contract::plan::{OwnedMirror, OwnedPlan, Protocol as PlanProtocol};
use silverback_core::route::edits::ResponseEdit;

use crate::ask::Ask;
use crate::explained;
use crate::oracle::backends::Protocol;
use crate::oracle::cors::{self, Allowed};
use crate::oracle::filters::{Edit, HeaderLines, apply};
use crate::subject::{Seen, Subject};
use crate::verdict::{Forward, HostSeen, Outcome, RESPONSE, Verdict, by_name, lossy};

/// How often a request with several outcomes is asked.
const SPINS: u64 = 32;

/// Native answers, and what `explain` says of them.
pub(crate) fn judge(verdict: &Verdict, subject: &Subject, ask: &Ask) -> Result<(), String> {
    verdict.check(subject, ask)?;
    match explained::explained(subject, ask) {
        Some(trace) => explained::check(verdict, &trace).map_err(|why| format!("{why}\n{trace}")),
        None => Ok(()),
    }
}

impl Verdict {
    /// Does the subject do it? Else what it does, and what is wrong with that.
    pub(crate) fn check(&self, subject: &Subject, ask: &Ask) -> Result<(), String> {
        let Self::Shares(shares) = self else {
            let seen = subject.answer(ask, 0);
            return self
                .is(&seen)
                .map_err(|why| format!("{why}\nseen: {seen:?}"));
        };
        let spins = if shares.len() > 1 { SPINS } else { 2 };
        let mut counts = vec![0_u64; shares.len()];
        for spin in 0..spins {
            let seen = subject.answer(ask, spin);
            let mut why = Vec::new();
            let found = shares.iter().position(|(_, outcome)| {
                outcome
                    .is(ask, &seen)
                    .map_err(|error| why.push(error))
                    .is_ok()
            });
            match found {
                Some(found) => counts[found] += 1,
                None => return Err(format!("{}\nseen: {seen:?}", why.join("; "))),
            }
        }
        let sometimes = |(_, outcome): &(u64, Outcome)| match outcome {
            Outcome::Proxy(forward) => forward.mirrors.iter().any(|mirror| mirror.0.is_none()),
            Outcome::Status(_) => false,
        };
        if shares.iter().any(sometimes) {
            // Outcomes that cannot be told apart.
            return Ok(());
        }
        // "Weight specifies the proportion of requests forwarded to the referenced backend."
        let total: u64 = shares.iter().map(|(weight, _)| weight).sum();
        for (count, (weight, _)) in counts.iter().zip(shares) {
            let expected = spins * weight / total;
            if count.abs_diff(expected) > 2 {
                return Err(format!(
                    "{count} of {spins} requests for weight {weight} of {total}"
                ));
            }
        }
        Ok(())
    }

    fn is(&self, seen: &Seen) -> Result<(), String> {
        let Seen::Reply(status, headers) = seen else {
            return Err("proxied".to_owned());
        };
        let wanted = match self {
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::Upgrade(status) | Self::Redirect(status, _) => *status,
            Self::Preflight(_) => 200,
            Self::Shares(_) => return Err("no reply".to_owned()),
        };
        same("status", status, &wanted)?;
        if let Self::Redirect(_, wanted) = self {
            let location = headers.iter().find(|(name, _)| name == "location");
            same("location", &location.map(|(_, value)| value), &Some(wanted))?;
        }
        if let Self::Preflight(allowed) = self {
            cors::check(headers, allowed)?;
        }
        Ok(())
    }
}

impl Outcome {
    fn is(&self, ask: &Ask, seen: &Seen) -> Result<(), String> {
        match (self, seen) {
            (Self::Status(wanted), Seen::Reply(status, _)) => same("status", status, wanted),
            (Self::Status(wanted), Seen::Proxy(..)) => Err(format!("proxied instead of {wanted}")),
            (Self::Proxy(_), Seen::Reply(status, _)) => Err(format!("{status} instead of proxied")),
            (Self::Proxy(forward), Seen::Proxy(plan, edits)) => forward.is(ask, plan, edits),
        }
    }
}

impl Forward {
    fn is(&self, ask: &Ask, plan: &OwnedPlan, edits: &[ResponseEdit]) -> Result<(), String> {
        same("route name", &lossy(&plan.route_name), &self.route_name)?;
        same(
            "service name",
            &lossy(&plan.service_name),
            &self.service_name,
        )?;
        endpoints(
            "endpoints",
            &plan.endpoints,
            &self.endpoints,
            usize::from(self.tries),
        )?;
        let target = plan.uri.as_deref().unwrap_or(&ask.target);
        same("uri", &lossy(target), &self.uri)?;
        let host = plan.host.as_deref().map(lossy);
        same("host", &host, &self.host(plan))?;
        same("request headers", &edited(ask, plan), &self.headers)?;
        self.response(edits)?;
        same("protocol", &plan.protocol, &protocol(self.protocol))?;
        same("tries", &plan.tries, &self.tries)?;
        let timeouts = plan.timeouts;
        let timeouts = [timeouts.connect, timeouts.send, timeouts.read];
        same("timeouts", &timeouts, &self.timeouts.unwrap_or(timeouts))?;
        let deadlines = [plan.deadlines.request, plan.deadlines.attempt];
        same("deadlines", &deadlines, &self.deadlines)?;
        let retry = plan
            .retry
            .as_ref()
            .map(|retry| (retry.backoff, retry.codes.clone()));
        same("retry", &retry, &self.retry)?;
        self.mirrors(plan)?;
        same(
            "plugins",
            &(plan.plugin_set != 0),
            &!self.plugins.is_empty(),
        )?;
        same("tags", &lossy(&plan.tags), &self.tags)
    }

    fn host(&self, plan: &OwnedPlan) -> Option<String> {
        match &self.host {
            HostSeen::Client => None,
            HostSeen::Fixed(host) => Some(host.clone()),
            HostSeen::Endpoint => {
                let first = plan.endpoints.first()?;
                let well_known = if plan.protocol.is_tls() { 443 } else { 80 };
                Some(match first {
                    SocketAddr::V4(v4) if v4.port() == well_known => v4.ip().to_string(),
                    SocketAddr::V6(v6) if v6.port() == well_known => format!("[{}]", v6.ip()),
                    other => other.to_string(),
                })
            }
        }
    }

    fn response(&self, edits: &[ResponseEdit]) -> Result<(), String> {
        let edits: Vec<Edit> = edits
            .iter()
            .map(|edit| match edit {
                ResponseEdit::Remove(name) => Edit::Remove(name.to_string()),
                ResponseEdit::Set(name, value) => Edit::Set(name.to_string(), lossy(value)),
                ResponseEdit::Add(name, value) => Edit::Add(name.to_string(), lossy(value)),
            })
            .collect();
        let mut headers: HeaderLines = RESPONSE
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        apply(&edits, &mut headers);
        let (cors, rest): (HeaderLines, HeaderLines) = headers
            .into_iter()
            .partition(|(name, _)| name.starts_with("access-control-"));
        let rest = rest
            .into_iter()
            .filter(|(name, _)| self.cors.is_none() || name != "vary");
        same("response headers", &by_name(rest.collect()), &self.response)?;
        cors::check(&cors, self.cors.as_ref().unwrap_or(&Allowed::new()))
    }

    fn mirrors(&self, plan: &OwnedPlan) -> Result<(), String> {
        let mut judged = 0;
        for (_, wanted, addresses) in &self.mirrors {
            let twins = |always: Option<bool>| {
                let twin = |mirror: &&(Option<bool>, Protocol, BTreeSet<SocketAddr>)| {
                    mirror.0 == always && mirror.1 == *wanted && mirror.2 == *addresses
                };
                self.mirrors.iter().filter(twin).count()
            };
            let (always, sometimes) = (twins(Some(true)), twins(None));
            let fits = |mirror: &&OwnedMirror| {
                mirror.protocol == protocol(*wanted)
                    && endpoints("mirror", &mirror.endpoints, addresses, 3).is_ok()
            };
            let seen = plan.mirrors.iter().filter(fits).count();
            judged = plan
                .mirrors
                .iter()
                .filter(|mirror| {
                    self.mirrors.iter().any(|(_, wanted, addresses)| {
                        mirror.protocol == protocol(*wanted)
                            && endpoints("mirror", &mirror.endpoints, addresses, 3).is_ok()
                    })
                })
                .count();
            if seen < always || seen > always + sometimes {
                let all = &plan.mirrors;
                return Err(format!(
                    "{seen} mirrors to {addresses:?}, wanted {always} and up to {sometimes}: {all:?}"
                ));
            }
        }
        same("mirrors", &plan.mirrors.len(), &judged)
    }
}

fn protocol(protocol: Protocol) -> PlanProtocol {
    match protocol {
        Protocol::Http => PlanProtocol::Http,
        Protocol::Https => PlanProtocol::Https,
        Protocol::Grpc => PlanProtocol::Grpc,
        Protocol::Grpcs => PlanProtocol::Grpcs,
        Protocol::H2c => PlanProtocol::H2c,
    }
}

/// As many of the allowed as are tried, each once.
fn endpoints(
    what: &str,
    seen: &[SocketAddr],
    allowed: &BTreeSet<SocketAddr>,
    tries: usize,
) -> Result<(), String> {
    let distinct: BTreeSet<SocketAddr> = seen.iter().copied().collect();
    let count = allowed.len().min(tries).min(16);
    if distinct.len() == seen.len() && distinct.is_subset(allowed) && seen.len() == count {
        return Ok(());
    }
    Err(format!("{what}: {seen:?}, allowed: {count} of {allowed:?}"))
}

/// The request's headers as a data plane changes them: removed, then set, then added.
fn edited(ask: &Ask, plan: &OwnedPlan) -> BTreeMap<String, Vec<String>> {
    let pair = |(name, value): &(Vec<u8>, Vec<u8>)| (lossy(name), lossy(value));
    let removed = plan
        .remove_headers
        .iter()
        .map(|name| Edit::Remove(lossy(name)));
    let set = plan
        .set_headers
        .iter()
        .map(pair)
        .map(|(name, value)| Edit::Set(name, value));
    let added = plan
        .add_headers
        .iter()
        .map(pair)
        .map(|(name, value)| Edit::Add(name, value));
    let edits: Vec<Edit> = removed.chain(set).chain(added).collect();
    let mut headers: HeaderLines = ask
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), lossy(value)))
        .collect();
    apply(&edits, &mut headers);
    by_name(headers)
}

fn same<T: PartialEq + core::fmt::Debug>(what: &str, seen: &T, wanted: &T) -> Result<(), String> {
    if seen == wanted {
        return Ok(());
    }
    Err(format!("{what}: {seen:?}, wanted {wanted:?}"))
}
