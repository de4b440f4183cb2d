//! A control group apart: the kernel path decides about connects of who is in it, and of nobody else. Were it attached to the
//! whole host, connects that are compared with it would go through it, too.

use std::fs;
use std::path::{Path, PathBuf};

/// A control group that is made here, and removed with this.
#[derive(Debug)]
pub(crate) struct Apart {
    folder: PathBuf,
    /// The one that we were in.
    before: PathBuf,
}

impl Apart {
    /// Makes one below our own.
    ///
    /// # Errors
    /// There is no hierarchy of version 2 here, or nobody may make groups in it.
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

    /// Does something in it, with all threads of this process.
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

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}
