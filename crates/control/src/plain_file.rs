//! Reads of files of bounded size, whatever is there under their names.
//!
//! A folder may hold anything: FIFOs, sockets, devices, links to `/proc`, disk images. A reader that follows one notes
//! these and skips them. What somebody names may be a FIFO or a terminal on purpose, and is waited for; it may not be
//! without an end.

use std::fs::{FileType, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Limit on the size of a file, in bytes: hundreds of thousands of resources.
pub(crate) const LARGEST: u64 = 64 << 20;

/// Returns the reason why something in a folder is skipped; `None`: it is a readable file.
pub(crate) fn oddity(metadata: &Metadata) -> Option<String> {
    oddity_beyond(metadata, LARGEST)
}

fn oddity_beyond(metadata: &Metadata, most: u64) -> Option<String> {
    if metadata.is_file() {
        return (metadata.len() > most).then(|| too_large(most));
    }
    Some(format!("it is {}, and not a file", what(metadata.file_type())))
}

/// Reads a file. Never waits for a writer.
///
/// # Errors
/// It is no regular file, it is larger than 64 MiB, it has nothing to read yet, or the system reports an error.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_up_to(path, LARGEST)
}

/// Reads a file as [`read`] does, with another limit on its size.
///
/// # Errors
/// As [`read`].
pub fn read_up_to(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // opening some devices has side effects
    refuse_odd(&std::fs::metadata(path)?, most)?;
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // it may have been replaced in between
    refuse_odd(&file.metadata()?, most)?;
    // files of /proc have a size of 0
    bounded(file, most).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(error.kind(), "it has no end, as files do"),
        _ => error,
    })
}

/// Reads what somebody has named: a file, or a FIFO or terminal, whose end is waited for.
///
/// # Errors
/// It is larger than 64 MiB, or the system reports an error.
pub fn read_named(path: &Path) -> io::Result<Vec<u8>> {
    bounded(std::fs::File::open(path)?, LARGEST)
}

/// Reads what somebody has named, as text.
///
/// # Errors
/// As [`read_named`], and if it is not UTF-8.
pub fn text_named(path: &Path) -> io::Result<String> {
    text(read_named(path)?)
}

/// Reads standard input up to its end.
///
/// # Errors
/// As [`read_named`].
pub fn read_input() -> io::Result<Vec<u8>> {
    bounded(io::stdin().lock(), LARGEST)
}

/// Reads standard input up to its end, as text.
///
/// # Errors
/// As [`text_named`].
pub fn text_input() -> io::Result<String> {
    text(read_input()?)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

/// Reads up to the end, which has to come within so many bytes.
fn bounded(from: impl io::Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match read as u64 > most {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, too_large(most))),
        false => Ok(bytes),
    }
}

/// Returns `true` if an error of [`read`] means that there is no regular file, rather than a failed read.
pub(crate) fn is_odd(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, InvalidInput, WouldBlock};
    matches!(error.kind(), InvalidInput | FileTooLarge | WouldBlock)
}

fn refuse_odd(metadata: &Metadata, most: u64) -> io::Result<()> {
    match oddity_beyond(metadata, most) {
        Some(why) => Err(io::Error::new(io::ErrorKind::InvalidInput, why)),
        None => Ok(()),
    }
}

fn too_large(most: u64) -> String {
    format!("it is larger than {} MiB", most >> 20)
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

    #[test]
    fn what_somebody_names_may_be_no_file_and_has_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
        let writer = std::thread::spawn({
            let fifo = fifo.clone();
            move || std::fs::write(fifo, "said")
        });
        assert_eq!(text_named(&fifo).unwrap(), "said");
        writer.join().unwrap().unwrap();
        let endless = read_named(Path::new("/dev/zero")).unwrap_err();
        assert_eq!((endless.kind(), endless.to_string()), (io::ErrorKind::FileTooLarge, too_large(LARGEST)));
        assert!(read_named(folder.path()).is_err());
    }
}
