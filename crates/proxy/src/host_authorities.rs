//! Authorities that the host of a proxy trusts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Usual files with trusted authorities on Linux systems.
const USUAL: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// File with the authorities that a host trusts. It is read with each configuration that needs it, and by
/// [`Proxy::read_host_authorities`](crate::Proxy::read_host_authorities).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostAuthorities(Option<PathBuf>);

impl HostAuthorities {
    /// Uses those of a file, in PEM, instead of the first usual file that exists.
    pub fn in_file(path: impl Into<PathBuf>) -> Self {
        Self(Some(path.into()))
    }

    /// Reads their certificates in PEM, as they are now; `None`: there is no readable file.
    pub(crate) fn read(&self) -> Option<Arc<str>> {
        let read = |path: &Path| std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into());
        match &self.0 {
            Some(path) => read(path),
            None => USUAL.iter().find_map(|path| read(Path::new(path))),
        }
    }
}
