//! Requests through a Unix socket instead of a network.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use crate::api_socket::{connect, connect_to_trusted};

/// Choice of the socket.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// Socket found for an address: used only if a trusted process listens there.
    Found(PathBuf),
    /// Socket named explicitly.
    Named(PathBuf),
}

/// Connector to a socket, whatever the URL says.
#[derive(Debug)]
pub(super) struct ToSocket(pub(super) Door);

impl Connector<()> for ToSocket {
    type Out = Wire;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Wire>, Error> {
        let stream = match &self.0 {
            Door::Found(path) => connect_to_trusted(path)?,
            Door::Named(path) => connect(path)?,
        };
        let config = &details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Wire { stream, buffers }))
    }
}

/// Connection through a socket.
pub(super) struct Wire {
    stream: UnixStream,
    buffers: LazyBuffers,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("stream", &self.stream).finish_non_exhaustive()
    }
}

fn time_of(timeout: &NextTimeout) -> Option<Duration> {
    timeout.not_zero().map(|left| *left)
}

/// Maps the system's "would block" to a timeout, which it means here.
fn in_time<T>(done: io::Result<T>, timeout: &NextTimeout) -> Result<T, Error> {
    done.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => error.into(),
    })
}

impl Transport for Wire {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.set_write_timeout(time_of(&timeout))?;
        in_time(self.stream.write_all(&self.buffers.output()[..amount]), &timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.set_read_timeout(time_of(&timeout))?;
        let read = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break in_time(read, &timeout)?,
            }
        };
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    fn is_open(&mut self) -> bool {
        // a server that writes between two requests is about to close the connection
        let look = self.stream.set_nonblocking(true).and_then(|()| self.stream.read(&mut [0]));
        let is_quiet = look.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        is_quiet && self.stream.set_nonblocking(false).is_ok()
    }
}
