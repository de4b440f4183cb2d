//! Sockets to endpoints: how they are made, what is set on them, and how they are connected.

use std::os::fd::OwnedFd;
use std::time::Duration;

use l4::config::{Cluster, Keepalive};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, ipproto, socket_with, sockopt};

use crate::worker::choice::Choice;

/// The kernel takes no more seconds for a keepalive time (`MAX_TCP_KEEPIDLE`), and no more probes.
const MOST_SECONDS: u64 = 32_767;
const MOST_PROBES: u32 = 127;

/// Begins to connect; how it went is told by an event on the socket.
pub(super) fn start_connect(choice: &Choice) -> Result<OwnedFd, Errno> {
    let address = choice.address();
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let backend = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&backend, true)?;
    prepare(&backend, choice.cluster_config())?;
    match connect(&backend, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(backend),
        Err(errno) => Err(errno),
    }
}

/// Sets what the cluster asks for.
fn prepare(socket: &OwnedFd, cluster: &Cluster) -> rustix::io::Result<()> {
    if let Some(Keepalive { idle, interval, probes }) = cluster.keepalive {
        sockopt::set_socket_keepalive(socket, true)?;
        if let Some(idle) = idle {
            sockopt::set_tcp_keepidle(socket, seconds(idle))?;
        }
        if let Some(interval) = interval {
            sockopt::set_tcp_keepintvl(socket, seconds(interval))?;
        }
        if let Some(probes) = probes {
            sockopt::set_tcp_keepcnt(socket, probes.get().min(MOST_PROBES))?;
        }
    }
    if let Some(timeout) = cluster.user_timeout {
        let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        sockopt::set_tcp_user_timeout(socket, milliseconds.unsigned_abs())?;
    }
    Ok(())
}

/// Rounded up to what the kernel counts in.
fn seconds(time: Duration) -> Duration {
    let whole = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    Duration::from_secs(whole.clamp(1, MOST_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_gets_what_it_can_take() {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let cluster = Cluster {
            keepalive: Some(Keepalive {
                idle: Some(Duration::from_millis(1500)),
                interval: Some(Duration::MAX),
                probes: std::num::NonZeroU32::new(1000),
            }),
            user_timeout: Some(Duration::MAX),
            ..Cluster::new("redis", Vec::new())
        };
        prepare(&socket, &cluster).unwrap();
        assert!(sockopt::socket_keepalive(&socket).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&socket).unwrap(), Duration::from_secs(2));
        assert_eq!(sockopt::tcp_keepintvl(&socket).unwrap(), Duration::from_secs(MOST_SECONDS));
        assert_eq!(sockopt::tcp_keepcnt(&socket).unwrap(), MOST_PROBES);
        assert_eq!(sockopt::tcp_user_timeout(&socket).unwrap(), i32::MAX.unsigned_abs());
    }
}
