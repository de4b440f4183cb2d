//! `cargo xtask deb`: a Debian package of the program, its units and settings, manual pages and completions.
//!
//! ```text
//!  packaging/{etc,systemd,deb} ─┐
//!  the program ── man, completion ──▶ a tree of files ── dpkg-deb ──▶ meshtcp_VERSION_ARCHITECTURE.deb
//! ```

mod tree;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Outcome, capture, cargo, execute, on_path, root, target};
use tree::Tree;

/// Path of the program in units and settings, as installed by hand; a package replaces it.
const BY_HAND: &str = "/usr/local/bin/meshtcp";
/// Path of the program in the package.
const PACKAGED: &str = "/usr/bin/meshtcp";

/// Builds the package. `--binary PATH` takes an existing program; `--to FOLDER` is the folder of the package.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (mut binary, mut to) = (None, target().join("deb"));
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--binary" => binary = Some(PathBuf::from(value)),
            "--to" => to = PathBuf::from(value),
            other => return Err(format!("`deb` knows no {other}: there are --binary PATH and --to FOLDER")),
        }
    }
    let binary = match binary {
        Some(binary) => binary,
        None => {
            execute(&mut cargo(&["build", "--release", "--locked", "-p", "meshtcp"]))?;
            target().join("release/meshtcp")
        }
    };
    println!("{}", build(&binary, &to, "xz")?.display());
    Ok(())
}

/// Builds the package of a program into a folder, with a compression as dpkg-deb names it. Returns its path.
fn build(binary: &Path, to: &Path, compression: &str) -> Outcome<PathBuf> {
    if !on_path("dpkg-deb") {
        return Err("a package is built by dpkg-deb, which is not here: apt-get install dpkg".to_owned());
    }
    let architecture = capture(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    let version = env!("CARGO_PKG_VERSION");
    let name = format!("meshtcp_{version}_{architecture}");
    let mut tree = Tree::begin(&to.join(&name))?;
    fill(&mut tree, binary)?;
    let fields = [
        ("@VERSION@", version.to_owned()),
        ("@ARCHITECTURE@", architecture),
        ("@SIZE@", (tree.bytes()? / 1024).to_string()),
        ("@GLIBC@", tree::glibc(binary)?),
    ];
    let control =
        fields.iter().fold(packaged("deb/control")?, |text, (field, value)| text.replace(field, value));
    tree.control("control", &control, 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        tree.control(script, &packaged(&format!("deb/{script}"))?, 0o755)?;
    }
    tree.conffiles()?;
    let package = to.join(format!("{name}.deb"));
    let mut command = Command::new("dpkg-deb");
    command.args(["--root-owner-group", &format!("-Z{compression}"), "--build"]);
    execute(command.arg(tree.root()).arg(&package))?;
    Ok(package)
}

fn packaged(name: &str) -> Outcome<String> {
    let path = root().join("packaging").join(name);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn fill(tree: &mut Tree, binary: &Path) -> Outcome {
    tree.copy(binary, "usr/bin/meshtcp", 0o755)?;
    for unit in
        ["meshtcp-control-plane.service", "meshtcp-proxy@.service", "meshtcp-transparent-proxy.service"]
    {
        let text = packaged(&format!("systemd/{unit}"))?.replace(BY_HAND, PACKAGED);
        tree.write(&format!("usr/lib/systemd/system/{unit}"), text.as_bytes(), 0o644)?;
    }
    let captured = packaged("systemd/meshtcp-proxy@.service.d/captured.conf")?;
    tree.write("usr/share/doc/meshtcp/examples/captured.conf", captured.as_bytes(), 0o644)?;
    tree.write("usr/lib/sysusers.d/meshtcp.conf", packaged("deb/sysusers.conf")?.as_bytes(), 0o644)?;
    for (settings, mode) in [
        ("control-plane.yaml", 0o644),
        ("proxy.yaml", 0o644),
        ("transparent-proxy.env", 0o644),
        ("store.env", 0o600),
    ] {
        tree.write(
            &format!("etc/meshtcp/{settings}"),
            packaged(&format!("etc/{settings}"))?.as_bytes(),
            mode,
        )?;
    }
    tree.folder("etc/meshtcp/resources")?;
    tree.write("usr/share/doc/meshtcp/copyright", packaged("deb/copyright")?.as_bytes(), 0o644)?;
    tree.copy(&root().join("CHANGELOG.md"), "usr/share/doc/meshtcp/changelog", 0o644)?;
    for (shell, place) in [
        ("bash", "usr/share/bash-completion/completions/meshtcp"),
        ("zsh", "usr/share/zsh/vendor-completions/_meshtcp"),
        ("fish", "usr/share/fish/vendor_completions.d/meshtcp.fish"),
    ] {
        let script = capture(Command::new(binary).args(["completion", shell]))?;
        tree.write(place, script.as_bytes(), 0o644)?;
    }
    let pages = tree.folder("usr/share/man/man1")?;
    capture(Command::new(binary).arg("man").arg(&pages))?;
    tree.compress(&["usr/share/man/man1", "usr/share/doc/meshtcp/changelog"])
}

#[cfg(test)]
mod tests;
