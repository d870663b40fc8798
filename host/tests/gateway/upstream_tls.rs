//! TLS to upstreams: what is verified, what is sent, and which connections are used again.

use std::collections::HashMap;

use silverback::gateway::{ClientIdentity, UpstreamName, UpstreamTlsPolicy};
use silverback_core::contract::plan::{Protocol, UpstreamTls};

use crate::async_backend::AsyncBackend;
use crate::certificates::{Ca, Leaf};
use crate::support::{PlanHeader, Proxy, plan};

const HTTP1: &[&str] = &["http/1.1"];

fn https<'a>(plan: PlanHeader<'a>, policy: u64, server_name: &'a str) -> PlanHeader<'a> {
    plan.change(|plan| {
        plan.protocol = Protocol::Https;
        plan.tls = Some(UpstreamTls {
            policy,
            server_name: server_name.as_bytes(),
        });
    })
}

fn set(proxy: &Proxy, policies: impl IntoIterator<Item = (u64, UpstreamTlsPolicy)>) {
    let policies: HashMap<_, _> = policies.into_iter().collect();
    proxy.gateway.set_upstream_tls(&policies).unwrap();
}

fn signed_by(ca: &Ca) -> UpstreamTlsPolicy {
    UpstreamTlsPolicy {
        roots: Some(ca.pem()),
        ..UpstreamTlsPolicy::default()
    }
}

/// The status with a policy 1 in front of a server with this certificate.
fn status(leaf: &Leaf, policy: UpstreamTlsPolicy, server_name: &str) -> u16 {
    let backend = AsyncBackend::saying(leaf.server(HTTP1, None), "ok");
    let proxy = Proxy::start();
    set(&proxy, [(1, policy)]);
    let endpoints = [backend.addr];
    let get = https(plan(&endpoints), 1, server_name).get();
    proxy.send(&get).status
}

#[test]
fn policy_0_takes_any_certificate_and_sends_the_name() {
    let leaf = Ca::new("nobody").leaf(&["other.test"]);
    for (name, sni) in [("shop.test", Some("shop.test")), ("", None)] {
        let backend = AsyncBackend::saying(leaf.server(HTTP1, None), "ok");
        let proxy = Proxy::start();
        let endpoints = [backend.addr];
        let reply = proxy.send(&https(plan(&endpoints), 0, name).get());
        assert_eq!(reply.text(), "ok", "{reply:?}");
        let accepted = backend.accepted().remove(0);
        assert_eq!(accepted.sni.as_deref(), sni);
        assert_eq!(accepted.alpn.as_deref(), Some("http/1.1"));
    }
}

#[test]
fn no_policy_at_all_is_policy_0() {
    let leaf = Ca::new("nobody").leaf(&["other.test"]);
    let backend = AsyncBackend::saying(leaf.server(&[], None), "ok");
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let get = plan(&endpoints).change(|plan| plan.protocol = Protocol::Https);
    assert_eq!(proxy.send(&get.get()).text(), "ok");
}

#[test]
fn a_certificate_is_verified_by_authority_and_name() {
    let (ca, other) = (Ca::new("ours"), Ca::new("theirs"));
    let leaf = ca.leaf(&["shop.test", "127.0.0.1"]);
    for (name, authority, server_name, wanted) in [
        ("authority and name", &ca, "shop.test", 200),
        ("the endpoint's address without a name", &ca, "", 200),
        ("another name", &ca, "cart.test", 502),
        ("another authority", &other, "shop.test", 502),
    ] {
        assert_eq!(
            status(&leaf, signed_by(authority), server_name),
            wanted,
            "{name}"
        );
    }
    let elsewhere = ca.leaf(&["shop.test"]);
    assert_eq!(
        status(&elsewhere, signed_by(&ca), ""),
        502,
        "no address in it"
    );
}

#[test]
fn names_of_the_policy_stand_in_for_the_server_name() {
    let ca = Ca::new("ours");
    let id = "spiffe://cluster.local/ns/shop/sa/cart";
    let host = |name: &str| UpstreamName::Host(name.to_owned());
    let uri = |name: &str| UpstreamName::Uri(name.to_owned());
    let (by_name, by_uri) = (ca.leaf(&["cart.test"]), ca.leaf_for_uri(id));
    for (name, leaf, names, wanted) in [
        (
            "one of several",
            &by_name,
            vec![host("a.test"), host("cart.test")],
            200,
        ),
        ("none of them", &by_name, vec![host("a.test")], 502),
        ("a URI", &by_uri, vec![uri(id)], 200),
        (
            "a URI with more behind it",
            &by_uri,
            vec![uri("spiffe://cluster.local/ns/shop/sa/car")],
            502,
        ),
        ("a URI is no host", &by_uri, vec![host("cart.test")], 502),
        ("a host is no URI", &by_name, vec![uri("cart.test")], 502),
    ] {
        let policy = UpstreamTlsPolicy {
            names,
            ..signed_by(&ca)
        };
        assert_eq!(status(leaf, policy, "sent.test"), wanted, "{name}");
    }
    let policy = UpstreamTlsPolicy {
        names: vec![host("cart.test")],
        ..signed_by(&Ca::new("theirs"))
    };
    assert_eq!(
        status(&by_name, policy, "sent.test"),
        502,
        "another authority"
    );
}

#[test]
fn a_client_certificate_is_shown_where_the_policy_has_one() {
    let (servers, clients) = (Ca::new("servers"), Ca::new("clients"));
    let server = servers.leaf(&["shop.test"]).server(HTTP1, Some(&clients));
    let own = clients.leaf(&["gateway.test"]);
    let with = UpstreamTlsPolicy {
        client: Some(ClientIdentity {
            chain: own.chain,
            key: own.key,
        }),
        ..signed_by(&servers)
    };
    for (policy, wanted) in [(with, 200), (signed_by(&servers), 502)] {
        let backend = AsyncBackend::saying(server.clone(), "ok");
        let proxy = Proxy::start();
        set(&proxy, [(1, policy)]);
        let endpoints = [backend.addr];
        let reply = proxy.send(&https(plan(&endpoints), 1, "shop.test").get());
        assert_eq!(reply.status, wanted);
        let shown = backend.accepted().iter().any(|a| a.client_certificate);
        assert_eq!(shown, wanted == 200);
    }
}

#[test]
fn a_policy_that_is_not_known_or_cannot_be_used_is_502() {
    let leaf = Ca::new("ours").leaf(&["shop.test"]);
    let backend = AsyncBackend::saying(leaf.server(HTTP1, None), "ok");
    let proxy = Proxy::start();
    let bad = |roots: &str| UpstreamTlsPolicy {
        roots: Some(roots.to_owned()),
        ..UpstreamTlsPolicy::default()
    };
    let name = UpstreamTlsPolicy {
        names: vec![UpstreamName::Host("a b".to_owned())],
        ..UpstreamTlsPolicy::default()
    };
    let key = UpstreamTlsPolicy {
        client: Some(ClientIdentity {
            chain: leaf.chain.clone(),
            key: "secret".to_owned(),
        }),
        ..UpstreamTlsPolicy::default()
    };
    let policies = [(1, bad("")), (2, bad("nonsense")), (3, name), (4, key)];
    let policies: HashMap<_, _> = policies
        .into_iter()
        .chain([(5, UpstreamTlsPolicy::default())])
        .collect();
    let errors = proxy.gateway.set_upstream_tls(&policies).unwrap_err();
    let ids: Vec<u64> = errors.0.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
    assert!(!errors.to_string().contains("secret"), "{errors}");
    let endpoints = [backend.addr];
    for id in [1, 2, 3, 4, 99] {
        let reply = proxy.send(&https(plan(&endpoints), id, "shop.test").get());
        assert_eq!(reply.status, 502);
        let json = reply.json();
        let message = json["message"].as_str().unwrap();
        assert!(message.contains("TLS policy"), "{message}");
    }
    assert_eq!(backend.connections(), 0);
    let reply = proxy.send(&https(plan(&endpoints), 5, "shop.test").get());
    assert_eq!(reply.text(), "ok", "the others are in effect");
}

#[test]
fn connections_are_used_again_by_the_same_policy_and_name_only() {
    let leaf = Ca::new("ours").leaf(&["shop.test"]);
    let backend = AsyncBackend::saying(leaf.server(HTTP1, None), "ok");
    let proxy = Proxy::start();
    set(&proxy, [(1, UpstreamTlsPolicy::default())]);
    let endpoints = [backend.addr];
    for (policy, name, connections) in [
        (0, "a.test", 1),
        (0, "a.test", 1),
        (1, "a.test", 2),
        (0, "b.test", 3),
        (0, "b.test", 3),
        (1, "a.test", 3),
    ] {
        let reply = proxy.send(&https(plan(&endpoints), policy, name).get());
        assert_eq!(reply.text(), "ok");
        assert_eq!(backend.connections(), connections, "{policy} {name}");
    }
}

#[test]
fn a_policy_that_changes_is_in_effect_for_kept_connections_too() {
    let (ca, other) = (Ca::new("ours"), Ca::new("theirs"));
    let server = ca.leaf(&["shop.test"]).server(HTTP1, None);
    let backend = AsyncBackend::saying(server, "ok");
    let proxy = Proxy::start();
    let endpoints = [backend.addr];
    let get = https(plan(&endpoints), 1, "shop.test").get();
    set(&proxy, [(1, signed_by(&ca))]);
    assert_eq!(proxy.send(&get).status, 200);
    // The same again changes nothing.
    set(
        &proxy,
        [(1, signed_by(&ca)), (2, UpstreamTlsPolicy::default())],
    );
    assert_eq!(proxy.send(&get).status, 200);
    assert_eq!(backend.connections(), 1);
    set(&proxy, [(1, signed_by(&other))]);
    assert_eq!(proxy.send(&get).status, 502);
    set(&proxy, []);
    assert_eq!(proxy.send(&get).status, 502);
}

#[test]
fn a_handshake_counts_as_connecting() {
    // Takes the connection and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let leaf = Ca::new("ours").leaf(&["shop.test"]);
    let backend = AsyncBackend::saying(leaf.server(HTTP1, None), "ok");
    let proxy = Proxy::start();
    let endpoints = [listener.local_addr().unwrap(), backend.addr];
    let plan = plan(&endpoints).tries(2).timeouts(100, 60_000, 60_000);
    assert_eq!(proxy.send(&https(plan, 0, "shop.test").get()).text(), "ok");
}
