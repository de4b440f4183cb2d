//! Atomic writes of files that only our own user can read: a reader sees the old content or the new one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::identity::fresh_id;

/// Replaces the content of a file. The new content is on the disk in a file of its own before that takes the place of
/// the old one; if it fails, the old one stays.
///
/// # Errors
/// If the folder or the disk does not permit it, or the path is a device, a socket or a folder, which cannot be
/// replaced.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_file() && !found.is_symlink()) {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "what is there is no file: it is not replaced",
        ));
    }
    let (mut file, beside) = beside(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let replaced = written.and_then(|()| std::fs::rename(&beside, path));
    if replaced.is_err() {
        // it takes room that others need
        let _ = std::fs::remove_file(&beside);
    }
    replaced?;
    sync_folder(path)
}

/// Creates a new file beside another, under an unpredictable name: neither a file nor a link that somebody put there is
/// opened.
fn beside(path: &Path) -> io::Result<(File, PathBuf)> {
    // without the other's name, which may have the maximum length already
    let beside = path.with_file_name(format!(".{}.new", fresh_id()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    Ok((file, beside))
}

/// Syncs the folder of a path, so that its entries are on the disk.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (path, precious) = (folder.path().join("state"), folder.path().join("precious"));
        std::fs::write(&precious, "precious").unwrap();
        // where another program would have put its new file
        symlink(&precious, folder.path().join(".state.new")).unwrap();
        // a link is replaced, and not written through
        symlink(&precious, &path).unwrap();
        for content in ["one", "two"] {
            replace(&path, content.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
        assert_eq!(std::fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
        assert!(replace(&folder.path().join("nowhere/state"), b"").is_err());
        let socket = folder.path().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert_eq!(replace(&socket, b"").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert!(socket.exists());
    }
}
