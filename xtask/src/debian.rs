//! Real servers behind the proxy in tests, from Debian's packages.
//!
//! Their services are never started: each test starts a server of its own, on a port and in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Outcome, capture, execute, on_path};

/// Package, and a way to tell that it is installed.
struct Need {
    package: &'static str,
    what_for: &'static str,
    present: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need {
        package: "redis-server",
        what_for: "split tests with real clients",
        present: || on_path("redis-server"),
    },
    Need {
        package: "postgresql",
        what_for: "sessions that live through weight changes",
        present: || on_path("psql") && postgres_server(),
    },
    Need { package: "haproxy", what_for: "a peer to compare with", present: || on_path("haproxy") },
    Need { package: "nginx", what_for: "a peer to compare with", present: || on_path("nginx") },
    Need {
        package: "libnginx-mod-stream",
        what_for: "nginx's TCP proxying",
        present: || Path::new("/usr/lib/nginx/modules/ngx_stream_module.so").exists(),
    },
    Need { package: "iproute2", what_for: "networks with few ports", present: || on_path("ip") },
    Need {
        package: "nftables",
        what_for: "connections that the kernel redirects",
        present: || on_path("nft"),
    },
    Need { package: "jq", what_for: "commands of the guide", present: || on_path("jq") },
    Need {
        package: "iptables",
        what_for: "connections that the kernel redirects, as older hosts do it",
        present: || on_path("iptables-restore"),
    },
    Need { package: "systemd", what_for: "units, verified", present: || on_path("systemd-analyze") },
    Need { package: "tmux", what_for: "`top` on a terminal", present: || on_path("tmux") },
    Need { package: "dpkg", what_for: "the package", present: || on_path("dpkg-deb") },
    Need {
        package: "fakeroot",
        what_for: "the package, installed in a folder",
        present: || on_path("fakeroot"),
    },
    Need { package: "openssl", what_for: "certificates for the guide", present: || on_path("openssl") },
    Need { package: "chromium", what_for: "the page", present: || on_path("chromium") },
    Need { package: "chromium-driver", what_for: "the page", present: || on_path("chromedriver") },
    Need { package: "prometheus", what_for: "checking alerts", present: || on_path("promtool") },
    Need { package: "valgrind", what_for: "counting instructions", present: || on_path("valgrind") },
    Need { package: "clang", what_for: "the programs for the kernel", present: || on_path("clang") },
    Need { package: "bpftool", what_for: "what is left in the kernel", present: || on_path("bpftool") },
    Need { package: "llvm", what_for: "the programs for the kernel", present: || on_path("llvm-strip") },
    Need {
        package: "libbpf-dev",
        what_for: "the programs for the kernel",
        present: || Path::new("/usr/include/bpf/bpf_helpers.h").exists(),
    },
];

/// Installs missing packages if run as root on a Debian; otherwise prints what to install, and the tests that need it
/// will fail.
pub(crate) fn install_servers() -> Outcome {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if !is_root() || !on_path("apt-get") {
        eprintln!("Some tests need programs that are not here, and will fail:");
        for Need { package, what_for, .. } in &missing {
            eprintln!("  {package:<20} {what_for}");
        }
        eprintln!(
            "Install them with:\n  sudo apt-get install --no-install-recommends {}",
            packages.join(" ")
        );
        return Ok(());
    }
    install(&packages)
}

/// Installs packages; requires root on a Debian.
pub(crate) fn install(packages: &[&str]) -> Outcome {
    let _no_services = NoServices::declare();
    execute(apt(&["update", "-q"]).stdout(std::process::Stdio::null()))?;
    execute(
        apt(&["install", "-q", "-y", "--no-install-recommends"])
            .args(packages)
            .stdout(std::process::Stdio::null()),
    )
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    command
}

pub(crate) fn is_root() -> bool {
    capture(Command::new("id").arg("-u")).is_ok_and(|said| said.trim() == "0")
}

fn postgres_server() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.into_iter().any(|version| version.path().join("bin/postgres").exists())
}

/// Guard under which Debian's maintainer scripts start no service.
struct NoServices(Option<PathBuf>);

impl NoServices {
    fn declare() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let policy = PathBuf::from("/usr/sbin/policy-rc.d");
        if policy.exists() {
            return NoServices(None); // the machine has a policy of its own
        }
        let written = std::fs::write(&policy, "#!/bin/sh\nexit 101\n")
            .and_then(|()| std::fs::set_permissions(&policy, std::fs::Permissions::from_mode(0o755)));
        NoServices(written.is_ok().then_some(policy))
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = &self.0 {
            let _ = std::fs::remove_file(policy);
        }
    }
}
