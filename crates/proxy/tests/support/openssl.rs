//! Service outside the mesh, which is one of OpenSSL.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use ::l4::config::Identity;
use rcgen::SanType;
use rcgen::string::Ia5String;

use crate::authority::Authority;
use crate::support::{free_address, wait_until};

/// OpenSSL server that returns each line reversed. It ends with the test.
pub(crate) struct Outside {
    child: Child,
    pub(crate) at: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Outside {
    /// Starts one with a certificate, and further flags.
    pub(crate) fn start(identity: &Identity, more: &[&str]) -> Self {
        let (folder, at) = (tempfile::tempdir().unwrap(), free_address());
        let file = folder.path().join("both.pem");
        std::fs::write(&file, format!("{}{}", identity.chain, identity.key)).unwrap();
        let child = Command::new("openssl")
            .args(["s_server", "-rev", "-accept", &at.to_string()])
            .arg("-cert")
            .arg(&file)
            .arg("-key")
            .arg(&file)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("OpenSSL listens", || TcpStream::connect(at).is_ok());
        Self { child, at, _folder: folder }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Certificate for DNS names and addresses.
pub(crate) fn names(
    ca: &Authority,
    names: &[&str],
    change: impl FnOnce(&mut rcgen::CertificateParams),
) -> Identity {
    ca.issue(&[], |leaf| {
        leaf.subject_alt_names = names
            .iter()
            .map(|name| match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(Ia5String::try_from(*name).unwrap()),
            })
            .collect();
        change(leaf);
    })
}
