//! Reads of small files that somebody has named, whatever is there under the name.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Limit on the size of a file, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Reads a file of bounded size, as text. Never waits for the writer of a FIFO.
///
/// # Errors
/// It is larger than 64 KiB, it is not UTF-8, or the system reports an error.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let mut text = String::new();
    let read = file.take(LARGEST + 1).read_to_string(&mut text)?;
    if read as u64 > LARGEST {
        let why = format!("it is larger than {} KiB", LARGEST >> 10);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(text)
}
