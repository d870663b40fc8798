//! The built-in echo.

use std::net::SocketAddr;

use silverback::gateway::{EchoIdentity, EchoRegistry};

use crate::support::{Proxy, plan};

fn identity(pod: &str) -> EchoIdentity {
    EchoIdentity {
        service: "cart".to_owned(),
        namespace: "shop".to_owned(),
        pod: pod.to_owned(),
        port: "http".to_owned(),
    }
}

#[test]
fn an_echo_says_who_it_is_and_what_it_got() {
    let proxy = Proxy::start();
    // Documentation addresses: nothing real is behind them.
    let endpoint = SocketAddr::from(([192, 0, 2, 1], 80));
    let registry = [(endpoint, identity("cart-0"))].into_iter().collect();
    proxy.gateway.set_echo(registry);
    let plan = plan(&[endpoint]).line();
    let mut client = proxy.connect();
    client.write(b"POST /a?b HTTP/1.1\r\nhost: h\r\nx-raw: \xff\r\nx-two: 1\r\nx-two: 2\r\ncontent-length: 3\r\n");
    client.write(format!("{plan}\r\nabc").as_bytes());
    let reply = client.read_reply(false);
    assert_eq!(reply.header("x-silverback-echo"), Some("1"));
    let json = reply.json();
    for (field, value) in [
        ("service", "cart"),
        ("namespace", "shop"),
        ("pod", "cart-0"),
        ("port", "http"),
        ("method", "POST"),
        ("path", "/a?b"),
        ("host", "h"),
    ] {
        assert_eq!(json[field], value, "{field}");
    }
    assert_eq!(json["body_bytes"], 3);
    assert_eq!(json["headers"]["x-two"], serde_json::json!(["1", "2"]));
    assert_eq!(json["headers"]["x-raw"], serde_json::json!(["\u{fffd}"]));
}

#[test]
fn another_registry_is_in_effect_at_once() {
    let proxy = Proxy::start();
    let endpoint = SocketAddr::from(([192, 0, 2, 1], 80));
    let get = plan(&[endpoint]).timeouts(50, 1000, 1000).get();
    let mut client = proxy.connect();
    for pod in ["a", "b"] {
        let mut registry = EchoRegistry::new();
        registry.insert(endpoint, identity(pod));
        proxy.gateway.set_echo(registry);
        for _ in 0..2 {
            assert_eq!(client.request(&get).json()["pod"], pod);
        }
    }
    proxy.gateway.set_echo(EchoRegistry::new());
    assert!(matches!(client.request(&get).status, 502 | 504));
}
