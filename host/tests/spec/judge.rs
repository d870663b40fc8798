//! Whether what should happen with a request did happen: what the client and the upstreams saw.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ask::Ask;
use crate::client::PATIENCE;
use crate::misdirected::misdirected;
use crate::oracle::backends::Protocol;
use crate::oracle::cors::{self, Allowed};
use crate::oracle::filters::HeaderLines;
use crate::subject::{Seen, Subject};
use crate::upstream::{ID, is_resolved};
use crate::verdict::{Forward, HostSeen, Outcome, Verdict, by_name};
use crate::world::world;

/// How often a request with several outcomes is sent.
const SPINS: u64 = 32;

/// Headers that every request gets on its way, or that frame it.
const ADDED: [&str; 11] = [
    "content-length",
    "host",
    "te",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    ID,
];

/// Does the gateway do it? Else what is wrong.
pub(crate) fn judge(verdict: &Verdict, subject: &Subject, ask: &Ask) -> Result<(), String> {
    world().lock().unwrap().late_copies()?;
    if misdirected(&subject.objects, &subject.classes, ask) {
        let seen = subject.answer(ask);
        // What is no request at all is refused before.
        let bad = seen.status == 400 && matches!(verdict, Verdict::BadRequest);
        return if bad { Ok(()) } else { status(&seen, 421) };
    }
    match verdict {
        Verdict::Shares(shares) => several(shares, subject, ask),
        verdict => {
            let seen = subject.answer(ask);
            reply(verdict, &seen).map_err(|why| format!("{why}\nseen: {seen:?}"))
        }
    }
}

fn reply(verdict: &Verdict, seen: &Seen) -> Result<(), String> {
    let wanted = match verdict {
        Verdict::BadRequest => 400,
        Verdict::NotFound => 404,
        Verdict::Upgrade(status) | Verdict::Redirect(status, _) => *status,
        Verdict::Preflight(_) => 200,
        Verdict::Shares(_) => return Err("no reply".to_owned()),
    };
    status(seen, wanted)?;
    if seen.upstream.is_some() {
        return Err("proxied".to_owned());
    }
    match verdict {
        Verdict::Redirect(_, location) => {
            same("location", &seen.header("location"), &Some(location))
        }
        Verdict::Preflight(allowed) => cors::check(&seen.headers, allowed),
        _ => Ok(()),
    }
}

fn several(shares: &[(u64, Outcome)], subject: &Subject, ask: &Ask) -> Result<(), String> {
    let looks: Vec<String> = shares.iter().map(|(_, outcome)| looks(outcome)).collect();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut doubtful = false;
    let spins = if shares.len() > 1 { SPINS } else { 1 };
    for _ in 0..spins {
        let seen = subject.answer(ask);
        let (mut why, mut fitting) = (Vec::new(), Vec::new());
        for (index, (_, outcome)) in shares.iter().enumerate() {
            match is(outcome, ask, &seen) {
                Ok(()) => fitting.push(index),
                Err(error) => why.push(error),
            }
        }
        let Some(first) = fitting.first() else {
            return Err(format!("{}\nseen: {seen:?}", why.join("; ")));
        };
        doubtful |= fitting.iter().any(|other| looks[*other] != looks[*first]);
        *counts.entry(&looks[*first]).or_default() += 1;
        let outcomes = fitting.iter().map(|index| &shares[*index].1);
        copies(&outcomes.collect::<Vec<_>>(), &seen)?;
    }
    if doubtful {
        // Outcomes that cannot be told apart.
        return Ok(());
    }
    // "Weight specifies the proportion of requests forwarded to the referenced backend."
    let total: u64 = shares.iter().map(|(weight, _)| weight).sum();
    for look in looks.iter().collect::<BTreeSet<_>>() {
        let of_look = shares
            .iter()
            .zip(&looks)
            .filter(|(_, other)| *other == look);
        let weight: u64 = of_look.map(|((weight, _), _)| weight).sum();
        let count = counts.get(look.as_str()).copied().unwrap_or(0);
        if count.abs_diff(spins * weight / total) > 2 {
            return Err(format!(
                "{count} of {spins} requests for weight {weight} of {total}: {look}"
            ));
        }
    }
    Ok(())
}

/// What can be seen of an outcome.
fn looks(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Status(status) => status.to_string(),
        Outcome::Proxy(forward) if !forward.plugins.is_empty() => "500".to_owned(),
        Outcome::Proxy(forward) => {
            let Forward {
                endpoints,
                host,
                uri,
                headers,
                response,
                cors,
                protocol,
                ..
            } = &**forward;
            let (tls, http2) = spoken(*protocol);
            format!("{endpoints:?} {tls} {http2} {host:?} {uri} {headers:?} {response:?} {cors:?}")
        }
    }
}

/// With TLS, with HTTP/2.
fn spoken(protocol: Protocol) -> (bool, bool) {
    match protocol {
        Protocol::Http => (false, false),
        Protocol::Https => (true, false),
        Protocol::Grpc | Protocol::H2c => (false, true),
        Protocol::Grpcs => (true, true),
    }
}

fn is(outcome: &Outcome, ask: &Ask, seen: &Seen) -> Result<(), String> {
    let forward = match outcome {
        Outcome::Status(wanted) => return status(seen, *wanted),
        // "A rule with plugins is answered 500 by a data plane that does not run them."
        Outcome::Proxy(forward) if !forward.plugins.is_empty() => return status(seen, 500),
        Outcome::Proxy(forward) => forward,
    };
    let Some(upstream) = &seen.upstream else {
        return Err(format!("{} instead of proxied", seen.status));
    };
    status(seen, 200)?;
    let text = |field: &str| upstream[field].as_str().unwrap_or_default().to_owned();
    let allowed: BTreeSet<SocketAddr> = here(&forward.endpoints);
    let endpoint: SocketAddr = text("endpoint").parse().expect("an address");
    if !allowed.contains(&endpoint) {
        return Err(format!("endpoint: {endpoint}, allowed: {allowed:?}"));
    }
    let (tls, http2) = spoken(forward.protocol);
    // An echo is reached through memory, and its response has none of the headers to be changed.
    let echo = upstream["echo"] == true;
    if !echo {
        same("upstream TLS", &upstream["tls"], &Value::from(tls))?;
        same("upstream HTTP/2", &upstream["http2"], &Value::from(http2))?;
    }
    let host = match &forward.host {
        // An authority is never empty.
        HostSeen::Client if !(http2 && ask.host.is_empty()) => {
            String::from_utf8_lossy(&ask.host).into_owned()
        }
        HostSeen::Fixed(host) => host.clone(),
        // An echo of port 80; the ports of the others are chosen by the system.
        HostSeen::Endpoint if endpoint.port() == 80 && !tls => endpoint.ip().to_string(),
        HostSeen::Client | HostSeen::Endpoint => endpoint.to_string(),
    };
    same("host", &text("host"), &host)?;
    same("uri", &text("uri"), &forward.uri)?;
    let method = String::from_utf8_lossy(&ask.method).into_owned();
    same("method", &text("method"), &method)?;
    same(
        "request headers",
        &lines(&upstream["headers"]),
        &forward.headers,
    )?;
    if echo {
        Ok(())
    } else {
        response(forward, seen)
    }
}

fn response(forward: &Forward, seen: &Seen) -> Result<(), String> {
    let all = seen.headers.iter().cloned();
    let (cors, rest): (HeaderLines, HeaderLines) =
        all.partition(|(name, _)| name.starts_with("access-control-"));
    let rest = rest.into_iter();
    let rest = rest.filter(|(name, _)| forward.cors.is_none() || name != "vary");
    same(
        "response headers",
        &by_name(rest.collect()),
        &forward.response,
    )?;
    cors::check(&cors, forward.cors.as_ref().unwrap_or(&Allowed::new()))
}

/// Headers as an upstream got them, without what every request gets.
fn lines(headers: &Value) -> BTreeMap<String, Vec<String>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = headers.as_array().into_iter().flatten();
    let all = all.map(|line| (text(&line[0]), text(&line[1])));
    by_name(
        all.filter(|(name, _)| !ADDED.contains(&name.as_str()))
            .collect(),
    )
}

fn here(endpoints: &BTreeSet<SocketAddr>) -> BTreeSet<SocketAddr> {
    let world = world().lock().unwrap();
    let here = |endpoint: &SocketAddr| world.upstreams.here(*endpoint);
    endpoints.iter().map(here).collect()
}

/// Have the copies arrived that one of these outcomes has? Nobody waits for a copy, so that it is
/// waited for here; those that come too late are seen when the next request is judged.
fn copies(outcomes: &[&Outcome], seen: &Seen) -> Result<(), String> {
    let number = seen
        .upstream
        .as_ref()
        .and_then(|body| body["number"].as_u64());
    let wanted: Vec<Vec<Copy>> = outcomes.iter().map(|outcome| Copy::of(outcome)).collect();
    let most = wanted.iter().map(Vec::len).max().unwrap_or(0);
    let Some(number) = number else {
        return Ok(());
    };
    let until = Instant::now() + PATIENCE;
    loop {
        let arrived = world().lock().unwrap().upstreams.copies(&seen.id, number);
        let why: Vec<String> = wanted
            .iter()
            .filter_map(|copies| Copy::check(copies, &arrived))
            .collect();
        if why.len() < wanted.len() {
            break;
        }
        if Instant::now() > until {
            return Err(format!("mirrors: {}", why.join("; ")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    world()
        .lock()
        .unwrap()
        .expect_copies(seen.id.clone(), number, most);
    Ok(())
}

/// A copy that a request has, always or sometimes.
struct Copy {
    always: bool,
    endpoints: BTreeSet<SocketAddr>,
}

impl Copy {
    fn of(outcome: &Outcome) -> Vec<Self> {
        let Outcome::Proxy(forward) = outcome else {
            return Vec::new();
        };
        let copy = |(always, _, endpoints): &(Option<bool>, Protocol, BTreeSet<SocketAddr>)| Self {
            // An echo tells nobody else what it got.
            always: *always == Some(true) && !endpoints.iter().any(|at| is_resolved(at.ip())),
            endpoints: here(endpoints),
        };
        forward.mirrors.iter().map(copy).collect()
    }

    /// What is wrong with the copies that arrived.
    fn check(copies: &[Self], arrived: &[SocketAddr]) -> Option<String> {
        let to = |endpoints: &BTreeSet<SocketAddr>| {
            arrived.iter().filter(|at| endpoints.contains(at)).count()
        };
        let strange = arrived
            .iter()
            .find(|at| !copies.iter().any(|copy| copy.endpoints.contains(at)));
        if let Some(at) = strange {
            return Some(format!("a copy at {at}"));
        }
        for copy in copies {
            let twins = copies
                .iter()
                .filter(|other| other.endpoints == copy.endpoints);
            let always = twins.filter(|twin| twin.always).count();
            let overlapping = |other: &&Self| !other.endpoints.is_disjoint(&copy.endpoints);
            let most = copies.iter().filter(overlapping).count();
            let seen = to(&copy.endpoints);
            if seen < always || seen > most {
                let endpoints = &copy.endpoints;
                return Some(format!(
                    "{seen} copies at {endpoints:?}, wanted {always} to {most}"
                ));
            }
        }
        None
    }
}

fn status(seen: &Seen, wanted: u16) -> Result<(), String> {
    match (&seen.upstream, wanted) {
        (Some(_), 300..) => Err(format!("proxied instead of {wanted}")),
        _ => same("status", &seen.status, &wanted),
    }
}

fn same<T: PartialEq<U> + core::fmt::Debug, U: core::fmt::Debug>(
    what: &str,
    seen: &T,
    wanted: &U,
) -> Result<(), String> {
    if seen == wanted {
        return Ok(());
    }
    Err(format!("{what}: {seen:?}, wanted {wanted:?}"))
}
