//! Score of the product in the conformance cases, which live beside the repository.

use std::process::Command;

use crate::python;
use crate::run::{Outcome, cargo, execute, root, target};

/// Builds the adapter and scores it; prints a note if the cases are absent. Fails if a primary case fails.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let cases = root().join("../shared/conformance");
    let score = cases.join("score.py");
    if !score.exists() {
        println!("conformance: skipped, there is no ../shared/conformance beside this folder");
        return Ok(());
    }
    execute(&mut cargo(&["build", "--quiet", "--locked", "--package", "meshtcp-conformance"]))?;
    let mut python: Command = python::with_yaml()?;
    python.env("PYTHONDONTWRITEBYTECODE", "1").arg(&score).arg("--adapter");
    python.arg(target().join("debug/meshtcp-conformance")).args(arguments).current_dir(root());
    execute(&mut python)
}
