//! What should happen with a request.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use crate::ask::Ask;
use crate::oracle::backends::{Protocol, Service, Share, Target, invalid_status};
use crate::oracle::cors::{self, Allowed};
use crate::oracle::filters::{HeaderLines, apply};
use crate::oracle::hosts::Host;
use crate::oracle::redirect::{Origin, of_filter, to_https};
use crate::oracle::{Candidate, Compared, Kind, Scheme, Scope, uri};

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
pub(crate) const RESPONSE: [(&str, &str); 3] =
    [("x-env", "up"), ("x-ver", "up"), ("x-other", "up")];

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
        (None, None) => match &service.external {
            Some(name) => HostSeen::Fixed(with_port(name, service)),
            None => HostSeen::Endpoint,
        },
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

/// An ExternalName's host: "its name" (docs/routing.md), with the port unless it is the protocol's own.
fn with_port(name: &str, service: &Service) -> String {
    let tls = matches!(service.protocol, Protocol::Https | Protocol::Grpcs);
    match service.port {
        80 if !tls => name.to_owned(),
        443 if tls => name.to_owned(),
        port => format!("{name}:{port}"),
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

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn by_name(headers: HeaderLines) -> BTreeMap<String, Vec<String>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        out.entry(name).or_default().push(value);
    }
    out
}

// === impl Verdict ===

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
}
