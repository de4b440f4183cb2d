//! How long one change of a weight takes to reach every proxy of a control plane, and what it costs.
//!
//! ```sh
//! cargo xtask fanout                                                     # all sizes, into docs/performance.md
//! cargo run --release -p meshtcp-control --example fanout -- [CALLERS…]   # default: 100 1000 10000
//! ```
//!
//! The control plane runs in a child process: plans, fleet and discovery as in `meshtcp control-plane`, without files.
//! The callers of the mesh in [`mesh`] attach in this process, each on a connection of its own, in delta, and accept
//! everything at once. The change is one weight in one route; times are from the acceptance of the change until the
//! control plane has heard that a proxy runs it. CPU time and memory are those of the control plane alone. Each process
//! has one descriptor a caller: 10 000 callers need `ulimit -n` of a little more.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails is no measurement")]

mod clients;
mod mesh;
mod server;

use std::collections::BTreeMap;
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
    let sizes = if sizes.is_empty() { vec![100, 1000, 10_000] } else { sizes };
    println!(
        "| proxies | what | told | 50 % | 99 % | 100 % | planned | planning CPU | CPU | memory | bytes sent |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    let measured: BTreeMap<usize, Vec<Row>> =
        sizes.into_iter().map(|callers| (callers, measure(callers))).collect();
    if let [.., (less, before), (more, after)] = measured.iter().collect::<Vec<_>>().as_slice() {
        for (before, after) in before.iter().zip(*after) {
            after.print_growth(before, **less, **more);
        }
    }
}

/// The medians of one change, by column.
struct Row {
    what: &'static str,
    medians: [Option<f64>; COLUMNS.len()],
}

/// What the server answers, and the unit of it.
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

/// Measures one size, and prints a row for each change.
fn measure(callers: usize) -> Vec<Row> {
    progress(callers, "planning");
    let mut control_plane = ControlPlane::start(callers);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let attached = runtime.block_on(clients::attach(callers, &control_plane.address));
    let mut rows = vec![Row::of("attach", &[control_plane.ask("attached")])];
    for (what, title) in [("all", "weight of all"), ("team", "weight of 1 %")] {
        let answers: Vec<Value> = (0..TIMES)
            .map(|time| {
                progress(callers, &format!("{title}, {} of {TIMES}", time + 1));
                control_plane.ask(&format!("{what} {}", 10 + time))
            })
            .collect();
        rows.push(Row::of(title, &answers));
    }
    drop(attached);
    runtime.shutdown_background();
    eprint!("\r\x1b[K");
    rows.iter().for_each(|row| row.print(callers));
    rows
}

/// Says on standard error what is going on, in one line.
fn progress(callers: usize, what: &str) {
    eprint!("\r\x1b[K{callers} proxies: {what}");
}

impl Row {
    fn of(what: &'static str, answers: &[Value]) -> Self {
        let medians = COLUMNS.map(|(key, _)| {
            let mut found: Vec<f64> = answers.iter().filter_map(|answer| answer[key].as_f64()).collect();
            found.sort_by(f64::total_cmp);
            found.get(found.len() / 2).copied()
        });
        Self { what, medians }
    }

    /// Prints it as a row of a Markdown table.
    fn print(&self, callers: usize) {
        let cells =
            self.medians.iter().zip(COLUMNS).map(|(median, (_, unit))| {
                median.map(|median| format!("{median:.0}{unit}")).unwrap_or_default()
            });
        println!("| {callers} | {} | {} |", self.what, cells.collect::<Vec<_>>().join(" | "));
    }

    /// Prints how many times as much it is as for fewer callers.
    fn print_growth(&self, before: &Self, less: usize, more: usize) {
        let cells = self.medians.iter().zip(before.medians).map(|(after, before)| match (after, before) {
            (Some(after), Some(before)) if before > 0.0 => format!("×{:.1}", after / before),
            _ => String::new(),
        });
        println!("| {less} → {more} | {} | {} |", self.what, cells.collect::<Vec<_>>().join(" | "));
    }
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
