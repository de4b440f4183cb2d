//! Mailbox: commands of the rest of the process to a worker.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use l4::config::Listener;
use rustix::event::{EventfdFlags, eventfd};

use crate::connection_info::ConnectionInfo;
use crate::contexts::Contexts;

/// Command to a worker.
pub(crate) enum Command {
    /// Serve another set of listeners.
    Adopt(Adoption),
    /// Report all connections.
    List(Sender<Vec<ConnectionInfo>>),
    /// Lend all listening sockets, each with its address.
    Lend(Sender<(SocketAddr, OwnedFd)>),
    /// Accept no more; drop the sender when the last connection ended.
    Drain(Sender<()>),
    /// End all connections.
    CloseAll,
    /// End all connections, and the thread.
    Stop,
}

/// Set of listeners to serve.
pub(crate) struct Adoption {
    /// Generation of the configuration.
    pub(crate) generation: u64,
    /// All listeners; any other is closed.
    pub(crate) listeners: Arc<[Arc<Listener>]>,
    /// TLS contexts that they need.
    pub(crate) contexts: Arc<Contexts>,
    /// Sockets for listeners with a new address.
    pub(crate) sockets: Vec<(SocketAddr, OwnedFd)>,
    /// Completion; dropped when done.
    pub(crate) done: Sender<()>,
}

/// Mailbox of one worker.
pub(crate) struct Mailbox {
    commands: Mutex<Vec<Command>>,
    wake: OwnedFd,
}

impl Mailbox {
    pub(crate) fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { commands: Mutex::default(), wake })
    }

    /// Queues a command and wakes the worker.
    pub(crate) fn send(&self, command: Command) {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).push(command);
        // it can only fail if the counter is full, and then the worker is awake
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Takes all commands.
    pub(super) fn take(&self) -> Vec<Command> {
        let _ = rustix::io::read(&self.wake, &mut [0u8; 8][..]);
        std::mem::take(&mut *self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
