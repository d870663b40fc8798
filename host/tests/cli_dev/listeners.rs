//! Ports: they come and go with Gateways, keep to their own routes, and have their limits.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::support::{Dev, connect, directory, free_port, get, until};

/// A Gateway with these listeners (`name: port hostname`), and a route for each at its own path.
fn gateway(listeners: &[(&str, u16, &str)]) -> String {
    let mut text = "\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: any}
spec: {controllerName: example.com/any}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  gatewayClassName: any
  listeners:
"
    .to_owned();
    for (name, port, hostname) in listeners {
        text += &format!(
            "  - {{name: {name}, port: {port}, protocol: HTTP, hostname: \"{hostname}\"}}\n"
        );
    }
    for (name, _, _) in listeners {
        text += &format!(
            "---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: shop}}
spec:
  parentRefs: [{{name: web, sectionName: {name}}}]
  rules:
  - matches: [{{path: {{value: /{name}}}}}]
    backendRefs: [{{name: web, port: 80}}]
"
        );
    }
    text
}

fn status(port: u16, host: &str, path: &str) -> String {
    let answer = get(port, host, path);
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn refused(port: u16) -> bool {
    TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err()
}

#[test]
fn ports_come_and_go_with_gateways() {
    let root = directory();
    let file = root.path().join("gateway.yaml");
    let mut dev = Dev::start(root.path(), &[]);
    let (one, two) = (free_port(), free_port());

    fs::write(&file, gateway(&[("a", one, "")])).expect("written");
    dev.wait_for(&format!("http://127.0.0.1:{one}"));
    assert_eq!(status(one, "any.example.com", "/a"), "200");
    // A second one beside it; the first stays as it is, connections included.
    let mut kept = connect(one);
    fs::write(&file, gateway(&[("a", one, ""), ("b", two, "")])).expect("written");
    dev.wait_for(&format!("http://127.0.0.1:{two}"));
    assert_eq!(status(two, "any.example.com", "/b"), "200");
    assert_eq!(
        status(two, "any.example.com", "/a"),
        "404",
        "another listener's"
    );
    let answer = crate::support::exchange(&mut kept, "any.example.com", "/a");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    fs::write(&file, gateway(&[("b", two, "")])).expect("written");
    dev.wait_for(&format!("port {one} is closed"));
    assert!(refused(one));
    assert_eq!(status(two, "any.example.com", "/b"), "200");
    fs::remove_file(&file).expect("removed");
    dev.wait_for(&format!("port {two} is closed"));
    assert!(refused(two));
    assert_eq!(dev.status("/cart"), "200");
}

#[test]
fn what_a_port_cannot_serve_besides_is_told() {
    let root = directory();
    let (port, file) = (free_port(), root.path().join("gateway.yaml"));
    fs::write(&file, gateway(&[("a", port, "")])).expect("written");
    let (tls, offset) = (port.to_string(), (port - 80).to_string());
    let args = ["--ingress-tls-port", &tls, "--port-offset", &offset];
    let mut dev = Dev::start(root.path(), &args);
    let told = format!("port {port} is that of HTTP listeners (shop/web/a)");
    assert!(dev.seen.contains(&told), "{}", dev.seen);
    assert_eq!(status(port, "any.example.com", "/a"), "200");
    // Port 80 is the same one here.
    fs::write(&file, gateway(&[("a", port, ""), ("b", 80, "")])).expect("written");
    dev.wait_for(&format!(
        "ports 80 and {port} of Gateways are both {port} here"
    ));
    assert_eq!(status(port, "any.example.com", "/a"), "200");
    assert_eq!(status(port, "any.example.com", "/b"), "404");
}

#[test]
fn a_port_that_is_taken_is_tried_again() {
    let root = directory();
    let file = root.path().join("gateway.yaml");
    let mut dev = Dev::start(root.path(), &[]);
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    fs::write(&file, gateway(&[("a", port, "")])).expect("written");
    dev.wait_for(&format!("port {port} is in use"));
    drop(taken);
    // Any change will do.
    let shop = root.path().join("shop.yaml");
    let text = fs::read_to_string(&shop).expect("read");
    fs::write(&shop, text.replace("/cart", "/other")).expect("written");
    dev.wait_for(&format!("http://127.0.0.1:{port}"));
    assert_eq!(status(port, "any.example.com", "/a"), "200");
}

#[test]
fn listeners_of_one_port_keep_to_their_hosts_and_low_ports_are_moved_up() {
    let root = directory();
    let here = free_port();
    let listeners = [
        ("wide", 80, "*.example.com"),
        ("narrow", 80, "narrow.example.com"),
        ("any", 80, ""),
    ];
    fs::write(root.path().join("gateway.yaml"), gateway(&listeners)).expect("written");
    let offset = (here - 80).to_string();
    let dev = Dev::start(
        root.path(),
        &["--port-offset", &offset, "--header-timeout", "3s"],
    );
    let said = format!("http://127.0.0.1:{here}");
    assert!(dev.seen.contains(&said), "{}", dev.seen);
    // A request belongs to the listener with the most specific host, and to no other.
    for (host, own) in [
        ("x.example.com", "wide"),
        ("x.y.example.com", "wide"),
        ("narrow.example.com", "narrow"),
        ("example.com", "any"),
        ("127.0.0.1", "any"),
    ] {
        for (path, _, _) in listeners {
            let expected = if path == own { "200" } else { "404" };
            assert_eq!(
                status(here, host, &format!("/{path}")),
                expected,
                "{host}/{path}"
            );
        }
    }
    // Neither does Ingress serve them, nor they Ingress.
    assert_eq!(status(here, "shop.example.com", "/cart"), "404");
    assert_eq!(status(dev.port, "narrow.example.com", "/narrow"), "404");

    // A client that begins and stops.
    let mut slow = connect(here);
    slow.write_all(b"GET / HTTP/1.1\r\nHo").expect("sent");
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).expect("closed");
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn a_listener_has_the_limits_that_were_given() {
    let root = directory();
    let dev = Dev::start(
        root.path(),
        &[
            "--max-connections",
            "1",
            "--max-body-size",
            "10",
            "--max-header-size",
            "8k",
        ],
    );
    let first = connect(dev.port);
    // The kernel takes it, and it is closed before anything is read.
    until("refusal", || {
        let mut second = connect(dev.port);
        matches!(second.read(&mut [0]), Ok(0) | Err(_))
    });
    drop(first);
    let mut answer = String::new();
    until("a place", || {
        let mut client = connect(dev.port);
        answer.clear();
        let body = "0123456789a";
        let head = "POST /cart HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n";
        let sent = write!(client, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        sent.is_ok() && client.read_to_string(&mut answer).is_ok() && !answer.is_empty()
    });
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    until("a place", || {
        let mut client = connect(dev.port);
        answer.clear();
        let long = "x".repeat(9000);
        let sent = write!(
            client,
            "GET /cart HTTP/1.1\r\nHost: a\r\nx-long: {long}\r\n\r\n"
        );
        sent.is_ok() && client.read_to_string(&mut answer).is_ok() && !answer.is_empty()
    });
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}
