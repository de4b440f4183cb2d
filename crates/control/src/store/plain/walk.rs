//! Scan of the existing files, with their looks.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::file_stamp::FileStamp;
use crate::plain_file::oddity;

/// Limit on the depth of folders: one for the mesh, and some for people who like folders.
const DEPTH: usize = 8;

/// Content of a folder, at any depth.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// All files that are read.
    pub(super) files: BTreeMap<PathBuf, FileStamp>,
    /// Entries that are named like resource files and cannot be read, with the reason. Their known content stays.
    pub(super) odd: BTreeMap<PathBuf, String>,
}

/// Returns all entries below a folder that are read or could be.
pub(super) fn all(folder: &Path) -> io::Result<Found> {
    let mut found = Found::default();
    below(folder, DEPTH, &mut found)?;
    Ok(found)
}

fn below(folder: &Path, depth: usize, found: &mut Found) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.starts_with(b".") {
            continue;
        }
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => match path.symlink_metadata() {
                // the target of a link may come back: the link counts as an unreadable file
                Ok(metadata) => metadata,
                // gone in between
                Err(_) => continue,
            },
            Err(error) => return Err(error),
        };
        if metadata.is_dir() {
            if depth > 0 {
                below(&path, depth - 1, found)?;
            }
        } else if path.extension().is_some_and(|it| it == "yaml" || it == "yml") {
            match oddity(&metadata).filter(|_| !metadata.is_symlink()) {
                None => drop(found.files.insert(path, FileStamp::of(&metadata))),
                Some(why) => drop(found.odd.insert(path, why)),
            }
        }
    }
    Ok(())
}
