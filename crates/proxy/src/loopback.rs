//! Congestion control of sockets on loopback, where there is nothing to pace.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::LazyLock;

use rustix::net::sockopt;

/// The kernel's default congestion control.
const DEFAULT: &str = "/proc/sys/net/ipv4/tcp_congestion_control";
/// Congestion control that every kernel has and lets every user choose.
const UNPACED: &str = "reno";

/// True if sockets are paced by default, as found at the first look. BBR sends at the rate that it has measured, and on
/// loopback, where it measures how busy processors are, that is half of what could be sent.
static IS_PACED: LazyLock<bool> =
    LazyLock::new(|| std::fs::read_to_string(DEFAULT).is_ok_and(|name| paces(&name)));

/// Returns `true` if a congestion control of this name paces.
fn paces(name: &str) -> bool {
    name.starts_with("bbr")
}

/// Turns pacing off for a socket whose other end is on loopback, or for a listener there and what it accepts.
pub(crate) fn unpace(socket: impl AsFd, ip: IpAddr) {
    if ip.is_loopback() && *IS_PACED {
        // it would only be slower
        let _ = sockopt::set_tcp_congestion(socket, UNPACED);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_listener_and_what_it_accepts_may_leave_a_default_that_paces() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        sockopt::set_tcp_congestion(&listener, UNPACED).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert_eq!(sockopt::tcp_congestion(&accepted).unwrap().trim_end_matches('\0'), UNPACED);
        assert!(paces("bbr\n") && !paces("cubic\n"));
    }
}
