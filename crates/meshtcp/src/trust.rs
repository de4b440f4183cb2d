//! Authorities that must have signed a control plane's certificate: those in a file, or else those of this system.

use std::path::{Path, PathBuf};

use control::plain_file;

/// Files in which Linux systems keep trusted authorities.
const SYSTEM: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// Certificates in PEM, and their file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trusted {
    /// Path of the file.
    pub(crate) file: PathBuf,
    /// Content of the file.
    pub(crate) pem: Vec<u8>,
}

impl Trusted {
    /// Reads the certificates of the named file, or those of the system.
    ///
    /// # Errors
    /// Reason in words: the file cannot be read, or the system has none.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self, String> {
        if let Some(file) = named {
            let pem = plain_file::read_named(file)
                .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
            if !pem.windows(BEGIN.len()).any(|bytes| bytes == BEGIN) {
                return Err(format!("there is no certificate in {}", file.display()));
            }
            return Ok(Self { file: file.to_owned(), pem });
        }
        let found = SYSTEM
            .iter()
            .find_map(|file| Some(Self { file: PathBuf::from(file), pem: std::fs::read(file).ok()? }));
        found.ok_or_else(|| "this system trusts nobody: name the certificates with --ca-file".to_owned())
    }
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Returns `true` if the host is this one, so that traffic to it is not readable by others.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        assert!(Trusted::read(Some(&file)).unwrap_err().contains("cannot be read"));
        std::fs::write(&file, "nothing").unwrap();
        assert!(Trusted::read(Some(&file)).unwrap_err().contains("no certificate"));
    }

    #[test]
    fn this_host_has_a_few_names() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["10.0.0.1", "localhost.example.com", "", "::2"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
