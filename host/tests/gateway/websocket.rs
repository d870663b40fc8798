//! Upgrades: WebSocket through the gateway, and what is not passed on.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use silverback::gateway::Drained;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::client::client;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket, accept};

use crate::backend::{Backend, Peer};
use crate::certs::{Authority, Offer, certificates};
use crate::support::{Client, PATIENCE, Proxy, Stream, any_tls_port, plan, tcp, until};

/// A backend that sends every message back.
fn echo() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut socket = accept(stream.unwrap()).unwrap();
                while let Ok(message) = socket.read() {
                    if !message.is_close() {
                        socket.send(message).unwrap();
                    }
                }
            });
        }
    });
    addr
}

/// A backend that changes protocols, and then runs the script.
fn upgrading(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Backend {
    Backend::scripted(move |peer| {
        peer.read();
        peer.write(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: raw\r\n\r\n",
        );
        script(peer);
    })
}

/// The handshake of a WebSocket client, by a stream to the gateway.
fn connect<S: Read + Write>(
    stream: S,
    endpoints: &[SocketAddr],
) -> Result<WebSocket<S>, Box<Error>> {
    let mut request = "ws://a.example/chat".into_client_request().unwrap();
    let plan = plan(endpoints).hex().parse().unwrap();
    request.headers_mut().insert("x-test-plan", plan);
    match client(request, stream) {
        Ok((socket, response)) => {
            assert_eq!(response.headers()["via"], "1.1 silverback");
            Ok(socket)
        }
        Err(HandshakeError::Failure(error)) => Err(Box::new(error)),
        Err(HandshakeError::Interrupted(_)) => panic!("a stream that blocks is interrupted"),
    }
}

fn says(socket: &mut WebSocket<impl Read + Write>, text: &str) {
    socket.send(Message::text(text)).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text(text));
}

/// A request to change to the protocol `raw`.
fn ask(endpoints: &[SocketAddr]) -> String {
    let plan = plan(endpoints).line();
    format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: raw\r\n{plan}\r\n")
}

/// A client after a 101.
fn raw(proxy: &Proxy, endpoints: &[SocketAddr]) -> Client {
    let mut client = proxy.connect();
    client.write(ask(endpoints).as_bytes());
    let head = client.head();
    assert_eq!(head[0], "HTTP/1.1 101 Switching Protocols");
    assert!(head.contains(&"connection: upgrade".to_owned()), "{head:?}");
    assert!(head.contains(&"upgrade: raw".to_owned()), "{head:?}");
    client
}

#[test]
fn messages_pass_both_ways_over_tcp_and_tls() {
    let backend = [echo()];
    let ca = Authority::new();
    let proxy = Proxy::start();
    let specs = [crate::support::any_port(8000), any_tls_port(8443)];
    proxy.gateway.set_listeners(&specs).unwrap();
    let all = certificates([("*", ca.issue("a.example"))]);
    proxy.gateway.set_certificates(8443, &all).unwrap();
    let addr = proxy.gateway.listeners()[1].addr;
    let tls = Offer::sni("a.example").alpn(&["http/1.1"]).connect(addr);
    let mut sockets = [
        connect::<Box<dyn Stream>>(Box::new(tcp(proxy.addr)), &backend).unwrap(),
        connect::<Box<dyn Stream>>(Box::new(tls.unwrap()), &backend).unwrap(),
    ];
    for socket in &mut sockets {
        says(socket, "hello");
        let large = Message::binary(vec![7; 3 << 20]);
        socket.send(large.clone()).unwrap();
        assert!(socket.read().unwrap() == large);
        says(socket, "still there");
    }
    assert_eq!(proxy.gateway.stats().upgrades, 2);
    assert_eq!(proxy.gateway.stats().open_connections, 2);
    for socket in &mut sockets {
        socket.close(None).unwrap();
        while socket.read().is_ok() {}
    }
    drop(sockets);
    until("the end", || proxy.gateway.stats().open_connections == 0);
    // One event for the whole of it, as in nginx.
    until("the events", || proxy.events.lock().unwrap().len() == 2);
    assert!(proxy.events.lock().unwrap().iter().all(|e| e.status == 101));
}

#[test]
fn a_refusal_is_passed_on_as_it_is() {
    let refusing = Backend::scripted(|peer| {
        while peer.read() {
            peer.write("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
        }
    });
    let endpoints = [refusing.addr];
    let proxy = Proxy::start();
    let refusal = connect(tcp(proxy.addr), &endpoints).unwrap_err();
    let Error::Http(response) = *refusal else {
        panic!("not refused: {refusal}");
    };
    assert_eq!(response.status(), 403);
    let seen = refusing.seen().pop().unwrap();
    assert_eq!(seen.header("upgrade").as_deref(), Some("websocket"));
    assert_eq!(seen.header("connection").as_deref(), Some("upgrade"));
    assert_eq!(seen.header("sec-websocket-version").as_deref(), Some("13"));
    // Both connections go on.
    let mut client = proxy.connect();
    assert_eq!(client.request(&ask(&endpoints)).status, 403);
    assert_eq!(client.request(&ask(&endpoints)).status, 403);
    assert_eq!(proxy.gateway.stats().upstream_connections, 1);
}

#[test]
fn what_is_sent_right_behind_the_heads_is_not_lost() {
    let backend = Backend::scripted(|peer| {
        peer.read();
        peer.write(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: raw\r\n\r\nearly",
        );
        let mut sent = [0; 5];
        peer.read_exact(&mut sent);
        peer.write(std::str::from_utf8(&sent).unwrap());
    });
    let proxy = Proxy::start();
    let mut client = proxy.connect();
    client.write(format!("{}hasty", ask(&[backend.addr])).as_bytes());
    assert_eq!(client.head()[0], "HTTP/1.1 101 Switching Protocols");
    assert_eq!(client.rest(), b"earlyhasty");
}

#[test]
fn the_end_of_one_direction_is_passed_on_and_the_other_goes_on() {
    let (seen, end) = mpsc::channel();
    let seen = Mutex::new(seen);
    let backend = upgrading(move |peer| {
        // To the end of what the client sends.
        let mut all = Vec::new();
        peer.read_to_end(&mut all);
        seen.lock().unwrap().send(all).unwrap();
        peer.write("answer");
    });
    let proxy = Proxy::start();
    let stream = tcp(proxy.addr);
    let half = stream.try_clone().unwrap();
    let mut client = Client::over(stream);
    client.write(ask(&[backend.addr]).as_bytes());
    client.head();
    client.write(b"all of it");
    half.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(end.recv_timeout(PATIENCE).unwrap(), b"all of it");
    assert_eq!(client.rest(), b"answer");
    until("the end", || proxy.gateway.stats().open_connections == 0);
}

#[test]
fn bytes_that_look_like_an_error_response_pass_unchanged() {
    // The gateway writes its own body in place of hyper's bare errors: not behind a 101.
    const BARE: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let backend = upgrading(|peer| {
        peer.write(BARE);
    });
    let proxy = Proxy::start();
    assert_eq!(raw(&proxy, &[backend.addr]).rest(), BARE.as_bytes());
}

#[test]
fn only_what_was_asked_for_is_changed_to() {
    let proxy = Proxy::start();
    let other = Backend::scripted(|peer| {
        peer.read();
        peer.write(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n",
        );
        peer.wait_for_close();
    });
    let none = Backend::scripted(|peer| {
        peer.read();
        peer.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
        peer.wait_for_close();
    });
    for backend in [&other, &none] {
        // Something else than was asked for, and not asked for at all.
        assert_eq!(proxy.send(&ask(&[backend.addr])).status, 502);
        assert_eq!(proxy.send(&plan(&[backend.addr]).get()).status, 502);
    }
    assert_eq!(proxy.gateway.stats().upgrades, 0);
}

#[test]
fn requests_that_cannot_be_upgraded_are_ordinary_ones() {
    let backend = Backend::saying("ok");
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    for request in [
        // A client that spoke HTTP/2 to the upstream would be past the filter.
        format!(
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\
             http2-settings: AAMAAABkAAQAAP__\r\n{plan}\r\n"
        ),
        format!("GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n{plan}\r\n"),
        format!(
            "GET / HTTP/1.0\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n{plan}\r\n"
        ),
        format!(
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             content-length: 2\r\n{plan}\r\nab"
        ),
    ] {
        assert_eq!(proxy.send(&request).text(), "ok", "{request}");
        let seen = backend.seen().pop().unwrap();
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(seen.header(name), None, "{name} of {request}");
        }
    }
}

#[test]
fn a_tunnel_in_which_nothing_moves_is_closed() {
    let backend = upgrading(Peer::wait_for_close);
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let plan = plan(&endpoints).timeouts(1000, 1000, 50).line();
    let mut client = proxy.connect();
    client.write(
        format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: raw\r\n{plan}\r\n")
            .as_bytes(),
    );
    assert_eq!(client.head()[0], "HTTP/1.1 101 Switching Protocols");
    assert!(client.closes());
    until("the end", || proxy.gateway.stats().open_connections == 0);
}

#[test]
fn a_client_that_takes_nothing_is_cut_and_holds_up_its_upstream_only() {
    let backend = upgrading(|peer| {
        // Far more than is buffered anywhere.
        let piece = "x".repeat(1 << 20);
        while peer.write(&piece) {}
    });
    let proxy = Proxy::with(|options| {
        options.limits.write_timeout = Duration::from_millis(100);
    });
    let stream = raw(&proxy, &[backend.addr]);
    until("the cut", || proxy.gateway.stats().stalled_clients == 1);
    until("the end", || proxy.gateway.stats().open_connections == 0);
    drop(stream);
}

#[test]
fn shutdown_waits_for_tunnels_to_the_deadline_and_cuts_them_then() {
    let endpoints = [echo()];
    let proxy = Proxy::start();
    let mut socket = connect(tcp(proxy.addr), &endpoints).unwrap();
    says(&mut socket, "hello");
    let drained = std::thread::scope(|scope| {
        let shutdown = scope.spawn(|| proxy.gateway.shutdown(Duration::from_millis(300)));
        until("the listener to go", || {
            std::net::TcpStream::connect(proxy.addr).is_err()
        });
        says(&mut socket, "still there");
        shutdown.join().unwrap()
    });
    assert_eq!(drained, Drained { cut: 1 });
    let end = socket.read().unwrap_err();
    assert!(
        matches!(
            end,
            Error::Io(_) | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
        ),
        "{end}"
    );
}

#[test]
fn a_trap_on_the_way_back_is_500_and_nothing_is_changed() {
    let backend = upgrading(Peer::wait_for_close);
    let proxy = Proxy::start();
    let plan = plan(&[backend.addr]).line();
    let reply = proxy.send(&format!(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: raw\r\nx-test-trap: response\r\n{plan}\r\n"
    ));
    assert_eq!(reply.status, 500);
    assert_eq!(proxy.gateway.stats().upgrades, 0);
}
