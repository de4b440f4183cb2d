//! Programs that stay attached when their process ends: their links, as files of a bpffs.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::{loaded_links, loaded_programs};

/// Prefix of the names of all files.
const PREFIX: &str = "meshtcp-";
/// Prefix of the names of all programs.
pub(crate) const PROGRAMS: &str = "mesh_";

/// The files of one process, in a folder where there is no other's.
#[derive(Debug)]
pub(crate) struct Pins {
    folder: PathBuf,
    /// What tells them from those of processes before.
    own: String,
    links: Vec<PinnedLink>,
}

impl Pins {
    /// None yet, in a folder that is made if it is not there.
    pub(crate) fn in_folder(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let own = format!("{PREFIX}{:016x}-", fastrand::u64(..));
        Ok(Self { folder: folder.to_owned(), own, links: Vec::new() })
    }

    /// Keeps a program attached, whatever becomes of this process.
    pub(crate) fn add(&mut self, program: &str, link: FdLink) -> Result<(), aya::pin::PinError> {
        self.links.push(link.pin(self.folder.join(format!("{}{program}", self.own)))?);
        Ok(())
    }

    /// Detaches what processes before left attached.
    pub(crate) fn replace_others(&self) -> io::Result<usize> {
        remove(&self.folder, |name| !name.starts_with(&self.own))
    }

    /// Removes its files, so that nothing stays attached when this process ends.
    pub(crate) fn remove(&self) -> io::Result<usize> {
        remove(&self.folder, |name| name.starts_with(&self.own))
    }
}

/// Detaches what is kept attached by files of a folder, whoever left it there; unless a process that lives still has it. How
/// much that was.
///
/// # Errors
/// The folder cannot be read, or a file cannot be removed.
pub fn detach(folder: &Path) -> io::Result<usize> {
    remove(folder, |_| true)
}

fn remove(folder: &Path, which: impl Fn(&str) -> bool) -> io::Result<usize> {
    let mut removed = 0;
    for path in files(folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if which(name) {
            std::fs::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_ours =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
        files.extend(is_ours.then_some(path));
    }
    files.sort();
    Ok(files)
}

/// A program of ours that is attached somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Name of the program.
    pub program: String,
    /// Id of the program in this kernel.
    pub id: u32,
    /// Time at which it was loaded; `None`: the kernel does not report it.
    pub since: Option<SystemTime>,
    /// File that keeps it attached; `None`: it is detached when its process ends.
    pub pin: Option<PathBuf>,
}

/// Programs of this product that are attached in this kernel, by any process; files are looked for in `folder`.
///
/// # Errors
/// Reason in words: the kernel does not list programs, or the folder cannot be read.
pub fn attached(folder: Option<&Path>) -> Result<Vec<Attached>, String> {
    let mut pins = BTreeMap::new();
    if let Some(folder) = folder {
        let files = files(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for path in files {
            let link = PinnedLink::from_pin(&path).map(FdLink::from).and_then(|link| link.info());
            let link = link.map_err(|error| format!("{}: {error}", path.display()))?;
            pins.insert(link.program_id(), path);
        }
    }
    let mut linked = Vec::new();
    for link in loaded_links() {
        linked.push(
            link.map_err(|error| format!("the kernel does not tell what is attached: {error}"))?.program_id(),
        );
    }
    let mut attached = Vec::new();
    for program in loaded_programs() {
        let program = program.map_err(|error| format!("the kernel does not tell what is loaded: {error}"))?;
        let name = program.name_as_str().unwrap_or_default();
        let id = program.id();
        if name.starts_with(PROGRAMS) && linked.contains(&id) {
            let (program, since) = (name.to_owned(), program.loaded_at());
            attached.push(Attached { program, id, since, pin: pins.remove(&id) });
        }
    }
    Ok(attached)
}
