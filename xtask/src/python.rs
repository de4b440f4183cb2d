//! Python packages that tests and the conformance score need, kept inside `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Outcome, execute, target};

/// `python3` that can `import yaml`: the machine's own, or one with our `target/python` on its path.
pub(crate) fn with_yaml() -> Outcome<Command> {
    if has_yaml(Command::new("python3")) {
        return Ok(Command::new("python3"));
    }
    if !has_yaml(with_ours()) {
        install("PyYAML", &ours())?;
    }
    Ok(with_ours())
}

/// Installs a package into a folder of its own, by pip.
pub(crate) fn install(package: &str, folder: &Path) -> Outcome {
    let quietly = ["--quiet", "--disable-pip-version-check", "--root-user-action=ignore"];
    let mut pip = Command::new("python3");
    execute(pip.args(["-m", "pip", "install"]).args(quietly).arg("--target").arg(folder).arg(package))
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
