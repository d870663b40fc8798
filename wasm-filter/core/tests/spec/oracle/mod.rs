//! A slow and obvious reading of the specifications: what should happen with a request, given the
//! manifests. It shares no code with table, route or translate, and quotes what decides.

pub(crate) mod attach;
pub(crate) mod backends;
pub(crate) mod cors;
pub(crate) mod filters;
pub(crate) mod grpcroute;
pub(crate) mod hosts;
pub(crate) mod httproute;
pub(crate) mod ingress;
pub(crate) mod matches;
pub(crate) mod objects;
pub(crate) mod paths;
pub(crate) mod redirect;
pub(crate) mod uri;

use std::rc::Rc;

use serde_json::Value;

use self::attach::Listener;
use self::backends::Share;
use self::filters::Filters;
use self::hosts::Host;
use self::matches::{ValueCond, first_header, first_param};
use self::objects::Objects;
use self::paths::PathCond;
use crate::ask::Ask;
use crate::verdict::{Verdict, decide};

/// Which objects are ours.
#[derive(Debug, Clone)]
pub(crate) struct Classes {
    /// All.
    pub(crate) all: bool,
    pub(crate) ingress: String,
    pub(crate) controller: String,
}

/// Where a candidate is reachable.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    Ingress,
    IngressDefault,
    /// The listeners with this port and hostname.
    Listener(u16, Host),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Ingress,
    Http,
    Grpc,
}

/// With or without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Any,
    Plain,
    /// With; without it the answer is this status.
    Tls(u16),
}

/// One match of one rule on one host.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) scope: Scope,
    pub(crate) host: Host,
    pub(crate) path: PathCond,
    pub(crate) methods: Vec<String>,
    pub(crate) headers: Vec<(String, ValueCond)>,
    pub(crate) queries: Vec<(String, ValueCond)>,
    pub(crate) snis: Vec<String>,
    pub(crate) scheme: Scheme,
    pub(crate) age: (bool, String, String),
    /// Rule, match.
    pub(crate) position: (usize, usize),
    pub(crate) rule: Rc<Rule>,
}

/// What happens with the requests of a rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) index: usize,
    pub(crate) shares: Vec<Share>,
    pub(crate) filters: Filters,
    /// `timeouts.request`, `timeouts.backendRequest`, milliseconds.
    pub(crate) timeouts: [Option<u32>; 2],
    /// Attempts, backoff, codes.
    pub(crate) retry: Option<(u8, u32, Vec<u16>)>,
    pub(crate) strip_path: bool,
    pub(crate) preserve_host: bool,
    pub(crate) path_v1: bool,
    pub(crate) template: Option<String>,
    pub(crate) tags: Vec<String>,
}

/// All that the objects say.
#[derive(Debug)]
pub(crate) struct Oracle<'o> {
    listeners: Vec<Listener<'o>>,
    candidates: Vec<Candidate>,
}

/// A request in the form in which it is compared.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) host: String,
    pub(crate) path: Vec<u8>,
    /// With `?`.
    pub(crate) query: Vec<u8>,
}

impl<'o> Oracle<'o> {
    pub(crate) fn new(objects: &'o [Value], classes: &Classes) -> Self {
        let objects = Objects(objects);
        let listeners = attach::listeners(objects, classes);
        let mut candidates = ingress::candidates(objects, classes);
        candidates.extend(httproute::candidates(objects, &listeners));
        candidates.extend(grpcroute::candidates(objects, &listeners));
        Self {
            listeners,
            candidates,
        }
    }

    /// All matches of all rules.
    pub(crate) fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    pub(crate) fn verdict(&self, ask: &Ask) -> Verdict {
        let Some(compared) = compare(ask) else {
            return Verdict::BadRequest;
        };
        let scope = self.listener(ask, &compared.host);
        let fitting = self
            .candidates
            .iter()
            .filter(|candidate| fits(candidate, ask, &compared, scope));
        match fitting.min_by_key(|candidate| rank(candidate)) {
            // "When no rules matching a request have been successfully attached to the parent a
            // request is coming from, a HTTP 404 status code MUST be returned."
            None => Verdict::NotFound,
            Some(candidate) => decide(candidate, ask, &compared),
        }
    }

    /// "Inbound request hostnames MUST match from the most specific to least specific Hostname values
    /// to choose the correct Listener and its associated set of Routes." "A request to
    /// "foo.example.com" SHOULD only be routed using routes attached to the "foo.example.com"
    /// Listener (and not the "*.example.com" Listener)."
    fn listener(&self, ask: &Ask, host: &str) -> Option<&Listener<'o>> {
        let port = ask.listener?;
        let on_port = self
            .listeners
            .iter()
            .filter(|listener| listener.port == port && listener.host.fits(host));
        let best = on_port.min_by_key(|listener| listener.host.rank())?;
        (best.tls == ask.tls).then_some(best)
    }
}

fn compare(ask: &Ask) -> Option<Compared> {
    let at = ask.target.iter().position(|byte| *byte == b'?');
    let (path, query) = ask.target.split_at(at.unwrap_or(ask.target.len()));
    let clean = query.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
    Some(Compared {
        host: hosts::of_request(&ask.host)?,
        path: paths::normal(path)?,
        query: clean.then(|| query.to_vec())?,
    })
}

fn fits(
    candidate: &Candidate,
    ask: &Ask,
    compared: &Compared,
    listener: Option<&Listener<'_>>,
) -> bool {
    let reachable = match &candidate.scope {
        Scope::Ingress => ask.ingress && candidate.host.fits_one_label(&compared.host),
        Scope::IngressDefault => ask.ingress,
        Scope::Listener(port, host) => {
            listener.is_some_and(|listener| listener.port == *port && listener.host == *host)
                && candidate.host.fits(&compared.host)
        }
    };
    // "Multiple match types are ANDed together, i.e. the match will evaluate to true only if all
    // conditions are satisfied."
    let method = candidate
        .methods
        .iter()
        .any(|method| method.as_bytes() == ask.method);
    let mut headers = candidate.headers.iter();
    let mut queries = candidate.queries.iter();
    reachable
        && candidate.path.fits(&compared.path).is_some()
        && (candidate.methods.is_empty() || method)
        && headers.all(|(name, cond)| {
            first_header(&ask.headers, name).is_some_and(|value| cond.fits(value))
        })
        && queries.all(|(name, cond)| {
            first_param(&compared.query, name).is_some_and(|value| cond.fits(&value))
        })
        // Kong `snis`: "asked only where there is TLS".
        && (candidate.snis.is_empty() || !ask.tls || candidate.snis.contains(&ask.sni))
        && !(candidate.scheme == Scheme::Plain && ask.tls)
}

/// docs/routing.md, order of candidates; less is better.
fn rank(candidate: &Candidate) -> impl Ord + use<> {
    (
        // "`spec.defaultBackend` of Ingress comes last of all."
        matches!(candidate.scope, Scope::IngressDefault),
        // "Precedence must be given to rules from the HTTPRoute with the largest number of:
        // characters in a matching non-wildcard hostname; characters in a matching hostname."
        candidate.host.rank(),
        candidate.rule.kind,
        candidate.path.rank(),
        // "Method match. Largest number of header matches. Largest number of query param matches."
        candidate.methods.is_empty(),
        usize::MAX - candidate.headers.len(),
        usize::MAX - candidate.queries.len(),
        candidate.snis.is_empty(),
        // "The oldest Route based on creation timestamp. The Route appearing first in alphabetical
        // order by "{namespace}/{name}". [...] the FIRST matching rule (in list order)".
        candidate.age.clone(),
        candidate.position,
    )
}
