//! Cgroups of version 2, and the network namespace of this process.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Root of the cgroup v2 hierarchy; `None`: none is mounted.
pub(crate) fn root() -> Option<PathBuf> {
    std::fs::read_to_string("/proc/self/mountinfo").ok().and_then(|mounts| of_mounts(&mounts))
}

fn of_mounts(mounts: &str) -> Option<PathBuf> {
    let is_version_2 = |line: &&str| {
        let kind = line.split_once(" - ").and_then(|(_, behind)| behind.split(' ').next());
        kind == Some("cgroup2")
    };
    let line = mounts.lines().find(is_version_2)?;
    line.split(' ').nth(4).map(PathBuf::from)
}

/// Opens a cgroup's folder.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let folder = File::open(path)?;
    if path.join("cgroup.procs").exists() {
        return Ok(folder);
    }
    Err(io::Error::other("it is no folder of a cgroup of version 2"))
}

/// Number of a cgroup, from its folder.
pub(crate) fn number(folder: &File) -> io::Result<u64> {
    Ok(folder.metadata()?.ino())
}

/// What a network namespace is known by, by a path to it: the number of its file.
pub(crate) fn network(path: &Path) -> io::Result<u32> {
    let number = std::fs::metadata(path)?.ino();
    u32::try_from(number).map_err(|_| io::Error::other("it is no network namespace"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_may_be_beside_version_1() {
        let mounts = "25 1 0:22 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs ro\n\
                      26 25 0:23 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      27 25 0:24 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(of_mounts(mounts), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(of_mounts(&mounts.replace("cgroup2", "cgroup")), None);
        assert!(network(Path::new("/proc/self/ns/net")).is_ok());
    }
}
