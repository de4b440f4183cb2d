//! Unix socket of a control plane's API, for commands on the same host: the kernel identifies the peer, so that
//! commands need no token. Both ends derive its path from the address of the API.
//!
//! ```text
//!  FOLDER/127.0.0.1:5681@4026531840          the address, and the network namespace in which it is valid
//!  FOLDER/tls-0.0.0.0:5682@4026531840        of an API that speaks TLS: found neither for https:// nor for http://
//! ```

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use ::proxy::own_socket;
use rustix::net::SocketType;
use rustix::process::geteuid;

/// Folder of the sockets of services, in which only root may create any.
const OF_SERVICES: &str = "/run/meshtcp";

/// Listening socket; its file is removed with it.
#[derive(Debug)]
pub(crate) struct ApiSocket {
    path: PathBuf,
    /// Inode of the file, since another file may be in its place at the end; `None`: it could not be read.
    inode: Option<u64>,
}

impl ApiSocket {
    /// Listens at the socket of an API with the given scheme.
    ///
    /// # Errors
    /// Reason in words: there is no folder for the socket, or its path is in use.
    pub(crate) fn listen(scheme: &str, api: SocketAddr) -> Result<(Self, UnixListener), String> {
        let folder = home().ok_or("none of MESHTCP_RUNTIME_DIR, XDG_RUNTIME_DIR and HOME is set")?;
        make(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let name = name(api);
        let path = folder.join(if scheme == "https" { format!("tls-{name}") } else { name });
        let words = |error: io::Error| format!("{}: {error}", path.display());
        let listener = UnixListener::from(own_socket::listen(&path, SocketType::STREAM).map_err(words)?);
        listener.set_nonblocking(true).map_err(words)?;
        let inode = inode(&path);
        Ok((Self { path, inode }, listener))
    }

    /// Path of the socket.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ApiSocket {
    fn drop(&mut self) {
        if self.inode.is_some() && inode(&self.path) == self.inode {
            // a file that stays is replaced by the next listener
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Socket of the control plane on this host whose API is at a loopback address; `None`: none answers that this user may
/// trust.
pub(crate) fn of_api(host: &str, port: u16) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = homes().collect();
    folders.push(OF_SERVICES.into());
    let names: Vec<String> = addresses(host).into_iter().map(|ip| name(SocketAddr::new(ip, port))).collect();
    let places = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
    places.into_iter().find(|place| connect_to_trusted(place).is_ok())
}

/// Connects to a socket that was found.
///
/// # Errors
/// No process answers there, or one that this user has no reason to trust.
pub(crate) fn connect_to_trusted(path: &Path) -> io::Result<UnixStream> {
    let stream = connect(path)?;
    let user = own_socket::peer_user(&stream)?;
    // a service need not run as root: root made its folder for the user that it runs as
    let owner = path.parent().map(fs::metadata).transpose()?.map(|folder| folder.uid());
    let trusted = user == geteuid() || user.is_root() || owner == Some(user.as_raw());
    trusted
        .then_some(stream)
        .ok_or_else(|| io::Error::new(io::ErrorKind::PermissionDenied, "the process there is another user's"))
}

/// Connects to a socket that was named explicitly.
///
/// # Errors
/// No process answers there.
pub(crate) fn connect(path: &Path) -> io::Result<UnixStream> {
    let found = own_socket::connect(path, SocketType::STREAM)?;
    found
        .map(Into::into)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "nobody answers at this socket"))
}

/// Folder in which a control plane creates its socket.
fn home() -> Option<PathBuf> {
    let by_service_manager =
        set("RUNTIME_DIRECTORY").and_then(|folders| std::env::split_paths(&folders).next());
    set("MESHTCP_RUNTIME_DIR").map(PathBuf::from).or(by_service_manager).or_else(|| homes().next())
}

/// Folders in which control planes of this user create their sockets, the likeliest first.
fn homes() -> impl Iterator<Item = PathBuf> {
    let below = |name: &str, folder: &str| set(name).map(|it| Path::new(&it).join(folder));
    let own = match geteuid().is_root() {
        true => [Some(OF_SERVICES.into()), None],
        false => [below("XDG_RUNTIME_DIR", "meshtcp"), below("HOME", ".local/state/meshtcp")],
    };
    set("MESHTCP_RUNTIME_DIR").map(PathBuf::from).into_iter().chain(own.into_iter().flatten())
}

fn set(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Creates a folder that only this user can write to, or checks that it is one.
fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::metadata(folder)?;
    let is_ours = found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0;
    let why = "others may write there: name a folder of this user alone in MESHTCP_RUNTIME_DIR";
    is_ours.then_some(()).ok_or_else(|| io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// File name of the socket of an API.
fn name(api: SocketAddr) -> String {
    // the same address is a different one in another network namespace, while the files are shared
    format!("{api}@{}", inode(Path::new("/proc/self/ns/net")).unwrap_or_default())
}

fn inode(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|found| found.ino())
}

/// Listen addresses of an API that is reached at `host`, the narrowest first.
fn addresses(host: &str) -> Vec<IpAddr> {
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) => vec![IpAddr::V4(ip), v4, v6],
        Ok(IpAddr::V6(ip)) => vec![IpAddr::V6(ip), v6],
        Err(_) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into(), v4, v6],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_may_listen_where_it_is_asked_or_everywhere() {
        let words =
            |host: &str| addresses(host).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(words("127.0.0.2"), "127.0.0.2 0.0.0.0 ::");
        assert_eq!(words("[::1]"), "::1 ::");
        assert_eq!(words("localhost"), "127.0.0.1 ::1 0.0.0.0 ::");
    }

    #[test]
    fn a_folder_that_others_may_write_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let (new, open) = (folder.path().join("a/b"), folder.path().join("open"));
        make(&new).unwrap();
        make(&new).unwrap();
        assert_eq!(fs::metadata(&new).unwrap().mode() & 0o777, 0o700);
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(make(&open).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_socket_answers_until_its_listener_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = own_socket::listen(&path, SocketType::STREAM).unwrap();
        connect_to_trusted(&path).unwrap();
        drop(listener);
        assert!(connect_to_trusted(&path).is_err());
        let it = ApiSocket { inode: inode(&path), path: path.clone() };
        drop(it);
        assert!(!path.exists());
    }
}
