//! Programs that stay attached when their process ends, and their tables: files of a bpffs.
//!
//! ```text
//!  FOLDER/meshtcp-EDITION-NUMBER/   of one process, which has it locked as long as it lives
//!      mesh_connect4, mesh_ops …    links: as long as these are there, the programs decide
//!      listeners, routes, events …  tables, for the process that adopts them
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aya::maps::{Map, MapData, MapError};
use aya::pin::PinError;
use aya::programs::links::{FdLink, LinkError, PinnedLink};
use aya::programs::{loaded_links, loaded_programs};
use rustix::fs::{FlockOperation, flock};

/// Prefix of the names of all files.
const PREFIX: &str = "meshtcp-";
/// Prefix of the names of all programs.
pub(crate) const PROGRAMS: &str = "mesh_";

/// Files of one process, in a folder of its own below that of all.
#[derive(Debug)]
pub(crate) struct Pins {
    above: PathBuf,
    own: PathBuf,
    /// Digest of the object and the cgroup; programs and tables of one edition fit together.
    edition: u64,
    links: Vec<PinnedLink>,
    _lock: File,
}

/// Programs of earlier processes that were detached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Number of programs.
    pub programs: usize,
    /// `true`: some were of another version or for another cgroup, so that their tables could not be adopted.
    pub others: bool,
}

impl Pins {
    /// Makes an empty set, in a folder that is created if absent.
    pub(crate) fn new(above: &Path, edition: u64) -> io::Result<Self> {
        let own = above.join(format!("{}{:016x}", prefix(edition), fastrand::u64(..)));
        std::fs::create_dir_all(&own)?;
        let lock = lock(&own)?;
        Ok(Self { above: above.to_owned(), own, edition, links: Vec::new(), _lock: lock })
    }

    /// Pins of the same edition that an earlier process left; `None`: there are none, or that process lives.
    pub(crate) fn of_before(above: &Path, edition: u64) -> Option<Self> {
        let mut folders =
            files(above).ok()?.into_iter().filter(|path| name(path).starts_with(&prefix(edition)));
        let (own, lock) = folders.find_map(|folder| lock(&folder).ok().map(|lock| (folder, lock)))?;
        Some(Self { above: above.to_owned(), own, edition, links: Vec::new(), _lock: lock })
    }

    /// Folder of all processes' pins.
    pub(crate) fn above(&self) -> &Path {
        &self.above
    }

    /// Keeps a program attached, whatever becomes of this process.
    pub(crate) fn add(&mut self, program: &str, link: FdLink) -> Result<(), PinError> {
        self.links.push(link.pin(self.own.join(program))?);
        Ok(())
    }

    /// Takes over a program that is kept attached already.
    pub(crate) fn take_over(&mut self, program: &str) -> Result<(), LinkError> {
        self.links.push(PinnedLink::from_pin(self.own.join(program))?);
        Ok(())
    }

    /// Keeps a table for the process that adopts it.
    pub(crate) fn add_table(&self, table: &str, map: &Map) -> Result<(), PinError> {
        map.pin(self.own.join(table))
    }

    /// Opens a table that is kept.
    pub(crate) fn table(&self, table: &str) -> Result<MapData, MapError> {
        MapData::from_pin(self.own.join(table))
    }

    /// Detaches what processes before left attached.
    pub(crate) fn replace_others(&self) -> io::Result<Replaced> {
        let mut replaced = Replaced::default();
        for path in files(&self.above)?.iter().filter(|path| **path != self.own) {
            replaced.others |= !name(path).starts_with(&prefix(self.edition));
            replaced.programs += remove(path)?;
        }
        Ok(replaced)
    }

    /// Removes its files, so that nothing stays attached when this process ends.
    pub(crate) fn remove(&self) -> io::Result<usize> {
        remove(&self.own)
    }
}

fn prefix(edition: u64) -> String {
    format!("{PREFIX}{edition:016x}-")
}

/// Locks a folder.
///
/// # Errors
/// Another process has it locked, or it cannot be opened.
fn lock(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
    Ok(folder)
}

/// Detaches what is kept attached by files of a folder, whoever left it there; unless a process that lives still has it. How
/// many programs that were.
///
/// # Errors
/// The folder cannot be read, or a file cannot be removed.
pub fn detach(folder: &Path) -> io::Result<usize> {
    files(folder)?.iter().map(|path| remove(path)).sum()
}

/// Removes a file, or a folder with its contents, and returns the number of programs that it kept attached.
fn remove(path: &Path) -> io::Result<usize> {
    if !path.is_dir() {
        std::fs::remove_file(path)?;
        return Ok(1);
    }
    let mut programs = 0;
    // first what decides: it is the first by name
    for file in sorted(path)? {
        std::fs::remove_file(&file)?;
        programs += usize::from(name(&file).starts_with(PROGRAMS));
    }
    std::fs::remove_dir(path)?;
    Ok(programs)
}

/// Files and folders of ours in a folder, sorted.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = sorted(folder)?;
    files.retain(|path| name(path).starts_with(PREFIX));
    Ok(files)
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
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
        let unread = |error| format!("{}: {error}", folder.display());
        let inside = files(folder).map_err(unread)?.into_iter().map(|path| match path.is_dir() {
            true => sorted(&path),
            false => Ok(vec![path]),
        });
        let inside = inside.collect::<io::Result<Vec<_>>>().map_err(unread)?.into_iter().flatten();
        for path in inside.filter(|path| name(path).starts_with(PROGRAMS)) {
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
