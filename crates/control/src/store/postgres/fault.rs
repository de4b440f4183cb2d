//! Translation of database errors into store errors.

use std::error::Error as _;
use std::fmt::Display;

use model::ResourceKey;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::tls;
use crate::store::StoreError;

/// Translates an error of the database.
pub(super) fn in_words(words: &str, error: &Error) -> StoreError {
    let store = words.to_owned();
    let Some(said) = error.as_db_error() else {
        let why = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
        return match tls::is_distrust(error) {
            true => StoreError::Denied { store, why },
            false => StoreError::Lost { store, why },
        };
    };
    let why = format!("{} ({})", said.message(), said.code().code());
    match said.code().code() {
        code if code == SqlState::DISK_FULL.code() => StoreError::Full { store, why },
        code if code.starts_with("XX") => StoreError::Damaged { store, why },
        // another connection or another moment may do: connection, conflict, resources, shutdown, standby
        code if ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class)) => {
            StoreError::Lost { store, why }
        }
        code if code == SqlState::READ_ONLY_SQL_TRANSACTION.code() => StoreError::Lost { store, why },
        _ => StoreError::Denied { store, why },
    }
}

/// Translates an error as [`in_words`] does, where the text of a resource may be to blame.
pub(super) fn of_text(words: &str, key: &ResourceKey, error: &Error) -> StoreError {
    match error.as_db_error() {
        Some(said)
            if said.code().code().starts_with("22") || said.code() == &SqlState::PROGRAM_LIMIT_EXCEEDED =>
        {
            StoreError::Unfit { key: key.clone(), why: said.message().to_owned() }
        }
        Some(_) | None => in_words(words, error),
    }
}

/// Creates the error for stored data that cannot be read.
pub(super) fn damaged(words: &str, why: &dyn Display) -> StoreError {
    StoreError::Damaged { store: words.into(), why: why.to_string() }
}
