//! Separate cgroup: the kernel path handles only connects of processes in it. Attached to the whole host, it would also
//! see the connects that it is compared with.

use std::fs;
use std::path::{Path, PathBuf};

/// Cgroup that is created here, and removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folder: PathBuf,
    /// Cgroup that this process was in.
    before: PathBuf,
}

impl Cgroup {
    /// Creates a cgroup below the current one.
    ///
    /// # Errors
    /// No cgroup v2 hierarchy is mounted, or this process must not create cgroups in it.
    pub(crate) fn make() -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mounts").map_err(|error| error.to_string())?;
        let mut mounts = mounts.lines().map(|line| line.split(' '));
        let root = mounts.find_map(|mut mount| {
            let (place, kind) = (mount.nth(1)?, mount.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(place))
        });
        let root = root.ok_or("no cgroup2 is mounted")?;
        let groups = fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
        let before = root.join(own);
        let folder = before.join(format!("meshtcp-bench-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { folder, before })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Runs a closure in it, with all threads of this process.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        enter(&self.folder);
        let done = work();
        enter(&self.before);
        done
    }
}

fn enter(folder: &Path) {
    if let Err(error) = fs::write(folder.join("cgroup.procs"), "0") {
        eprintln!("{}: {error}", folder.display());
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}
