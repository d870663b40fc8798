//! A node that loses its shared data between two attempts of one push.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use silverback::nodes::Fleet;
use silverback_core::node::commit::{Commit, RootChange};
use silverback_core::node::hex::to_hex;
use silverback_core::table::hash::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::support::{World, options, url, within};

/// Reads one request; the request line and the body.
async fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.split("content-length: ").nth(1);
    let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    while bytes.len() < head + length.unwrap_or(0) {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    let line = text.lines().next()?.to_owned();
    Some((line, bytes.split_off(head)))
}

async fn respond(stream: &mut TcpStream, status: &str, body: &serde_json::Value) {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

/// A node that has half of the segments when it is first asked and nothing afterwards. Of what it lacks
/// it lists what the commit does not carry.
async fn forgetful(mut stream: TcpStream, commits: Arc<AtomicUsize>) {
    let mut in_effect = (0, Digest::default());
    while let Some((line, body)) = request(&mut stream).await {
        if line.contains("/status") {
            let status = json!({"schemaVersion": 1, "protocol": 1, "tableFormats": [2],
                "epoch": in_effect.0, "root": to_hex(&in_effect.1),
                "pages": {"total": 400, "free": 400, "length": 16_256}});
            respond(&mut stream, "200 OK", &status).await;
            continue;
        }
        let commit = Commit::decode(&body).expect("a commit");
        let RootChange::Whole(root) = &commit.root else {
            panic!("a delta to a node that has nothing");
        };
        let all = root
            .iter()
            .filter(|(_, id)| id.len > 0)
            .map(|(_, id)| id.digest);
        let first = commits.fetch_add(1, Ordering::SeqCst) == 0;
        let missing: Vec<String> = all
            .enumerate()
            .filter(|(n, _)| !first || n % 2 == 0)
            .filter(|(_, digest)| commit.segments.iter().all(|(given, _)| given != digest))
            .map(|(_, digest)| to_hex(&digest))
            .collect();
        if missing.is_empty() {
            in_effect = (1, commit.digest);
            let committed = json!({"schemaVersion": 1, "epoch": 1, "root": to_hex(&commit.digest),
                "pages": 1, "segments": commit.segments.len()});
            respond(&mut stream, "200 OK", &committed).await;
        } else {
            let error = json!({"schemaVersion": 1, "code": "missing_segments", "missing": missing});
            respond(&mut stream, "409 Conflict", &error).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_lists_as_missing_is_sent_besides_what_was_sent_before() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let commits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&commits);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(forgetful(stream, Arc::clone(&count)));
        }
    });
    let mut fleet = Fleet::new(options());
    fleet.set_nodes([url(address)]);
    let table = World::new(10).table();
    fleet.publish(table.clone());
    within("the table", fleet.confirmed(table.digest())).await;
    // Nothing, one half, everything.
    assert_eq!(commits.load(Ordering::SeqCst), 3);
}
