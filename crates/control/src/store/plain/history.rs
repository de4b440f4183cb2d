//! History of changes over the API, one file per resource below `.history`: a line each, the newest first.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use model::ResourceKey;

use super::{disk, place};
use crate::plain_file;
use crate::store::past::kept;
use crate::store::system::{FileOperation, of_system};
use crate::store::{HistoryEntry, StoreError};
use crate::whole;

/// Folder of the files. Its name begins with a dot: nothing in it is taken for a resource.
const FOLDER: &str = ".history";

/// Keeps a change, and drops surplus ones.
pub(super) fn remember(folder: &Path, past: &HistoryEntry) -> Result<(), StoreError> {
    let bad = |error: io::Error| of_system(&disk::in_words(folder), &error, FileOperation::Writing);
    let file = file(folder, &past.key);
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(bad)?;
    }
    let (line, known) = (past.line(), text(&file).map_err(bad)?);
    let lines: Vec<&str> = std::iter::once(line.as_str()).chain(known.lines()).collect();
    let count = kept(lines.iter().map(|line| line.len()));
    let mut text = lines[..count.min(lines.len())].join("\n");
    text.push('\n');
    whole::replace(&file, text.as_bytes()).map_err(bad)
}

/// Returns the changes of a resource, the newest first.
pub(super) fn past(folder: &Path, key: &ResourceKey) -> Result<Vec<HistoryEntry>, StoreError> {
    let text = text(&file(folder, key));
    let text = text.map_err(|error| of_system(&disk::in_words(folder), &error, FileOperation::Writing))?;
    Ok(text.lines().filter_map(HistoryEntry::read).collect())
}

fn file(folder: &Path, key: &ResourceKey) -> PathBuf {
    place::of(&folder.join(FOLDER), key).with_added_extension("jsonl")
}

/// Reads the text of a file; empty if it does not exist.
fn text(file: &Path) -> io::Result<String> {
    match plain_file::read(file) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    }
}
