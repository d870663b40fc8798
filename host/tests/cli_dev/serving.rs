//! What is served, and what is said at the start.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;

use crate::support::{Dev, MANIFESTS, command, directory, free_port};

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

#[test]
fn names_are_looked_up_and_those_that_fail_are_problems() {
    let root = tempfile::tempdir().expect("a directory");
    let of = |name: &str| {
        MANIFESTS
            .replace("web", name)
            .replace("name: shop, ", &format!("name: {name}, "))
            .replace("/cart", &format!("/{name}"))
            .replace(
                "ports:",
                &format!("type: ExternalName, externalName: {name}, ports:"),
            )
    };
    let text = format!("{}---\n{}", of("localhost"), of("no-such-name.invalid"));
    fs::write(root.path().join("names.yaml"), text).expect("written");
    let mut dev = Dev::start(root.path(), &[]);
    let shown = "localhost:80 (looked up while it runs)";
    assert!(dev.seen.contains(shown), "{}", dev.seen);
    // Among the problems of the start, or as soon as it is known.
    if !dev.seen.contains("UnresolvedName") {
        dev.wait_for("UnresolvedName");
        dev.wait_for("^ Service shop/no-such-name.invalid");
    }
    for said in [
        "no-such-name.invalid cannot be looked up: ",
        "^ Service shop/no-such-name.invalid",
    ] {
        assert!(dev.seen.contains(said), "{}", dev.seen);
    }
}

#[test]
fn what_can_be_tried_is_not_dead() {
    let root = directory();
    let plugin = MANIFESTS
        .replace(
            "name: shop, ",
            "name: first, annotations: {konghq.com/plugins: limit}, ",
        )
        .replace("/cart", "/a");
    let plugin = format!(
        "{plugin}---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: limit, namespace: shop}}
plugin: rate-limiting
"
    );
    let dead = MANIFESTS
        .replace("web", "none")
        .replace("name: shop, ", "name: none, ")
        .replace("/cart", "/b")
        .split_once("---\n")
        .map(|(_, ingress)| ingress.to_owned())
        .expect("an Ingress");
    fs::write(root.path().join("a.yaml"), plugin).expect("written");
    fs::write(root.path().join("b.yaml"), dead).expect("written");
    let dev = Dev::start(root.path(), &[]);
    assert!(
        dev.seen
            .contains(&format!("http://127.0.0.1:{}/cart\n", dev.port)),
        "{}",
        dev.seen
    );
}

#[test]
fn a_command_line_that_cannot_be_is_refused_with_a_hint_that_helps() {
    let root = directory();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = listener
        .local_addr()
        .expect("an address")
        .port()
        .to_string();
    for (args, said) in [
        (&["--zone-size", "1k"][..], "too small for any table"),
        (&["--zone-size", "x"], "not a size"),
        (
            &["--bind", "192.0.2.1"],
            "hint: --bind takes an address of this machine",
        ),
        (&["--admin-port", &taken], "0 any free one, off none\n"),
    ] {
        let mut command = command(root.path(), free_port(), args);
        if args[0] == "--admin-port" {
            command.env_remove("SILVERBACK_ADMIN_PORT");
        }
        let output = command.output().expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{args:?}");
        assert!(error.contains(said), "{args:?}: {error}");
        assert!(!error.contains('\u{1b}'), "{error:?}");
    }
    for (flag, value, said) in [
        ("--workers", "100000", "100000 is not in 0..=256"),
        ("--ingress-port", "0", "0 is not in 1..=65535"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_silverback"))
            .args(["dev", "none.yaml", flag, value])
            .output()
            .expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(said), "{error}");
    }
}
