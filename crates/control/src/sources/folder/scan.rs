//! Which files there are, and whether they could have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::look::{Identity, Look};
use crate::plain_file::oddity;

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
    /// The folders that were listed.
    pub(super) folders: BTreeMap<PathBuf, Folder>,
    /// Roots that do not exist.
    pub(super) gone: Vec<PathBuf>,
    /// Links in folders that lead to what does not exist.
    pub(super) nowhere: Vec<PathBuf>,
    /// What is called like a file of resources and is none that can be read, and why. What is known of it stays.
    pub(super) odd: Vec<(PathBuf, String)>,
    /// What could not be looked at, and why. What is known of it and below it stays.
    pub(super) unreadable: Vec<(PathBuf, String)>,
}

/// A folder that was listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folder {
    pub(super) identity: Identity,
    /// Whether anything that counts, or could, is in it or below it.
    pub(super) has_something: bool,
}

impl Listing {
    /// How much was found of what counts, or could.
    fn count(&self) -> usize {
        self.files.len() + self.nowhere.len() + self.odd.len() + self.unreadable.len()
    }
}

/// Finds the files below `roots`. A root that is a file counts whatever its name.
pub(super) fn list(roots: &[PathBuf]) -> Listing {
    let mut listing = Listing::default();
    let mut entered = BTreeSet::new();
    for root in roots {
        match std::fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => {
                walk(root, Identity::of(&metadata), DEPTH, &mut entered, &mut listing);
            }
            Ok(metadata) => {
                listing.files.insert(root.clone(), Fingerprint::of(&metadata));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => listing.gone.push(root.clone()),
            Err(error) => listing.unreadable.push((root.clone(), error.to_string())),
        }
    }
    listing
}

fn walk(
    folder: &Path,
    identity: Identity,
    depth: usize,
    entered: &mut BTreeSet<Identity>,
    listing: &mut Listing,
) {
    // a folder that is reached twice, by overlapping paths or links, is read once, under its first name
    if depth == 0 || !entered.insert(identity) {
        return;
    }
    let entries = std::fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let entries = match entries {
        Ok(entries) => entries,
        // half a list would take away what is on the other half
        Err(error) => return listing.unreadable.push((folder.into(), error.to_string())),
    };
    let before = listing.count();
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if !is_hidden(&path) {
            enter(path, depth, entered, listing);
        }
    }
    let has_something = listing.count() > before;
    listing.folders.insert(folder.into(), Folder { identity, has_something });
}

/// Takes in what is in a folder. Follows links.
fn enter(path: PathBuf, depth: usize, entered: &mut BTreeSet<Identity>, listing: &mut Listing) {
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {
            walk(&path, Identity::of(&metadata), depth - 1, entered, listing);
        }
        Ok(metadata) if is_resource_file(&path) => match oddity(&metadata) {
            None => {
                listing.files.insert(path, Fingerprint::of(&metadata));
            }
            Some(why) => listing.odd.push((path, why)),
        },
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // what vanished since it was listed is not there, not even as a link
            if path.symlink_metadata().is_ok() {
                listing.nowhere.push(path);
            }
        }
        // by its name it is of no use, whatever it is
        Err(_) if path.extension().is_some() && !is_resource_file(&path) => {}
        Err(error) => listing.unreadable.push((path, error.to_string())),
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
