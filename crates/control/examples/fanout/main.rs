//! How long one change of a weight takes to reach every proxy of a control plane, and what it costs.
//!
//! ```sh
//! cargo xtask fanout                                                     # all sizes, into docs/performance.md
//! cargo run --release -p meshtcp-control --example fanout -- [CALLERS…]   # default: 100 1000
//! ```
//!
//! The control plane runs in a child process: plans, fleet and discovery as in `meshtcp control-plane`, without files.
//! The callers of the mesh in [`mesh`] attach in this process, each on a connection of its own, in delta, and accept
//! everything at once. The change is one weight in one route; times are from the acceptance of the change until the
//! control plane has heard that a proxy runs it. CPU time and memory are those of the control plane alone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails is no measurement")]

mod clients;
mod mesh;
mod server;

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// How often each change is made; the median is told.
const TIMES: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, callers] = arguments.as_slice()
        && flag == "--server"
    {
        return server::run(callers.parse().unwrap());
    }
    let sizes: Vec<usize> = arguments.iter().map(|text| text.parse().expect("a number of callers")).collect();
    let sizes = if sizes.is_empty() { vec![100, 1000] } else { sizes };
    println!(
        "| proxies | what | told | 50 % | 99 % | 100 % | planned | planning CPU | CPU | memory | bytes sent |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    sizes.into_iter().for_each(measure);
}

/// Measures one size, and prints a row for each change.
fn measure(callers: usize) {
    let mut control_plane = ControlPlane::start(callers);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let attached = runtime.block_on(clients::attach(callers, &control_plane.address));
    row(callers, "attach", &[control_plane.ask("attached")]);
    for what in ["all", "team"] {
        let answers: Vec<Value> =
            (0..TIMES).map(|time| control_plane.ask(&format!("{what} {}", 10 + time))).collect();
        row(callers, if what == "all" { "weight of all" } else { "weight of 1 %" }, &answers);
    }
    drop(attached);
    runtime.shutdown_background();
}

/// The medians of several answers, as a row of a Markdown table.
fn row(callers: usize, what: &str, answers: &[Value]) {
    let median = |key: &str| {
        let mut found: Vec<f64> = answers.iter().filter_map(|answer| answer[key].as_f64()).collect();
        found.sort_by(f64::total_cmp);
        found.get(found.len() / 2).copied()
    };
    let milliseconds = |key| median(key).map_or_else(String::new, |value| format!("{value:.0} ms"));
    let whole = |key| median(key).map_or_else(String::new, |value| format!("{value:.0}"));
    println!(
        "| {callers} | {what} | {} | {} | {} | {} | {} | {} | {} | {} MiB | {} KiB |",
        whole("told"),
        milliseconds("p50"),
        milliseconds("p99"),
        milliseconds("p100"),
        whole("planned"),
        milliseconds("planning"),
        milliseconds("cpu"),
        whole("memory"),
        whole("bytes"),
    );
}

/// The child process.
struct ControlPlane {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    address: String,
}

impl ControlPlane {
    fn start(callers: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--server", &callers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = answers.next().unwrap().unwrap();
        Self { child, commands, answers, address }
    }

    fn ask(&mut self, command: &str) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        serde_json::from_str(&self.answers.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
