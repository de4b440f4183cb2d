//! Python packages that the conformance score needs, kept inside `target/`.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Outcome, execute, target};

/// A `python3` that can `import yaml`: the machine's own, or one with our `target/python` on its path.
pub(crate) fn with_yaml() -> Outcome<Command> {
    if has_yaml(Command::new("python3")) {
        return Ok(Command::new("python3"));
    }
    if !has_yaml(with_ours()) {
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
                .arg("--target")
                .arg(ours())
                .arg("PyYAML"),
        )?;
    }
    Ok(with_ours())
}

fn ours() -> PathBuf {
    target().join("python")
}

fn with_ours() -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", ours());
    command
}

fn has_yaml(mut python: Command) -> bool {
    python.args(["-c", "import yaml"]).output().is_ok_and(|output| output.status.success())
}
