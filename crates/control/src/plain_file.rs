//! Non-blocking reads of files in foreign folders: regular files of bounded size only.
//!
//! A folder may hold anything: FIFOs, sockets, devices, links to `/proc`, disk images. A reader that follows one notes
//! these and skips them.

use std::fs::{FileType, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Limit on the size of a file, in bytes: hundreds of thousands of resources.
pub(crate) const LARGEST: u64 = 64 << 20;

/// Returns the reason why something in a folder is skipped; `None`: it is a readable file.
pub(crate) fn oddity(metadata: &Metadata) -> Option<String> {
    if metadata.is_file() {
        return (metadata.len() > LARGEST).then(too_large);
    }
    Some(format!("it is {}, and not a file", what(metadata.file_type())))
}

/// Reads a file. Never waits for a writer.
///
/// # Errors
/// It is no regular file, it is larger than [`LARGEST`], it has nothing to read yet, or the system reports an error.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    // opening some devices has side effects
    refuse_odd(&std::fs::metadata(path)?)?;
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // it may have been replaced in between
    refuse_odd(&file.metadata()?)?;
    let mut bytes = Vec::new();
    let read = file.take(LARGEST + 1).read_to_end(&mut bytes);
    let read = read.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(error.kind(), "it has no end, as files do"),
        _ => error,
    })?;
    // files of /proc have a size of 0
    if read as u64 > LARGEST {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, too_large()))
    } else {
        Ok(bytes)
    }
}

/// Returns `true` if an error of [`read`] means that there is no regular file, rather than a failed read.
pub(crate) fn is_odd(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, InvalidInput, WouldBlock};
    matches!(error.kind(), InvalidInput | FileTooLarge | WouldBlock)
}

fn refuse_odd(metadata: &Metadata) -> io::Result<()> {
    match oddity(metadata) {
        Some(why) => Err(io::Error::new(io::ErrorKind::InvalidInput, why)),
        None => Ok(()),
    }
}

fn too_large() -> String {
    format!("it is larger than {} MiB", LARGEST >> 20)
}

fn what(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else if kind.is_dir() {
        "a folder"
    } else {
        "something else"
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    /// Creates in a folder one of each kind of thing that is no regular file, named like files of resources.
    pub(crate) fn put_odd_things(folder: &Path) -> Vec<String> {
        let at = |name: &str| folder.join(format!("{name}.yaml"));
        mkfifoat(CWD, at("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
        drop(UnixListener::bind(at("socket")).unwrap());
        symlink("/dev/zero", at("device")).unwrap();
        symlink(at("fifo"), at("link")).unwrap();
        let huge = std::fs::File::create(at("huge")).unwrap();
        huge.set_len(3 << 30).unwrap();
        ["device", "fifo", "huge", "link", "socket"].map(|name| format!("{name}.yaml")).to_vec()
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        for name in put_odd_things(folder.path()) {
            let error = read(&folder.path().join(&name)).unwrap_err().to_string();
            assert!(error.contains("not a file") || error.contains("larger than 64 MiB"), "{name}: {error}");
        }
        assert!(read(Path::new("/proc/version")).unwrap().len() > 10, "files of /proc have an end, too");
    }
}
