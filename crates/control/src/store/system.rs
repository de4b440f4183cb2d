//! Translation of file system errors into store errors.

use std::io;

use super::StoreError;

/// Operation that failed.
#[derive(Clone, Copy)]
pub(super) enum FileOperation {
    Opening,
    Writing,
}

/// Translates an error for the store that messages call `words`.
pub(super) fn of_system(words: &str, error: &io::Error, operation: FileOperation) -> StoreError {
    let (store, why) = (words.to_owned(), error.to_string());
    match (error.kind(), operation) {
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge, _) => {
            StoreError::Full { store, why }
        }
        // `InvalidData` is the embedded database's error for a foreign file
        (io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof, _) => StoreError::Damaged { store, why },
        (_, FileOperation::Opening) => StoreError::Denied { store, why },
        (_, FileOperation::Writing) => StoreError::Lost { store, why },
    }
}
