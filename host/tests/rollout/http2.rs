//! HTTP/2 clients, with TLS or without; several requests at a time share a connection.

use std::time::Instant;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use tokio::sync::Mutex;

use crate::ask::{Answer, Ask};
use crate::certificates::tcp;
use crate::clients::{Client, LONGEST_PAUSE};

/// Where those that share a connection find it.
#[derive(Default)]
pub(crate) struct Shared(Mutex<Option<Kept>>);

/// A connection that is good for some more requests.
struct Kept {
    sender: SendRequest<Bytes>,
    left: u64,
    last: Instant,
}

pub(crate) async fn run(mut client: Client, shared: std::sync::Arc<Shared>) {
    while client.next().await {
        let extra = client.extra();
        let ask = Ask::any(&mut client.random, extra);
        let life = client.random.below(400);
        let client = &client;
        let entered = client.enter();
        let what = format!("{} {}{}", ask.method, ask.host, ask.path);
        let exchange = async {
            let sender = shared.sender(client, life).await?;
            let answer = send(sender, &ask).await?;
            ask.check(&answer, &client.watch, &entered)
        };
        client.request(&what, exchange).await;
    }
    shared.close().await;
}

// === impl Shared ===

impl Shared {
    /// The connection for one request.
    pub(crate) async fn sender(
        &self,
        client: &Client,
        life: u64,
    ) -> Result<SendRequest<Bytes>, String> {
        let mut kept = self.0.lock().await;
        let reused = kept
            .take()
            .filter(|kept| kept.left > 0 && kept.last.elapsed() < LONGEST_PAUSE);
        let mut connection = match reused {
            Some(kept) => kept,
            None => connect(client, life).await?,
        };
        connection.left -= 1;
        connection.last = Instant::now();
        let sender = connection.sender.clone();
        *kept = Some(connection);
        drop(kept);
        sender
            .ready()
            .await
            .map_err(|error| format!("not ready: {error}"))
    }

    /// The connection ends with the last of its requests.
    pub(crate) async fn close(&self) {
        self.0.lock().await.take();
    }
}

async fn connect(client: &Client, life: u64) -> Result<Kept, String> {
    let failed = |error: h2::Error| format!("HTTP/2 handshake: {error}");
    let gateway = client.gateway();
    let sender = if client.tls {
        let io = client
            .secure
            .connect(gateway, "web.apps.test", true)
            .await?;
        let (sender, driver) = h2::client::handshake(io).await.map_err(failed)?;
        tokio::spawn(driver);
        sender
    } else {
        let io = tcp(gateway).await?;
        let (sender, driver) = h2::client::handshake(io).await.map_err(failed)?;
        tokio::spawn(driver);
        sender
    };
    Ok(Kept {
        sender,
        left: life + 1,
        last: Instant::now(),
    })
}

async fn send(mut sender: SendRequest<Bytes>, ask: &Ask) -> Result<Answer, String> {
    let request = Request::builder()
        .method(ask.method.clone())
        .uri(format!("http://{}{}", ask.host, ask.path))
        .header("x-secret", "1")
        .body(())
        .unwrap();
    let bodiless = ask.body.is_empty();
    let (response, mut sending) = start(&mut sender, request, bodiless)?;
    if !bodiless {
        give(&mut sending, ask.body.clone(), true)?;
    }
    let response = response
        .await
        .map_err(|error| format!("no answer: {error}"))?;
    let (head, mut body) = response.into_parts();
    let mut whole = Vec::new();
    while let Some(data) = take(&mut body).await? {
        whole.extend_from_slice(&data);
    }
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body: whole.into(),
    })
}

/// Sends the head of a request.
pub(crate) fn start(
    sender: &mut SendRequest<Bytes>,
    request: Request<()>,
    bodiless: bool,
) -> Result<(ResponseFuture, SendStream<Bytes>), String> {
    let started = sender.send_request(request, bodiless);
    started.map_err(|error| format!("cannot send: {error}"))
}

/// Sends a piece of a body, which waits in memory for the gateway's window.
pub(crate) fn give(sending: &mut SendStream<Bytes>, data: Bytes, last: bool) -> Result<(), String> {
    let sent = sending.send_data(data, last);
    sent.map_err(|error| format!("cannot send the body: {error}"))
}

/// The next piece of a body; `None` at the end.
pub(crate) async fn take(body: &mut RecvStream) -> Result<Option<Bytes>, String> {
    match body.data().await {
        None => Ok(None),
        Some(Ok(data)) => {
            let control = body.flow_control();
            let released = control.release_capacity(data.len());
            released.map_err(|error| error.to_string())?;
            Ok(Some(data))
        }
        Some(Err(error)) => Err(format!("the body broke off: {error}")),
    }
}

/// What follows a body.
pub(crate) async fn trailers(body: &mut RecvStream) -> Result<Option<HeaderMap>, String> {
    let trailers = body.trailers().await;
    trailers.map_err(|error| format!("no trailers: {error}"))
}
