//! How it ends: requests in flight may finish, for as long as they were given.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::support::{Dev, connect, directory, until};

/// A client whose request is with the upstream, both still open.
fn in_flight(upstream: &TcpListener, dev: &Dev) -> (TcpStream, TcpStream) {
    let mut client = connect(dev.port);
    client
        .write_all(b"GET /cart HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
        .expect("sent");
    let (mut server, _) = upstream.accept().expect("a connection");
    let read = server.read(&mut [0; 4096]).expect("a request");
    assert!(read > 0);
    (client, server)
}

fn refused(port: u16) -> bool {
    TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err()
}

fn start(args: &[&str]) -> (tempfile::TempDir, Dev, TcpListener) {
    let root = directory();
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = upstream.local_addr().expect("an address");
    let backend = format!("shop/web:80={to}");
    let dev = Dev::start(root.path(), &[&["--backend", &backend][..], args].concat());
    (root, dev, upstream)
}

#[test]
fn requests_in_flight_finish_and_no_others_are_taken() {
    let (_root, mut dev, upstream) = start(&["--drain-timeout", "10m"]);
    let (mut client, mut server) = in_flight(&upstream, &dev);
    let mut idle = connect(dev.port);
    dev.signal("-TERM");
    dev.wait_for("stopping");
    until("the socket to be closed", || refused(dev.port));
    assert_eq!(
        idle.read(&mut [0]).expect("closed"),
        0,
        "an idle connection"
    );
    assert_eq!(dev.child.try_wait().expect("a child"), None);
    server
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate")
        .expect("sent");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("late"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(dev.child.wait().expect("ended").code(), Some(0));
}

#[test]
fn what_is_left_at_the_deadline_is_cut_and_counted() {
    let (_root, mut dev, upstream) = start(&["--drain-timeout", "100ms"]);
    let (mut client, _server) = in_flight(&upstream, &dev);
    dev.signal("-INT");
    dev.wait_for("1 connection had to be cut");
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert_eq!(String::from_utf8_lossy(&rest), "");
    assert_eq!(dev.child.wait().expect("ended").code(), Some(0));
}
