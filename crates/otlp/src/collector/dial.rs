//! Connections to a collector, with TLS if its URL requires it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use trust::Trust;

use super::SystemTrust;
use crate::settings::{Protocol, Target};

/// Connection with both directions.
pub(super) trait Ends: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Ends for T {}

/// Dialler of connections to a collector.
#[derive(Clone, Debug)]
pub(super) struct Dial {
    host: String,
    port: u16,
    /// TLS configuration; `None`: plaintext.
    tls: Option<Arc<ClientConfig>>,
}

impl Dial {
    /// # Errors
    /// In words: a certificate or a key cannot be used.
    pub(super) fn to(target: &Target, system: SystemTrust<'_>) -> Result<Self, String> {
        let is_tls = target.url.scheme_str() == Some("https");
        let host = target.url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = target.url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let tls = if is_tls { Some(Arc::new(tls(target, system)?)) } else { None };
        Ok(Self { host, port, tls })
    }

    /// Value of the `Host` header.
    pub(super) fn authority(&self) -> String {
        let Self { host, port, tls: _ } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    pub(super) async fn open(self) -> io::Result<TokioIo<Box<dyn Ends>>> {
        let Self { host, port, tls } = self;
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.set_nodelay(true)?;
        let Some(config) = tls else { return Ok(TokioIo::new(Box::new(stream))) };
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        Ok(TokioIo::new(Box::new(TlsConnector::from(config).connect(name, stream).await?)))
    }
}

fn tls(target: &Target, system: SystemTrust<'_>) -> Result<ClientConfig, String> {
    let authorities = match &target.authorities {
        Some(file) => read(file)?,
        None => system()?,
    };
    let trust = Trust::from_pem(&authorities).map_err(|error| error.to_string())?;
    let protocol = match target.protocol {
        Protocol::Grpc => "h2",
        Protocol::Http => "http/1.1",
    };
    let mut config = trust.client(&[protocol]).map_err(|error| error.to_string())?;
    if let Some((certificate, key)) = &target.proof {
        let wrong = |file: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(&read(certificate)?).collect();
        let chain = chain.map_err(|error| wrong(certificate, &error))?;
        let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| wrong(key, &error))?;
        let pair = CertifiedKey::from_der(chain, secret, config.crypto_provider());
        let pair = pair.map_err(|error| wrong(certificate, &error))?;
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(pair));
    }
    Ok(config)
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}
