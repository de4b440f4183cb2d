//! CPUs of workers: each worker is pinned to one, and accepts the connections that the kernel handles there.
//!
//! The kernel chooses among the sockets of one address by `SO_INCOMING_CPU` (socket(7)): the socket with the CPU on which
//! the client's SYN is handled. On loopback that is the CPU of the client. Kernels before 6.2 take the option and choose
//! by a hash all the same, so it is tried before it is relied on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SocketFlags, accept_with, getsockname, sockopt};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::listen::{Claim, open};

/// Value of `SO_INCOMING_CPU` of a socket that prefers none.
const NO_CPU: u32 = u32::MAX;

/// Connections of the trial on each of two CPUs. A kernel that chooses by a hash passes one time in 65,536.
const TRIES: usize = 8;

/// Time that a connection of the trial may take; on loopback microseconds are usual.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Pinning of the workers of a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pinning {
    /// Not requested: workers run on any CPU, and the kernel chooses the worker of a connection by a hash.
    #[default]
    Off,
    /// Each worker runs on its CPU, and accepts the connections that are handled there. The CPUs are in the order of the
    /// workers.
    On(Vec<u32>),
    /// As `Off`, as this host does not permit it, for this reason in words.
    Unavailable(String),
}

impl Pinning {
    /// Pins so many workers to the CPUs that the process may use, in turn, if that is possible here.
    pub(crate) fn of_process(workers: usize) -> Self {
        let trial = std::thread::Builder::new().name("cpus".into()).spawn(move || {
            let cpus = distributed(&allowed()?, workers);
            let [first, second] = two_of(&cpus).map_err(io::Error::other)?;
            steers(first, second).and_then(|steers| match steers {
                true => Ok(cpus),
                false => Err(io::Error::other(IGNORED)),
            })
        });
        // a thread of its own: it moves from CPU to CPU
        let tried =
            trial.and_then(|trial| trial.join().unwrap_or_else(|_| Err(io::Error::other("it panicked"))));
        match tried {
            Ok(cpus) => Self::On(cpus),
            Err(error) => Self::Unavailable(error.to_string()),
        }
    }

    /// CPU of a worker; `None`: any.
    pub(crate) fn cpu_of(&self, worker: usize) -> Option<u32> {
        match self {
            Self::On(cpus) => cpus.get(worker).copied(),
            Self::Off | Self::Unavailable(_) => None,
        }
    }
}

const IGNORED: &str = "this kernel does not choose a listening socket by the CPU of the client (SO_INCOMING_CPU), as Linux does from 6.2 on";

/// Pins the calling thread to a CPU.
pub(crate) fn pin(cpu: u32) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu as usize);
    Ok(sched_setaffinity(None, &only)?)
}

/// Sets the CPU whose connections a listening socket gets; `None`: those of any.
pub(crate) fn prefer(socket: impl AsFd, cpu: Option<u32>) -> io::Result<()> {
    Ok(sockopt::set_socket_incoming_cpu(socket, cpu.unwrap_or(NO_CPU))?)
}

/// CPUs that the calling thread may run on.
fn allowed() -> io::Result<Vec<u32>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).map(|cpu| cpu as u32).collect())
}

/// CPU of each worker: the allowed ones in turn.
fn distributed(allowed: &[u32], workers: usize) -> Vec<u32> {
    allowed.iter().copied().cycle().take(if allowed.is_empty() { 0 } else { workers }).collect()
}

/// Two different CPUs of workers.
///
/// # Errors
/// There is one only, so that there is nothing to choose: in words.
fn two_of(cpus: &[u32]) -> Result<[u32; 2], &'static str> {
    match cpus {
        [] | [_] => Err("there is only one worker"),
        [first, second, ..] if first == second => Err("this process may run on one CPU only"),
        [first, second, ..] => Ok([*first, *second]),
    }
}

/// Returns `true` if the kernel chooses among the sockets of an address by the CPU of the client. The calling thread runs
/// on the second CPU afterwards.
fn steers(first: u32, second: u32) -> io::Result<bool> {
    let mut tried = Err(io::ErrorKind::AddrNotAvailable.into());
    for loopback in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        tried = steers_at((loopback, 0).into(), [first, second]);
        if tried.is_ok() {
            break;
        }
    }
    tried
}

fn steers_at(any_port: SocketAddr, cpus: [u32; 2]) -> io::Result<bool> {
    let mut sockets = open(any_port, 1, Claim::Alone)?;
    let address = sockets.first().and_then(|socket| SocketAddr::try_from(getsockname(socket).ok()?).ok());
    let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
    sockets.extend(open(address, 1, Claim::Shared)?);
    for (socket, cpu) in sockets.iter().zip(cpus) {
        prefer(socket, Some(cpu))?;
    }
    for (index, cpu) in cpus.into_iter().enumerate() {
        pin(cpu)?;
        for _ in 0..TRIES {
            let client = TcpStream::connect(address)?;
            let met = met(&sockets)?;
            drop(client);
            if met != Some(index) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Takes the connection that waits at one of the sockets, and returns the index of that one; `None`: it does not arrive.
fn met(sockets: &[OwnedFd]) -> io::Result<Option<usize>> {
    // the last segment of the handshake may be on its way still
    let mut waiting: Vec<PollFd<'_>> =
        sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
    poll(&mut waiting, Some(&PATIENCE))?;
    let met = waiting.iter().position(|socket| socket.revents().contains(PollFlags::IN));
    if let Some(socket) = met.and_then(|met| sockets.get(met)) {
        accept_with(socket, SocketFlags::CLOEXEC)?;
    }
    Ok(met)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_take_the_allowed_cpus_in_turn() {
        assert_eq!(distributed(&[2, 3, 7], 2), [2, 3]);
        assert_eq!(distributed(&[2, 3, 7], 5), [2, 3, 7, 2, 3]);
        assert!(distributed(&[], 3).is_empty());
    }

    #[test]
    fn where_there_is_nothing_to_choose_it_says_so() {
        assert_eq!(two_of(&[4, 5, 4]), Ok([4, 5]));
        assert!(two_of(&[4]).unwrap_err().contains("one worker"));
        assert!(two_of(&distributed(&[4], 2)).unwrap_err().contains("one CPU"));
        assert_eq!(Pinning::of_process(1), Pinning::Unavailable("there is only one worker".into()));
    }

    #[test]
    fn a_preference_is_set_and_taken_back() {
        let sockets = open((Ipv4Addr::LOCALHOST, 0).into(), 1, Claim::Alone).unwrap();
        prefer(&sockets[0], Some(0)).unwrap();
        assert_eq!(sockopt::socket_incoming_cpu(&sockets[0]).unwrap(), 0);
        prefer(&sockets[0], None).unwrap();
        assert_eq!(sockopt::socket_incoming_cpu(&sockets[0]).unwrap(), NO_CPU);
    }
}
