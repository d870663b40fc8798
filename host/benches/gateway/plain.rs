//! The yardstick: the least that a reverse proxy on hyper can do. It passes on what it gets to one
//! endpoint after the other, with kept upstream connections; no timeouts, no header of its own, no retry.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

use crate::Speaks;

/// Name of its thread.
pub(crate) const THREAD: &str = "plain";

/// Endpoints with the connections to each that are idle.
struct Upstream {
    endpoints: Vec<(SocketAddr, RefCell<Vec<SendRequest<Incoming>>>)>,
    turn: Cell<usize>,
}

struct Pooled {
    body: Incoming,
    sender: Option<SendRequest<Incoming>>,
    upstream: Rc<Upstream>,
    endpoint: usize,
}

#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Starts it, with a port for each protocol.
pub(crate) fn start(endpoints: Vec<SocketAddr>) -> [SocketAddr; Speaks::ALL.len()] {
    let listeners = Speaks::ALL.map(|speaks| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        (speaks, listener)
    });
    let addrs = [0, 1].map(|n| listeners[n].1.local_addr().unwrap());
    let serve = move || {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(LocalOptions::default());
        runtime.unwrap().block_on(async {
            let endpoints = endpoints.into_iter().map(|addr| (addr, RefCell::default()));
            let upstream = Rc::new(Upstream {
                endpoints: endpoints.collect(),
                turn: Cell::default(),
            });
            for (speaks, listener) in listeners {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::task::spawn_local(accept(listener, speaks, Rc::clone(&upstream)));
            }
            std::future::pending::<()>().await;
        })
    };
    let thread = std::thread::Builder::new().name(THREAD.to_owned());
    thread.spawn(serve).unwrap();
    addrs
}

async fn accept(listener: TcpListener, speaks: Speaks, upstream: Rc<Upstream>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (io, upstream) = (TokioIo::new(stream), Rc::clone(&upstream));
        let service = service_fn(move |request| proxy(request, Rc::clone(&upstream)));
        match speaks {
            Speaks::Http1 => {
                let connection = http1::Builder::new().serve_connection(io, service);
                tokio::task::spawn_local(connection);
            }
            Speaks::H2c => {
                let connection = http2::Builder::new(Local).serve_connection(io, service);
                tokio::task::spawn_local(connection);
            }
        }
    }
}

async fn proxy(
    mut request: Request<Incoming>,
    upstream: Rc<Upstream>,
) -> Result<Response<Pooled>, hyper::Error> {
    // HTTP/2 has an absolute target and no Host.
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str()).unwrap();
        request.headers_mut().insert(HOST, host);
        let path = request.uri().path_and_query().unwrap().clone();
        *request.uri_mut() = Uri::from(path);
        *request.version_mut() = http::Version::HTTP_11;
    }
    let endpoint = upstream.turn.get();
    let (addr, idle) = &upstream.endpoints[endpoint];
    upstream.turn.set((endpoint + 1) % upstream.endpoints.len());
    let kept = idle.borrow_mut().pop();
    let mut sender = match kept {
        Some(sender) => sender,
        None => {
            let stream = TcpStream::connect(addr).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let io = TokioIo::new(stream);
            let (sender, driver) = hyper::client::conn::http1::handshake(io).await?;
            tokio::task::spawn_local(driver);
            sender
        }
    };
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    Ok(response.map(|body| Pooled {
        body,
        sender: Some(sender),
        upstream,
        endpoint,
    }))
}

impl Body for Pooled {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if self.body.is_end_stream()
            && let Some(sender) = self.sender.take()
        {
            let (_, idle) = &self.upstream.endpoints[self.endpoint];
            idle.borrow_mut().push(sender);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
