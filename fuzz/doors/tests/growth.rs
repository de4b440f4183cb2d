//! Twice the resources cost at most 2.2 times the work, counted in instructions by valgrind, so that the load of the
//! machine does not matter.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

/// Limit on the ratio of work at twice the size. A sort adds a little to 2; a nested loop makes it 4.
const LIMIT: f64 = 2.2;

const WORKLOAD: &str = env!("CARGO_BIN_EXE_workload");

fn instructions(name: &str, size: usize) -> f64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(WORKLOAD)
        .args([name, &size.to_string()])
        .output()
        .unwrap_or_else(|error| {
            panic!("valgrind cannot be started ({error}): install it, or run `cargo xtask test` as root")
        });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {size}: {said}");
    let collected =
        said.lines().find_map(|line| line.split_once("Collected : ")).unwrap_or_else(|| panic!("{said}"));
    collected.1.trim().parse().unwrap()
}

fn growth(name: &str, size: usize) -> f64 {
    let start = instructions(name, 1);
    (instructions(name, 2 * size) - start) / (instructions(name, size) - start)
}

#[test]
fn twice_the_resources_are_at_most_2_2_times_the_work() {
    let names = String::from_utf8(Command::new(WORKLOAD).output().unwrap().stdout).unwrap();
    let mut over = Vec::new();
    for (name, size) in names.lines().filter_map(|line| line.split_once(' ')) {
        let growth = growth(name, size.parse().unwrap());
        println!("{name:<28} {growth:.2}");
        if growth > LIMIT {
            over.push(format!("{name}: {growth:.2}"));
        }
    }
    assert!(over.is_empty(), "twice the size is more than {LIMIT} times the work: {over:?}");
}
