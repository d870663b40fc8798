//! TLS towards upstreams: policies that the host sets, found by the id in a plan.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::{TlsConnector, rustls};

use rustls::client::WantsClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use super::upstream_verify::Verifier;

/// The policy that is always there: nothing is verified, no client certificate.
pub(super) const NO_POLICY: u64 = 0;

/// How TLS is spoken with an upstream. The default verifies nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTlsPolicy {
    /// Certificates (PEM) that the upstream's must be signed by; `None`: it is not verified.
    pub roots: Option<String>,
    /// One of these must be in the upstream's certificate; empty: the plan's server name, or
    /// without one the endpoint's address. Of no effect without `roots`.
    pub names: Vec<UpstreamName>,
    /// The gateway's own certificate.
    pub client: Option<ClientIdentity>,
}

/// A subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamName {
    /// A DNS name or an address.
    Host(String),
    /// A URI, such as a SPIFFE id; compared as it is.
    Uri(String),
}

/// A certificate with its key.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The certificate and its intermediates, PEM.
    pub chain: String,
    /// The private key, PEM.
    pub key: String,
}

/// Policies that cannot be used: requests that need one get 502.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTlsErrors(pub Vec<(u64, String)>);

/// The policies of all workers.
pub(super) struct UpstreamTlsStore(ArcSwap<HashMap<u64, Arc<ClientTls>>>);

/// A policy, ready for use.
pub(super) struct ClientTls {
    policy: UpstreamTlsPolicy,
    http1: TlsConnector,
    http2: TlsConnector,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for UpstreamTlsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (id, why)) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}TLS policy {id}: {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UpstreamTlsErrors {}

// === impl UpstreamTlsStore ===

impl Default for UpstreamTlsStore {
    fn default() -> Self {
        let store = Self(ArcSwap::default());
        // The default policy has nothing that could be wrong.
        let _ = store.set(&HashMap::new());
        store
    }
}

impl UpstreamTlsStore {
    pub(super) fn get(&self, policy: u64) -> Option<Arc<ClientTls>> {
        self.0.load().get(&policy).map(Arc::clone)
    }

    /// Makes these the policies. One that did not change stays the same, so that connections
    /// made with it are used on.
    pub(super) fn set(
        &self,
        policies: &HashMap<u64, UpstreamTlsPolicy>,
    ) -> Result<(), UpstreamTlsErrors> {
        let old = self.0.load_full();
        let none = UpstreamTlsPolicy::default();
        let (mut made, mut errors) = (HashMap::new(), Vec::new());
        let others = policies.iter().filter(|(id, _)| **id != NO_POLICY);
        for (id, policy) in others.chain([(&NO_POLICY, &none)]) {
            let kept = old.get(id).filter(|old| old.policy == *policy);
            match kept.map_or_else(|| ClientTls::new(policy).map(Arc::new), |k| Ok(k.clone())) {
                Ok(tls) => drop(made.insert(*id, tls)),
                Err(why) => errors.push((*id, why)),
            }
        }
        self.0.store(Arc::new(made));
        if errors.is_empty() {
            return Ok(());
        }
        errors.sort();
        Err(UpstreamTlsErrors(errors))
    }
}

// === impl ClientTls ===

impl ClientTls {
    fn new(policy: &UpstreamTlsPolicy) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = policy.roots.as_deref().map(roots).transpose()?;
        let verifier = Verifier::new(roots, &policy.names, &provider)?;
        let config = |alpn: &[u8]| {
            let builder = builder(&provider, verifier.clone())?;
            let mut config = match &policy.client {
                None => builder.with_no_client_auth(),
                Some(client) => {
                    let chain = certificates(&client.chain)?;
                    // The error says what is missing, nothing of what is there.
                    let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes())
                        .map_err(|error| format!("no private key: {error}"))?;
                    builder
                        .with_client_auth_cert(chain, key)
                        .map_err(|error| error.to_string())?
                }
            };
            config.alpn_protocols = vec![alpn.to_vec()];
            Ok::<_, String>(TlsConnector::from(Arc::new(config)))
        };
        Ok(Self {
            policy: policy.clone(),
            // Plan's HTTPS is HTTP/1.1 here, as nginx's is: upgrades need it.
            http1: config(b"http/1.1")?,
            http2: config(b"h2")?,
        })
    }

    pub(super) fn connector(&self, http2: bool) -> &TlsConnector {
        if http2 { &self.http2 } else { &self.http1 }
    }

    /// The name for a handshake; an address is not sent (RFC 6066 3) but verified.
    pub(super) fn server_name(name: &[u8], endpoint: IpAddr) -> Option<ServerName<'static>> {
        if name.is_empty() {
            return Some(ServerName::IpAddress(endpoint.into()));
        }
        let name = std::str::from_utf8(name).ok()?;
        ServerName::try_from(name.to_owned()).ok()
    }
}

fn builder(
    provider: &Arc<CryptoProvider>,
    verifier: Verifier,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(pem)? {
        store
            .add(certificate)
            .map_err(|error| format!("not the certificate of a CA: {error}"))?;
    }
    Ok(store)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| format!("no PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("there is no CERTIFICATE in it".to_owned());
    }
    Ok(certificates)
}
