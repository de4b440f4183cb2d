//! Programs as the running kernel accepts them, and its messages if it does not.

#![allow(clippy::unwrap_used)] // a test that cannot go on stops

use std::path::PathBuf;

use meshtcp_kernel::{Attaching, Kernel, Trouble};

/// Cgroup of its own, removed when dropped; `None`: this user may not create one, or there is no hierarchy for it.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new() -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
        let folder = PathBuf::from(line.split(' ').nth(4)?).join(format!("kernel-{}", std::process::id()));
        match std::fs::create_dir(&folder) {
            Ok(()) => Some(Self(folder)),
            Err(error) => {
                eprintln!("{}: {error}: not tested", folder.display());
                None
            }
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn the_kernel_takes_the_programs() {
    let Some(cgroup) = Cgroup::new() else { return };
    let attaching = Attaching {
        cgroup: Some(cgroup.0.clone()),
        names_peers: true,
        spares_own: true,
        networks: Vec::new(),
        pins: None,
    };
    let attached = Kernel::attach(&attaching);
    assert!(attached.is_ok(), "{}", attached.err().unwrap());
    let (kernel, _records) = attached.unwrap();
    assert_eq!(kernel.live(), 0);
}

#[test]
fn a_folder_that_is_no_cgroup_is_told() {
    let attaching = Attaching {
        cgroup: Some("/proc".into()),
        names_peers: true,
        spares_own: true,
        networks: Vec::new(),
        pins: None,
    };
    let trouble = Kernel::attach(&attaching).err().unwrap();
    assert!(matches!(trouble, Trouble::Cgroup(..)), "{trouble}");
    assert!(trouble.to_string().contains("/proc cannot be opened"), "{trouble}");
}
