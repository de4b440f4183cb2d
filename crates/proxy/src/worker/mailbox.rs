//! Mailbox: commands of the rest of the process to a worker.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// Carry a connection that another worker accepted.
    Take(Handed),
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

/// Connection that one worker accepted and another carries.
pub(crate) struct Handed {
    pub(crate) client: OwnedFd,
    pub(crate) peer: SocketAddr,
    /// Address of the listening socket that it came to.
    pub(crate) address: SocketAddr,
    /// Index of the worker that accepted it.
    pub(crate) from: usize,
}

/// Mailbox of one worker.
pub(crate) struct Mailbox {
    queue: Mutex<Queue>,
    wake: OwnedFd,
}

#[derive(Default)]
struct Queue {
    commands: Vec<Command>,
    /// Generation that the worker serves when it has done all commands, and for which it takes connections of others;
    /// `None`: it takes none.
    serves: Option<u64>,
}

impl Mailbox {
    pub(crate) fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { queue: Mutex::default(), wake })
    }

    /// Queues a command and wakes the worker. With another configuration, or with a drain, it takes no connections of
    /// others until [`Mailbox::open`].
    pub(crate) fn send(&self, command: Command) {
        let mut queue = self.lock();
        if matches!(command, Command::Adopt(_) | Command::Drain(_)) {
            queue.serves = None;
        }
        queue.commands.push(command);
        drop(queue);
        self.wake();
    }

    /// Lets the worker take connections of others: all workers serve this generation.
    pub(crate) fn open(&self, generation: u64) {
        self.lock().serves = Some(generation);
    }

    /// Queues a connection that was accepted for a listener of a generation, or returns it if the worker does not serve
    /// that generation for sure.
    pub(super) fn offer(&self, generation: u64, handed: Handed) -> Result<(), Handed> {
        let mut queue = self.lock();
        if queue.serves != Some(generation) {
            return Err(handed);
        }
        queue.commands.push(Command::Take(handed));
        drop(queue);
        self.wake();
        Ok(())
    }

    /// Takes all commands.
    pub(super) fn take(&self) -> Vec<Command> {
        let _ = rustix::io::read(&self.wake, &mut [0u8; 8][..]);
        std::mem::take(&mut self.lock().commands)
    }

    fn wake(&self) {
        // it can only fail if the counter is full, and then the worker is awake
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_connection_is_taken_for_the_generation_that_is_served_and_for_no_other() {
        let mailbox = Mailbox::new().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let offered = |generation| {
            let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().into();
            mailbox.offer(generation, Handed { client, peer: address, address, from: 0 }).is_ok()
        };
        assert!(!offered(0) && !offered(1), "nothing is served yet");
        mailbox.open(1);
        assert!(offered(1) && !offered(2));
        mailbox.send(Command::Drain(channel().0));
        assert!(!offered(1));
        let order: Vec<bool> =
            mailbox.take().iter().map(|command| matches!(command, Command::Take(_))).collect();
        assert_eq!(order, [true, false], "what was taken comes before the drain");
    }
}
