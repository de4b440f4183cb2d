//! Pacing by the kernel, so that a paced stream looks like one paced by a network.
// rustix has no name for this option.
#![allow(unsafe_code)]

use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd};

/// Limits the send rate of a socket.
pub(crate) fn limit(socket: impl AsFd, megabytes_per_second: NonZeroU32) -> io::Result<()> {
    let bytes: u64 = u64::from(megabytes_per_second.get()) * 1_000_000;
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel reads the eight bytes of `bytes`.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MAX_PACING_RATE,
            std::ptr::from_ref(&bytes).cast(),
            size_of::<u64>() as libc::socklen_t,
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
