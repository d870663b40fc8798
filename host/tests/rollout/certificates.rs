//! A certification authority whose certificates the gateway shows, and clients that verify them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer};
use silverback::gateway::{Certificates, HostPattern, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::timeline::Timeline;

/// The host that the certificates are for.
const HOST: &str = "*.apps.test";

/// See the module.
pub(crate) struct Authority {
    issuer: Issuer<'static, rcgen::KeyPair>,
    root: CertificateDer<'static>,
}

/// How clients connect over TLS.
#[derive(Clone)]
pub(crate) struct Secure {
    http1: TlsConnector,
    http2: TlsConnector,
    shown: Arc<Timeline<CertificateDer<'static>>>,
}

// === impl Authority ===

impl Authority {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Self {
            issuer: Issuer::new(params, key),
            root,
        }
    }

    /// A new certificate, as the gateway takes it.
    pub(crate) fn issue(&self) -> (Certificates, CertificateDer<'static>) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
        let pair = KeyPair {
            chain,
            key: key.serialize_pem(),
        };
        let certificates = Certificates {
            by_host: BTreeMap::from([(HostPattern::parse(HOST), vec![pair])]),
            ..Certificates::default()
        };
        (certificates, leaf)
    }

    pub(crate) fn clients(&self, shown: &Arc<Timeline<CertificateDer<'static>>>) -> Secure {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = |protocol: &[u8]| {
            let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            config.alpn_protocols = vec![protocol.to_vec()];
            TlsConnector::from(Arc::new(config))
        };
        Secure {
            http1: config(b"http/1.1"),
            http2: config(b"h2"),
            shown: Arc::clone(shown),
        }
    }
}

// === impl Secure ===

impl Secure {
    /// Connects and looks at the certificate: it must be one that was in effect during the handshake.
    /// Sessions are resumed, so an old one that still were would show.
    pub(crate) async fn connect(
        &self,
        addr: SocketAddr,
        host: &str,
        http2: bool,
    ) -> Result<TlsStream<TcpStream>, String> {
        let since = self.shown.now();
        let connector = if http2 { &self.http2 } else { &self.http1 };
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let io = tcp(addr).await?;
        let stream = connector.connect(name, io).await;
        let stream = stream.map_err(|error| format!("TLS handshake: {error}"))?;
        let session = stream.get_ref().1;
        let leaf = &session.peer_certificates().unwrap()[0];
        let numbers = self.shown.numbers_since(since);
        if !self.shown.since(since).iter().any(|shown| **shown == *leaf) {
            return Err(format!("the certificate is none of numbers {numbers:?}"));
        }
        Ok(stream)
    }
}

/// Connects without TLS.
pub(crate) async fn tcp(addr: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(addr).await;
    let stream = stream.map_err(|error| format!("connect: {error}"))?;
    stream.set_nodelay(true).unwrap();
    Ok(stream)
}
