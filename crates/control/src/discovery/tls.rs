//! The certificate with which the control plane proves to proxies who it is.

use std::path::Path;
use std::time::Duration;

use tonic::transport::{Identity, Server, ServerTlsConfig};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A certificate with its chain, and its key.
#[derive(Clone)]
pub struct DiscoveryTls(pub(super) ServerTlsConfig);

impl std::fmt::Debug for DiscoveryTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DiscoveryTls")
    }
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryTlsError {
    /// A file cannot be read.
    #[error("{file}: {error}")]
    File {
        /// The file.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// There is no certificate or no key in the files, or they do not fit.
    #[error("the certificate and its key cannot be used: {0}")]
    Pair(String),
}

impl DiscoveryTls {
    /// Reads a certificate with its chain, and its key, from files in PEM.
    ///
    /// # Errors
    /// When they cannot be read or do not fit.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, DiscoveryTlsError> {
        let read = |file: &Path| {
            let wrong = |error| DiscoveryTlsError::File { file: file.display().to_string(), error };
            std::fs::read(file).map_err(wrong)
        };
        let identity = Identity::from_pem(read(certificate)?, read(key)?);
        let config = ServerTlsConfig::new().identity(identity).timeout(HANDSHAKE);
        // a pair that does not fit is said now, not when the first proxy comes
        Server::builder()
            .tls_config(config.clone())
            .map_err(|error| DiscoveryTlsError::Pair(chain(&error)))?;
        Ok(Self(config))
    }
}

/// An error with what it says is behind it: tonic's own words alone are `transport error`.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source()).skip(1);
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
