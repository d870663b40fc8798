//! What is served, and what is said at the start.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::support::{Dev, command, directory, free_port};

#[test]
fn service_can_be_something_that_runs() {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = upstream.local_addr().expect("an address");
    let root = directory();
    let dev = Dev::start(
        root.path(),
        &["--backend", &format!("shop/web:80={address}")],
    );
    assert!(
        dev.seen.contains(&format!("shop/web:80 is {address}")),
        "{}",
        dev.seen
    );
    let server = std::thread::spawn(move || {
        let (mut stream, _) = upstream.accept().expect("a connection");
        let mut request = [0; 4096];
        let read = stream.read(&mut request).expect("a request");
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmine")
            .expect("sent");
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let answer = dev.get("shop.example.com", "/cart");
    assert!(answer.ends_with("mine"), "{answer}");
    let request = server.join().expect("served");
    assert!(request.starts_with("GET /cart HTTP/1.1"), "{request}");
}

#[test]
fn without_the_echo_there_is_nobody() {
    let root = directory();
    let dev = Dev::start(root.path(), &["--no-echo"]);
    let answer = dev.get("shop.example.com", "/cart");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}

#[test]
fn busy_port_names_port_and_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let output = command(directory().path(), port, &[])
        .output()
        .expect("ended");
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains(&format!("port {port} is in use")), "{err}");
    assert!(err.contains("--ingress-port"), "{err}");
}

#[test]
fn wrong_flags_end_with_2() {
    for args in [
        &["--backend", "x"][..],
        &["--zone-size", "many"],
        &["--filter-wasm", "/does/not/exist"],
    ] {
        let root = directory();
        let output = command(root.path(), free_port(), args)
            .output()
            .expect("ended");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {err}");
    }
}
