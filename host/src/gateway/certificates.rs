//! What a TLS listener is given: certificates by host, and whether clients need one.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};

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

/// Why clients may refuse a certificate that can be used. It is shown all the same, as by nginx.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateDoubt {
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet")]
    NotValidYet,
    /// It has another name.
    #[error("it is not for {0}, for which it is served")]
    OtherName(HostPattern),
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

    /// Why clients may refuse it for these hosts at this time. Whether they know who signed it is theirs to
    /// say.
    #[must_use]
    pub fn doubts(&self, hosts: &[HostPattern], now: SystemTime) -> Vec<CertificateDoubt> {
        let Ok(leaf) = CertificateDer::from_pem_slice(self.chain.as_bytes()) else {
            return Vec::new();
        };
        let Ok(leaf) = webpki::EndEntityCert::try_from(&leaf) else {
            return Vec::new();
        };
        let usage = webpki::KeyUsage::server_auth();
        // There is no issuer to be found; its time is looked at before.
        let verified = leaf.verify_for_usage(&[], &[], &[], unix(now), usage, None, None);
        let time = match verified {
            Err(webpki::Error::CertExpired { .. }) => Some(CertificateDoubt::Expired),
            Err(webpki::Error::CertNotValidYet { .. }) => Some(CertificateDoubt::NotValidYet),
            _ => None,
        };
        let other = hosts.iter().filter(|host| {
            // A wildcard may have certificates for some of the hosts below it.
            let HostPattern::Exact(name) = host else {
                return false;
            };
            let name = ServerName::try_from(name.as_str());
            name.is_ok_and(|name| leaf.verify_is_valid_for_subject_name(&name).is_err())
        });
        let other = other.cloned().map(CertificateDoubt::OtherName);
        time.into_iter().chain(other).collect()
    }
}

fn unix(time: SystemTime) -> UnixTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    UnixTime::since_unix_epoch(since.unwrap_or(Duration::ZERO))
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
    fn a_certificate_has_its_time_and_its_names() {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let names = ["shop.example".to_owned(), "*.shop.example".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let pair = KeyPair {
            chain: params.self_signed(&key).unwrap().pem(),
            key: key.serialize_pem(),
        };
        let begin = SystemTime::UNIX_EPOCH + 18_262 * DAY;
        let hosts = |hosts: &[&str]| -> Vec<_> {
            hosts.iter().map(|host| HostPattern::parse(host)).collect()
        };
        let fitting = hosts(&["shop.example", "a.shop.example", "*.shop.example", "*"]);
        for (now, expected) in [
            (begin - DAY, vec![CertificateDoubt::NotValidYet]),
            (begin + DAY, vec![]),
            (begin + 400 * DAY, vec![CertificateDoubt::Expired]),
        ] {
            assert_eq!(pair.doubts(&fitting, now), expected);
        }
        let other = hosts(&["other.example", "*.other.example", "a.b.shop.example"]);
        // The wildcard may have another certificate for it.
        let exact = other
            .iter()
            .filter(|host| matches!(host, HostPattern::Exact(_)));
        let expected: Vec<_> = exact.cloned().map(CertificateDoubt::OtherName).collect();
        assert_eq!(expected.len(), 2);
        assert_eq!(pair.doubts(&other, begin + DAY), expected);
    }

    #[test]
    fn a_key_is_not_shown() {
        let pair = KeyPair {
            chain: "chain".to_owned(),
            key: "secret".to_owned(),
        };
        assert!(!format!("{pair:?}").contains("secret"));
    }
}
