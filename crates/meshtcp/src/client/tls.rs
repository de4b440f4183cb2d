//! Requests over TLS to trusted servers.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use trust::{CertificateFacts, Trust};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

/// Connector that encrypts the connection of another one.
#[derive(Debug)]
pub(super) struct OverTls {
    config: Arc<ClientConfig>,
    shown: Shown,
}

/// Certificate, in DER, that was presented last.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown(Arc<Mutex<Option<Vec<u8>>>>);

impl Shown {
    /// Facts of the certificate; `None`: none was presented.
    pub(super) fn facts(&self) -> Option<CertificateFacts> {
        CertificateFacts::read(self.0.lock().unwrap_or_else(PoisonError::into_inner).as_deref()?)
    }
}

impl OverTls {
    /// Creates a connector that stores the presented certificate in `shown`.
    ///
    /// # Errors
    /// Reason in words: TLS is unavailable.
    pub(super) fn trusting(trust: &Trust, shown: Shown) -> Result<Self, String> {
        Ok(Self { config: Arc::new(trust.client(&[]).map_err(|error| error.to_string())?), shown })
    }
}

impl<In: Transport> Connector<In> for OverTls {
    type Out = Encrypted;

    fn connect(&self, details: &ConnectionDetails, opened: Option<In>) -> Result<Option<Encrypted>, Error> {
        let Some(opened) = opened else { return Ok(None) };
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| Error::Tls("the host of the URL is no name"))?;
        let mut conn = ClientConnection::new(Arc::clone(&self.config), name)?;
        let mut sock = TransportAdapter::new(opened.boxed(), details.current_time.clone());
        sock.set_timeout(details.timeout);
        conn.complete_io(&mut sock)?;
        let first = conn.peer_certificates().and_then(|chain| chain.first()).map(|first| first.to_vec());
        *self.shown.0.lock().unwrap_or_else(PoisonError::into_inner) = first;
        let config = &details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Encrypted { stream: StreamOwned { conn, sock }, buffers }))
    }
}

/// Connection over TLS.
pub(super) struct Encrypted {
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    buffers: LazyBuffers,
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted").finish_non_exhaustive()
    }
}

impl Transport for Encrypted {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        Ok(self.stream.write_all(&self.buffers.output()[..amount])?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let read = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
