//! What a TLS listener is given: certificates by host, and whether clients need one.

use std::collections::BTreeMap;
use std::fmt;

use super::host_pattern::HostPattern;
use super::tls;

/// A certificate with its chain and its private key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The certificate, then those that lead to its root.
    pub chain: String,
    /// The key: PKCS #8, PKCS #1 (RSA) or SEC1 (ECDSA).
    pub key: String,
}

/// What clients must show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// The certification authorities, PEM.
    pub authorities: String,
    /// What happens to clients that show none that is valid.
    pub mode: ClientAuthMode,
}

/// What happens to clients without a valid certificate; the names are the Gateway API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthMode {
    /// The handshake fails.
    AllowValidOnly,
    /// They are served as if they had one.
    AllowInsecureFallback,
}

impl ClientAuth {
    /// Whether clients can be checked.
    ///
    /// # Errors
    /// The authorities cannot be read: then nobody has a handshake.
    pub fn check(&self) -> Result<(), CertificateError> {
        tls::check_authorities(self)
    }
}

/// Everything that the TLS listeners of a proxy port are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificates {
    /// By host; several for one host if it has an RSA and an ECDSA key, and then the first that
    /// a client can verify is shown. A host without one has no handshake.
    pub by_host: BTreeMap<HostPattern, Vec<KeyPair>>,
    /// Whether clients are asked for a certificate.
    pub client_auth: Option<ClientAuth>,
    /// Hostnames of the port's listeners, to find requests that belong to another listener than
    /// their connection (421). Empty: requests of every host may come over every connection.
    pub listeners: Vec<HostPattern>,
}

/// Something of [`Certificates`] cannot be used. The hosts concerned have no handshake; others do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A certificate or its key.
    #[error("certificate of {host}: {why}")]
    KeyPair {
        /// The host.
        host: HostPattern,
        /// What is wrong with it.
        why: String,
    },
    /// The authorities for client certificates: then no host has a handshake.
    #[error("authorities for client certificates: {0}")]
    Authorities(String),
}

/// Why a certificate and a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// The key is that of another certificate.
    #[error("the private key belongs to another certificate")]
    Strangers,
    /// One of them is missing or cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

/// All that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateErrors(pub Vec<CertificateError>);

// === impl KeyPair ===

impl KeyPair {
    /// Whether it can be used: both are there and belong together.
    ///
    /// # Errors
    /// Why not, with nothing of the key.
    pub fn check(&self) -> Result<(), PairError> {
        tls::key(self, &tls::provider()).map(drop)
    }

    /// Does one of the certificate's names cover this host? `None` if it cannot be told.
    #[must_use]
    pub fn covers(&self, host: &str) -> Option<bool> {
        tls::covers(&self.chain, host)
    }
}

impl fmt::Debug for KeyPair {
    /// Without the key: it must not get into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for CertificateErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CertificateErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        let pair = KeyPair {
            chain: "chain".to_owned(),
            key: "secret".to_owned(),
        };
        assert!(!format!("{pair:?}").contains("secret"));
    }
}
