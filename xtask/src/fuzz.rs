//! Coverage-guided fuzzing of the entry points for untrusted bytes.
//!
//! `fuzz/` has the layout of cargo-fuzz and works with it; cargo-fuzz only adds a few flags, which are given here
//! directly, so that nothing needs to be installed.

use crate::run::{Outcome, cargo, execute, host, root, target};

/// Flags for coverage counters and comparisons of libFuzzer, with the stable compiler.
const INSTRUMENT: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Folders of the first corpus, which is our own files.
const SEEDS: [&str; 2] = ["examples", "cases"];

/// `NAME [--seconds N]`: fuzzes one target of `fuzz/`. The corpus is kept in `fuzz/corpus/NAME`, failing inputs in
/// `fuzz/artifacts/NAME`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let known = targets();
    let (name, seconds) = match arguments {
        [name] => (name, "60"),
        [name, flag, seconds] if flag == "--seconds" => (name, seconds.as_str()),
        _ => return Err(format!("which target? one of {}; then maybe --seconds N", known.join(", "))),
    };
    if !known.contains(name) {
        return Err(format!("there is no fuzz target `{name}`: choose one of {}", known.join(", ")));
    }
    let corpus = root().join("fuzz/corpus").join(name);
    let artifacts = root().join("fuzz/artifacts").join(name);
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut command = cargo(&["run", "--quiet", "--release", "--manifest-path", "fuzz/Cargo.toml"]);
    // With a target named, build scripts and procedural macros are built without the instrumentation.
    command.args(["--target", host()?.as_str(), "--target-dir"]).arg(target().join("fuzz"));
    command.args(["--bin", name, "--"]).arg(corpus);
    command.args(SEEDS.map(|folder| root().join(folder)).iter().filter(|folder| folder.is_dir()));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(format!("-max_total_time={seconds}"));
    command.args(["-timeout=10", "-rss_limit_mb=4096", "-max_len=65536", "-print_final_stats=1"]);
    execute(command.env("RUSTFLAGS", INSTRUMENT))
}

fn targets() -> Vec<String> {
    let files = std::fs::read_dir(root().join("fuzz/fuzz_targets")).into_iter().flatten().flatten();
    let names = files.filter_map(|file| Some(file.file_name().to_str()?.strip_suffix(".rs")?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
