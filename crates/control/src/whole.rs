//! Files that come all at once, for the eyes of our own user: a reader sees the old content or the new one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::identity::fresh_id;

/// Gives a file a content. It is on the disk under a name of its own before it takes the place of what was there; when it
/// fails, that stays.
///
/// # Errors
/// When the folder or the disk does not let us, or what is there is a device, a socket, a folder: nothing that is made so.
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

/// A new file beside another, under a name that nobody can have taken before: neither a file nor a link that somebody put there
/// is opened.
fn beside(path: &Path) -> io::Result<(File, PathBuf)> {
    // without the other's name, which may be as long as names may be
    let beside = path.with_file_name(format!(".{}.new", fresh_id()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    Ok((file, beside))
}

/// Waits until the folder of a path has on the disk which files are in it.
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
