//! What can be said about the code without running it.

use crate::run::{Outcome, cargo, execute, on_path};

/// Formatting, clippy and documentation, with warnings denied; licences of and advisories against
/// dependencies where `cargo-deny` is there.
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

/// What is known against our dependencies. The database is on the network, which is not everywhere: it is said.
fn advisories() -> Outcome {
    if execute(&mut cargo(&["deny", "fetch", "db"])).is_err() {
        eprintln!("advisories were not checked: their database cannot be had here");
        return Ok(());
    }
    execute(&mut cargo(&["deny", "--workspace", "check", "--disable-fetch", "advisories"]))
}
