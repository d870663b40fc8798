//! Certificates in use, by proxy port and host. All workers look them up here at each handshake,
//! so new ones are in effect at once and connections that are open keep theirs.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_rustls::rustls;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, ServerConfig};

use super::certificates::{
    CertificateError, CertificateErrors, Certificates, ClientAuth, KeyPair, PairError,
};
use super::client_auth;
use super::host_pattern::{self, HostPattern};

/// The protocols that are offered, best first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The certificates of all ports.
#[derive(Debug, Default)]
pub(super) struct TlsStore(ArcSwap<HashMap<u16, Arc<PortTls>>>);

/// Those of one proxy port.
#[derive(Debug, Default)]
pub(super) struct PortTls {
    exact: HashMap<String, Usable>,
    below: HashMap<String, Usable>,
    any: Option<Usable>,
    pub(super) listeners: Vec<HostPattern>,
    /// What it was made of.
    source: Certificates,
}

/// A host's setting; `None` if what it was given cannot be used. Such a host must not fall back
/// to the certificate of a wildcard.
type Usable = Option<Arc<ServerConfig>>;

/// The keys of a host.
#[derive(Debug)]
struct Keys(Vec<Arc<CertifiedKey>>);

// === impl TlsStore ===

impl TlsStore {
    /// What a port has.
    pub(super) fn port(&self, port: u16) -> Option<Arc<PortTls>> {
        self.0.load().get(&port).cloned()
    }

    /// Gives a port these certificates, and no others. Hosts whose own did not change keep
    /// their setting, and with it the sessions that clients can resume.
    pub(super) fn set(&self, port: u16, new: &Certificates) -> Result<(), CertificateErrors> {
        let old = self.port(port);
        let (made, errors) = PortTls::new(new, old.as_deref());
        let made = Arc::new(made);
        self.0.rcu(|ports| {
            let mut ports = HashMap::clone(ports);
            ports.insert(port, Arc::clone(&made));
            ports
        });
        if errors.is_empty() {
            Ok(())
        } else {
            Err(CertificateErrors(errors))
        }
    }
}

/// Whether the certificates of clients can be checked.
pub(super) fn check_authorities(auth: &ClientAuth) -> Result<(), CertificateError> {
    client_auth::verifier(auth, &provider()).map(drop)
}

// === impl PortTls ===

impl PortTls {
    fn new(source: &Certificates, old: Option<&Self>) -> (Self, Vec<CertificateError>) {
        let mut errors = Vec::new();
        let provider = provider();
        let verifier = match &source.client_auth {
            None => Ok(None),
            Some(auth) => client_auth::verifier(auth, &provider).map(Some),
        };
        let verifier = verifier.map_err(|error| errors.push(error)).ok();
        let old = old.filter(|old| old.source.client_auth == source.client_auth);

        let mut made = Self {
            listeners: source.listeners.clone(),
            source: source.clone(),
            ..Self::default()
        };
        for (host, pairs) in &source.by_host {
            let kept = old.filter(|old| old.source.by_host.get(host) == Some(pairs));
            let kept = kept.and_then(|old| old.of(host)).and_then(Option::as_ref);
            let usable = match (kept, &verifier) {
                (Some(kept), Some(_)) => Some(Arc::clone(kept)),
                (_, None) => None,
                (None, Some(verifier)) => match config(pairs, verifier.clone(), &provider) {
                    Ok(config) => Some(Arc::new(config)),
                    Err(why) => {
                        let host = host.clone();
                        errors.push(CertificateError::KeyPair { host, why });
                        None
                    }
                },
            };
            match host {
                HostPattern::Exact(name) => drop(made.exact.insert(name.clone(), usable)),
                HostPattern::Below(name) => drop(made.below.insert(name.clone(), usable)),
                HostPattern::Any => made.any = Some(usable),
            }
        }
        (made, errors)
    }

    fn of(&self, host: &HostPattern) -> Option<&Usable> {
        match host {
            HostPattern::Exact(name) => self.exact.get(name),
            HostPattern::Below(name) => self.below.get(name),
            HostPattern::Any => self.any.as_ref(),
        }
    }

    /// The setting for a handshake.
    pub(super) fn find(&self, sni: Option<&str>) -> Option<Arc<ServerConfig>> {
        let named = sni.and_then(|sni| {
            let below = || host_pattern::parents(sni).find_map(|name| self.below.get(name));
            self.exact.get(sni).or_else(below)
        });
        named.or(self.any.as_ref())?.clone()
    }
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn config(
    pairs: &[KeyPair],
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, String> {
    let keys = Keys::new(pairs, provider)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(keys));
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

// === impl Keys ===

impl Keys {
    fn new(pairs: &[KeyPair], provider: &CryptoProvider) -> Result<Self, String> {
        if pairs.is_empty() {
            return Err("there is none".to_owned());
        }
        let keys = pairs.iter().map(|pair| key(pair, provider));
        let keys = keys.collect::<Result<_, PairError>>();
        Ok(Self(keys.map_err(|error| error.to_string())?))
    }
}

/// Reads a certificate and its key.
pub(super) fn key(
    pair: &KeyPair,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, PairError> {
    let unreadable = PairError::Unreadable;
    let chain = CertificateDer::pem_slice_iter(pair.chain.as_bytes());
    let chain: Vec<_> = chain
        .collect::<Result<_, _>>()
        .map_err(|error| unreadable(format!("no PEM: {error}")))?;
    if chain.is_empty() {
        return Err(unreadable("there is no CERTIFICATE in it".to_owned()));
    }
    // The error says what is missing, nothing of what is there.
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes())
        .map_err(|error| unreadable(format!("no private key: {error}")))?;
    let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => PairError::Strangers,
        error => unreadable(error.to_string()),
    })?;
    Ok(Arc::new(key))
}

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        // With none that fits, rustls says so to the client.
        self.0.iter().find(usable).or(self.0.first()).cloned()
    }
}
