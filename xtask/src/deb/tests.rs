use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::build;
use crate::run::{capture, root, target};

/// Package of the program that the other tests run, and the folder of its unpacked files.
struct Unpacked {
    folder: PathBuf,
    package: PathBuf,
}

impl Unpacked {
    fn of(name: &str) -> Self {
        let binary = target().join("debug/meshtcp");
        assert!(binary.exists(), "cargo test --workspace builds {}", binary.display());
        let folder = target().join("tmp").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        // compressing a program with debug information takes minutes
        let package = build(&binary, &folder, "none").unwrap();
        let files = folder.join("host");
        said(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&files));
        Self { folder: files, package }
    }

    fn text(&self, place: &str) -> String {
        fs::read_to_string(self.folder.join(place)).unwrap_or_else(|error| panic!("{place}: {error}"))
    }

    fn mode(&self, place: &str) -> u32 {
        fs::metadata(self.folder.join(place))
            .unwrap_or_else(|error| panic!("{place}: {error}"))
            .permissions()
            .mode()
            & 0o777
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // it contains the whole program twice
        let _ = self.folder.parent().map(fs::remove_dir_all);
    }
}

fn said(command: &mut Command) -> String {
    capture(command).unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn a_package_has_all_that_a_host_needs() {
    let host = Unpacked::of("deb-files");
    let about = said(Command::new("dpkg-deb").arg("--info").arg(&host.package));
    for part in ["Package: meshtcp", "Depends: libc6 (>= 2.", "Installed-Size: ", "conffiles", "postinst"] {
        assert!(about.contains(part), "no {part} in\n{about}");
    }
    // every field is filled in
    assert_eq!(about.replace("meshtcp@localhost", "").matches('@').count(), 0, "{about}");
    for (place, mode) in [
        ("usr/bin/meshtcp", 0o755),
        ("usr/lib/systemd/system/meshtcp-control-plane.service", 0o644),
        ("usr/lib/systemd/system/meshtcp-proxy@.service", 0o644),
        ("usr/lib/systemd/system/meshtcp-transparent-proxy.service", 0o644),
        ("usr/lib/sysusers.d/meshtcp.conf", 0o644),
        ("etc/meshtcp/resources", 0o755),
        ("etc/meshtcp/store.env", 0o600),
        ("usr/share/man/man1/meshtcp.1.gz", 0o644),
        ("usr/share/man/man1/meshtcp-token-create.1.gz", 0o644),
        ("usr/share/bash-completion/completions/meshtcp", 0o644),
        ("usr/share/zsh/vendor-completions/_meshtcp", 0o644),
        ("usr/share/fish/vendor_completions.d/meshtcp.fish", 0o644),
        ("usr/share/doc/meshtcp/copyright", 0o644),
        ("usr/share/doc/meshtcp/changelog.gz", 0o644),
    ] {
        assert_eq!(host.mode(place), mode, "{place}");
    }
    let ours = fs::read_dir(root().join("packaging/etc")).unwrap();
    for file in ours.map(|entry| entry.unwrap().file_name()) {
        let place = format!("etc/meshtcp/{}", file.to_str().unwrap());
        assert!(host.folder.join(&place).exists(), "{place} is not packaged");
    }
    let version = said(Command::new(host.folder.join("usr/bin/meshtcp")).args(["version", "--client"]));
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    assert!(host.text("usr/share/bash-completion/completions/meshtcp").contains("MESHTCP_COMPLETE"));
}

#[test]
fn systemd_takes_the_units_of_a_package() {
    let host = Unpacked::of("deb-units");
    // systemd looks for the programs of units on the host that it runs on
    let units = host.folder.join("verified");
    fs::create_dir(&units).unwrap();
    let binary = host.folder.join("usr/bin/meshtcp");
    let mut paths = Vec::new();
    for (unit, named) in [
        ("meshtcp-control-plane.service", "meshtcp-control-plane.service"),
        ("meshtcp-proxy@.service", "meshtcp-proxy@web-1.service"),
        ("meshtcp-proxy@.service", "meshtcp-proxy@cache-1.service"),
        ("meshtcp-transparent-proxy.service", "meshtcp-transparent-proxy.service"),
    ] {
        let text = host.text(&format!("usr/lib/systemd/system/{unit}"));
        assert!(text.contains("=/usr/bin/meshtcp ") && !text.contains("/usr/local"), "{unit}: {text}");
        let path = units.join(named);
        fs::write(&path, text.replace("/usr/bin/meshtcp", binary.to_str().unwrap())).unwrap();
        paths.push(path);
    }
    let verified =
        Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&paths).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr);
    let about: Vec<&str> = said.lines().filter(|line| line.contains("meshtcp")).collect();
    assert!(verified.status.success() && about.is_empty(), "{said}");
}

#[test]
fn a_package_is_installed_upgraded_and_purged() {
    let host = Unpacked::of("deb-installed");
    let root = host.folder.with_file_name("root");
    for folder in ["var/lib/dpkg/updates", "var/lib/dpkg/info", "var/log", "usr/bin"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("var/lib/dpkg/status"), "").unwrap();
    let dpkg = |arguments: &[&str]| {
        // that folder has no shell: scripts run outside of it, and get its path
        let mut command = Command::new("fakeroot");
        command.args([
            "dpkg",
            "--force-depends",
            "--force-script-chrootless",
            "--force-not-root",
            "--force-bad-path",
        ]);
        command.arg(format!("--root={}", root.display())).args(arguments);
        command.env(
            "PATH",
            format!("{}:/usr/sbin:/sbin:{}", stand_ins(&root).display(), std::env::var("PATH").unwrap()),
        );
        said(&mut command)
    };
    let package = host.package.to_str().unwrap();
    dpkg(&["--install", package]);
    let settings = root.join("etc/meshtcp/control-plane.yaml");
    assert!(root.join("usr/bin/meshtcp").exists() && settings.exists());
    fs::write(&settings, "xds: 127.0.0.1:5699\n").unwrap();
    dpkg(&["--force-confold", "--install", package]);
    assert_eq!(
        fs::read_to_string(&settings).unwrap(),
        "xds: 127.0.0.1:5699\n",
        "what an operator wrote stays"
    );
    dpkg(&["--remove", "meshtcp"]);
    assert!(!root.join("usr/bin/meshtcp").exists() && settings.exists());
    dpkg(&["--purge", "meshtcp"]);
    assert!(!settings.exists());
}

/// Folder of stand-ins for programs that scripts of the package call, and that must not touch this host.
fn stand_ins(root: &Path) -> PathBuf {
    let folder = root.with_file_name("stand-ins");
    fs::create_dir_all(&folder).unwrap();
    for program in ["systemctl", "systemd-sysusers", "useradd"] {
        let path = folder.join(program);
        fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}
