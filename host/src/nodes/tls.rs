//! TLS towards Admin APIs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::{TlsConnector, rustls};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// How nodes are verified, and who we are to them. There is no way to leave verification out: what
/// a node is sent decides where traffic goes.
#[derive(Clone)]
pub struct AdminTls {
    pub(super) connector: TlsConnector,
    /// The name that must be in a node's certificate, instead of the URL's host. Nodes that are
    /// found by their pods' addresses have none of their own.
    pub(super) server_name: Option<String>,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AdminTlsError {
    /// A file cannot be used.
    #[error("{}: {why} (hint: {hint})", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
        /// What to do.
        hint: &'static str,
    },
    /// Certificate and key do not belong together, or are not supported.
    #[error("the client certificate cannot be used: {0} (hint: is the key the certificate's?)")]
    Client(rustls::Error),
}

impl fmt::Debug for AdminTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminTls")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

// === impl AdminTls ===

impl AdminTls {
    /// Trusts the certificates of `ca`; shows the certificate of `client` (chain, key) where a node
    /// asks for one.
    pub fn new(
        ca: &Path,
        client: Option<(&Path, &Path)>,
        server_name: Option<String>,
    ) -> Result<Self, AdminTlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca)? {
            let added = roots.add(certificate);
            added.map_err(|error| file(ca, error, "a CA certificate in PEM"))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(AdminTlsError::Client)?
            .with_root_certificates(roots);
        let config = match client {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain)?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| file(key, error, "a private key in PEM"))?;
                config
                    .with_client_auth_cert(chain, key)
                    .map_err(AdminTlsError::Client)?
            }
        };
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            server_name,
        })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AdminTlsError> {
    let hint = "certificates in PEM";
    let all = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let all = all.map_err(|error| file(path, error, hint))?;
    if all.is_empty() {
        return Err(file(path, "there is no certificate in it", hint));
    }
    Ok(all)
}

fn file(path: &Path, why: impl fmt::Display, hint: &'static str) -> AdminTlsError {
    AdminTlsError::File {
        file: path.to_owned(),
        why: why.to_string(),
        hint,
    }
}
