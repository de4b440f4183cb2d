//! Server certificate of a control plane, read again whenever it is renewed.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use trust::CertificateFacts;

use crate::file_stamp::FileStamp;
use crate::guard::task_again;
use crate::plain_file;

/// Interval at which the files are looked at.
const SELDOM: Duration = Duration::from_secs(2);
/// Limit on the duration of a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Certificate with its chain, and its key, in two files in PEM.
///
/// New files are picked up within seconds for new connections; live connections are left alone. If they cannot be used,
/// that is logged, and the previous certificate stays in use.
#[derive(Clone, Debug)]
pub struct Certificate(Arc<Pair>);

/// Both files, and their content as last read.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    /// State of the files before they were first read.
    first: [Option<FileStamp>; 2],
    in_use: ArcSwap<CertifiedKey>,
}

/// One of the two files of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificatePart {
    /// Certificate with its chain.
    Certificate,
    /// Private key.
    Key,
}

/// Reason why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read, or contains no PEM.
    #[error("{file} cannot be used: {why}")]
    File {
        /// Affected file of the pair.
        half: CertificatePart,
        /// Path of the file.
        file: String,
        /// Reason, in words.
        why: String,
    },
    /// There is no certificate in its file, or the key does not belong to it.
    #[error("the certificate and its key cannot be used: {0}")]
    Pair(rustls::Error),
}

impl Certificate {
    /// Reads a certificate with its chain, and its key.
    ///
    /// # Errors
    /// If they cannot be read or do not match.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let first = look(certificate, key);
        let in_use = ArcSwap::from_pointee(read(certificate, key, plain_file::read_named)?);
        Ok(Self(Arc::new(Pair { certificate: certificate.into(), key: key.into(), first, in_use })))
    }

    /// Names and addresses of the certificate, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        self.facts().map(|facts| facts.names).unwrap_or_default()
    }

    /// Returns `true` if the certificate is valid for a host.
    pub(crate) fn names_host(&self, host: &str) -> bool {
        self.facts().is_some_and(|facts| facts.names_host(host))
    }

    fn facts(&self) -> Option<CertificateFacts> {
        CertificateFacts::read(self.0.in_use.load().cert.first()?)
    }

    /// Last certificate of the chain in PEM, as a trust anchor for the first; `None`: it may not sign any.
    pub(crate) fn signer(&self) -> Option<String> {
        let in_use = self.0.in_use.load();
        let last = in_use.cert.last()?;
        CertificateFacts::read(last)?.signs.then(|| trust::pem("CERTIFICATE", last))
    }

    /// Creates an acceptor of TLS connections with one of these protocols by ALPN, or without ALPN. The files are
    /// followed until the token is cancelled.
    pub(crate) fn acceptor(self, protocols: &[&str], until: CancellationToken) -> io::Result<TlsAcceptor> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(io::Error::other)?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::clone(&self.0) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = protocols.iter().map(|protocol| (*protocol).into()).collect();
        let follow = async move { task_again("certificate-watcher", || self.clone().follow()).await };
        tokio::spawn(until.run_until_cancelled_owned(follow));
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Follows the files without end.
    async fn follow(self) {
        let Self(pair) = self;
        let mut seen = pair.first;
        loop {
            tokio::time::sleep(SELDOM).await;
            let looking = Arc::clone(&pair);
            // a disk that does not answer holds up nobody else; one that panics is followed by the next
            seen = spawn_blocking(move || looking.look_again(seen)).await.unwrap_or(seen);
        }
    }
}

impl Pair {
    /// Reads the files again if they have changed.
    fn look_again(&self, seen: [Option<FileStamp>; 2]) -> [Option<FileStamp>; 2] {
        let now = look(&self.certificate, &self.key);
        if now != seen {
            let certificate = self.certificate.display();
            // a FIFO would be waited for
            match read(&self.certificate, &self.key, plain_file::read) {
                Ok(pair) => {
                    self.in_use.store(Arc::new(pair));
                    tracing::info!(%certificate, "the certificate was renewed");
                }
                // only one file has been replaced so far, or somebody made a mistake
                Err(error) => {
                    tracing::warn!(%certificate, %error, "the one that was there before stays in use");
                }
            }
        }
        now
    }
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.in_use.load_full())
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.certificate.display())
    }
}

fn look(certificate: &Path, key: &Path) -> [Option<FileStamp>; 2] {
    // a file without metadata cannot be read either, which yields the error
    [certificate, key].map(|file| FileStamp::at(file).ok().flatten())
}

/// Reads both files, each by `bytes_of`.
fn read(
    certificate: &Path,
    key: &Path,
    bytes_of: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<CertifiedKey, CertificateError> {
    let within = |half, file: &Path| {
        let file = file.display().to_string();
        move |error| {
            let why = match error {
                pem::Error::Io(error) => error.to_string(),
                pem::Error::NoItemsFound => "there is none in PEM".to_owned(),
                other => other.to_string(),
            };
            CertificateError::File { half, file, why }
        }
    };
    let pem_of = |half, file| bytes_of(file).map_err(pem::Error::Io).map_err(within(half, file));
    let chain = pem_of(CertificatePart::Certificate, certificate)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.map_err(within(CertificatePart::Certificate, certificate))?;
    let secret = PrivateKeyDer::from_pem_slice(&pem_of(CertificatePart::Key, key)?);
    let secret = secret.map_err(within(CertificatePart::Key, key))?;
    if let Some(mode) = open_to_all(key) {
        let key = key.display();
        tracing::warn!(%key, "every user of this host can read or replace the key (mode {mode:04o}): chmod 600");
    }
    CertifiedKey::from_der(chain, secret, &rustls::crypto::ring::default_provider())
        .map_err(CertificateError::Pair)
}

/// Returns the mode of a file that others than its user and group may read or write; `None`: they may not.
fn open_to_all(file: &Path) -> Option<u32> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o7777;
    (mode & 0o006 != 0).then_some(mode)
}

/// Performs the handshake of an accepted connection; `None`: it failed, which is ordinary and only noted.
pub(crate) async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    acceptor: TlsAcceptor,
    stream: S,
    address: SocketAddr,
) -> Option<TlsStream<S>> {
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => tracing::debug!(%address, %error, "no TLS with a caller"),
        Err(_) => tracing::debug!(%address, "a caller was too slow for TLS"),
    }
    None
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn file(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// Replaces the certificate, and the key if `with_key`.
        fn renew(&self, name: &str, with_key: bool) {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
            let replace = |file: &str, text: String| {
                std::fs::write(self.file("new"), text).unwrap();
                std::fs::rename(self.file("new"), self.file(file)).unwrap();
            };
            replace("cert.pem", certificate.pem());
            if with_key {
                replace("key.pem", key.serialize_pem());
            }
        }

        fn read(&self) -> Result<Certificate, CertificateError> {
            Certificate::read(&self.file("cert.pem"), &self.file("key.pem"))
        }
    }

    #[test]
    fn a_new_pair_is_taken_up_and_a_bad_one_is_not() {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.renew("one", true);
        let Certificate(pair) = folder.read().unwrap();
        let in_use = || pair.in_use.load_full();
        let first = in_use();
        let seen = pair.look_again(pair.first);
        assert!(Arc::ptr_eq(&first, &in_use()), "nothing is new");

        folder.renew("two", false);
        let seen = pair.look_again(seen);
        assert!(Arc::ptr_eq(&first, &in_use()), "the key is not there yet");

        folder.renew("two", true);
        let seen = pair.look_again(seen);
        let second = in_use();
        assert!(first.cert != second.cert);

        std::fs::remove_file(folder.file("key.pem")).unwrap();
        pair.look_again(seen);
        assert!(Arc::ptr_eq(&second, &in_use()), "it goes on with what it has");
    }

    #[tokio::test]
    async fn a_caller_that_does_not_shake_hands_is_not_waited_for() {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.renew("one", true);
        let acceptor = folder.read().unwrap().acceptor(&[], CancellationToken::new()).unwrap();
        let (_caller, ours) = tokio::io::duplex(1024);
        let begin = std::time::Instant::now();
        assert!(shake_hands(acceptor, ours, "127.0.0.1:1".parse().unwrap()).await.is_none());
        assert_eq!(begin.elapsed().as_secs(), 10);
    }

    #[test]
    fn a_key_that_is_open_to_all_is_told() {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.renew("one", true);
        let key = folder.file("key.pem");
        for (mode, told) in [(0o600, None), (0o640, None), (0o644, Some(0o644)), (0o666, Some(0o666))] {
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(open_to_all(&key), told);
        }
    }

    #[test]
    fn what_cannot_be_used_says_where_and_why() {
        let folder = Folder(tempfile::tempdir().unwrap());
        let error = || folder.read().unwrap_err().to_string();
        assert!(error().contains("cert.pem"), "{}", error());
        folder.renew("one", true);
        folder.renew("other", false);
        assert!(error().contains("cannot be used"), "{}", error());
        std::fs::write(folder.file("cert.pem"), "nothing").unwrap();
        assert!(error().contains("cannot be used"), "{}", error());
    }
}
