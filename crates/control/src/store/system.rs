//! What the system says of files, as what a store says.

use std::io;
use std::path::Path;

use super::StoreError;

/// What we were about.
#[derive(Clone, Copy)]
pub(super) enum Moment {
    Opening,
    Writing,
}

/// What an error means for the store that messages call so.
pub(super) fn of_system(words: &str, error: &io::Error, moment: Moment) -> StoreError {
    let (store, why) = (words.to_owned(), error.to_string());
    match (error.kind(), moment) {
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge, _) => {
            StoreError::Full { store, why }
        }
        // `InvalidData` is what the database says of a file that is none
        (io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof, _) => StoreError::Damaged { store, why },
        (_, Moment::Opening) => StoreError::Denied { store, why },
        (_, Moment::Writing) => StoreError::Lost { store, why },
    }
}

/// Waits until the folder of a path has on the disk which files are in it.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    std::fs::File::open(folder)?.sync_all()
}
