//! The side of the client: accepting, and one request from its headers to its response.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::access::{AccessEvent, Answer};
use super::body::{Relay, RequestBody, ResponseBody};
use super::errors::Refusal;
use super::filter::{self, Decision, Origin};
use super::headers::{self, Forwarded};
use super::listener::ListenerSpec;
use super::plan_exec::{self, BAD_GATEWAY, BAD_PLAN, Outgoing};
use super::request;
use super::server_io::ServerIo;
use super::transaction::Transaction;
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
const BAD_BODY: Refusal = Refusal::closing(StatusCode::BAD_REQUEST, "malformed request body");

/// hyper's own limit for header lines; lower ones need no allocation for the parser.
const HYPER_HEADERS: usize = 100;
/// The pause after accept fails (file descriptors have run out).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Reply = Response<ResponseBody>;

/// What the requests of one client connection share.
struct Client {
    peer: SocketAddr,
    spec: ListenerSpec,
    forwarded: Forwarded,
}

/// Accepts connections until told to stop.
pub(super) async fn accept(
    shared: Rc<Shared>,
    socket: TcpListener,
    spec: ListenerSpec,
    mut stop: watch::Receiver<bool>,
) {
    let http = builder(&shared);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.changed() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let _ = stream.set_nodelay(true);
                let shared = Rc::clone(&shared);
                shared.counters.connections.inc();
                shared.counters.open_connections.inc();
                let connection = connection(shared, http.clone(), stream, peer, spec, stop.clone());
                tokio::task::spawn_local(connection);
            }
            Err(error) => {
                tracing::warn!(%error, bind = %spec.bind, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn builder(shared: &Shared) -> http1::Builder {
    let limits = &shared.limits;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_timeout)
        .max_header_size(limits.max_header_bytes)
        // The buffer must hold what the limit allows.
        .max_buf_size((limits.max_header_bytes * 2).max(64 * 1024));
    if limits.max_headers != HYPER_HEADERS {
        http.max_headers(limits.max_headers);
    }
    http
}

/// Serves a client connection.
async fn connection(
    shared: Rc<Shared>,
    http: http1::Builder,
    stream: TcpStream,
    peer: SocketAddr,
    spec: ListenerSpec,
    mut stop: watch::Receiver<bool>,
) {
    struct Open(Rc<Shared>);
    impl Drop for Open {
        fn drop(&mut self) {
            self.0.counters.open_connections.dec();
            self.0.idle.notify_one();
        }
    }
    let open = Open(Rc::clone(&shared));

    let io = ServerIo::new(stream, Rc::clone(&shared));
    let client = Rc::new(Client {
        peer,
        spec,
        forwarded: Forwarded::new(peer.ip().to_canonical(), spec.proxy_port, spec.tls),
    });
    let service = service_fn(move |request| {
        let (shared, client) = (Rc::clone(&shared), Rc::clone(&client));
        async move { Ok::<_, Infallible>(handle(shared, client, request).await) }
    });
    let mut served = pin!(http.serve_connection(TokioIo::new(io), service));
    let ended = tokio::select! {
        biased;
        ended = served.as_mut() => ended,
        _ = stop.changed() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "client connection ended");
    }
    drop(open);
}

async fn handle(shared: Rc<Shared>, client: Rc<Client>, request: Request<Incoming>) -> Reply {
    shared.counters.requests.inc();
    let (mut parts, incoming) = request.into_parts();
    let origin = Origin {
        tls: client.spec.tls,
        port: client.spec.proxy_port,
        source: client.forwarded.source(),
    };
    let exchange = match request::check(&mut parts, &shared.limits) {
        Ok(()) => filter::exchange(&parts, &origin).ok_or(TOO_LONG),
        Err(refusal) => Err(refusal),
    };
    let exchange = match exchange {
        Ok(exchange) => exchange,
        Err(refusal) => return refuse_unseen(&shared, &client, &parts, &refusal),
    };
    let mut tx = Transaction::new(Rc::clone(&shared), exchange, client.peer.ip());
    let body = RequestBody::new(
        incoming,
        shared.limits.replay_bytes,
        shared.limits.body_read_timeout,
    );

    let decision = match decide(&mut tx, body.as_deref()).await {
        Ok(decision) => decision,
        Err(refusal) => return refuse(tx, &refusal),
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

    let unchanged = filter::request_headers_unchanged(&tx.exchange, &parts.headers);
    let outgoing = Outgoing {
        method: parts.method,
        target: parts.uri,
        headers: unchanged.then_some(parts.headers),
        body: body.clone(),
        forwarded: &client.forwarded,
    };
    let answered = plan_exec::execute(&mut tx, &plan, outgoing).await;
    let read_timeout = Duration::from_millis(plan.timeouts.read.into());
    tx.plan = Some(plan);
    let answered = match answered {
        Ok(answered) => answered,
        Err(refusal) => {
            if refusal == BAD_PLAN {
                shared.counters.bad_plans.inc();
            }
            return refuse(tx, &refusal);
        }
    };
    let (mut head, incoming) = answered.response.into_parts();
    if head.status.is_informational() {
        // 101 without having been asked: there is no such thing to pass on.
        shared.counters.upstream_failures.inc();
        return refuse(tx, &BAD_GATEWAY);
    }
    shared.counters.proxied.inc();
    head.version = http::Version::HTTP_11;
    headers::strip_hop_by_hop(&mut head.headers);
    headers::via(&mut head.headers);
    if let Err(refusal) = show_response(&mut tx, &mut head) {
        return refuse(tx, &refusal);
    }
    tx.status = head.status.as_u16();
    let body = ResponseBody::Upstream(Box::new(Relay {
        incoming,
        connection: Some(answered.connection),
        request: body,
        read_timeout,
        pause: None,
        transaction: tx,
        over: false,
    }));
    Response::from_parts(head, body)
}

/// Asks the filter; if it pauses, it is shown the body.
async fn decide(tx: &mut Transaction, body: Option<&RequestBody>) -> Result<Decision, Refusal> {
    let shared = Rc::clone(&tx.shared);
    let trapped = |trap, callback| {
        filter::count_trap(&shared.counters, &trap, callback);
        TRAPPED
    };
    let (context, decision) = shared.filter.request(&mut tx.exchange);
    tx.context = context;
    let decision = decision.map_err(|trap| trapped(trap, "on_request_headers"))?;
    let (Decision::Wait, Some(context), Some(body)) = (&decision, context, body) else {
        return Ok(decision);
    };
    let bytes = match body.collect(shared.limits.max_buffered_body).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(BODY_TOO_LARGE),
        Err(_) => return Err(BAD_BODY),
    };
    tx.exchange.request_body = Some(bytes);
    let decision = shared.filter.body(context, &mut tx.exchange);
    decision.map_err(|trap| trapped(trap, "on_request_body"))
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
    if let Some(hook) = &shared.on_access {
        let host = request.headers.get(http::header::HOST);
        let path = request.uri.path_and_query();
        hook(&AccessEvent {
            method: request.method.as_str().as_bytes(),
            host: host.map_or(b"", |host| host.as_bytes()),
            path: path.map_or(b"", |path| path.as_str().as_bytes()),
            source: client.peer.ip(),
            status: refusal.status.as_u16(),
            answer: Answer::Gateway,
            rule: 0,
            epoch: 0,
            route: b"",
            service: b"",
            endpoint: None,
            tries: 0,
            latency: Duration::ZERO,
            worker: shared.index,
        });
    }
    let (parts, body) = refusal.response(&shared.ids).into_parts();
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
        filter::count_trap(&shared.counters, &trap, "on_response_headers");
        tx.context = None;
        TRAPPED
    })
}
