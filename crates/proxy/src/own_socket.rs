//! Unix sockets with a path: only stale sockets of our own processes are replaced, and the peer is verified by the
//! kernel.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Mode, fchmod};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};
use rustix::process::{Uid, geteuid};

/// Limit on callers that wait to be accepted.
const WAITING: i32 = 64;

/// Listens at a path, for our own user alone. A stale socket of ours, without a listener, is replaced.
///
/// # Errors
/// A process listens there, something else exists there, or the path cannot be used.
pub fn listen(path: &Path, kind: SocketType) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    // the file gets the mode of the socket: it is never open to others
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    let address = SocketAddrUnix::new(path)?;
    match bind(&socket, &address) {
        Err(rustix::io::Errno::ADDRINUSE) => {
            remove_dead(path, kind)?;
            bind(&socket, &address)?;
        }
        bound => bound?,
    }
    rustix::net::listen(&socket, WAITING)?;
    Ok(socket)
}

/// Connects to the listener at a path; `None`: there is nothing, or a socket without a listener.
///
/// # Errors
/// Something other than a socket exists there, or it cannot be used.
pub fn connect(path: &Path, kind: SocketType) -> io::Result<Option<OwnedFd>> {
    let address = SocketAddrUnix::new(path)?;
    // a symbolic link is not followed: its target may be controlled by others
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => return Err(no_socket()),
        Ok(_) => {}
    }
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    match rustix::net::connect(&socket, &address) {
        Ok(()) => Ok(Some(socket)),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Checks that the peer process is our own user's, or root's, who has full access anyway.
///
/// # Errors
/// It is not, or the kernel does not provide it.
pub fn is_ours_or_roots(peer: impl AsFd) -> io::Result<()> {
    match peer_user(peer)? {
        user if user == geteuid() || user.is_root() => Ok(()),
        user => {
            let why = format!("the process there is another user's ({user})", user = user.as_raw());
            Err(io::Error::new(ErrorKind::PermissionDenied, why))
        }
    }
}

/// Returns the user of the peer process, at the time when it connected or began to listen.
///
/// # Errors
/// The kernel does not provide it.
pub fn peer_user(peer: impl AsFd) -> io::Result<Uid> {
    Ok(socket_peercred(peer)?.uid)
}

/// Removes a stale socket of ours.
fn remove_dead(path: &Path, kind: SocketType) -> io::Result<()> {
    if connect(path, kind)?.is_some() {
        return Err(io::Error::new(ErrorKind::AddrInUse, "another process waits there"));
    }
    match std::fs::symlink_metadata(path) {
        // its process has just removed it itself
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => Err(no_socket()),
        Ok(found) if found.uid() != geteuid().as_raw() => {
            let why = format!("the socket there is another user's ({}): it is not replaced", found.uid());
            Err(io::Error::new(ErrorKind::PermissionDenied, why))
        }
        Ok(_) => std::fs::remove_file(path),
    }
}

fn no_socket() -> io::Error {
    let why = "what is there is no socket: it is not replaced; choose another path, or move it away";
    io::Error::new(ErrorKind::AlreadyExists, why)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_dead_socket_of_ours_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        assert!(connect(&path, SocketType::STREAM).unwrap().is_none());
        let first = listen(&path, SocketType::STREAM).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(listen(&path, SocketType::STREAM).unwrap_err().kind(), ErrorKind::AddrInUse);
        is_ours_or_roots(connect(&path, SocketType::STREAM).unwrap().unwrap()).unwrap();
        drop(first);
        assert!(connect(&path, SocketType::STREAM).unwrap().is_none());
        listen(&path, SocketType::STREAM).unwrap();
    }

    #[test]
    fn nothing_else_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        std::fs::write(place("file"), "precious").unwrap();
        std::fs::create_dir(place("folder")).unwrap();
        let live = UnixListener::bind(place("live")).unwrap();
        drop(UnixListener::bind(place("dead")).unwrap());
        for (link, target) in
            [("to-file", "file"), ("to-dead", "dead"), ("to-live", "live"), ("to-nothing", "nothing")]
        {
            symlink(place(target), place(link)).unwrap();
        }
        let fifo = rustix::fs::mkfifoat(rustix::fs::CWD, place("fifo"), Mode::RUSR);
        fifo.unwrap();
        for name in ["file", "folder", "fifo", "to-file", "to-dead", "to-live", "to-nothing"] {
            let before = std::fs::symlink_metadata(place(name)).unwrap().ino();
            for error in [
                listen(&place(name), SocketType::SEQPACKET).unwrap_err(),
                connect(&place(name), SocketType::SEQPACKET).unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{name}: {error}");
            }
            assert_eq!(std::fs::symlink_metadata(place(name)).unwrap().ino(), before, "{name}");
        }
        // a server with another type of socket listens there
        assert!(listen(&place("live"), SocketType::SEQPACKET).is_err());
        assert!(place("live").exists() && std::fs::read(place("file")).unwrap() == b"precious");
        drop(live);
    }
}
