//! What can be said about the code without running it.

use crate::run::{Outcome, cargo, execute, on_path};

/// Formatting, clippy and documentation, with warnings denied; the dependency licences where `cargo-deny` is there.
pub(crate) fn run() -> Outcome {
    execute(&mut cargo(&["fmt", "--all", "--check"]))?;
    execute(&mut cargo(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    execute(
        cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    if on_path("cargo-deny") {
        execute(&mut cargo(&["deny", "--workspace", "check", "licenses", "bans", "sources"]))?;
    }
    Ok(())
}
