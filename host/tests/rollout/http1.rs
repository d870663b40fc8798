//! HTTP/1.1 clients with connections that are kept for a while.

use std::time::Instant;

use bytes::Bytes;
use http::Request;
use http::header::{CONNECTION, HOST};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;

use crate::ask::{Answer, Ask};
use crate::certificates::tcp;
use crate::clients::{Client, LONGEST_PAUSE};

/// A connection that is good for some more requests.
struct Kept {
    sender: SendRequest<Full<Bytes>>,
    left: u64,
    last: Instant,
}

pub(crate) async fn run(mut client: Client) {
    let mut kept: Option<Kept> = None;
    while client.next().await {
        let extra = client.extra();
        let ask = Ask::any(&mut client.random, extra);
        let (life, last) = (client.random.below(200), client.random.one_in(50));
        let client = &client;
        let entered = client.enter();
        let what = format!("{} {}{}", ask.method, ask.host, ask.path);
        let reused = kept.take().filter(|kept| {
            kept.left > 0 && kept.last.elapsed() < LONGEST_PAUSE && !kept.sender.is_closed()
        });
        let exchange = async {
            let mut connection = match reused {
                Some(kept) => kept,
                None => connect(client, life).await?,
            };
            let (answer, closing) = send(&mut connection.sender, &ask, last).await?;
            ask.check(&answer, &client.watch, &entered)?;
            connection.left -= 1;
            connection.last = Instant::now();
            if !closing {
                kept = Some(connection);
            }
            Ok(())
        };
        client.request(&what, exchange).await;
    }
}

async fn connect(client: &Client, life: u64) -> Result<Kept, String> {
    let failed = |error: hyper::Error| format!("HTTP/1.1 handshake: {error}");
    let gateway = client.gateway();
    let sender = if client.tls {
        let io = client
            .secure
            .connect(gateway, "web.apps.test", false)
            .await?;
        let (sender, driver) = handshake(TokioIo::new(io)).await.map_err(failed)?;
        tokio::spawn(driver);
        sender
    } else {
        let io = tcp(gateway).await?;
        let (sender, driver) = handshake(TokioIo::new(io)).await.map_err(failed)?;
        tokio::spawn(driver);
        sender
    };
    Ok(Kept {
        sender,
        left: life + 1,
        last: Instant::now(),
    })
}

/// Sends a request. Says too whether the connection ends with it.
async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    ask: &Ask,
    last: bool,
) -> Result<(Answer, bool), String> {
    let failed = |error: hyper::Error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let mut request = Request::builder()
        .method(ask.method.clone())
        .uri(&ask.path)
        .header(HOST, &ask.host)
        .header("x-secret", "1");
    if last {
        request = request.header(CONNECTION, "close");
    }
    let request = request.body(Full::new(ask.body.clone())).unwrap();
    sender.ready().await.map_err(failed)?;
    let response = sender.send_request(request).await.map_err(failed)?;
    let (head, body) = response.into_parts();
    let closing = head.headers.get(CONNECTION);
    let closing = closing.is_some_and(|value| value == "close");
    if closing && !last {
        return Err("the gateway ends the connection".to_owned());
    }
    let answer = Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.map_err(failed)?.to_bytes(),
    };
    Ok((answer, closing))
}
