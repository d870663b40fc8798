//! The side of the client: accepting, and one request from its headers to its response.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use silverback_emulator::ContextId;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::access::{AccessEvent, Answer, Attempts};
use super::body::{Relay, RequestBody, ResponseBody};
use super::connection::{self, Builders, Client, Open};
use super::errors::Refusal;
use super::filter::{self, Decision, Origin};
use super::headers;
use super::listener::ListenerSpec;
use super::misdirected::misdirected;
use super::outgoing::Outgoing;
use super::plan_exec::{self, BAD_GATEWAY, BAD_PLAN};
use super::request;
use super::response_framing::{self, BadFraming};
use super::transaction::Transaction;
use super::upgrade::{self, Tunnel};
use super::worker::Shared;

const NO_PLAN: Refusal = Refusal::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "no plan: the filter neither answered nor chose a backend",
);
const TRAPPED: Refusal = Refusal::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    "the filter trapped: see the log",
);
const TOO_LONG: Refusal = Refusal::closing(
    StatusCode::BAD_REQUEST,
    "a part of the request is longer than 65,535 bytes",
);
const BODY_TOO_LARGE: Refusal = Refusal::closing(
    StatusCode::PAYLOAD_TOO_LARGE,
    "the filter needs the request body, and it is too large",
);
const MISDIRECTED: Refusal = Refusal::new(
    StatusCode::MISDIRECTED_REQUEST,
    "this host belongs to another listener than the connection",
);
const BAD_BODY: Refusal = Refusal::closing(StatusCode::BAD_REQUEST, "malformed request body");

/// The pause after accept fails (file descriptors have run out).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

pub(super) type Reply = Response<ResponseBody>;

/// A request of which all is done that needs no waiting.
pub(super) enum Begun {
    /// It got its answer.
    Answered(Box<Reply>),
    /// The filter has seen its head, and said so.
    Decided(Box<Transaction>, Decision),
}

/// Accepts connections until told to stop.
pub(super) async fn accept(
    shared: Rc<Shared>,
    socket: TcpListener,
    spec: ListenerSpec,
    open: Arc<AtomicUsize>,
    mut stop: watch::Receiver<bool>,
) {
    let builders = Builders::new(&shared.limits);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.changed() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(open) = Open::new(&shared, &open) else {
                    shared.counters.too_many_connections.inc();
                    continue;
                };
                let _ = stream.set_nodelay(true);
                let (shared, builders) = (Rc::clone(&shared), builders.clone());
                let serve =
                    connection::serve(shared, builders, stream, peer, spec, open, stop.clone());
                tokio::task::spawn_local(serve);
            }
            Err(error) => {
                tracing::warn!(%error, bind = %spec.bind, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Checks a request and asks the filter.
pub(super) fn begin(
    shared: &Rc<Shared>,
    client: &Rc<Client>,
    mut request: Request<Incoming>,
) -> Begun {
    shared.counters.requests.inc();
    client.unread.set(false);
    let upgrade = upgrade::Asked::of(&mut request);
    let (mut parts, incoming) = request.into_parts();
    let body = RequestBody::new(incoming, &parts, &shared.limits, &client.unread);
    let origin = Origin {
        tls: client.spec.tls,
        port: client.spec.proxy_port,
        sni: client.sni.as_deref().unwrap_or_default().as_bytes(),
        source: client.forwarded.source(),
    };
    let checked = request::check(&mut parts, &shared.limits)
        .and_then(|()| request::check_length(&parts, &shared.limits))
        .and_then(|()| check_listener(shared, client, &parts));
    let exchange = match checked {
        Ok(()) => shared.filter.exchange(&mut parts, &origin).ok_or(TOO_LONG),
        Err(refusal) => Err(refusal),
    };
    let exchange = match exchange {
        Ok(exchange) => exchange,
        Err(mut refusal) => {
            refusal.close |= body.is_some() && parts.version != Version::HTTP_2;
            if refusal.close {
                client.unread.set(true);
            }
            return Begun::Answered(Box::new(refuse_unseen(shared, client, &parts, &refusal)));
        }
    };
    let out = Outgoing {
        method: parts.method,
        version: parts.version,
        target: origin_form(parts.uri),
        body,
        client: Rc::clone(client),
        upgrade,
    };
    let mut tx = Transaction::new(Rc::clone(shared), exchange, out);
    let (context, decision) = shared.filter.request(&mut tx.exchange);
    tx.context = context;
    match decision {
        Ok(decision) => Begun::Decided(tx, decision),
        Err(trap) => {
            shared.filter.trapped(&trap, "on_request_headers");
            Begun::Answered(Box::new(refuse(tx, &TRAPPED)))
        }
    }
}

/// The target without what an absolute one, or one of HTTP/2, says of the host: that is in Host.
fn origin_form(target: Uri) -> Uri {
    if target.authority().is_none() {
        return target;
    }
    let path = target.into_parts().path_and_query;
    path.map(Uri::from).unwrap_or_default()
}

/// Answers a request.
pub(super) async fn answer(begun: Begun) -> Reply {
    let (mut tx, decision) = match begun {
        Begun::Answered(reply) => return *reply,
        Begun::Decided(tx, decision) => (tx, decision),
    };
    let shared = Rc::clone(&tx.shared);
    let decision = match (decision, tx.context, tx.out.body.clone()) {
        (Decision::Wait, Some(context), Some(body)) => {
            match Box::pin(show_body(&mut tx, context, body)).await {
                Ok(decision) => decision,
                Err(refusal) => return refuse(tx, &refusal),
            }
        }
        (decision, ..) => decision,
    };
    let plan = match decision {
        Decision::Plan(plan) => plan,
        Decision::Local(response) => return local(tx, *response),
        Decision::BadPlan(error) => {
            shared.counters.bad_plans.inc();
            tracing::error!(%error, "the filter's plan cannot be read");
            return refuse(tx, &BAD_PLAN);
        }
        Decision::Wait | Decision::Nothing => {
            shared.counters.no_plan.inc();
            return refuse(tx, &NO_PLAN);
        }
    };

    tx.plan = Some(Arc::clone(&plan));
    tx.asking();
    let answered = plan_exec::execute(&mut tx, &plan).await;
    tx.asked();
    let answered = match answered {
        Ok(answered) => answered,
        Err(refusal) => {
            if refusal == BAD_PLAN {
                shared.counters.bad_plans.inc();
            }
            return refuse(tx, &refusal);
        }
    };
    tx.out.answered();
    let response = answered.response;
    if response.status().is_informational() {
        let read_timeout = Duration::from_millis(plan.timeouts.read.into());
        return switch(tx, response, read_timeout);
    }
    let (mut head, incoming) = response.into_parts();
    if let Err(BadFraming) = response_framing::strip(&mut head.headers, head.status) {
        tracing::debug!(endpoint = ?tx.endpoint, "a response's length or coding cannot be passed on");
        shared.counters.upstream_failures.inc();
        tx.spoiled();
        // With it goes the connection.
        return refuse(tx, &BAD_GATEWAY);
    }
    shared.counters.proxied.inc();
    let version = std::mem::replace(&mut head.version, Version::HTTP_11);
    headers::via(&mut head.headers, version);
    if let Err(refusal) = show_response(&mut tx, &mut head) {
        return refuse(tx, &refusal);
    }
    tx.status = head.status.as_u16();
    let mut connection = answered.connection;
    let body = ResponseBody::Upstream(Relay {
        incoming,
        timer: connection.timer.take(),
        waits: false,
        connection: Some(connection),
        read_timeout: plan.timeouts.read,
        transaction: tx,
        over: false,
        failed: None,
    });
    Response::from_parts(head, body)
}

/// Whether a request came over a connection of its own listener.
fn check_listener(
    shared: &Shared,
    client: &Client,
    request: &http::request::Parts,
) -> Result<(), Refusal> {
    if !client.spec.tls {
        return Ok(());
    }
    let Some(port) = shared.tls.port(client.spec.proxy_port) else {
        return Ok(());
    };
    let host = request.headers.get(http::header::HOST);
    let host = host.map_or(b"".as_slice(), |host| host.as_bytes());
    if misdirected(&port.listeners, client.sni.as_deref(), host) {
        shared.counters.misdirected.inc();
        return Err(MISDIRECTED);
    }
    Ok(())
}

/// The upstream changes to another protocol, and so does the client if it asked for it.
fn switch(
    mut tx: Box<Transaction>,
    mut response: Response<Incoming>,
    read_timeout: Duration,
) -> Reply {
    let (asked, client) = (tx.out.upgrade.take(), Rc::clone(&tx.out.client));
    let shared = Rc::clone(&tx.shared);
    let upstream = hyper::upgrade::on(&mut response);
    let (mut head, _) = response.into_parts();
    let tunnel = Tunnel::new(asked, &mut head, upstream, read_timeout, (tx, client));
    let mut tunnel = match tunnel {
        Ok(tunnel) => tunnel,
        Err(tx) => {
            // Not asked for: there is no such thing to pass on.
            shared.counters.upstream_failures.inc();
            return refuse(tx, &BAD_GATEWAY);
        }
    };
    shared.counters.proxied.inc();
    headers::via(&mut head.headers, Version::HTTP_11);
    let tx = tunnel.transaction();
    if let Err(refusal) = show_response(tx, &mut head) {
        return refuse(tunnel.into_transaction(), &refusal);
    }
    // The filter cannot make it another response: the upstream speaks the protocol by now.
    head.status = StatusCode::SWITCHING_PROTOCOLS;
    tx.status = head.status.as_u16();
    tokio::task::spawn_local(tunnel.run());
    Response::from_parts(head, ResponseBody::full(Bytes::new(), None))
}

/// Shows the filter the body that it paused for.
async fn show_body(
    tx: &mut Transaction,
    context: ContextId,
    body: Rc<RequestBody>,
) -> Result<Decision, Refusal> {
    let shared = Rc::clone(&tx.shared);
    let bytes = match body.collect(shared.limits.max_buffered_body).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(BODY_TOO_LARGE),
        Err(_) if body.too_large() => return Err(request::TOO_LARGE),
        Err(_) => return Err(BAD_BODY),
    };
    tx.exchange.request_body = Some(bytes);
    let decision = shared.filter.body(context, &mut tx.exchange);
    decision.map_err(|trap| {
        shared.filter.trapped(&trap, "on_request_body");
        TRAPPED
    })
}

/// The filter's own response.
fn local(mut tx: Box<Transaction>, response: silverback_emulator::LocalResponse) -> Reply {
    let status = StatusCode::from_u16(response.status).ok();
    let Some(status) = status.filter(|status| !status.is_informational()) else {
        tracing::error!(
            status = response.status,
            "the filter sent a status that HTTP does not have"
        );
        return refuse(tx, &TRAPPED);
    };
    tx.answer = Answer::Local;
    tx.shared.counters.local_response(response.status);
    let mut head = Response::new(());
    *head.status_mut() = status;
    *head.headers_mut() = filter::local_headers(&response);
    // The length is that of the body, whatever the filter says.
    head.headers_mut().remove(http::header::CONTENT_LENGTH);
    headers::strip_hop_by_hop(head.headers_mut());
    if let Some(grpc) = response.grpc_status {
        head.headers_mut()
            .insert("grpc-status", HeaderValue::from(grpc));
    }
    finish(tx, head, Bytes::from(response.body))
}

/// A response of the gateway's own to a request that the filter never sees.
fn refuse_unseen(
    shared: &Shared,
    client: &Client,
    request: &http::request::Parts,
    refusal: &Refusal,
) -> Reply {
    shared.counters.refused.inc();
    let (answer, status) = (Answer::Gateway, refusal.status.as_u16());
    shared.counters.over(answer, status, Some(Duration::ZERO));
    let (parts, body) = refusal.response(&shared.ids).into_parts();
    shared.counters.sent_bytes.add(body.len() as u64);
    if let Some(hook) = &shared.on_access {
        let host = request.headers.get(http::header::HOST);
        let path = request.uri.path_and_query();
        hook(&AccessEvent {
            method: request.method.as_str().as_bytes(),
            host: host.map_or(b"", |host| host.as_bytes()),
            path: path.map_or(b"", |path| path.as_str().as_bytes()),
            source: client.peer.ip(),
            status,
            answer,
            rule: 0,
            epoch: 0,
            route: b"",
            service: b"",
            tags: b"",
            endpoint: None,
            tries: 0,
            attempts: Attempts::default(),
            latency: Duration::ZERO,
            upstream_latency: None,
            received: 0,
            sent: body.len() as u64,
            version: request.version,
            tls: client.spec.tls,
            port: client.spec.proxy_port,
            worker: shared.index,
        });
    }
    Response::from_parts(parts, ResponseBody::full(body, None))
}

/// A response of the gateway's own to a request that the filter saw.
fn refuse(mut tx: Box<Transaction>, refusal: &Refusal) -> Reply {
    tx.answer = Answer::Gateway;
    let (parts, body) = refusal.response(&tx.shared.ids).into_parts();
    finish(tx, Response::from_parts(parts, ()), body)
}

/// Shows the filter the head, as Kong does for every response, and ends the transaction with
/// the body.
fn finish(mut tx: Box<Transaction>, head: Response<()>, body: Bytes) -> Reply {
    let (mut head, ()) = head.into_parts();
    // After a trap there is nothing to show it to, and the answer stands.
    let _ = show_response(&mut tx, &mut head);
    tx.status = head.status.as_u16();
    Response::from_parts(head, ResponseBody::full(body, Some(tx)))
}

fn show_response(tx: &mut Transaction, head: &mut http::response::Parts) -> Result<(), Refusal> {
    let Some(context) = tx.context else {
        return Ok(());
    };
    let shared = Rc::clone(&tx.shared);
    let shown = shared.filter.response(context, &mut tx.exchange, head);
    shown.map_err(|trap| {
        shared.filter.trapped(&trap, "on_response_headers");
        tx.context = None;
        TRAPPED
    })
}
