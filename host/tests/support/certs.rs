//! Certificates made for a test, and TLS clients that say what they were shown. Shared by the tests of
//! the gateway and of `silverback dev`.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each of them uses a part, and one that finds something missing shall fail"
)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer};
use silverback::gateway::KeyPair;
use tokio_rustls::rustls;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A certification authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, rcgen::KeyPair>,
    pub(crate) pem: String,
}

/// What a client offers.
#[derive(Clone)]
pub(crate) struct Offer {
    /// None: an address instead of a name, for which there is no SNI.
    pub(crate) sni: Option<&'static str>,
    pub(crate) alpn: Vec<&'static str>,
    pub(crate) schemes: Vec<SignatureScheme>,
    pub(crate) own: Option<KeyPair>,
}

/// A client's TLS connection.
pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Takes every certificate: what was shown is looked at afterwards.
#[derive(Debug)]
struct TakesAll(Vec<SignatureScheme>);

// === impl Authority ===

impl Authority {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate with an ECDSA key.
    pub(crate) fn issue(&self, name: &str) -> KeyPair {
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = key.serialize_pem();
        self.issue_for(name, &key, pem)
    }

    /// A certificate with an RSA key, in the form that `openssl genrsa` writes. (ring makes none,
    /// so it is one of the tree; it belongs to nothing but this test.)
    pub(crate) fn issue_rsa(&self, name: &str) -> KeyPair {
        let key = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(
            include_str!("../gateway/data/rsa-pkcs8.pem"),
            &rcgen::PKCS_RSA_SHA256,
        );
        let pem = include_str!("../gateway/data/rsa.pem");
        self.issue_for(name, &key.unwrap(), pem.to_owned())
    }

    fn issue_for(&self, name: &str, key: &rcgen::KeyPair, pem: String) -> KeyPair {
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let chain = params.signed_by(key, &self.issuer).unwrap().pem();
        KeyPair { chain, key: pem }
    }
}

/// The certificate itself, to be compared with what a client was shown.
pub(crate) fn leaf(pair: &KeyPair) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pair.chain.as_bytes()).unwrap()
}

// === impl Offer ===

impl Offer {
    pub(crate) fn sni(sni: &'static str) -> Self {
        Self {
            sni: Some(sni),
            ..Self::no_sni()
        }
    }

    pub(crate) fn no_sni() -> Self {
        Self {
            sni: None,
            alpn: Vec::new(),
            schemes: rustls::crypto::ring::default_provider()
                .signature_verification_algorithms
                .supported_schemes(),
            own: None,
        }
    }

    pub(crate) fn alpn(mut self, protocols: &[&'static str]) -> Self {
        self.alpn = protocols.to_vec();
        self
    }

    pub(crate) fn own(mut self, own: &KeyPair) -> Self {
        self.own = Some(own.clone());
        self
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TakesAll(self.schemes.clone())));
        let mut config = match &self.own {
            None => builder.with_no_client_auth(),
            Some(own) => builder
                .with_client_auth_cert(
                    vec![leaf(own)],
                    PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        let protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec());
        config.alpn_protocols = protocols.collect();
        config
    }

    pub(crate) fn name(&self) -> ServerName<'static> {
        self.sni.unwrap_or("127.0.0.1").try_into().unwrap()
    }

    /// Connects and completes the handshake.
    pub(crate) fn connect(&self, addr: SocketAddr) -> io::Result<Tls> {
        connect(addr, &Arc::new(self.config()), self.name())
    }

    /// The certificate that such a client is shown.
    pub(crate) fn shown(&self, addr: SocketAddr) -> CertificateDer<'static> {
        let tls = self.connect(addr).unwrap();
        tls.conn.peer_certificates().unwrap()[0]
            .clone()
            .into_owned()
    }

    /// The handshake's error.
    pub(crate) fn refused(&self, addr: SocketAddr) -> Error {
        let mut tls = match self.connect(addr) {
            Err(error) => return tls_error(error),
            Ok(tls) => tls,
        };
        // TLS 1.3: a client learns what is wrong with its certificate when it reads.
        tls_error(tls.read(&mut [0]).unwrap_err())
    }
}

pub(crate) fn connect(
    addr: SocketAddr,
    config: &Arc<ClientConfig>,
    name: ServerName<'static>,
) -> io::Result<Tls> {
    let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut tls = StreamOwned::new(connection, tcp(addr)?);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    tls.flush()?;
    Ok(tls)
}

fn tcp(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn tls_error(error: io::Error) -> Error {
    let text = error.to_string();
    match error.into_inner().map(|inner| inner.downcast::<Error>()) {
        Some(Ok(error)) => *error,
        _ => panic!("no TLS error: {text}"),
    }
}

impl ServerCertVerifier for TakesAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
