//! The admin port: metrics, status, and a page for the browser.
//!
//! It listens at the loopback address only and changes nothing. Browsers let any page on the web send
//! requests here, so each must name the loopback itself as its host: a name that an attacker has
//! pointed here (DNS rebinding) is refused, and no answer may be read by another origin.

mod assets;
mod body;
mod explain;
mod host;
mod metrics;
mod page;
mod status;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::sync::Semaphore;

use self::body::AdminBody;
use super::event::Event;
use super::observe::Observed;
use crate::args::AdminPort;
use crate::status::DEFAULT_ADMIN_PORT;

/// Connections at a time; more wait.
const CONNECTIONS: usize = 64;
/// Headers must have come by then.
const HEADERS: Duration = Duration::from_secs(10);
/// Bytes of a request's headers, its URL included.
const HEADER_BYTES: usize = 32 * 1024;

/// The browser is told to load nothing from anywhere else, and to run nothing that is in the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A socket of the admin port.
#[derive(Debug)]
pub(super) struct Admin {
    socket: TcpListener,
    pub(super) address: SocketAddr,
    /// Why it is not the usual port.
    pub(super) note: Option<String>,
}

/// There is no admin port.
#[derive(Debug, thiserror::Error)]
#[error(
    "admin port {port}: {error} (hint: --admin-port PORT takes another, 0 any free one, off none)"
)]
pub(super) struct AdminError {
    port: u16,
    /// Not the `source`, which would be said once more behind the hint.
    error: io::Error,
}

/// What the answers are made of.
struct Context {
    observed: Arc<Observed>,
    events: Sender<Event>,
    /// The translator is asked one thing at a time; it has changes to make, too.
    asking: Semaphore,
}

type Answer = Response<AdminBody>;

// === impl Admin ===

impl Admin {
    /// Binds the port; `None` if there shall be none. Where nobody asked for the usual port, another
    /// will do.
    pub(super) fn bind(port: Option<AdminPort>) -> Result<Option<Self>, AdminError> {
        let (wanted, any) = match port {
            Some(AdminPort::Off) => return Ok(None),
            Some(AdminPort::At(port)) => (port, false),
            None => (DEFAULT_ADMIN_PORT, true),
        };
        let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let mut note = None;
        let socket = bind(wanted).or_else(|error| {
            if !any || error.kind() != io::ErrorKind::AddrInUse {
                return Err(error);
            }
            let socket = bind(0)?;
            let port = socket.local_addr()?.port();
            note = Some(format!(
                "admin port {wanted} is in use, another silverback dev perhaps: it is {port} this time \
                 (hint: silverback status --admin-url http://127.0.0.1:{port}; --admin-port PORT keeps one)"
            ));
            Ok(socket)
        });
        let failed = |error| AdminError {
            port: wanted,
            error,
        };
        let socket = socket.map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Some(Self {
            socket,
            address,
            note,
        }))
    }

    /// Answers from now on, until the process ends.
    pub(super) fn serve(self, observed: Arc<Observed>, events: Sender<Event>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let context = Arc::new(Context {
            observed,
            events,
            asking: Semaphore::new(1),
        });
        std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(accept(self.socket, context)) {
                    tracing::error!(%error, "the admin port ends");
                }
            })
            .map(drop)
    }
}

async fn accept(socket: TcpListener, context: Arc<Context>) -> io::Result<()> {
    let socket = tokio::net::TcpListener::from_std(socket)?;
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&free).acquire_owned().await else {
            return Ok(());
        };
        let stream = match socket.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "admin port");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let context = Arc::clone(&context);
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(|request| {
                let context = Arc::clone(&context);
                async move { Ok::<_, Infallible>(answer(&context, &request).await) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS)
                .max_buf_size(HEADER_BYTES)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "admin connection");
            }
        });
    }
}

async fn answer(context: &Context, request: &Request<Incoming>) -> Answer {
    let mut answer = route(context, request).await;
    let headers = answer.headers_mut();
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

async fn route(context: &Context, request: &Request<Incoming>) -> Answer {
    let mut hosts = request.headers().get_all(HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host::is_loopback(host.as_bytes()),
        _ => false,
    };
    // An absolute target is a proxy's.
    if !named || request.uri().authority().is_some() {
        return error(
            StatusCode::MISDIRECTED_REQUEST,
            "the Host header does not name this machine's loopback",
            "open http://127.0.0.1 or http://localhost with the admin port",
        );
    }
    if request.method() != Method::GET {
        let mut answer = error(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET is answered here",
            "nothing can be changed over the admin port; edit the manifests",
        );
        let allow = HeaderValue::from_static("GET");
        answer.headers_mut().insert(ALLOW, allow);
        return answer;
    }
    let observed = &*context.observed;
    let query = request.uri().query().unwrap_or_default();
    match request.uri().path() {
        "/" => {
            let asked = explain::Asked::parse(query);
            let answered = match asked.is_empty() {
                true => None,
                false => Some(explain::ask(context, &asked).await),
            };
            ok(
                "text/html; charset=utf-8",
                page::page(observed, &asked, answered.as_ref()),
            )
        }
        "/metrics" => match metrics::metrics(&context.observed) {
            Ok(text) => ok(metrics::CONTENT_TYPE, text),
            Err(why) => failed(&why.to_string()),
        },
        "/status" => match serde_json::to_string(&status::status(observed)) {
            Ok(json) => ok("application/json", json),
            Err(why) => failed(&why.to_string()),
        },
        "/explain" => {
            let asked = explain::Asked::parse(query);
            match explain::ask(context, &asked).await {
                Ok(answered) => ok("application/json", answered.json),
                Err(why) => error(why.status, &why.message, &why.hint),
            }
        }
        "/requests" => match observed.tail.watch() {
            Some(events) => body::events(events),
            None => error(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many watch already",
                "close a status page",
            ),
        },
        "/style.css" => ok("text/css; charset=utf-8", assets::STYLE),
        "/page.js" => ok("text/javascript; charset=utf-8", assets::SCRIPT),
        _ => error(
            StatusCode::NOT_FOUND,
            "there is no such page",
            "/, /status, /metrics, /explain?url=URL, /requests",
        ),
    }
}

fn ok(kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(AdminBody::from(body.into()));
    let kind = HeaderValue::from_static(kind);
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn failed(why: &str) -> Answer {
    error(StatusCode::INTERNAL_SERVER_ERROR, why, "please report it")
}

fn error(status: StatusCode, message: &str, hint: &str) -> Answer {
    let error = json!({"schemaVersion": 1, "error": {"message": message, "hint": hint}});
    let mut answer = ok("application/json", error.to_string());
    *answer.status_mut() = status;
    answer
}
