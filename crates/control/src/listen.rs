//! Accepting connections for as long as they are wanted, whatever the process is short of meanwhile.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// How long is waited before another attempt: most likely there are no file descriptors left, and some come back soon.
const PATIENCE: Duration = Duration::from_secs(1);

/// The next connection to a listener of `what`. A connection that ended before it was accepted is passed over; what the
/// process is short of is told and waited for.
///
/// It may be dropped at any time, and asked again: no connection is lost.
pub(crate) async fn next_connection(listener: &TcpListener, what: &'static str) -> (TcpStream, SocketAddr) {
    let (stream, address) = next_of(|| listener.accept(), what).await;
    // cannot fail for what is connected; without it, answers only come later
    let _ = stream.set_nodelay(true);
    (stream, address)
}

/// The same of any listener.
pub(crate) async fn next_of<C, A: Future<Output = io::Result<C>>>(
    accept: impl Fn() -> A,
    what: &'static str,
) -> C {
    loop {
        match accept().await {
            Ok(connection) => return connection,
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "{what} cannot accept connections");
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
