//! Accepting connections for as long as they are wanted, whatever the process is short of meanwhile.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

/// How long is waited before another attempt: most likely there are no file descriptors left, and some come back soon.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a connection is silent before the kernel asks whether the other side is there; it is given up after twice that.
const SILENCE: Duration = Duration::from_secs(30);

/// The next connection to a listener of `what`. A connection that ended before it was accepted is passed over; what the
/// process is short of is told and waited for.
///
/// It may be dropped at any time, and asked again: no connection is lost.
pub(crate) async fn next_connection(listener: &TcpListener, what: &'static str) -> (TcpStream, SocketAddr) {
    let (stream, address) = next_of(|| listener.accept(), what).await;
    // cannot fail for what is connected; without it, answers only come later
    let _ = stream.set_nodelay(true);
    notice_death(&stream);
    (stream, address)
}

/// Lets the kernel find out that the other side is gone though it never said so: it lost power, or the way to it is cut.
fn notice_death(stream: &TcpStream) {
    use rustix::net::sockopt;
    // none of them fails for what is connected; without them a dead connection only stays longer
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, SILENCE);
    let _ = sockopt::set_tcp_keepintvl(stream, SILENCE / 3);
    let _ = sockopt::set_tcp_keepcnt(stream, 3);
    let _ = sockopt::set_tcp_user_timeout(stream, 2 * SILENCE.as_millis() as u32);
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
