//! Exclusive addresses that one process of a host can have at a time, besides listeners: admin pages and DNS.
//!
//! ```text
//!  carries ──leave──▶ leaving: still answers, as not ready ──a successor asks, or takes over──▶ given up
//! ```
//!
//! Of two running processes, the one that carries new connections answers. A process that leaves answers until a
//! successor takes over.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use control::web::KnownAs;
use proxy::dns::DnsSockets;
use proxy::why_not_bound;
use tokio_util::sync::CancellationToken;

use super::Succession;
use crate::dns::Served;
use crate::pages;

/// Path at which a leaving process is asked for its addresses, with POST.
const GIVE_UP: &str = "/_give-up";
/// Timeout of its answer, and then of its release of the address.
const PATIENCE: Duration = Duration::from_secs(2);
/// Interval between attempts to bind its address meanwhile.
const RETRY: Duration = Duration::from_millis(10);

/// Exclusive addresses of this process; all clones share them.
#[derive(Clone)]
pub(crate) struct Seat(Arc<Held>);

struct Held {
    /// Socket of the admin pages; `None`: there are none, or another process has them.
    admin: Mutex<Option<TcpListener>>,
    dns: Served,
    is_leaving: AtomicBool,
    given_up: CancellationToken,
}

impl Seat {
    /// Takes the address of admin pages, if there are to be any, from the predecessor: it hands the socket over, or it
    /// leaves.
    ///
    /// # Errors
    /// Reason in words: the address cannot be bound.
    pub(crate) fn take(
        admin: Option<SocketAddr>,
        succession: Option<&mut Succession>,
        dns: Served,
    ) -> Result<Self, String> {
        let listener = admin.map(|address| {
            let inherited = succession.and_then(|succession| succession.admin(address));
            let listener = inherited.map_or_else(|| bind(address), Ok);
            let words =
                |error: io::Error| format!("--admin {address} cannot be bound: {}", why_not_bound(&error));
            let listener = listener.map_err(words)?;
            listener.set_nonblocking(true).map_err(words)?;
            Ok::<_, String>(listener)
        });
        let admin = Mutex::new(listener.transpose()?);
        let (is_leaving, given_up) = (AtomicBool::new(false), CancellationToken::new());
        Ok(Self(Arc::new(Held { admin, dns, is_leaving, given_up })))
    }

    /// Address of the admin pages, with another handle of their socket; `None`: there are none.
    pub(crate) fn admin(&self) -> Option<(SocketAddr, TcpListener)> {
        let admin = self.lock();
        let listener = admin.as_ref()?;
        Some((listener.local_addr().ok()?, listener.try_clone().ok()?))
    }

    /// Sockets at which DNS is answered.
    pub(super) fn dns(&self) -> Vec<DnsSockets> {
        self.0.dns.lent()
    }

    /// Starts answering DNS beside the predecessor, which stops soon.
    pub(super) fn begin(&self) {
        self.0.dns.begin();
    }

    /// Marks the process as leaving: no new connections are carried, and a process that asks gets the addresses.
    pub(crate) fn leave(&self) {
        self.0.is_leaving.store(true, Relaxed);
    }

    /// Returns `true` if the process is leaving.
    pub(crate) fn is_leaving(&self) -> bool {
        self.0.is_leaving.load(Relaxed)
    }

    /// Stops answering: another process does from now on.
    pub(crate) fn give_up(&self) {
        *self.lock() = None;
        self.0.dns.stop();
        self.0.given_up.cancel();
    }

    /// Serves pages until the addresses are given up.
    pub(crate) async fn serve(&self, listener: tokio::net::TcpListener, router: Router, known_as: KnownAs) {
        let router = router.merge(Router::new().route(GIVE_UP, post(asked)).with_state(self.clone()));
        tokio::select! {
            () = pages::serve(listener, router, known_as) => {}
            () = self.0.given_up.cancelled() => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<TcpListener>> {
        self.0.admin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the addresses up to a process of this host, if this one is leaving.
async fn asked(State(seat): State<Seat>, Extension(peer): Extension<SocketAddr>) -> Response {
    let here = seat.admin().map(|(address, _)| address.ip());
    if !peer.ip().to_canonical().is_loopback() && Some(peer.ip()) != here {
        return (StatusCode::FORBIDDEN, "only a process of this host follows this one\n").into_response();
    }
    if !seat.is_leaving() {
        return (StatusCode::CONFLICT, "this process does not leave\n").into_response();
    }
    // ends this answer, too: its end is the answer
    seat.give_up();
    StatusCode::ACCEPTED.into_response()
}

/// Binds an address, also one held by a leaving process.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let is_held = |bound: &io::Result<TcpListener>| {
        bound.as_ref().is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
    };
    let mut bound = TcpListener::bind(address);
    if !is_held(&bound) || !gives_up(address) {
        return bound;
    }
    let begun = Instant::now();
    while is_held(&bound) && begun.elapsed() < PATIENCE {
        std::thread::sleep(RETRY);
        bound = TcpListener::bind(address);
    }
    bound
}

/// Asks the process that listens at an address of this host to give it up. Returns `true` if it does.
fn gives_up(mut address: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        write!(stream, "POST {GIVE_UP} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok::<_, io::Error>(status.ends_with(b" 202"))
    };
    ask()
        .unwrap_or_else(|error| matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Server that answers a single request with `answer`, and closes the connection.
    fn who_says(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 512];
            let length = stream.read(&mut asked).unwrap();
            assert!(asked[..length].starts_with(b"POST /_give-up HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
            drop(stream);
            // the address is held for a moment longer
            std::thread::sleep(RETRY * 5);
        });
        address
    }

    #[test]
    fn an_address_is_taken_from_who_gives_it_up_and_from_nobody_else() {
        for answer in ["HTTP/1.1 202 Accepted\r\n\r\n", ""] {
            let address = who_says(answer);
            assert_eq!(bind(address).unwrap().local_addr().unwrap(), address, "{answer}");
        }
        let address = who_says("HTTP/1.1 409 Conflict\r\n\r\n");
        assert_eq!(bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
