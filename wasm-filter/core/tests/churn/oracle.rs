//! What a request must get, read off the objects in the slowest and plainest way: all that fits is
//! collected and the best is taken. Nothing of translate, table or route.

use std::cmp::Reverse;
use std::net::SocketAddr;

use crate::support::random::Gen;
use crate::world::{self, Host, LISTENER_SUFFIX, LISTENERS, NAMESPACE, PORT, World};

/// A request, and where it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) ingress: bool,
    pub(crate) listener: Option<u16>,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) method: &'static str,
    pub(crate) header: Option<&'static str>,
}

/// Any of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected(Vec<Outcome>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Status(u16),
    /// Names of route and service, and the pods in order: the first may be any, then round.
    Pods {
        route: String,
        service: String,
        ring: Vec<SocketAddr>,
    },
}

/// What was observed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen<'a> {
    Status(u16),
    Proxy {
        route: &'a [u8],
        service: &'a [u8],
        endpoints: &'a [SocketAddr],
    },
}

/// One match that fits.
struct Candidate<'w> {
    /// Less is better.
    rank: Rank,
    backends: Vec<(usize, u32)>,
    /// Status where there is no such Service.
    invalid: u16,
    names: Box<dyn Fn(usize) -> (String, String) + 'w>,
}

type Rank = (
    (u8, Reverse<usize>),
    u8,
    (u8, Reverse<usize>),
    (bool, bool),
    (u32, String, usize, usize),
);

/// Endpoints of a plan: one more than the retries that KIC gives every Service.
const TRIES: usize = 6;

impl Ask {
    pub(crate) fn random(random: &mut Gen) -> Self {
        let host = match random.below(8) {
            0 => "other.test".to_owned(),
            1 => "x.w.test".to_owned(),
            2 => "nowhere".to_owned(),
            _ => world::host(random.below(64)),
        };
        let path = *random.pick(&world::PATHS);
        let path = match *random.pick(&["", "", "/", "/x"]) {
            "" if path.is_empty() => "/".to_owned(),
            end => format!("{path}{end}"),
        };
        let (ingress, listener) = *random.pick(&[
            (true, None),
            (true, Some(LISTENERS[0])),
            (false, Some(LISTENERS[0])),
            (false, Some(LISTENERS[1])),
        ]);
        Self {
            ingress,
            listener,
            host,
            path,
            method: *random.pick(&world::METHODS),
            header: random.one_in(2).then(|| *random.pick(&world::VALUES)),
        }
    }
}

/// The answer of a cluster.
pub(crate) fn expected(world: &World, ask: &Ask) -> Expected {
    let mut fitting = candidates(world, ask);
    fitting.sort_by(|a, b| a.rank.cmp(&b.rank));
    let Some(best) = fitting.first() else {
        return Expected(vec![Outcome::Status(404)]);
    };
    // "If weight is set to 0, no traffic should be forwarded for this entry."
    let live: Vec<usize> = (best.backends.iter())
        .filter(|(_, weight)| *weight > 0)
        .map(|(service, _)| *service)
        .collect();
    if live.is_empty() {
        return Expected(vec![Outcome::Status(500)]);
    }
    let outcome = |number: usize| match world.services.get(&number) {
        None => Outcome::Status(best.invalid),
        Some(service) if service.pods.is_empty() => Outcome::Status(503),
        Some(service) => {
            let (route, name) = (best.names)(number);
            Outcome::Pods {
                route,
                service: name,
                ring: service.pods.clone(),
            }
        }
    };
    Expected(live.into_iter().map(outcome).collect())
}

fn candidates<'w>(world: &'w World, ask: &Ask) -> Vec<Candidate<'w>> {
    let mut out: Vec<Candidate<'w>> = Vec::new();
    for (number, ingress) in &world.ingresses {
        if !ask.ingress || !host_fits(&ingress.host, &ask.host, true) {
            continue;
        }
        for (index, path) in ingress.paths.iter().enumerate() {
            if !path_fits(&path.path, path.exact, &ask.path) {
                continue;
            }
            let host = match &ingress.host {
                Host::Any => String::new(),
                Host::Wildcard(suffix) => format!("_.{suffix}"),
                Host::Exact(host) => host.clone(),
            };
            out.push(Candidate {
                rank: (
                    host_rank(&ingress.host),
                    0,
                    path_rank(&path.path, path.exact),
                    (true, true),
                    (ingress.created, format!("i{number}"), 0, index),
                ),
                backends: vec![(path.service, 1)],
                // An Ingress has no invalid backends, only such without endpoints.
                invalid: 503,
                names: Box::new(move |service| {
                    (
                        format!("{NAMESPACE}.i{number}.s{service}.{host}.{PORT}"),
                        format!("{NAMESPACE}.s{service}.{PORT}"),
                    )
                }),
            });
        }
    }
    for (number, route) in &world.routes {
        let Some(host) = at_listener(&route.host, ask) else {
            continue;
        };
        if !host_fits(&host, &ask.host, false) {
            continue;
        }
        for (rule_index, rule) in route.rules.iter().enumerate() {
            for (index, m) in rule.matches.iter().enumerate() {
                let fits = path_fits(&m.path, m.exact, &ask.path)
                    && m.method.is_none_or(|method| method == ask.method)
                    && m.header.is_none_or(|value| ask.header == Some(value));
                if !fits {
                    continue;
                }
                out.push(Candidate {
                    rank: (
                        host_rank(&host),
                        1,
                        path_rank(&m.path, m.exact),
                        (m.method.is_none(), m.header.is_none()),
                        (route.created, format!("r{number}"), rule_index, index),
                    ),
                    backends: rule.backends.clone(),
                    invalid: 500,
                    names: Box::new(move |_| {
                        let rule = format!("httproute.{NAMESPACE}.r{number}.{rule_index}");
                        (format!("{rule}.{index}"), rule)
                    }),
                });
            }
        }
    }
    out
}

/// The hosts of a route at the request's listener: those that both have. The request belongs to the
/// listener of its port if the listener's hostname fits.
fn at_listener(route: &Host, ask: &Ask) -> Option<Host> {
    let in_suffix = |host: &str| host.ends_with(&format!(".{LISTENER_SUFFIX}"));
    let port = ask.listener?;
    if port == LISTENERS[0] {
        return Some(route.clone());
    }
    if !in_suffix(&ask.host) {
        return None;
    }
    let listener = Host::Wildcard(LISTENER_SUFFIX.to_owned());
    match route {
        Host::Any => Some(listener),
        Host::Exact(host) => in_suffix(host).then(|| route.clone()),
        // One of the two ends with the other; here it is always the listener's that is longer.
        Host::Wildcard(suffix) => format!(".{LISTENER_SUFFIX}")
            .ends_with(&format!(".{suffix}"))
            .then_some(listener),
    }
}

fn host_fits(pattern: &Host, host: &str, one_label: bool) -> bool {
    match pattern {
        Host::Any => true,
        Host::Exact(exact) => exact == host,
        Host::Wildcard(suffix) => match host.strip_suffix(&format!(".{suffix}")) {
            Some(labels) => !(labels.is_empty() || one_label && labels.contains('.')),
            None => false,
        },
    }
}

fn host_rank(pattern: &Host) -> (u8, Reverse<usize>) {
    match pattern {
        Host::Exact(_) => (0, Reverse(0)),
        Host::Wildcard(suffix) => (1, Reverse(suffix.len())),
        Host::Any => (2, Reverse(0)),
    }
}

fn path_fits(wanted: &str, exact: bool, path: &str) -> bool {
    if exact {
        return path == wanted;
    }
    let elements = |path: &str| -> Vec<String> {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    elements(path).starts_with(&elements(wanted))
}

fn path_rank(path: &str, exact: bool) -> (u8, Reverse<usize>) {
    (u8::from(!exact), Reverse(path.len().max(1)))
}

impl Expected {
    pub(crate) fn agrees(&self, seen: Seen<'_>) -> bool {
        self.0.iter().any(|outcome| match (outcome, seen) {
            (Outcome::Status(status), Seen::Status(seen)) => *status == seen,
            (
                Outcome::Pods {
                    route,
                    service,
                    ring,
                },
                Seen::Proxy {
                    route: seen_route,
                    service: seen_service,
                    endpoints,
                },
            ) => {
                let Some(first) = ring.iter().position(|pod| endpoints.first() == Some(pod)) else {
                    return false;
                };
                let round = ring.iter().cycle().skip(first).take(ring.len().min(TRIES));
                route.as_bytes() == seen_route
                    && service.as_bytes() == seen_service
                    && round.eq(endpoints)
            }
            _ => false,
        })
    }
}
