//! Which files there are, and whether they could have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::look::Look;

/// How deep folders are followed. Deeper is a loop of links, or nothing that a person wrote.
const DEPTH: usize = 32;

/// Times of files are only so exact: a file that changed this recently may change again without showing it.
const RACY: Duration = Duration::from_millis(100);

/// Why a path cannot be a store.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct OpenError {
    /// The path.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub error: std::io::Error,
}

impl OpenError {
    pub(super) fn new(path: &Path, error: std::io::Error) -> Self {
        Self { path: path.into(), error }
    }
}

/// What the system says about a file without reading it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprint {
    look: Look,
    racy: bool,
}

impl Fingerprint {
    fn of(metadata: &std::fs::Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
        let age = SystemTime::now().duration_since(modified).unwrap_or_default();
        Self { look: Look::of(metadata), racy: age < RACY }
    }

    /// Whether a file that looked like this, and now like `later`, was surely not touched in between.
    pub(super) fn proves_unchanged(&self, later: &Fingerprint) -> bool {
        !self.racy && self.look == later.look
    }
}

/// What a look found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: BTreeMap<PathBuf, Fingerprint>,
    /// Folders that could not be listed, and why. What is known of the files in them stays.
    pub(super) unreadable: Vec<(PathBuf, String)>,
}

/// Finds the files below `roots`. A root that is a file counts whatever its name.
pub(super) fn list(roots: &[PathBuf]) -> Listing {
    let mut listing = Listing::default();
    let mut entered = BTreeSet::new();
    for root in roots {
        match std::fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => walk(root, DEPTH, &mut entered, &mut listing),
            Ok(metadata) => {
                listing.files.insert(root.clone(), Fingerprint::of(&metadata));
            }
            // an editor may be about to put it back
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => listing.unreadable.push((root.clone(), error.to_string())),
        }
    }
    listing
}

fn walk(folder: &Path, depth: usize, entered: &mut BTreeSet<(u64, u64)>, listing: &mut Listing) {
    // a folder that is reached twice, by overlapping paths or links, is read once, under its first name
    let Ok(metadata) = std::fs::metadata(folder) else { return };
    if depth == 0 || !entered.insert((metadata.dev(), metadata.ino())) {
        return;
    }
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return listing.unreadable.push((folder.into(), error.to_string())),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if is_hidden(&path) {
            continue;
        }
        // follows links; what vanished since it was listed is not there
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            walk(&path, depth - 1, entered, listing);
        } else if metadata.is_file() && is_resource_file(&path) {
            listing.files.insert(path, Fingerprint::of(&metadata));
        }
    }
}

/// Whether a file in a folder counts, by its name: `*.yaml`, `*.yml` or `*.json`, not hidden, and no editor's
/// temporary or backup file (`.x.yaml.swp`, `#x.yaml#`, `x.yaml~`, `4913`).
pub fn is_resource_file(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let known = matches!(extension, Some("yaml" | "yml" | "json"));
    known && !is_hidden(path)
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name.starts_with('#') || name.starts_with('~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_files_of_editors_do_not_count() {
        for good in ["a.yaml", "shop/a.yml", "a.b.json"] {
            assert!(is_resource_file(Path::new(good)), "{good}");
        }
        for other in
            [".a.yaml", "#a.yaml#", "a.yaml~", "a.yaml.swp", "a.yaml.tmp", "4913", "~a.yaml", "README.md"]
        {
            assert!(!is_resource_file(Path::new(other)), "{other}");
        }
    }

    #[test]
    fn folders_are_walked_and_loops_of_links_end() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("below/.hidden");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(below.join("no.yaml"), "").unwrap();
        std::fs::write(folder.path().join("below/yes.yaml"), "").unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("below/loop")).unwrap();
        let listing = list(&[folder.path().to_path_buf(), folder.path().join("below")]);
        let names: Vec<_> = listing.files.keys().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["yes.yaml"]);
    }
}
