//! Static checks of the code.

use crate::run::{Outcome, cargo, execute, on_path};

/// Runs formatting, clippy and documentation, with warnings denied; and `cargo-deny`, if installed, for licences of and
/// advisories against dependencies.
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
        advisories()?;
    } else {
        eprintln!("licences and advisories were not checked: cargo-deny is not there");
    }
    Ok(())
}

/// Checks the advisories against our dependencies; without network access to their database, prints that they were not
/// checked.
fn advisories() -> Outcome {
    if execute(&mut cargo(&["deny", "fetch", "db"])).is_err() {
        eprintln!("advisories were not checked: their database cannot be had here");
        return Ok(());
    }
    execute(&mut cargo(&["deny", "--workspace", "check", "--disable-fetch", "advisories"]))
}
