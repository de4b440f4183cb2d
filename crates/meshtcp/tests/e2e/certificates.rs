//! Certificates for one test.

use std::path::Path;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Certificate authority; its files are removed when it is dropped.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// Certificate and its key, in files.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of this test");
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    /// CA file by which others trust the certificates of this authority.
    pub(crate) fn file(&self) -> String {
        text(&self.folder.path().join("ca.pem"))
    }

    /// Signs a certificate for a host name or address.
    pub(crate) fn signs(&self, host: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "a server of this test");
        self.keep(host, &params.signed_by(&key, &self.issuer).unwrap(), &key)
    }

    /// Creates a self-signed certificate of a host that may sign others, as most tools make it for one server.
    pub(crate) fn alone(&self, host: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, host);
        self.keep(&format!("{host}.alone"), &params.self_signed(&key).unwrap(), &key)
    }

    fn keep(&self, name: &str, certificate: &Certificate, key: &KeyPair) -> Pair {
        let file = |kind: &str| self.folder.path().join(format!("{name}.{kind}.pem"));
        std::fs::write(file("certificate"), certificate.pem()).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
        Pair { certificate: text(&file("certificate")), key: text(&file("key")) }
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
