//! Coverage-guided fuzzing of the doors through which somebody else's bytes come in.

use std::process::Command;

use crate::run::{Outcome, cargo, execute, on_path, root, target};

/// `NAME [--seconds N]`: fuzzes one target of `fuzz/`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (name, seconds) = match arguments {
        [name] => (name, "60"),
        [name, flag, seconds] if flag == "--seconds" => (name, seconds.as_str()),
        _ => return Err(format!("which target? one of {}; then maybe --seconds N", targets().join(", "))),
    };
    if !targets().contains(name) {
        return Err(format!("there is no fuzz target `{name}`: choose one of {}", targets().join(", ")));
    }
    let tools = target().join("tools");
    let installed = tools.join("bin/cargo-fuzz");
    let program = if on_path("cargo-fuzz") {
        "cargo-fuzz".into()
    } else {
        if !installed.exists() {
            execute(cargo(&["install", "--quiet", "--locked", "cargo-fuzz", "--root"]).arg(&tools))?;
        }
        installed
    };
    let seeds = root().join("fuzz/seeds").join(name);
    let corpus = root().join("fuzz/corpus").join(name);
    std::fs::create_dir_all(&corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
    // Coverage instrumentation is a compiler flag that only asks not to be on the stable channel.
    let mut command = Command::new(program);
    command.current_dir(root()).env("RUSTC_BOOTSTRAP", "1").args([
        "fuzz",
        "run",
        "--sanitizer",
        "none",
        name,
    ]);
    command.arg(corpus);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    execute(
        command
            .arg("--")
            .arg(format!("-max_total_time={seconds}"))
            .args(["-timeout=10", "-rss_limit_mb=4096"]),
    )
}

fn targets() -> Vec<String> {
    let files = std::fs::read_dir(root().join("fuzz/fuzz_targets")).into_iter().flatten().flatten();
    let names = files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".rs")?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
