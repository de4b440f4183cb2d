//! Whom the host of a proxy believes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where Linux systems keep whom they trust.
const USUAL: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The file with whom a host believes. It is read with each configuration that asks for it, and by
/// [`Proxy::read_host_authorities`](crate::Proxy::read_host_authorities).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostAuthorities(Option<PathBuf>);

impl HostAuthorities {
    /// Those of a file, in PEM, instead of the first that exists where systems usually have one.
    pub fn in_file(path: impl Into<PathBuf>) -> Self {
        Self(Some(path.into()))
    }

    /// Their certificates in PEM, as they are now; `None`: there is no file that can be read.
    pub(crate) fn read(&self) -> Option<Arc<str>> {
        let read = |path: &Path| std::fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into());
        match &self.0 {
            Some(path) => read(path),
            None => USUAL.iter().find_map(|path| read(Path::new(path))),
        }
    }
}
