//! Detection of peers that vanish silently: a host that lost power, a network that was cut.

use std::os::fd::OwnedFd;
use std::time::Duration;

use l4::config::Keepalive;
use rustix::net::sockopt;

/// Limit of the kernel on a keepalive time, in seconds (`MAX_TCP_KEEPIDLE`), and on probes.
const MOST_SECONDS: u64 = 32_767;
const MOST_PROBES: u32 = 127;

/// Sets the detection of a vanished peer: by probes, and by bytes that stay unacknowledged. `None`: the kernel's
/// defaults. Options of a listening socket are inherited by the connections that it accepts.
pub(super) fn notice(
    socket: &OwnedFd,
    keepalive: Option<Keepalive>,
    user_timeout: Option<Duration>,
) -> rustix::io::Result<()> {
    if let Some(Keepalive { idle, interval, probes }) = keepalive {
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
    if let Some(timeout) = user_timeout {
        let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        sockopt::set_tcp_user_timeout(socket, milliseconds.unsigned_abs())?;
    }
    Ok(())
}

/// Rounds up to the kernel's unit, seconds.
fn seconds(time: Duration) -> Duration {
    let whole = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    Duration::from_secs(whole.clamp(1, MOST_SECONDS))
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketType};

    use super::*;

    #[test]
    fn the_kernel_gets_what_it_can_take() {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let keepalive = Keepalive {
            idle: Some(Duration::from_millis(1500)),
            interval: Some(Duration::MAX),
            probes: std::num::NonZeroU32::new(1000),
        };
        notice(&socket, Some(keepalive), Some(Duration::MAX)).unwrap();
        assert!(sockopt::socket_keepalive(&socket).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&socket).unwrap(), Duration::from_secs(2));
        assert_eq!(sockopt::tcp_keepintvl(&socket).unwrap(), Duration::from_secs(MOST_SECONDS));
        assert_eq!(sockopt::tcp_keepcnt(&socket).unwrap(), MOST_PROBES);
        assert_eq!(sockopt::tcp_user_timeout(&socket).unwrap(), i32::MAX.unsigned_abs());
    }
}
