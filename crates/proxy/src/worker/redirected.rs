//! Connections that the kernel redirected here: the original destination of each, and its listener.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use l4::claims::Claims;
use rustix::net::{getsockname, sockopt};

use super::listener::LocalListener;
use super::passing::Passing;

/// Addresses from which applications are dialled, which no rule redirects.
const UNREDIRECTED: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6)), IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6))];

/// Connection that was redirected.
pub(super) struct Redirected {
    /// Captured listener of the connection; `None`: none matches.
    pub(super) listener: Option<Rc<LocalListener>>,
    pub(super) destination: SocketAddr,
}

/// Finds the listener of an accepted connection. `passing`: connections of this proxy, of which none may come in
/// here again.
///
/// # Errors
/// It was not redirected, or it would come back here without end: the reason, in words.
pub(super) fn redirected(
    claims: &Claims<Rc<LocalListener>>,
    client: &OwnedFd,
    peer: SocketAddr,
    passing: Option<&Passing>,
) -> Result<Redirected, String> {
    let here = getsockname(client).ok().and_then(|own| SocketAddr::try_from(own).ok());
    let meant = match here {
        Some(SocketAddr::V6(_)) => sockopt::ipv6_original_dst(client).map(SocketAddr::V6),
        Some(SocketAddr::V4(_)) | None => sockopt::ip_original_dst(client).map(SocketAddr::V4),
    };
    // without rules that redirect anything the kernel knows no other destination than this one
    let (Some(here), Ok(destination)) = (here, meant) else {
        return Err("nobody redirected it: it was made to the port that others are redirected to".to_owned());
    };
    let is_here = destination.ip() == here.ip() || destination.ip().is_loopback();
    if is_here && destination.port() == here.port() {
        return Err(format!("it was made to {destination}, the port that others are redirected to"));
    }
    if UNREDIRECTED.contains(&peer.ip()) {
        return Err(format!(
            "it comes from {}, from where this proxy dials applications, and must not be redirected",
            peer.ip()
        ));
    }
    if passing.is_some_and(|passing| passing.has(peer, destination)) {
        return Err(format!(
            "this proxy made it itself, to {destination}, and it was redirected again: the rules have to leave the proxy's user alone"
        ));
    }
    Ok(Redirected { listener: claims.best(destination).map(Rc::clone), destination })
}
