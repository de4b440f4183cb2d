//! Accepting of connections, resilient to a temporary lack of resources of the process.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// Pause before another attempt: most likely there are no file descriptors left, and some come back soon.
const PATIENCE: Duration = Duration::from_secs(1);

/// Idle time after which the kernel probes the peer; the connection is given up after twice that.
const SILENCE: Duration = Duration::from_secs(30);

/// Returns the next connection to a listener of `what`. A connection that ended before it was accepted is passed over;
/// a lack of resources is logged and waited out.
///
/// Cancel safe: it may be dropped at any time, and called again; no connection is lost.
pub(crate) async fn next_connection(listener: &TcpListener, what: &'static str) -> (TcpStream, SocketAddr) {
    let (stream, address) = next_of(|| listener.accept(), what).await;
    // cannot fail for a connected socket; without it, answers only come later
    let _ = stream.set_nodelay(true);
    notice_death(&stream);
    (stream, address)
}

/// Enables TCP keepalive, so that the kernel finds peers that vanished silently: by a loss of power or a cut network.
fn notice_death(stream: &TcpStream) {
    use rustix::net::sockopt;
    // none of them fails for a connected socket; without them a dead connection only stays longer
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, SILENCE);
    let _ = sockopt::set_tcp_keepintvl(stream, SILENCE / 3);
    let _ = sockopt::set_tcp_keepcnt(stream, 3);
    let _ = sockopt::set_tcp_user_timeout(stream, 2 * SILENCE.as_millis() as u32);
}

/// Returns the next connection as [`next_connection`] does, for any listener.
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

#[cfg(test)]
mod tests {
    use rustix::net::sockopt;

    use super::*;

    #[tokio::test]
    async fn the_kernel_asks_whether_a_silent_caller_is_still_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _caller = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = next_connection(&listener, "a test").await;
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), Duration::from_secs(30));
        let [interval, count] = [
            sockopt::tcp_keepintvl(&stream).unwrap().as_secs() as u32,
            sockopt::tcp_keepcnt(&stream).unwrap(),
        ];
        assert_eq!(30 + interval * count, 60);
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 60_000);
    }
}
