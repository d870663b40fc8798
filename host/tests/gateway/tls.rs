//! TLS from clients: which certificate, for whom, and what is told to whom does not get one.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use silverback::gateway::{
    CertificateError, Certificates, ClientAuth, ClientAuthMode, GatewayOptions, HostPattern,
    KeyPair, ListenerSpec,
};
use silverback_core::contract::request::RequestInfo;
use tokio_rustls::rustls::{AlertDescription, Error, HandshakeKind, SignatureScheme};

use crate::backend::Backend;
use crate::certs::{self, Authority, Offer, certificates, leaf};
use crate::support::{Client, Proxy, any_port, any_tls_port, plan, tcp, unhex, until};

/// The filter's port of the TLS listener.
const PORT: u16 = 8443;
const LOCAL: &str = "GET / HTTP/1.1\r\nhost: a.example\r\nx-test-local: 299\r\n\r\n";

/// A gateway with a plain and a TLS listener.
fn start(certificates: &Certificates, change: impl FnOnce(&mut GatewayOptions)) -> Proxy {
    let mut proxy = Proxy::with(change);
    let specs = [any_port(8000), any_tls_port(PORT)];
    proxy.gateway.set_listeners(&specs).unwrap();
    proxy.gateway.set_certificates(PORT, certificates).unwrap();
    proxy.addr = proxy.gateway.listeners()[1].addr;
    proxy
}

fn alert(description: AlertDescription) -> Error {
    Error::AlertReceived(description)
}

#[test]
fn each_name_gets_the_certificate_that_fits_it_best() {
    let ca = Authority::new();
    let names = ["a.example", "*.example", "*.shop.example", "*"];
    let pairs = names.map(|name| (name, ca.issue("any.test")));
    let proxy = start(&certificates(pairs.clone()), |_| {});
    for (offer, expected) in [
        (Offer::sni("a.example"), "a.example"),
        (Offer::sni("A.Example"), "a.example"),
        (Offer::sni("b.example"), "*.example"),
        (Offer::sni("b.a.example"), "*.example"),
        (Offer::sni("b.shop.example"), "*.shop.example"),
        (Offer::sni("example"), "*"),
        (Offer::sni("elsewhere.test"), "*"),
        (Offer::no_sni(), "*"),
    ] {
        let (_, pair) = pairs.iter().find(|(name, _)| *name == expected).unwrap();
        assert!(offer.shown(proxy.addr) == leaf(pair), "{:?}", offer.sni);
    }
}

#[test]
fn a_name_without_a_certificate_has_no_handshake() {
    let ca = Authority::new();
    let named = certificates([("a.example", ca.issue("a.example"))]);
    let proxy = start(&named, |_| {});
    for (offer, expected) in [
        (Offer::sni("b.example"), AlertDescription::UnrecognisedName),
        (Offer::no_sni(), AlertDescription::MissingExtension),
    ] {
        assert_eq!(offer.refused(proxy.addr), alert(expected));
    }
    // A listener that was given none at all.
    proxy
        .gateway
        .set_certificates(PORT, &Certificates::default())
        .unwrap();
    let refused = Offer::sni("a.example").refused(proxy.addr);
    assert_eq!(refused, alert(AlertDescription::UnrecognisedName));
    until("the count", || proxy.gateway.stats().failed_handshakes == 3);
    assert_eq!(proxy.gateway.stats().requests, 0);
}

#[test]
fn what_is_not_tls_is_closed_and_harms_nobody() {
    let ca = Authority::new();
    let all = certificates([("*", ca.issue("a.example"))]);
    let proxy = start(&all, |_| {});
    let mut open = Client::over(Offer::sni("a.example").connect(proxy.addr).unwrap());
    let whole = {
        let mut hello = Vec::new();
        let config = Arc::new(Offer::sni("a.example").config());
        let name = Offer::sni("a.example").name();
        let mut client = tokio_rustls::rustls::ClientConnection::new(config, name).unwrap();
        client.write_tls(&mut hello).unwrap();
        hello
    };
    for garbage in [
        LOCAL.as_bytes().to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        vec![0; 100],
        vec![0x16; 20_000],
        // A record that is longer than any may be.
        vec![0x16, 3, 1, 0xff, 0xff, 1, 0, 0],
    ] {
        let mut client = tcp(proxy.addr);
        let _ = client.write_all(&garbage);
        let _ = client.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        // Nothing, or an alert.
        assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
    }
    // Cut in the middle of the handshake.
    for cut in [1, 5, 6, whole.len() - 1, whole.len()] {
        let mut client = tcp(proxy.addr);
        client.write_all(&whole[..cut]).unwrap();
    }
    until("the count", || {
        proxy.gateway.stats().failed_handshakes == 10
    });
    assert_eq!(open.request(LOCAL).status, 299);
}

#[test]
fn a_handshake_that_takes_too_long_is_cut() {
    let ca = Authority::new();
    let all = certificates([("*", ca.issue("a.example"))]);
    let proxy = start(&all, |options| {
        options.limits.handshake_timeout = Duration::from_millis(50);
    });
    let mut silent = tcp(proxy.addr);
    assert_eq!(silent.read(&mut [0]).unwrap_or(0), 0);
    until("the count", || proxy.gateway.stats().failed_handshakes == 1);
}

#[test]
fn new_certificates_are_in_effect_at_the_next_handshake_and_open_connections_stay() {
    let ca = Authority::new();
    let (old, new) = (ca.issue("a.example"), ca.issue("a.example"));
    let proxy = start(&certificates([("a.example", old.clone())]), |options| {
        options.workers = 2;
    });
    let offer = Offer::sni("a.example");
    let mut open = Client::over(offer.connect(proxy.addr).unwrap());
    assert_eq!(open.request(LOCAL).status, 299);
    assert!(offer.shown(proxy.addr) == leaf(&old));
    let replaced = certificates([("a.example", new.clone())]);
    proxy.gateway.set_certificates(PORT, &replaced).unwrap();
    for _ in 0..4 {
        assert!(offer.shown(proxy.addr) == leaf(&new));
    }
    assert_eq!(open.request(LOCAL).status, 299);
}

#[test]
fn a_session_is_resumed_in_any_worker_unless_the_certificate_has_changed() {
    let ca = Authority::new();
    let (old, new) = (ca.issue("a.example"), ca.issue("a.example"));
    let before = certificates([("a.example", old)]);
    let proxy = start(&before, |options| options.workers = 3);
    let offer = Offer::sni("a.example");
    let config = Arc::new(offer.config());
    let kind = || {
        let tls = certs::connect(proxy.addr, &config, offer.name()).unwrap();
        let kind = tls.conn.handshake_kind();
        // The tickets come with the first response.
        assert_eq!(Client::over(tls).request(LOCAL).status, 299);
        kind
    };
    assert_eq!(kind(), Some(HandshakeKind::Full));
    // The same again, and another host: this one's setting is kept.
    let mut more = before.clone();
    more.by_host
        .insert(HostPattern::parse("b.example"), vec![ca.issue("b.example")]);
    proxy.gateway.set_certificates(PORT, &more).unwrap();
    for _ in 0..6 {
        assert_eq!(kind(), Some(HandshakeKind::Resumed));
    }
    let replaced = certificates([("a.example", new)]);
    proxy.gateway.set_certificates(PORT, &replaced).unwrap();
    assert_eq!(kind(), Some(HandshakeKind::Full));
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_and_its_host_fails_closed() {
    let ca = Authority::new();
    let good = ca.issue("good.example");
    let other = ca.issue("other.example");
    let pair = |chain: &str, key: &str| KeyPair {
        chain: chain.to_owned(),
        key: key.to_owned(),
    };
    let proxy = start(&Certificates::default(), |_| {});
    for (name, bad) in [
        ("nothing", pair("", "")),
        ("no PEM", pair("chain", "key")),
        ("no key", pair(&good.chain, "")),
        ("no certificate", pair(&good.key, &good.key)),
        ("another's key", pair(&good.chain, &other.key)),
        (
            "cut short",
            pair(&good.chain[..good.chain.len() / 2], &good.key),
        ),
    ] {
        let certificates = certificates([("bad.example", bad), ("*", good.clone())]);
        let errors = proxy.gateway.set_certificates(PORT, &certificates);
        let errors = errors.unwrap_err().0;
        let host = HostPattern::parse("bad.example");
        assert!(
            matches!(&*errors, [CertificateError::KeyPair { host: at, .. }] if *at == host),
            "{name}: {errors:?}"
        );
        let key_line = good.key.lines().nth(1).unwrap();
        assert!(!format!("{errors:?}").contains(key_line), "{name}");
        // Not the certificate for every host.
        let refused = Offer::sni("bad.example").refused(proxy.addr);
        assert_eq!(refused, alert(AlertDescription::UnrecognisedName), "{name}");
        assert!(
            Offer::sni("x.example").shown(proxy.addr) == leaf(&good),
            "{name}"
        );
    }
}

#[test]
fn the_key_is_one_that_the_client_can_verify() {
    let ca = Authority::new();
    let (rsa, ecdsa) = (ca.issue_rsa("a.example"), ca.issue("a.example"));
    let both = certificates([("a.example", ecdsa.clone()), ("a.example", rsa.clone())]);
    let proxy = start(&both, |_| {});
    let with = |schemes: &[SignatureScheme]| {
        let mut offer = Offer::sni("a.example");
        offer.schemes = schemes.to_vec();
        offer
    };
    let (p256, pss) = (
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::RSA_PSS_SHA256,
    );
    assert!(with(&[p256, pss]).shown(proxy.addr) == leaf(&ecdsa));
    assert!(with(&[p256]).shown(proxy.addr) == leaf(&ecdsa));
    assert!(with(&[pss]).shown(proxy.addr) == leaf(&rsa));
    let neither = with(&[SignatureScheme::ED25519]).refused(proxy.addr);
    assert_eq!(neither, alert(AlertDescription::HandshakeFailure));
}

#[test]
fn a_client_without_a_valid_certificate_is_refused_or_served_as_the_mode_says() {
    let (ca, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let mut certificates = certificates([("a.example", ca.issue("a.example"))]);
    let (good, bad) = (clients.issue("me"), strangers.issue("me"));
    let offer = Offer::sni("a.example");
    let proxy = start(&certificates, |_| {});
    let mut set = |authorities: &str, mode| {
        certificates.client_auth = Some(ClientAuth {
            authorities: authorities.to_owned(),
            mode,
        });
        proxy.gateway.set_certificates(PORT, &certificates)
    };

    set(&clients.pem, ClientAuthMode::AllowValidOnly).unwrap();
    assert_eq!(
        offer
            .clone()
            .own(&good)
            .send(proxy.addr, LOCAL)
            .unwrap()
            .status,
        299
    );
    let none = offer.refused(proxy.addr);
    assert_eq!(none, alert(AlertDescription::CertificateRequired));
    let stranger = offer.clone().own(&bad).refused(proxy.addr);
    assert!(matches!(stranger, Error::AlertReceived(_)), "{stranger:?}");
    assert_eq!(proxy.gateway.stats().requests, 1);

    set(&clients.pem, ClientAuthMode::AllowInsecureFallback).unwrap();
    for offer in [
        offer.clone(),
        offer.clone().own(&good),
        offer.clone().own(&bad),
    ] {
        assert_eq!(offer.send(proxy.addr, LOCAL).unwrap().status, 299);
    }

    // Without authorities nobody can be checked, so nobody is served.
    let errors = set("none", ClientAuthMode::AllowInsecureFallback).unwrap_err();
    assert!(matches!(&*errors.0, [CertificateError::Authorities(_)]));
    let refused = offer.own(&good).refused(proxy.addr);
    assert_eq!(refused, alert(AlertDescription::UnrecognisedName));
}

#[test]
fn a_session_made_without_a_client_certificate_does_not_pass_for_one() {
    let (ca, clients) = (Authority::new(), Authority::new());
    let mut certificates = certificates([("a.example", ca.issue("a.example"))]);
    let offer = Offer::sni("a.example");
    let config = Arc::new(offer.config());
    let proxy = start(&certificates, |_| {});
    let tls = certs::connect(proxy.addr, &config, offer.name()).unwrap();
    assert_eq!(Client::over(tls).request(LOCAL).status, 299);
    certificates.client_auth = Some(ClientAuth {
        authorities: clients.pem,
        mode: ClientAuthMode::AllowValidOnly,
    });
    proxy.gateway.set_certificates(PORT, &certificates).unwrap();
    let tls = certs::connect(proxy.addr, &config, offer.name());
    let reply = tls.ok().and_then(|tls| {
        let mut client = Client::over(tls);
        client.write(LOCAL.as_bytes());
        client.try_read_reply(false)
    });
    assert!(reply.is_none(), "{reply:?}");
}

#[test]
fn the_filter_and_the_upstream_are_told() {
    let ca = Authority::new();
    let backend = Backend::saying("ok");
    let all = certificates([("*", ca.issue("a.example"))]);
    let proxy = start(&all, |_| {});
    for (offer, sni) in [
        (Offer::sni("A.example"), b"a.example".as_slice()),
        (Offer::no_sni(), b""),
    ] {
        let request = "GET /x HTTP/1.1\r\nhost: h\r\nx-test-local: 200\r\n\r\n";
        let reply = offer.send(proxy.addr, request).unwrap();
        let message = unhex(&reply.text());
        let info = RequestInfo::decode(&message).unwrap();
        assert_eq!((info.tls, info.port, info.sni), (true, PORT, sni));
        assert_eq!(info.host, b"h");
    }
    let reply = Offer::sni("a.example").send(proxy.addr, &plan(&[backend.addr]).get());
    assert_eq!(reply.unwrap().text(), "ok");
    let seen = backend.seen().pop().unwrap();
    assert_eq!(seen.header("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(seen.header("x-forwarded-port").as_deref(), Some("8443"));
}

#[test]
fn the_protocol_is_agreed_in_the_handshake() {
    let ca = Authority::new();
    let all = certificates([("*", ca.issue("a.example"))]);
    let proxy = start(&all, |_| {});
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["spdy/3", "http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let offer = Offer::sni("a.example").alpn(offered);
        let tls = offer.connect(proxy.addr).unwrap();
        assert_eq!(tls.conn.alpn_protocol(), chosen.map(str::as_bytes));
        if chosen != Some("h2") {
            assert_eq!(Client::over(tls).request(LOCAL).status, 299);
        }
    }
    let none = Offer::sni("a.example")
        .alpn(&["spdy/3"])
        .refused(proxy.addr);
    assert_eq!(none, alert(AlertDescription::NoApplicationProtocol));
}

#[test]
fn a_request_for_another_listener_than_its_connections_is_421() {
    let ca = Authority::new();
    let mut certificates = certificates([("*", ca.issue("a.example"))]);
    let proxy = start(&certificates, |_| {});
    let ask = |host: &str| {
        let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nx-test-local: 299\r\n\r\n");
        let reply = Offer::sni("a.example").send(proxy.addr, &request).unwrap();
        reply.status
    };
    // Without hostnames of listeners every host is served.
    assert_eq!(ask("b.example"), 299);
    let listeners = ["a.example", "b.example", "*.example"];
    certificates.listeners = listeners.map(HostPattern::parse).to_vec();
    proxy.gateway.set_certificates(PORT, &certificates).unwrap();
    for (host, status) in [
        ("a.example", 299),
        ("a.example:8443", 299),
        ("b.example", 421),
        ("c.example", 421),
        // No listener has it: not found, which is the filter's to say.
        ("elsewhere.test", 299),
    ] {
        assert_eq!(ask(host), status, "{host}");
    }
    assert_eq!(proxy.gateway.stats().misdirected, 2);
}

#[test]
fn a_malformed_request_over_tls_is_answered_as_over_tcp() {
    let ca = Authority::new();
    let all = certificates([("*", ca.issue("a.example"))]);
    let proxy = start(&all, |_| {});
    let reply = Offer::sni("a.example").send(proxy.addr, "GET / HTTP/1.1\r\nx : y\r\n\r\n");
    let reply = reply.unwrap();
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["message"], "malformed request");
}

#[test]
fn a_listener_changes_between_plain_and_tls_without_being_closed() {
    let ca = Authority::new();
    let all = certificates([("*", ca.issue("a.example"))]);
    let proxy = start(&all, |_| {});
    let addr: SocketAddr = proxy.addr;
    proxy.gateway.set_listeners(&[]).unwrap();
    let spec = |tls| ListenerSpec {
        bind: addr,
        proxy_port: PORT,
        tls,
    };
    proxy.gateway.set_listeners(&[spec(false)]).unwrap();
    assert_eq!(Client::connect(addr).request(LOCAL).status, 299);
    proxy.gateway.set_listeners(&[spec(true)]).unwrap();
    let reply = Offer::sni("a.example").send(addr, LOCAL);
    assert_eq!(reply.unwrap().status, 299);
}

#[test]
fn a_large_body_passes_in_both_directions() {
    let big: &'static str = Box::leak("0123456789abcdef".repeat(128 * 1024).into_boxed_str());
    let backend = Backend::saying(big);
    let ca = Authority::new();
    let all = certificates([("*", ca.issue("a.example"))]);
    let proxy = start(&all, |_| {});
    let line = plan(&[backend.addr]).line();
    let length = big.len();
    let request =
        format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n{line}\r\n{big}");
    let reply = Offer::sni("a.example").send(proxy.addr, &request).unwrap();
    assert!(reply.body == big.as_bytes());
    assert!(backend.seen()[0].body == big.as_bytes());
}
