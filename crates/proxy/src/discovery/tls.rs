//! TLS connections to a control plane.

use std::io;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint, Error};
use trust::{Trust, TrustError};

use super::dial::kept_in_touch;

/// TLS connector for trusted control planes.
#[derive(Clone, Debug)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    pub(super) fn new(trust: &Trust) -> Result<Self, TrustError> {
        let client = trust.client(&["h2"]).map_err(|error| TrustError::Unusable(error.to_string()))?;
        Ok(Self(Arc::new(client)))
    }

    /// Connects to an endpoint behind `https://`.
    pub(super) async fn connect(&self, endpoint: &Endpoint) -> Result<Channel, Error> {
        let origin = endpoint.uri().clone();
        let authority = origin.authority().map_or_else(String::new, ToString::to_string);
        // to the library the connection is plaintext: the connector encrypts it
        let way = kept_in_touch(Endpoint::from_shared(format!("http://{authority}"))?).origin(origin);
        let config = Arc::clone(&self.0);
        way.connect_with_connector(tower::service_fn(move |uri| opened(Arc::clone(&config), uri))).await
    }
}

async fn opened(config: Arc<ClientConfig>, uri: Uri) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    Ok(TokioIo::new(TlsConnector::from(config).connect(name, stream).await?))
}
