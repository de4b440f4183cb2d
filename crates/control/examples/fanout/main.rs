//! Time that one change of a weight takes to reach every proxy of a control plane, and its cost.
//!
//! ```sh
//! cargo xtask fanout                                                     # all sizes, into docs/performance.md
//! cargo run --release -p meshtcp-control --example fanout -- [CALLERS…]   # default: 100 1000 10000
//! ```
//!
//! The control plane runs in a child process: plans, fleet and discovery as in `meshtcp control-plane`, without files.
//! The callers of the mesh in [`mesh`] attach in this process, each on a connection of its own, in delta, and accept
//! everything at once. The change is one weight in one route; times are from the acceptance of the change until the
//! control plane has heard that a proxy runs it. Finally all callers report their traffic at the interval that the
//! control plane asks for. CPU time and memory are those of the control plane alone. Each process has one descriptor
//! per caller, and the clients of all sizes are up at once: the sizes need `ulimit -n` of a little more than their sum.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails is no measurement")]

mod clients;
mod mesh;
mod server;
mod source;

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Repetitions of each change; the median is reported.
const TIMES: usize = 9;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, callers] = arguments.as_slice()
        && flag == "--server"
    {
        return server::run(callers.parse().unwrap());
    }
    let sizes: Vec<usize> = arguments.iter().map(|text| text.parse().expect("a number of callers")).collect();
    let sizes = if sizes.is_empty() { vec![100, 1000, 10_000] } else { sizes };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut meshes: Vec<Attached> =
        sizes.into_iter().map(|callers| Attached::start(callers, &runtime)).collect();
    // all sizes in turn, so that a slow phase of the machine affects each of them
    for (what, title) in [("all", "weight of all"), ("team", "weight of 1 %")] {
        meshes.iter_mut().for_each(|mesh| mesh.rows.push(Row::new(title)));
        for time in 0..TIMES {
            meshes.iter_mut().for_each(|mesh| mesh.change(what, time));
        }
    }
    meshes.iter_mut().for_each(Attached::report);
    eprint!("\r\x1b[K");
    println!(
        "| proxies | what | told | 50 % | 99 % | 100 % | planned | planning CPU | CPU | memory | bytes sent |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    meshes.sort_by_key(|mesh| mesh.callers);
    meshes.iter().for_each(|mesh| mesh.rows.iter().for_each(|row| row.print(mesh.callers)));
    if let [.., less, more] = meshes.as_slice() {
        for (before, after) in less.rows.iter().zip(&more.rows) {
            after.print_growth(before, less.callers, more.callers);
        }
    }
    runtime.shutdown_background();
}

/// A control plane with all its callers attached, and the measurements of its changes.
struct Attached {
    /// Streams of the callers; dropped first.
    _streams: JoinSet<()>,
    reporting: watch::Sender<bool>,
    callers: usize,
    control_plane: ControlPlane,
    rows: Vec<Row>,
}

impl Attached {
    fn start(callers: usize, runtime: &Runtime) -> Self {
        progress(callers, "planning");
        let mut control_plane = ControlPlane::start(callers);
        let (reporting, told) = watch::channel(false);
        let streams = runtime.block_on(clients::attach(callers, &control_plane.address, &told));
        let mut row = Row::new("attach");
        row.answers.push(control_plane.ask("attached"));
        Self { _streams: streams, reporting, callers, control_plane, rows: vec![row] }
    }

    /// Lets all callers report for a while. CPU time is measured over ten seconds: 100 ms are 1 % of a core.
    fn report(&mut self) {
        let mut row = Row::new("reports, 10 s");
        progress(self.callers, row.what);
        self.reporting.send_replace(true);
        row.answers.push(self.control_plane.ask("reports"));
        self.reporting.send_replace(false);
        self.rows.push(row);
    }

    /// Makes a change once and records its measurements.
    fn change(&mut self, what: &str, time: usize) {
        let row = self.rows.last_mut().expect("there is a row for attaching");
        progress(self.callers, &format!("{}, {} of {TIMES}", row.what, time + 1));
        row.answers.push(self.control_plane.ask(&format!("{what} {}", 10 + time)));
    }
}

/// Measurements of one kind of change, one per repetition.
struct Row {
    what: &'static str,
    answers: Vec<Value>,
}

/// Keys of the server's answer, and their units.
const COLUMNS: [(&str, &str); 9] = [
    ("told", ""),
    ("p50", " ms"),
    ("p99", " ms"),
    ("p100", " ms"),
    ("planned", ""),
    ("planning", " ms"),
    ("cpu", " ms"),
    ("memory", " MiB"),
    ("bytes", " KiB"),
];

/// Prints progress to standard error, in one line.
fn progress(callers: usize, what: &str) {
    eprint!("\r\x1b[K{callers} proxies: {what}");
}

impl Row {
    fn new(what: &'static str) -> Self {
        Self { what, answers: Vec::new() }
    }

    /// Prints the medians as a row of a Markdown table.
    fn print(&self, callers: usize) {
        let cells = COLUMNS.map(|(key, unit)| {
            let median = median(self.answers.iter().filter_map(|answer| answer[key].as_f64()));
            median.map(|median| format!("{median:.0}{unit}")).unwrap_or_default()
        });
        println!("| {callers} | {} | {} |", self.what, cells.join(" | "));
    }

    /// Prints the ratio to the run with fewer callers: the median over the rounds, each divided by its counterpart.
    fn print_growth(&self, before: &Self, less: usize, more: usize) {
        let cells = COLUMNS.map(|(key, _)| {
            let rounds = self.answers.iter().zip(&before.answers);
            let growth = median(rounds.filter_map(|(after, before)| {
                let (after, before) = (after[key].as_f64()?, before[key].as_f64()?);
                (before > 0.0).then_some(after / before)
            }));
            growth.map(|growth| format!("×{growth:.1}")).unwrap_or_default()
        });
        println!("| {less} → {more} | {} | {} |", self.what, cells.join(" | "));
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Child process with the control plane.
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
