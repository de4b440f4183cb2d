//! Files of a package as installed on a host, and its control files for dpkg.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Outcome, execute};

/// Folder with the files of a package.
pub(super) struct Tree {
    root: PathBuf,
    /// Paths of files that an operator may edit, one per line.
    settings: Vec<String>,
}

fn said<T>(path: &Path, done: std::io::Result<T>) -> Outcome<T> {
    done.map_err(|error| format!("{}: {error}", path.display()))
}

impl Tree {
    /// Creates an empty one, replacing an existing folder.
    pub(super) fn begin(root: &Path) -> Outcome<Self> {
        if root.exists() {
            said(root, fs::remove_dir_all(root))?;
        }
        said(root, fs::create_dir_all(root))?;
        Ok(Self { root: root.to_path_buf(), settings: Vec::new() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Creates a folder and its parents.
    pub(super) fn folder(&self, place: &str) -> Outcome<PathBuf> {
        let path = self.root.join(place);
        said(&path, fs::create_dir_all(&path))?;
        // independent of the umask of the build
        for folder in path.ancestors().take_while(|folder| folder.starts_with(&self.root)) {
            said(folder, fs::set_permissions(folder, fs::Permissions::from_mode(0o755)))?;
        }
        Ok(path)
    }

    pub(super) fn write(&mut self, place: &str, bytes: &[u8], mode: u32) -> Outcome {
        let path = self.place(place)?;
        said(&path, fs::write(&path, bytes))?;
        said(&path, fs::set_permissions(&path, fs::Permissions::from_mode(mode)))?;
        if place.starts_with("etc/") {
            self.settings.push(format!("/{place}\n"));
        }
        Ok(())
    }

    pub(super) fn copy(&mut self, from: &Path, place: &str, mode: u32) -> Outcome {
        let path = self.place(place)?;
        said(from, fs::copy(from, &path))?;
        said(&path, fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
    }

    fn place(&self, place: &str) -> Outcome<PathBuf> {
        let path = self.root.join(place);
        if let Some(folder) = Path::new(place).parent().and_then(Path::to_str) {
            self.folder(folder)?;
        }
        Ok(path)
    }

    /// Compresses files, and files in folders, always to the same bytes.
    pub(super) fn compress(&self, places: &[&str]) -> Outcome {
        let paths = places.iter().map(|place| self.root.join(place));
        execute(Command::new("gzip").args(["-9", "--no-name", "--recursive"]).args(paths))
    }

    /// Writes a control file of dpkg.
    pub(super) fn control(&mut self, name: &str, text: &str, mode: u32) -> Outcome {
        self.write(&format!("DEBIAN/{name}"), text.as_bytes(), mode)
    }

    /// Writes the list of files that an operator may edit, so that dpkg asks before it replaces them.
    pub(super) fn conffiles(&mut self) -> Outcome {
        let all = self.settings.concat();
        self.control("conffiles", &all, 0o644)
    }

    /// Total size of all files, in bytes.
    pub(super) fn bytes(&self) -> Outcome<u64> {
        fn of(folder: &Path) -> std::io::Result<u64> {
            let sizes = fs::read_dir(folder)?.map(|entry| {
                let entry = entry?;
                let kind = entry.metadata()?;
                if kind.is_dir() { of(&entry.path()) } else { Ok(kind.len()) }
            });
            sizes.sum()
        }
        said(&self.root, of(&self.root))
    }
}

/// Oldest version of the C library that has every function that a program needs.
pub(super) fn glibc(binary: &Path) -> Outcome<String> {
    let bytes = said(binary, fs::read(binary))?;
    let words = bytes.split(|byte| !(byte.is_ascii_alphanumeric() || [b'.', b'_'].contains(byte)));
    let versions = words.filter_map(|word| std::str::from_utf8(word).ok()?.strip_prefix("GLIBC_2."));
    let newest = versions.filter_map(|version| version.parse::<u32>().ok()).max();
    newest
        .map(|minor| format!("2.{minor}"))
        .ok_or_else(|| format!("{} asks for no C library: is it built for another?", binary.display()))
}
