//! Pool of pipes for splice(2).

use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// Size of a pipe, in bytes: larger ones gain nothing, smaller ones cost more system calls.
pub(crate) const PIPE_BYTES: usize = 512 << 10;

/// Limit on the empty pipes that are kept.
const KEPT: usize = 64;

/// Both ends of a pipe.
pub(crate) struct Pipe {
    pub(crate) read: OwnedFd,
    pub(crate) write: OwnedFd,
}

/// Empty pipes.
#[derive(Default)]
pub(crate) struct Pipes {
    empty: Vec<Pipe>,
}

impl Pipes {
    /// Returns an empty pipe; `None`: the process has no descriptor left, so copy instead.
    pub(crate) fn take(&mut self) -> Option<Pipe> {
        if let Some(pipe) = self.empty.pop() {
            return Some(pipe);
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // without the privilege a user has a budget of pipe pages: a smaller pipe works, only slower
        let _ = fcntl_setpipe_size(&write, PIPE_BYTES);
        Some(Pipe { read, write })
    }

    /// Takes back a pipe that is empty.
    pub(crate) fn give(&mut self, pipe: Pipe) {
        if self.empty.len() < KEPT {
            self.empty.push(pipe);
        }
    }

    /// Number of empty pipes.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.empty.len()
    }
}
