//! Connections of this proxy to original destinations. One that is redirected again comes back here, and would loop
//! until some resource is exhausted; it is recognised by its two ends.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::net::getsockname;

/// Ends of a connection: the local and the remote address.
type Ends = (SocketAddr, SocketAddr);

/// Open connections to original destinations, of all workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passing(Arc<Mutex<HashSet<Ends>>>);

/// Record of one such connection, as long as it is held.
#[derive(Debug)]
pub(super) struct Passed {
    all: Passing,
    ends: Ends,
}

impl Passing {
    /// Records a connection that is being made; `None`: the kernel does not provide its local address. Boxed, to keep other
    /// connections small.
    pub(super) fn note(&self, socket: &OwnedFd, to: SocketAddr) -> Option<Box<Passed>> {
        let ends = (getsockname(socket).ok()?.try_into().ok()?, to);
        self.lock().insert(ends);
        Some(Box::new(Passed { all: self.clone(), ends }))
    }

    /// Returns `true` if a connection from `peer` to `destination` is one of ours.
    pub(super) fn has(&self, peer: SocketAddr, destination: SocketAddr) -> bool {
        self.lock().contains(&(peer, destination))
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Ends>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        self.all.lock().remove(&self.ends);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_is_known_by_its_ends_as_long_as_it_is_held() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        let ours = TcpStream::connect(to).unwrap();
        let from = ours.local_addr().unwrap();
        let passing = Passing::default();
        let passed = passing.note(&ours.into(), to).unwrap();
        assert!(passing.has(from, to));
        assert!(!passing.has(from, from) && !passing.has(to, to));
        drop(passed);
        assert!(!passing.has(from, to));
    }
}
