//! What should happen with a request, and whether it did.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use silverback_core::contract::plan::{OwnedMirror, OwnedPlan, Protocol as PlanProtocol};
use silverback_core::route::edits::ResponseEdit;

use crate::ask::Ask;
use crate::oracle::backends::{Protocol, Service, Share, Target, invalid_status};
use crate::oracle::cors::{self, Allowed};
use crate::oracle::filters::{Edit, HeaderLines, apply};
use crate::oracle::hosts::Host;
use crate::oracle::redirect::{Origin, of_filter, to_https};
use crate::oracle::{Candidate, Compared, Kind, Scheme, Scope, uri};
use crate::subject::{Seen, Subject};

/// What should happen.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    BadRequest,
    NotFound,
    /// The rule wants TLS.
    Upgrade(u16),
    /// Status and `Location`.
    Redirect(u16, String),
    Preflight(Allowed),
    /// One of these, by weight.
    Shares(Vec<(u64, Outcome)>),
}

#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Status(u16),
    Proxy(Box<Forward>),
}

/// How a request is forwarded.
#[derive(Debug, Clone)]
pub(crate) struct Forward {
    pub(crate) route_name: String,
    pub(crate) service_name: String,
    pub(crate) endpoints: BTreeSet<SocketAddr>,
    pub(crate) host: HostSeen,
    pub(crate) uri: String,
    /// By name, as the upstream sees them.
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    /// The same of a response that has [`RESPONSE`].
    pub(crate) response: BTreeMap<String, Vec<String>>,
    pub(crate) cors: Option<Allowed>,
    pub(crate) protocol: Protocol,
    pub(crate) tries: u8,
    /// Connect, send, read; not judged if the rule has time limits of its own.
    pub(crate) timeouts: Option<[u32; 3]>,
    pub(crate) deadlines: [u32; 2],
    pub(crate) retry: Option<(u32, Vec<u16>)>,
    pub(crate) mirrors: Vec<(Option<bool>, Protocol, BTreeSet<SocketAddr>)>,
    pub(crate) plugins: BTreeSet<String>,
    pub(crate) tags: String,
}

/// The Host that the upstream sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostSeen {
    Client,
    Fixed(String),
    /// The endpoint's address.
    Endpoint,
}

/// A response as an upstream could give it.
const RESPONSE: [(&str, &str); 3] = [("x-env", "up"), ("x-ver", "up"), ("x-other", "up")];

/// How often a request with several outcomes is asked.
const SPINS: u64 = 32;

/// The verdict for a request that belongs to this candidate.
pub(crate) fn decide(candidate: &Candidate, ask: &Ask, compared: &Compared) -> Verdict {
    let rule = &candidate.rule;
    let matched = candidate.path.fits(&compared.path).unwrap_or(0);
    let origin = Origin {
        tls: ask.tls,
        host: &compared.host,
        port: ask.listener.unwrap_or(0),
        path: &compared.path,
        query: &compared.query,
        matched,
    };
    // `Location` is always absolute, and there is no host to say.
    let redirects =
        |hostname: &serde_json::Value| compared.host.is_empty() && !hostname.is_string();
    if let (Scheme::Tls(status), false) = (candidate.scheme, ask.tls) {
        return match status {
            426 => Verdict::Upgrade(426),
            _ if redirects(&serde_json::Value::Null) => Verdict::BadRequest,
            status => Verdict::Redirect(status, lossy(&to_https(&origin))),
        };
    }
    if let Some(filter) = &rule.filters.cors
        && cors::is_preflight(ask)
    {
        return Verdict::Preflight(cors::headers(filter, ask, true));
    }
    if let Some(filter) = &rule.filters.redirect {
        if redirects(&filter["hostname"]) {
            return Verdict::BadRequest;
        }
        let (status, location) = of_filter(filter, &origin);
        return Verdict::Redirect(status, lossy(&location));
    }
    // "If weight is set to 0, no traffic should be forwarded for this entry."
    let shares = rule.shares.iter().filter(|share| share.weight > 0);
    let mut outcomes: Vec<(u64, Outcome)> = Vec::new();
    for share in shares {
        let outcome = match &share.target {
            Target::Status(status) => Outcome::Status(*status),
            Target::Service(service) => {
                Outcome::Proxy(Box::new(forward(candidate, ask, compared, share, service)))
            }
        };
        let twin = outcomes
            .iter_mut()
            .find(|(_, known)| format!("{known:?}") == format!("{outcome:?}"));
        match twin {
            Some((weight, _)) => *weight += share.weight,
            None => outcomes.push((share.weight, outcome)),
        }
    }
    if outcomes.is_empty() {
        // "If *all* entries in BackendRefs are invalid, and there are also no filters specified in
        // this route rule, *all* traffic which matches this rule MUST receive a 500 status code"; of
        // a GRPCRoute "an `UNAVAILABLE` status".
        let status = invalid_status(rule.kind == Kind::Grpc);
        outcomes.push((1, Outcome::Status(status)));
    }
    Verdict::Shares(outcomes)
}

fn forward(
    candidate: &Candidate,
    ask: &Ask,
    compared: &Compared,
    share: &Share,
    service: &Service,
) -> Forward {
    let rule = &candidate.rule;
    let path = &compared.path;
    let matched = candidate.path.fits(path).unwrap_or(0);
    // "Filters of a backendRef act after those of the rule."
    let rewrites = [
        share.filters.rewrite.as_ref(),
        rule.filters.rewrite.as_ref(),
    ];
    let modified = rewrites
        .iter()
        .flatten()
        .find_map(|rewrite| uri::modified(&rewrite["path"], path, matched));
    let hostname = rewrites
        .iter()
        .flatten()
        .find_map(|rewrite| rewrite["hostname"].as_str());
    let template = rule.template.as_deref();
    let template = template.map(|template| uri::template(template, &candidate.path, path));
    let path = modified.or(template).unwrap_or_else(|| {
        let postfix = rule
            .strip_path
            .then(|| uri::postfix(&candidate.path, path, matched));
        let base = service.path.as_deref().unwrap_or("/");
        uri::join(base, path, postfix, rule.path_v1)
    });
    let host = match (hostname, &service.host_header) {
        (Some(hostname), _) => HostSeen::Fixed(hostname.to_owned()),
        _ if rule.preserve_host => HostSeen::Client,
        (None, Some(host)) => HostSeen::Fixed(host.clone()),
        (None, None) => HostSeen::Endpoint,
    };
    let mut headers: HeaderLines = ask
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), lossy(value)))
        .collect();
    apply(
        rule.filters.request.iter().chain(&share.filters.request),
        &mut headers,
    );
    let mut response: HeaderLines = RESPONSE
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    apply(
        rule.filters.response.iter().chain(&share.filters.response),
        &mut response,
    );
    let (route_name, service_name) = names(candidate, service);
    let plugins = rule.filters.plugins.iter().chain(&share.filters.plugins);
    let all_mirrors = rule.filters.mirrors.iter().chain(&share.filters.mirrors);
    let grown = |uri: Vec<u8>| lossy(&[uri, compared.query.clone()].concat());
    let [connect, write, read] = service.timeouts.map(|limit| limit.unwrap_or(60_000));
    Forward {
        route_name,
        service_name,
        endpoints: service.endpoints.clone(),
        host,
        uri: grown(path),
        headers: by_name(headers),
        response: by_name(response),
        cors: rule
            .filters
            .cors
            .as_ref()
            .map(|filter| cors::headers(filter, ask, false)),
        protocol: service.protocol,
        // KIC's default is 5 retries.
        tries: match (&rule.retry, service.retries) {
            (Some((attempts, ..)), _) => attempts.saturating_add(1),
            (None, retries) => retries.unwrap_or(5).saturating_add(1),
        },
        timeouts: (rule.timeouts == [None; 2]).then_some([connect, write, read]),
        deadlines: rule.timeouts.map(|limit| limit.unwrap_or(0)),
        retry: rule
            .retry
            .as_ref()
            .map(|(_, backoff, codes)| (*backoff, codes.clone())),
        mirrors: all_mirrors
            .filter(|mirror| mirror.always != Some(false))
            .map(|mirror| {
                let service = &mirror.service;
                (mirror.always, service.protocol, service.endpoints.clone())
            })
            .collect(),
        plugins: plugins.chain(&service.plugins).cloned().collect(),
        tags: rule.tags.join(","),
    }
}

/// The names that KIC gives (kic-map 2.2, 2.4, 2.5).
fn names(candidate: &Candidate, service: &Service) -> (String, String) {
    let rule = &candidate.rule;
    let (namespace, name, index) = (&rule.namespace, &rule.name, rule.index);
    let (backend, port) = (&service.name, service.port);
    let object = match rule.kind {
        Kind::Ingress => {
            let host = match &candidate.host {
                Host::Any => String::new(),
                Host::Exact(host) => host.clone(),
                Host::Wild(suffix) => format!("_.{suffix}"),
            };
            let route = match candidate.scope {
                Scope::IngressDefault => format!("{namespace}.{name}"),
                _ => format!("{namespace}.{name}.{backend}.{host}.{port}"),
            };
            return (route, format!("{}.{backend}.{port}", service.namespace));
        }
        Kind::Http => format!("httproute.{namespace}.{name}.{index}"),
        Kind::Grpc => format!("grpcroute.{namespace}.{name}.{index}"),
    };
    (format!("{object}.{}", candidate.position.1), object)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn by_name(headers: HeaderLines) -> BTreeMap<String, Vec<String>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        out.entry(name).or_default().push(value);
    }
    out
}

// === whether it did ===

impl Verdict {
    /// What is counted.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::BadRequest => "400",
            Self::NotFound => "404",
            Self::Upgrade(_) => "426",
            Self::Redirect(..) => "redirect",
            Self::Preflight(_) => "preflight",
            Self::Shares(shares) if shares.len() > 1 => "several",
            Self::Shares(shares) => match &shares.first().expect("a share").1 {
                Outcome::Status(500) => "500",
                Outcome::Status(_) => "503",
                Outcome::Proxy(_) => "proxy",
            },
        }
    }

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
            is_allowed(headers, allowed)?;
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
        is_allowed(&cors, self.cors.as_ref().unwrap_or(&Allowed::new()))
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

fn is_allowed(headers: &[(String, String)], allowed: &Allowed) -> Result<(), String> {
    let plain = |text: &str| text.replace(' ', "").to_ascii_lowercase();
    for (name, values) in allowed {
        let seen = headers.iter().find(|(known, _)| known == name);
        let seen = seen.map(|(_, value)| plain(value)).unwrap_or_default();
        if !values.iter().any(|value| plain(value) == seen) {
            return Err(format!("{name}: {seen:?} instead of one of {values:?}"));
        }
    }
    let known =
        |name: &String| !name.starts_with("access-control-") || allowed.contains_key(name.as_str());
    // The methods that are always allowed may be said, and so may things that a preflight's client
    // does not look at.
    let harmless = [
        "access-control-allow-methods",
        "access-control-expose-headers",
    ];
    match headers.iter().find(|(name, _)| !known(name)) {
        Some((name, _)) if harmless.contains(&name.as_str()) && !allowed.is_empty() => Ok(()),
        Some((name, value)) => Err(format!("an unexpected {name}: {value}")),
        None => Ok(()),
    }
}

fn same<T: PartialEq + core::fmt::Debug>(what: &str, seen: &T, wanted: &T) -> Result<(), String> {
    if seen == wanted {
        return Ok(());
    }
    Err(format!("{what}: {seen:?}, wanted {wanted:?}"))
}
