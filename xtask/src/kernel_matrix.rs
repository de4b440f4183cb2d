//! Kernel path on kernels other than that of this machine: each is booted under qemu with only our program, which runs
//! its demo there.
//!
//! The demo is a whole mesh in one process: it reports whether every share is as promised, and the cost of a hop only
//! if the kernel accepted the programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::debian;
use crate::run::{Outcome, capture, cargo, execute, on_path, target};

/// Package name of the newest kernel of this Debian.
const NEWEST: &str = "linux-image-cloud-amd64";
/// Init script: runs the demo, and then powers off the machine.
const INIT: &str = "#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t tmpfs tmp /tmp
ip link set lo up
echo \"kernel: $(uname -r)\"
/bin/meshtcp demo --connections 200 --data-path auto
echo \"exit code: $?\"
poweroff -f
";
/// Time limit in seconds, without hardware virtualization.
const PATIENCE: &str = "900";

/// `[VMLINUZ…]`: boots each of these kernels.
pub(crate) fn run(kernels: &[String]) -> Outcome {
    let folder = target().join("kernel-matrix");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    if !(on_path("qemu-system-x86_64") && on_path("busybox")) {
        let packages = ["qemu-system-x86", "busybox-static"];
        if !debian::is_root() {
            return Err(format!("it takes the packages {}", packages.join(" and ")));
        }
        debian::install(&packages)?;
    }
    execute(&mut cargo(&["build", "--locked", "--package", "meshtcp"]))?;
    let disk = disk(&folder, &target().join("debug/meshtcp"))?;
    let kernels = match kernels {
        [] => vec![newest(&folder)?],
        some => some.iter().map(PathBuf::from).collect(),
    };
    kernels.iter().try_for_each(|kernel| boot(kernel, &disk))
}

/// Downloads Debian's newest kernel for clouds; returns its path.
fn newest(folder: &Path) -> Outcome<PathBuf> {
    let depends = capture(Command::new("apt-cache").args(["depends", NEWEST]))?;
    let package = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    let package = package.ok_or_else(|| format!("apt-cache knows no {NEWEST}"))?;
    let kernel = folder.join(format!("{package}.vmlinuz"));
    if kernel.exists() {
        return Ok(kernel);
    }
    execute(Command::new("apt-get").args(["download", "-q", package]).current_dir(folder))?;
    let unpack = format!(
        "dpkg-deb --fsys-tarfile {package}_*.deb | tar -xO --wildcards './boot/vmlinuz-*' > {package}.new"
    );
    execute(Command::new("sh").args(["-c", &unpack]).current_dir(folder))?;
    execute(Command::new("sh").args(["-c", &format!("rm {package}_*.deb")]).current_dir(folder))?;
    let made = folder.join(format!("{package}.new"));
    std::fs::rename(made, &kernel).map_err(|error| format!("{}: {error}", kernel.display()))?;
    Ok(kernel)
}

/// Builds an initramfs with our program, its libraries, and a shell.
fn disk(folder: &Path, program: &Path) -> Outcome<PathBuf> {
    let (root, disk) = (folder.join("root"), folder.join("root.cpio"));
    let wrong = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| format!("{path}: {error}")
    };
    let _ = std::fs::remove_dir_all(&root);
    for name in ["bin", "proc", "sys", "dev", "tmp"] {
        std::fs::create_dir_all(root.join(name)).map_err(wrong(&root))?;
    }
    let shell = capture(Command::new("sh").args(["-c", "command -v busybox"]))?;
    std::fs::copy(shell.trim(), root.join("bin/busybox")).map_err(wrong(&root))?;
    execute(Command::new("strip").arg("-o").arg(root.join("bin/meshtcp")).arg(program))?;
    let libraries = capture(Command::new("ldd").arg(program))?;
    for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
        let copy = root.join(library.trim_start_matches('/'));
        std::fs::create_dir_all(copy.parent().unwrap_or(&root)).map_err(wrong(&copy))?;
        std::fs::copy(library, &copy).map_err(wrong(&copy))?;
    }
    let init = root.join("init");
    std::fs::write(&init, INIT).map_err(wrong(&init))?;
    execute(Command::new("chmod").arg("+x").arg(&init))?;
    let pack = "find . | busybox cpio -o -H newc > ../root.cpio 2> /dev/null";
    execute(Command::new("sh").args(["-c", pack]).current_dir(&root))?;
    Ok(disk)
}

/// Boots without hardware virtualization, which inside virtual machines is often present and does not work.
fn boot(kernel: &Path, disk: &Path) -> Outcome {
    let mut machine = Command::new("timeout");
    machine.args(["-k", "5", PATIENCE, "qemu-system-x86_64", "-m", "1024", "-smp", "2"]);
    machine.args(["-nographic", "-no-reboot", "-append", "console=ttyS0 panic=-1 quiet"]);
    let said = capture(machine.arg("-kernel").arg(kernel).arg("-initrd").arg(disk).stdin(Stdio::null()))?;
    println!("{said}");
    let has = |start: &str| said.lines().any(|line| line.trim_start().starts_with(start));
    match (has("exit code: 0"), has("kernel ")) {
        (true, true) => Ok(()),
        (true, false) => Err(format!("{} does not take the programs", kernel.display())),
        (false, _) => Err(format!("the demo did not end well on {}", kernel.display())),
    }
}
