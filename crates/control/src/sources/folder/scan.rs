//! Scan of the existing files, with the means to tell whether they could have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::file_stamp::{FileStamp, Identity};
use crate::plain_file::oddity;

/// Limit on the depth to which folders are followed. Deeper is a loop of links, or nothing that a person wrote.
const DEPTH: usize = 32;

/// Precision of file times: a file that changed this recently may change again without showing it.
const RACY: Duration = Duration::from_millis(100);

/// Reason why a path cannot be a source.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct OpenError {
    /// Path that cannot be used.
    pub path: PathBuf,
    /// Error of the system.
    #[source]
    pub error: std::io::Error,
}

impl OpenError {
    pub(super) fn new(path: &Path, error: std::io::Error) -> Self {
        Self { path: path.into(), error }
    }
}

/// Metadata of a file, as known without reading it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprint {
    look: FileStamp,
    racy: bool,
}

impl Fingerprint {
    fn of(metadata: &std::fs::Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
        let age = SystemTime::now().duration_since(modified).unwrap_or_default();
        Self { look: FileStamp::of(metadata), racy: age < RACY }
    }

    /// Returns `true` if a file that looked like this, and now like `later`, was surely not touched in between.
    pub(super) fn proves_unchanged(&self, later: &Fingerprint) -> bool {
        !self.racy && self.look == later.look
    }
}

/// Result of a look.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: BTreeMap<PathBuf, Fingerprint>,
    /// Folders that were listed.
    pub(super) folders: BTreeMap<PathBuf, Folder>,
    /// Roots that do not exist.
    pub(super) gone: Vec<PathBuf>,
    /// Links in folders whose targets do not exist.
    pub(super) nowhere: Vec<PathBuf>,
    /// Entries that are named like files of resources and cannot be read, with the reason. Their known content stays.
    pub(super) odd: Vec<(PathBuf, String)>,
    /// Inaccessible paths, with the reason. The known content of them and below them stays.
    pub(super) unreadable: Vec<(PathBuf, String)>,
}

/// Folder that was listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folder {
    pub(super) identity: Identity,
    /// `true`: it contains, at any depth, something that is read, or could be.
    pub(super) has_something: bool,
}

impl Listing {
    /// Returns the number of entries that are read, or could be.
    fn count(&self) -> usize {
        self.files.len() + self.nowhere.len() + self.odd.len() + self.unreadable.len()
    }
}

/// Finds the files below `roots`. A root that is a file is read whatever its name.
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
        // a partial list would remove what is in the missing part
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

/// Takes in an entry of a folder. Follows links.
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
            // what vanished since the listing does not exist, not even as a link
            if path.symlink_metadata().is_ok() {
                listing.nowhere.push(path);
            }
        }
        // its name rules it out, whatever it is
        Err(_) if path.extension().is_some() && !is_resource_file(&path) => {}
        Err(error) => listing.unreadable.push((path, error.to_string())),
    }
}

/// Returns `true` if a file in a folder is read, by its name: `*.yaml`, `*.yml` or `*.json`, not hidden, and no
/// temporary or backup file of an editor (`.x.yaml.swp`, `#x.yaml#`, `x.yaml~`, `4913`).
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
