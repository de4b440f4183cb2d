//! Which files there are, and how they look without reading them.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How deep folders are looked into: one for the mesh, and some for people who like folders.
const DEPTH: usize = 8;

/// How a file looks without reading it: whatever changes it changes this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    place: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Look {
    /// How a file looks now; `None`: there is none.
    pub(super) fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(metadata.is_file().then(|| Self::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            place: (metadata.dev(), metadata.ino()),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// All files that count below a folder.
pub(super) fn all(folder: &Path) -> io::Result<BTreeMap<PathBuf, Look>> {
    let mut found = BTreeMap::new();
    below(folder, DEPTH, &mut found)?;
    Ok(found)
}

fn below(folder: &Path, depth: usize, found: &mut BTreeMap<PathBuf, Look>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if name.starts_with(b".") {
            continue;
        }
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            // gone in between, or a link to nowhere
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if metadata.is_dir() {
            if depth > 0 {
                below(&path, depth - 1, found)?;
            }
        } else if path.extension().is_some_and(|it| it == "yaml" || it == "yml") {
            found.insert(path, Look::of(&metadata));
        }
    }
    Ok(())
}
