//! Whether an upstream's certificate is one that a policy accepts.

use std::sync::Arc;

use tokio_rustls::rustls;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::upstream_tls::UpstreamName;

/// rustls's own verifier knows neither "nothing is verified" nor names other than the one of the
/// handshake.
#[derive(Clone, Debug)]
pub(super) struct Verifier {
    /// `None`: any certificate will do.
    roots: Option<Arc<RootCertStore>>,
    /// Any of them; none: the name of the handshake.
    names: Vec<Name>,
    provider: Arc<CryptoProvider>,
}

#[derive(Clone, Debug)]
enum Name {
    Host(ServerName<'static>),
    Uri(String),
}

impl Verifier {
    pub(super) fn new(
        roots: Option<RootCertStore>,
        names: &[UpstreamName],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let name = |name: &UpstreamName| match name {
            UpstreamName::Uri(uri) => Ok(Name::Uri(uri.clone())),
            UpstreamName::Host(host) => ServerName::try_from(host.clone())
                .map(Name::Host)
                .map_err(|_| format!("{host:?} is neither a DNS name nor an address")),
        };
        Ok(Self {
            roots: roots.map(Arc::new),
            names: names.iter().map(name).collect::<Result<_, _>>()?,
            provider: Arc::clone(provider),
        })
    }

    fn verify_name(
        &self,
        certificate: &CertificateDer<'_>,
        parsed: &ParsedCertificate<'_>,
        asked: &ServerName<'_>,
    ) -> Result<(), Error> {
        if self.names.is_empty() {
            return verify_server_name(parsed, asked);
        }
        let matches = |name: &Name| match name {
            Name::Host(host) => verify_server_name(parsed, host).is_ok(),
            Name::Uri(uri) => webpki::EndEntityCert::try_from(certificate)
                .is_ok_and(|certificate| certificate.valid_uri_names().any(|name| name == uri)),
        };
        if self.names.iter().any(matches) {
            Ok(())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                roots,
                intermediates,
                now,
                algorithms,
            )?;
            self.verify_name(end_entity, &parsed, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
