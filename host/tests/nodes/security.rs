//! Tokens and certificates.

use std::sync::Arc;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use silverback::nodes::{AdminTls, ClientOptions, Fleet, FleetOptions, NodeUrl};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::support::{PAGES, World, api, failed, options, store, url, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_and_never_shown() {
    let token = HeaderValue::from_static("Bearer right-token");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let node = url(listener.local_addr().expect("an address"));
    let api = api(&store(), PAGES).with_authorization(token.clone());
    tokio::spawn(Arc::new(api).serve(listener));
    let with = |value: &HeaderValue| FleetOptions {
        client: ClientOptions {
            headers: vec![(AUTHORIZATION, value.clone())],
            ..ClientOptions::default()
        },
        ..options()
    };
    let table = World::new(1).table();

    let mut fleet = Fleet::new(with(&HeaderValue::from_static("Bearer wrong-token")));
    fleet.set_nodes([node.clone()]);
    fleet.publish(table.clone());
    let state = failed(&fleet).await;
    assert!(state.error.contains("401"), "{state:?}");
    assert!(!format!("{state:?}").contains("wrong-token"), "{state:?}");

    let mut fleet = Fleet::new(with(&token));
    fleet.set_nodes([node]);
    fleet.publish(table.clone());
    within("the table", fleet.confirmed(table.digest())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_connection_are_verified() {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        CertifiedIssuer::self_signed(params, key).expect("an authority")
    };
    let (ours, foreign) = (authority("ours"), authority("foreign"));
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    let issue = |by: &CertifiedIssuer<'static, KeyPair>, name: &str| {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, by).expect("a certificate");
        (certificate, key)
    };

    let (certificate, key) = issue(&ours, "kong-admin");
    let mut roots = RootCertStore::empty();
    roots.add(ours.der().clone()).expect("a root");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier.build().expect("a verifier"))
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        )
        .expect("a certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let node_api = Arc::new(api(&store(), PAGES));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, api) = (acceptor.clone(), Arc::clone(&node_api));
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    api.connection(TokioIo::new(stream)).await;
                }
            });
        }
    });

    let node: NodeUrl = format!("https://127.0.0.1:{port}").parse().expect("a URL");
    let ca = file("ca.pem", &ours.pem());
    let foreign_ca = file("foreign.pem", &foreign.pem());
    let client = |by, name: &str| {
        let (certificate, key) = issue(by, "silverback");
        let chain = file(&format!("{name}.crt"), &certificate.pem());
        (chain, file(&format!("{name}.key"), &key.serialize_pem()))
    };
    let (good, bad) = (client(&ours, "good"), client(&foreign, "bad"));
    let table = World::new(1).table();
    for (ca, client, name, works) in [
        (&ca, Some(&good), Some("kong-admin"), true),
        (&ca, None, Some("kong-admin"), false),
        (&ca, Some(&bad), Some("kong-admin"), false),
        (&foreign_ca, Some(&good), Some("kong-admin"), false),
        (&ca, Some(&good), Some("another-name"), false),
        (&ca, Some(&good), None, false),
    ] {
        let client = client.map(|(chain, key)| (chain.as_path(), key.as_path()));
        let tls = AdminTls::new(ca, client, name.map(str::to_owned)).expect("TLS");
        let mut fleet = Fleet::new(FleetOptions {
            client: ClientOptions {
                tls: Some(tls),
                ..ClientOptions::default()
            },
            ..options()
        });
        fleet.set_nodes([node.clone()]);
        fleet.publish(table.clone());
        if works {
            within("the table", fleet.confirmed(table.digest())).await;
        } else {
            let state = failed(&fleet).await;
            assert!(!state.error.is_empty(), "{state:?}");
        }
    }

    let error = AdminTls::new(&file("empty.pem", ""), None, None).expect_err("no certificate");
    assert!(
        error.to_string().contains("no certificate in it"),
        "{error}"
    );
}
