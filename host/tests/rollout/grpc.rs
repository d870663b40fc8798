//! gRPC clients: calls with one message, and calls that stream both ways.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::SendRequest;
use http::{Request, StatusCode};

use crate::ask::{led_here, pattern};
use crate::clients::Client;
use crate::http2::{Shared, give, start, take, trailers};
use crate::objects::Route;
use crate::timeline::Entered;

pub(crate) async fn run(mut client: Client, shared: Arc<Shared>) {
    while client.next().await {
        let life = client.random.below(300);
        let id = client.random.next();
        let count = match client.random.below(10) {
            0..7 => 1,
            _ => 2 + client.random.below(5),
        };
        let size = usize::try_from(client.random.below(2000)).unwrap();
        let messages: Vec<Bytes> = (0..count).map(|n| message(id ^ n, size)).collect();
        let client = &client;
        let entered = client.enter();
        let what = format!("a call with {count} messages of {size} bytes");
        let call = async {
            let sender = shared.sender(client, life).await?;
            call(client, sender, &messages, &entered).await?;
            client.count_messages(count);
            Ok(())
        };
        client.request(&what, call).await;
    }
    shared.close().await;
}

/// A message with its prefix.
fn message(id: u64, size: usize) -> Bytes {
    let mut message = BytesMut::with_capacity(5 + size);
    message.put_u8(0);
    message.put_u32(u32::try_from(size).unwrap());
    message.put_slice(&pattern(id, size));
    message.freeze()
}

async fn call(
    client: &Client,
    mut sender: SendRequest<Bytes>,
    messages: &[Bytes],
    entered: &Entered<'_>,
) -> Result<(), String> {
    let request = Request::post(format!("http://{}/test.Echo/Call", Route::Greeter.host()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-secret", "1")
        .body(())
        .unwrap();
    let (response, mut sending) = start(&mut sender, request, false)?;
    give(&mut sending, messages[0].clone(), messages.len() == 1)?;
    let response = response
        .await
        .map_err(|error| format!("no answer: {error}"))?;
    if response.status() != StatusCode::OK {
        return Err(response.status().to_string());
    }
    led_here(response.headers(), Route::Greeter, &client.watch, entered)?;
    if response.headers().contains_key("grpc-status") {
        return Err(format!("no call took place: {:?}", response.headers()));
    }
    let mut body = response.into_body();
    expect(&mut body, &messages[0]).await?;
    for (n, message) in messages.iter().enumerate().skip(1) {
        // Each is answered before the next one is sent.
        give(&mut sending, message.clone(), n + 1 == messages.len())?;
        expect(&mut body, message).await?;
    }
    if let Some(more) = take(&mut body).await? {
        return Err(format!("{} bytes too many", more.len()));
    }
    let trailers = trailers(&mut body).await?.ok_or("no trailers")?;
    let status = trailers.get("grpc-status");
    if status.is_none_or(|status| status != "0") {
        return Err(format!("status {status:?}"));
    }
    Ok(())
}

/// Reads what must be these bytes.
async fn expect(body: &mut RecvStream, message: &Bytes) -> Result<(), String> {
    let mut got = BytesMut::new();
    while got.len() < message.len() {
        match take(body).await? {
            Some(data) => got.extend_from_slice(&data),
            None => {
                return Err(format!(
                    "the call ended after {} bytes of a message",
                    got.len()
                ));
            }
        }
    }
    if got == *message {
        Ok(())
    } else {
        Err("another message came back".to_owned())
    }
}
