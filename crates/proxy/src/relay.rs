//! Relay: the movement of bytes from one socket to the other.
//!
//! Each direction is copied through one buffer that all connections of a worker share, so that an idle connection
//! holds no memory. A direction that streams switches to splice(2) with a pipe from a pool, and back when its
//! messages become small. Nothing is read while something is still to be written: that is the back-pressure. With
//! TLS bytes are copied only, see [`cipher`].

mod cipher;
mod direction;
mod pipes;
mod pump;
mod tap;

pub(crate) use cipher::{Broken, Ciphers, pump_ciphered};
pub(crate) use direction::Direction;
pub(crate) use pipes::Pipes;
pub(crate) use pump::{Fault, Pumped, pump};
pub(crate) use tap::{ByteObserver, Lost, Tap};

/// Number of bytes that one `recv` may take: a message of this size is moved as fast by copying as by splicing.
const SHARED_BUFFER: usize = 64 << 10;

/// Buffers and pipes that the connections of one worker share.
pub(crate) struct Buffers {
    /// Buffer for bytes that `recv` gives and `send` takes at once.
    pub(crate) shared: Box<[u8]>,
    /// Buffer for decrypted bytes; empty as long as no connection of the worker has TLS.
    pub(crate) plain: Vec<u8>,
    /// Buffer for encrypted bytes, until they are sent; empty between two steps.
    pub(crate) wire: Vec<u8>,
    /// Pipes that no direction is using.
    pub(crate) pipes: Pipes,
    /// Emptied buffers of full destinations, for reuse.
    pub(crate) emptied: Vec<Vec<u8>>,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self {
            shared: vec![0; SHARED_BUFFER].into(),
            plain: Vec::new(),
            wire: Vec::new(),
            pipes: Pipes::default(),
            emptied: Vec::new(),
        }
    }

    /// Takes back the buffers and the pipe of a direction.
    pub(crate) fn reclaim(&mut self, direction: &mut Direction) {
        if let Some(pipe) = direction.take_pipe() {
            self.pipes.give(pipe);
        }
        self.keep(direction.take_held());
    }

    /// Keeps an emptied buffer for the next full destination.
    fn keep(&mut self, mut buffer: Vec<u8>) {
        const MOST_EMPTIED: usize = 64;
        if buffer.capacity() > 0 && self.emptied.len() < MOST_EMPTIED {
            buffer.clear();
            self.emptied.push(buffer);
        }
    }
}
