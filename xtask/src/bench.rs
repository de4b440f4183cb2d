//! Comparison with HAProxy, nginx and Envoy: builds both programs, installs the rivals, runs.

use std::time::Instant;

use crate::run::{Outcome, cargo, execute, root, target};
use crate::{debian, envoy};

/// Passes `arguments` on to `meshtcp-bench run`; the page is written if every case was measured at full length.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let start = Instant::now();
    if let Err(why) = debian::install_servers() {
        eprintln!("Not every rival could be installed; who is missing is left out.\n{why}");
    }
    let envoy = envoy::install();
    execute(&mut cargo(&["build", "--release", "--locked", "-p", "meshtcp", "-p", "meshtcp-bench"]))?;
    let programs = target().join("release");
    let mut command = std::process::Command::new(programs.join("meshtcp-bench"));
    command.arg("run").arg("--folder").arg(target().join("bench"));
    command.arg("--meshtcp").arg(programs.join("meshtcp"));
    match envoy {
        Ok(envoy) => {
            command.arg("--envoy").arg(envoy);
        }
        Err(why) => eprintln!("Envoy could not be installed and is left out.\n{why}"),
    }
    let words: Vec<&str> =
        ["cargo xtask bench"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    command.arg("--command").arg(words.join(" "));
    if is_whole(arguments) {
        command.arg("--page").arg(root().join("docs/performance.md"));
    }
    command.args(arguments);
    eprintln!("built after {} s", start.elapsed().as_secs());
    execute(&mut command)
}

/// Returns `true` unless `arguments` select cases or a quick run, whose results must not replace those of a whole run.
/// `--times=2` is a whole run.
fn is_whole(arguments: &[String]) -> bool {
    let longer = ["--nice", "--times"];
    arguments.iter().all(|argument| longer.iter().any(|flag| argument.starts_with(flag)))
}
