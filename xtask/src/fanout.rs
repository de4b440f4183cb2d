//! Measurement of the fan-out of a change to proxies, as a section of `docs/performance.md`.

use std::process::Stdio;

use crate::run::{Outcome, cargo, root};

/// Mark before the section.
const BEGIN: &str = "<!-- fanout: written by `cargo xtask fanout` -->";
const END: &str = "<!-- /fanout -->";

/// Numbers of proxies in the document.
const SIZES: [&str; 3] = ["100", "1000", "10000"];

/// `[CALLERS…]`: measures, prints, and writes the section unless sizes were given.
pub(crate) fn run(sizes: &[String]) -> Outcome {
    let whole = sizes.is_empty();
    let sizes: Vec<&str> = if whole { SIZES.to_vec() } else { sizes.iter().map(String::as_str).collect() };
    let fanout = table(&["run", "--example", "fanout"], &sizes)?;
    let planning = table(&["bench", "--bench", "recompile"], &sizes)?;
    let section = format!(
        "{BEGIN}\n\nMeasured on {}.\n\n### Until every proxy runs it\n\n{fanout}\n### Planning again\n\n{planning}\n{END}",
        machine()
    );
    println!("\n{section}");
    if whole { write(&section) } else { Ok(()) }
}

/// Runs a measurement, and returns the table that it prints.
fn table(what: &[&str], sizes: &[&str]) -> Outcome<String> {
    let [verb, rest @ ..] = what else { return Err("nothing to measure".to_owned()) };
    let mut command = cargo(&[verb, "--quiet", "--locked", "--package", "meshtcp-control"]);
    command.args((*verb == "run").then_some("--release")).args(rest).arg("--").args(sizes);
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("the measurement ended with {}", output.status));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    Ok(printed.lines().filter(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect())
}

/// Short description of the machine.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo");
    let model = model.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("an unnamed processor", |rest| rest.trim_start_matches(['\t', ' ', ':']));
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or("?");
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} cores of {model}, Linux {}; the load average before the end was {load}", kernel.trim())
}

/// Replaces the section between the marks.
fn write(section: &str) -> Outcome {
    let path = root().join("docs/performance.md");
    let within = |error: std::io::Error| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(within)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| format!("{} has no section between {BEGIN} and {END}", path.display()))?;
    std::fs::write(&path, format!("{before}{section}{after}")).map_err(within)
}
