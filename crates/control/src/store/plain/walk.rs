//! Which files there are, and how they look.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::look::Look;

/// How deep folders are looked into: one for the mesh, and some for people who like folders.
const DEPTH: usize = 8;

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
            Err(error) if error.kind() == io::ErrorKind::NotFound => match path.symlink_metadata() {
                // what a link leads to may come back: it is there, and cannot be read
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
            found.insert(path, Look::of(&metadata));
        }
    }
    Ok(())
}
