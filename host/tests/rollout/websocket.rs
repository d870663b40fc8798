//! WebSocket clients: a session is one request, with some messages in it.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::ask::{BYE, led_here, pattern};
use crate::certificates::tcp;
use crate::clients::Client;
use crate::objects::Route;
use crate::timeline::Entered;

pub(crate) async fn run(mut client: Client) {
    while client.next().await {
        let id = client.random.next();
        let count = 1 + client.random.below(8);
        let most = if client.random.one_in(20) {
            100_000
        } else {
            500
        };
        let size = usize::try_from(client.random.below(most)).unwrap();
        let messages: Vec<Message> = (0..count)
            .map(|n| Message::binary(pattern(id ^ n, size)))
            .collect();
        let client = &client;
        let entered = client.enter();
        let what = format!("a session with {count} messages of {size} bytes");
        let session = async {
            let host = Route::Chat.host();
            if client.tls {
                let io = client.secure.connect(client.secured, &host, false).await?;
                session(client, io, messages, &entered).await
            } else {
                let io = tcp(client.plain).await?;
                session(client, io, messages, &entered).await
            }
        };
        client.request(&what, session).await;
    }
}

async fn session<S: AsyncRead + AsyncWrite + Unpin>(
    client: &Client,
    io: S,
    messages: Vec<Message>,
    entered: &Entered<'_>,
) -> Result<(), String> {
    let request = format!("ws://{}/", Route::Chat.host());
    let mut request = request.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("x-secret", "1".parse().unwrap());
    let connected = client_async(request, io).await;
    let (mut socket, response) = connected.map_err(|error| format!("no WebSocket: {error}"))?;
    led_here(response.headers(), Route::Chat, &client.watch, entered)?;
    let mut bye = false;
    for message in messages {
        if bye {
            // The pod is about to end: so does the session, between two messages.
            break;
        }
        send(&mut socket, message.clone()).await?;
        loop {
            let answer = read(&mut socket).await?.ok_or("the session ended")?;
            if answer == Message::text(BYE) {
                bye = true;
                continue;
            }
            if answer != message {
                return Err("another message came back".to_owned());
            }
            break;
        }
        client.count_messages(1);
    }
    send(&mut socket, Message::Close(None)).await?;
    while let Some(last) = read(&mut socket).await? {
        if !last.is_close() && last != Message::text(BYE) {
            return Err(format!("a message of {} bytes too many", last.len()));
        }
    }
    Ok(())
}

async fn send<S>(socket: &mut WebSocketStream<S>, message: Message) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let sent = socket.send(message).await;
    sent.map_err(|error| format!("cannot send: {error}"))
}

/// The next message; `None` at the end, which has to be one with a Close on each side.
async fn read<S>(socket: &mut WebSocketStream<S>) -> Result<Option<Message>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match socket.next().await {
        None => Ok(None),
        Some(Ok(message)) => Ok(Some(message)),
        Some(Err(error)) => Err(format!("cannot read: {error}")),
    }
}
