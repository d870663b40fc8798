//! The publisher's side of pull, over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use silverback::pull::{PullServer, Pulls};
use silverback_core::node::pull::puller::{Ask, Options, Outcome, Puller};
use silverback_core::node::pull::request::PullRequest;
use silverback_core::table::store::MemoryStore;
use silverback_core::table::store::publish::Publisher;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{PAGES, World};

const TOKEN: &str = "Bearer right";

async fn serve(pulls: &Pulls) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = PullServer::new(pulls, Some(HeaderValue::from_static(TOKEN)));
    tokio::spawn(server.serve(listener));
    address
}

/// One request on a connection of its own; status and body.
async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: &[u8],
) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: p\r\nauthorization: {token}\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(body).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = answer.split_off(end.expect("a head") + 4);
    let head = String::from_utf8(answer).expect("text");
    (head[9..12].parse().expect("a status"), body)
}

async fn ask(address: SocketAddr, ask: &Ask) -> (u16, Vec<u8>) {
    send(address, ask.method, &ask.path, TOKEN, &ask.body).await
}

fn request(wait: u32) -> Vec<u8> {
    let request = PullRequest {
        wait,
        ..PullRequest::default()
    };
    request.encode()
}

const PULL: &str = "/silverback/v1/pull";

#[tokio::test]
async fn a_node_that_asks_comes_to_the_table_and_to_each_next_one() {
    let pulls = Pulls::new();
    let address = serve(&pulls).await;
    let store = MemoryStore::default();
    let mut puller = Puller::new(Options {
        pages: PAGES,
        wait: 60_000,
        seed: 1,
    });
    let mut now = 1_800_000_000_000;
    for hosts in [200, 201, 3] {
        let table = World::new(hosts).table();
        pulls.publish(Arc::clone(&table));
        loop {
            now += 100;
            let (Some(next), _) = puller.tick(now, &store) else {
                continue;
            };
            let (status, body) = ask(address, &next).await;
            let outcome = puller.answered(now, &store, Some((status, &body)));
            if matches!(outcome, Outcome::Published(_)) {
                break;
            }
            assert_eq!(outcome, Outcome::Nothing);
        }
        let publisher = Publisher::open(&store, PAGES).expect("a store");
        let state = publisher.state(&store).expect("a state");
        assert_eq!(state.digest, table.digest());
    }
}

#[tokio::test]
async fn an_answer_is_held_until_there_is_something_new() {
    let pulls = Pulls::new();
    let address = serve(&pulls).await;
    let held = tokio::spawn(async move {
        let body = request(60_000);
        send(address, "POST", PULL, TOKEN, &body).await
    });
    // Nothing new for who does not wait.
    let (status, body) = send(address, "POST", PULL, TOKEN, &request(0)).await;
    assert_eq!((status, body.len()), (204, 0));
    assert!(!held.is_finished());
    pulls.publish(World::new(3).table());
    let held = tokio::time::timeout(Duration::from_secs(30), held).await;
    let (status, body) = held.expect("at once").expect("no panic");
    assert_eq!(status, 200);
    assert!(body.starts_with(b"SBCM"));
}

#[tokio::test]
async fn without_the_token_there_is_nothing_to_see() {
    let pulls = Pulls::new();
    pulls.publish(World::new(3).table());
    let address = serve(&pulls).await;
    for token in [
        "",
        "Bearer",
        "Bearer righ",
        "Bearer right2",
        "Bearer wrong",
        "right",
    ] {
        for (method, path) in [
            ("POST", PULL),
            ("GET", "/silverback/v1/segments/0"),
            ("GET", "/"),
        ] {
            let (status, body) = send(address, method, path, token, &request(0)).await;
            assert_eq!(status, 401, "{token} {path}");
            assert_eq!(body, b"{\"message\":\"Unauthorized\"}");
        }
    }
}

#[tokio::test]
async fn nothing_can_be_changed_and_what_is_wrong_is_told() {
    let pulls = Pulls::new();
    pulls.publish(World::new(3).table());
    let address = serve(&pulls).await;
    let digest = "0".repeat(32);
    let segment = format!("/silverback/v1/segments/{digest}");
    let offset = format!("{segment}?offset=x");
    for (method, path, expected) in [
        ("PUT", &*segment, 404),
        ("GET", &*segment, 404),
        ("GET", &*offset, 404),
        ("GET", "/silverback/v1/segments/x", 404),
        ("POST", "/silverback/v1/commit", 404),
        ("GET", "/silverback/v1/status", 404),
        ("GET", PULL, 404),
    ] {
        let (status, _) = send(address, method, path, TOKEN, b"").await;
        assert_eq!(status, expected, "{method} {path}");
    }
    let mut other_format = request(0);
    other_format[6] = 9;
    for (body, expected, code) in [
        (b"nothing".to_vec(), 400, "malformed"),
        (other_format, 422, "unsupported_format"),
        (vec![0; 20_000], 413, "too large"),
    ] {
        let (status, said) = send(address, "POST", PULL, TOKEN, &body).await;
        let said = String::from_utf8(said).expect("text");
        assert_eq!(status, expected, "{said}");
        assert!(said.contains(code), "{said}");
    }
}
