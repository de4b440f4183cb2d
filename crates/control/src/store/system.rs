//! What the system says of files, as what a store says.

use std::io;

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
