//! End of a connection as a value, and its effect on the sockets.

use std::borrow::Cow;
use std::os::fd::OwnedFd;
use std::time::Duration;

use l4::ending::Ending;
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, socket_error};

/// End of a connection.
pub(super) struct End {
    pub(super) ending: Ending,
    /// Details, in words; may be empty.
    pub(super) why: Cow<'static, str>,
}

impl End {
    pub(super) fn new(ending: Ending, why: impl Into<Cow<'static, str>>) -> Self {
        Self { ending, why: why.into() }
    }

    /// An end with an error of the kernel.
    #[cold]
    pub(super) fn errno(ending: Ending, errno: Option<Errno>) -> Self {
        let why = errno.map(|errno| errno.to_string().into());
        Self { ending, why: why.unwrap_or_default() }
    }
}

/// Result of a step that may end the connection.
pub(super) type Step<T = ()> = Result<T, End>;

/// Returns the error that an event reported; `None`: there is none, or it was taken already.
pub(super) fn pending_error(socket: &OwnedFd) -> Option<Errno> {
    socket_error(socket).ok().and_then(Result::err)
}

/// Makes closing a socket send a reset instead of an orderly end.
pub(super) fn reset(socket: &OwnedFd) {
    // a socket that is gone already needs no reset
    let _ = set_socket_linger(socket, Some(Duration::ZERO));
}
