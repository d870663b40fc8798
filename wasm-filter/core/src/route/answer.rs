//! The whole way of one request: message of the contract in, plan or reply out.

use core::net::SocketAddr;

use super::balance::{self, Balancer, Chosen as Balanced, Inputs, Spin, Ticket, Wanted};
use super::cors::{self, Preflight, ReplyHeaders, Verdict};
use super::edits::{RequestEdits, ResponseEdit, ResponseEdits, push_response};
use super::forward::{self, HostSources};
use super::host::HostName;
use super::names;
use super::redirect::{self, Origin};
use super::select::{Entry, Headers, Request, Selected, select};
use super::target::Target;
use super::uri::{self, Found, NoPath, Patterns};
use crate::contract::plan::{MAX_MIRRORS, Mirror, OwnedPlan, Plan, Protocol, RetryOn, UpstreamTls};
use crate::contract::request::RequestInfo;
use crate::table::endpoints::{Endpoints, Settings};
use crate::table::model::RouteKind;
use crate::table::routes::{
    Change, Changes, CorsEntry, Extra, ObjectEntry, PathEntryEdit, RedirectEntry,
};
use crate::table::segment::Broken;
use crate::table::store::view::{Segments, Unreadable};

pub use super::reply::Reply;

/// Endpoints that a mirror may be tried at: a copy that fails is not worth more.
const MIRROR_TRIES: u8 = 3;

/// What happens with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The plan is in [`Scratch::plan`], changes of the response in [`Scratch::response`].
    Proxy,
    /// The gateway answers itself, with [`Scratch::headers`].
    Reply(Reply),
}

/// Buffers that live longer than a request, so that a request of a plain rule allocates nothing.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The plan's bytes.
    pub plan: Vec<u8>,
    /// What is changed in the response.
    pub response: ResponseEdits,
    /// Headers of the gateway's own answer beyond those of its body.
    pub headers: ReplyHeaders,
    /// What must be told to [`Self::balancer`] when a request that is proxied is over; most rules need
    /// nothing told.
    pub ticket: Option<Box<Ticket>>,
    /// What is remembered of the requests that were spread so far.
    pub balancer: Balancer,
    /// Patterns that requests needed so far.
    patterns: Patterns,
    endpoints: Vec<SocketAddr>,
    codes: Vec<u16>,
    uri: Vec<u8>,
    host: String,
    route_name: Vec<u8>,
    service_name: Vec<u8>,
}

/// A request that has found its rule.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'r> {
    /// The request as it is compared.
    pub request: Request<'r>,
    /// Is its path the one that the client sent, without a change?
    pub as_sent: bool,
    /// The client's address as text; empty if unknown.
    pub source: &'r [u8],
}

/// [`Answer`] with what belongs to it, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Description {
    /// It is proxied.
    Proxy {
        /// How.
        plan: Box<OwnedPlan>,
        /// What is changed in the response.
        response: ResponseEdits,
    },
    /// The gateway answers itself.
    Reply {
        /// How.
        reply: Reply,
        /// With these headers, `location` among them.
        headers: ReplyHeaders,
    },
}

/// Where a request goes, and what is changed on the way.
struct Chosen<'t> {
    object: ObjectEntry<'t>,
    extra: Extra<'t>,
    /// Id of the Service port.
    service: u64,
    endpoints: Endpoints<'t>,
    settings: Settings<'t>,
    /// Key of the Service port.
    key: &'t [u8],
    edits: RequestEdits<'t>,
    host: Option<&'t [u8]>,
    path: PathEntryEdit<'t>,
    mirrors: Vec<(Protocol, Vec<SocketAddr>)>,
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
    scratch.clear();
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
    let Some(selected) = select(segments, &request, headers, &scratch.patterns.automata)? else {
        return Ok(Answer::Reply(Reply::NotFound));
    };
    let asked = Asked {
        request,
        as_sent: target.is_as_sent(),
        source: info.source,
    };
    decide(segments, epoch, &asked, &selected, headers, spin, scratch)
}

/// Answers a request that has found its rule.
///
/// # Errors
/// [`Unreadable`] if a part of the table that is needed cannot be read.
pub fn decide(
    segments: &dyn Segments,
    epoch: u64,
    asked: &Asked<'_>,
    selected: &Selected<'_, '_>,
    headers: &impl Headers,
    spin: Spin,
    scratch: &mut Scratch,
) -> Result<Answer, Unreadable> {
    scratch.clear();
    let decision = try_decide(segments, epoch, asked, selected, headers, spin, scratch)?;
    Ok(match decision {
        Ok(()) => Answer::Proxy,
        Err(reply) => {
            // Nothing of what was prepared for a plan.
            scratch.plan.clear();
            scratch.response.clear();
            scratch.ticket = None;
            Answer::Reply(reply)
        }
    })
}

/// [`decide`] without a worker: what a plan and a reply say, for people.
///
/// # Errors
/// [`Unreadable`] if a part of the table that is needed cannot be read.
pub fn describe(
    segments: &dyn Segments,
    asked: &Asked<'_>,
    selected: &Selected<'_, '_>,
    headers: &impl Headers,
    spin: Spin,
) -> Result<Description, Unreadable> {
    let mut scratch = Scratch::default();
    let answer = decide(segments, 0, asked, selected, headers, spin, &mut scratch)?;
    let reply = match answer {
        Answer::Reply(reply) => reply,
        Answer::Proxy => match OwnedPlan::decode(&scratch.plan) {
            Ok(plan) => {
                return Ok(Description::Proxy {
                    plan: Box::new(plan),
                    response: scratch.response,
                });
            }
            // What one encodes the other decodes.
            Err(_) => Reply::NoPlan,
        },
    };
    Ok(Description::Reply {
        reply,
        headers: scratch.headers,
    })
}

fn try_decide(
    segments: &dyn Segments,
    epoch: u64,
    asked: &Asked<'_>,
    selected: &Selected<'_, '_>,
    headers: &impl Headers,
    spin: Spin,
    scratch: &mut Scratch,
) -> Result<Result<(), Reply>, Unreadable> {
    let rule = &selected.rule;
    if let Some(status) = selected.upgrade {
        return Ok(Err(upgrade(&asked.request, status, &mut scratch.headers)));
    }
    let extra = rule.extra()?;
    if let Some(reply) = answered(&extra.changes, asked, selected, headers, scratch)? {
        return Ok(Err(reply));
    }
    let object = rule.object()?;
    let no_backend = match object.kind {
        RouteKind::GrpcRoute => Reply::NoGrpcBackend,
        RouteKind::Ingress | RouteKind::HttpRoute => Reply::NoBackend,
    };
    let Some(backend) = balance::backend(rule, &mut scratch.balancer, spin)? else {
        return Ok(Err(no_backend));
    };
    let Some(id) = backend.service else {
        return Ok(Err(no_backend));
    };
    if let Some(reply) = answered(&backend.changes, asked, selected, headers, scratch)? {
        return Ok(Err(reply));
    }
    let Some((key, endpoints)) = balance::service(segments, id)? else {
        scratch.balancer.forget(id);
        return Ok(Err(Reply::NoEndpoints));
    };
    let mut chosen = Chosen {
        object,
        extra,
        service: id,
        endpoints,
        settings: endpoints.settings()?,
        key,
        edits: RequestEdits::default(),
        host: None,
        path: PathEntryEdit::None,
        mirrors: Vec::new(),
    };
    let changes = [extra.changes, backend.changes];
    for change in changes.iter().flat_map(Changes::iter) {
        chosen.change(segments, &change?, spin)?;
    }
    let balanced = chosen.balance(epoch, asked, selected, headers, spin, scratch)?;
    if let Err(reply) = chosen.write(epoch, asked, selected, scratch)? {
        if let Some(ticket) = &balanced.ticket {
            scratch.balancer.done(ticket, None);
        }
        return Ok(Err(reply));
    }
    // What the filter for cross-origin requests says comes first: modifiers may change it.
    for (name, value) in scratch.headers.drain(..) {
        let value = value.into_bytes().into();
        scratch.response.push(match name {
            cors::VARY => ResponseEdit::Add(name.into(), value),
            _ => ResponseEdit::Set(name.into(), value),
        });
    }
    for change in changes.iter().flat_map(Changes::iter) {
        push_response(&change?, &mut scratch.response);
    }
    scratch.response.extend(balanced.cookie);
    scratch.ticket = balanced.ticket;
    Ok(Ok(()))
}

/// The answer to a request without TLS for a rule that wants it, as Kong's router gives it.
fn upgrade(request: &Request<'_>, status: u16, headers: &mut ReplyHeaders) -> Reply {
    if !matches!(status, 301 | 302 | 307 | 308) {
        headers.push(("connection", "Upgrade".to_owned()));
        headers.push(("upgrade", "TLS/1.2, HTTP/1.1".to_owned()));
        return Reply::UpgradeRequired;
    }
    if request.host.is_empty() {
        return Reply::BadRequest;
    }
    let mut location = String::new();
    redirect::to_https(request.host, request.path, request.query, &mut location);
    headers.push(("location", location));
    Reply::Redirect(status)
}

/// Does the gateway answer by itself, because of a rule's or a backend's filters?
fn answered(
    changes: &Changes<'_>,
    asked: &Asked<'_>,
    selected: &Selected<'_, '_>,
    headers: &impl Headers,
    scratch: &mut Scratch,
) -> Result<Option<Reply>, Unreadable> {
    let mut redirect = None;
    for change in changes.iter() {
        match change? {
            Change::Cors(cors) => {
                let preflight = cross_origin(&cors, asked.request.method, headers, scratch);
                if preflight {
                    return Ok(Some(Reply::Preflight));
                }
            }
            Change::Redirect(entry) => redirect = Some(entry),
            _ => {}
        }
    }
    match redirect {
        Some(redirect) => Ok(Some(redirected(&redirect, asked, selected, scratch)?)),
        None => Ok(None),
    }
}

/// Judges the origin. `true`: this is a preflight, and its answer is ready.
fn cross_origin(
    cors: &CorsEntry<'_>,
    method: &[u8],
    headers: &impl Headers,
    scratch: &mut Scratch,
) -> bool {
    let value = |name| headers.first(name, |value| value.map(<[u8]>::to_vec));
    let origin = value("origin");
    let verdict = cors::judge(cors, origin.as_deref());
    // Of two filters the later one decides.
    scratch.headers.clear();
    scratch.response.clear();
    if method == b"OPTIONS"
        && origin.is_some()
        && let Some(method) = value("access-control-request-method")
    {
        let wanted = value("access-control-request-headers");
        let preflight = Preflight {
            method: &method,
            headers: wanted.as_deref(),
        };
        cors::headers(cors, verdict, Some(preflight), &mut scratch.headers);
        return true;
    }
    cors::headers(cors, verdict, None, &mut scratch.headers);
    if verdict != Verdict::NoOrigin {
        for name in [cors::ALLOW_ORIGIN, cors::ALLOW_CREDENTIALS] {
            if !scratch.headers.iter().any(|(known, _)| *known == name) {
                scratch.response.push(ResponseEdit::Remove(name.into()));
            }
        }
    }
    false
}

fn redirected(
    redirect: &RedirectEntry<'_>,
    asked: &Asked<'_>,
    selected: &Selected<'_, '_>,
    scratch: &mut Scratch,
) -> Result<Reply, Unreadable> {
    let request = &asked.request;
    // There is no absolute URL without a host.
    if redirect.host.is_none() && request.host.is_empty() {
        return Ok(Reply::BadRequest);
    }
    let found = Found {
        entry: selected.path,
        path: request.path,
        patterns: &scratch.patterns,
    };
    scratch.uri.clear();
    let path = match uri::edited(&found, &redirect.path, &mut scratch.uri) {
        Ok(true) => &scratch.uri,
        Ok(false) => request.path,
        Err(error) => return no_path(error),
    };
    let origin = Origin {
        tls: request.tls,
        host: request.host,
        listener: request.entry.listener,
    };
    let mut location = String::new();
    redirect::location(&origin, redirect, path, request.query, &mut location);
    scratch.headers.push(("location", location));
    Ok(match redirect.status {
        300..=399 => Reply::Redirect(redirect.status),
        _ => Reply::NoPlan,
    })
}

fn no_path(error: NoPath) -> Result<Reply, Unreadable> {
    match error {
        NoPath::Request => Ok(Reply::BadRequest),
        NoPath::Rule => Ok(Reply::NoPlan),
        NoPath::Broken => Err(Broken.into()),
    }
}

// === impl Scratch ===

impl Scratch {
    fn clear(&mut self) {
        self.plan.clear();
        self.response.clear();
        self.headers.clear();
        self.ticket = None;
    }
}

// === impl Chosen ===

impl<'t> Chosen<'t> {
    /// Makes a change after those that were made so far.
    fn change(
        &mut self,
        segments: &'t dyn Segments,
        change: &Change<'t>,
        spin: Spin,
    ) -> Result<(), Unreadable> {
        match change {
            Change::Rewrite(rewrite) => {
                self.host = rewrite.host.or(self.host);
                if !matches!(rewrite.path, PathEntryEdit::None) {
                    self.path = rewrite.path;
                }
            }
            Change::Mirror(mirror) => {
                if self.mirrors.len() < MAX_MIRRORS
                    && balance::mirrored(mirror, spin)
                    && let Some((_, endpoints)) = balance::service(segments, mirror.service)?
                    && !endpoints.is_empty()
                {
                    let protocol = forward::protocol(&endpoints.settings()?, self.object.kind);
                    let mut list = Vec::new();
                    balance::order(&endpoints, spin, MIRROR_TRIES, &mut list);
                    self.mirrors.push((protocol, list));
                }
            }
            other => self.edits.push(other),
        }
        Ok(())
    }

    /// Chooses the endpoints.
    fn balance(
        &self,
        epoch: u64,
        asked: &Asked<'_>,
        selected: &Selected<'_, '_>,
        headers: &impl Headers,
        spin: Spin,
        scratch: &mut Scratch,
    ) -> Result<Balanced, Unreadable> {
        let wanted = Wanted {
            service: self.service,
            epoch,
            policy: self.settings.policy(),
            tries: forward::tries(&self.settings, self.extra.retry.as_ref()),
            spin,
        };
        let inputs = Inputs {
            headers,
            request: &asked.request,
            source: asked.source,
            found: &Found {
                entry: selected.path,
                path: asked.request.path,
                patterns: &scratch.patterns,
            },
        };
        let (balancer, list) = (&mut scratch.balancer, &mut scratch.endpoints);
        balancer.choose(&wanted, &self.endpoints, &inputs, list)
    }

    fn write(
        &self,
        epoch: u64,
        asked: &Asked<'_>,
        selected: &Selected<'_, '_>,
        scratch: &mut Scratch,
    ) -> Result<Result<(), Reply>, Unreadable> {
        let (extra, settings) = (&self.extra, &self.settings);
        let request = &asked.request;
        let tries = forward::tries(settings, extra.retry.as_ref());
        let Some(first) = scratch.endpoints.first() else {
            return Ok(Err(Reply::NoEndpoints));
        };
        let found = Found {
            entry: selected.path,
            path: request.path,
            patterns: &scratch.patterns,
        };
        let written = uri::upstream(
            &found,
            &self.path,
            extra.forwarding,
            settings.path,
            request.query,
            &mut scratch.uri,
        );
        let uri = match written {
            Ok(true) => Some(&*scratch.uri),
            Ok(false) if asked.as_sent => None,
            Ok(false) => {
                scratch.uri.extend_from_slice(request.path);
                scratch.uri.extend_from_slice(request.query);
                Some(&*scratch.uri)
            }
            Err(error) => return no_path(error).map(Err),
        };
        let protocol = forward::protocol(settings, self.object.kind);
        let sources = HostSources {
            rewrite: self.host,
            edit: self.edits.host,
            forwarding: extra.forwarding,
            settings,
            endpoint: *first,
            protocol,
        };
        let host = forward::host(&sources, &mut scratch.host);
        let server_name = (protocol.is_tls())
            .then(|| forward::server_name(host.unwrap_or(request.host)))
            .flatten();
        let tls = protocol.is_tls().then(|| UpstreamTls {
            policy: settings.tls_policy,
            server_name: server_name.as_ref().map_or(b"", HostName::as_bytes),
        });
        names::write(
            selected,
            &self.object,
            self.key,
            &mut scratch.route_name,
            &mut scratch.service_name,
        )?;
        scratch.codes.clear();
        let retry = extra.retry.map(|retry| {
            scratch.codes.extend(retry.codes());
            RetryOn {
                backoff: retry.backoff,
                codes: &scratch.codes,
            }
        });
        let mirrors: Vec<_> = (self.mirrors.iter())
            .map(|(protocol, endpoints)| Mirror {
                protocol: *protocol,
                endpoints,
            })
            .collect();
        let plan = Plan {
            timeouts: forward::timeouts(settings, extra.timeouts),
            deadlines: forward::deadlines(extra.timeouts),
            tries,
            retry,
            protocol,
            host,
            uri,
            remove_headers: &self.edits.remove,
            set_headers: &self.edits.set,
            add_headers: &self.edits.add,
            tls,
            mirrors: &mirrors,
            plugin_set: extra.plugin_set,
            route_name: &scratch.route_name,
            service_name: &scratch.service_name,
            tags: extra.tags,
            ..Plan::to(
                epoch,
                self.object.rule_id(selected.rule.index),
                &scratch.endpoints,
            )
        };
        Ok(plan.encode(&mut scratch.plan).map_err(|_| Reply::NoPlan))
    }
}
