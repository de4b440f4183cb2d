//! Runner of all tests: unit, property, behaviour, end to end, documentation examples, fuzz smoke and conformance.

use std::process::Command;

use crate::debian::is_root;
use crate::failures::Failures;
use crate::run::{Outcome, capture, cargo, on_path, tee};
use crate::summary::Summary;
use crate::{bpf, chaos, conformance, debian, envoy, instructions, schemathesis, soak};

pub(crate) fn run() -> Outcome {
    if let Err(why) = debian::install_servers() {
        eprintln!("The servers that some tests need could not be installed; those tests will fail.\n{why}");
    }
    let envoy = envoy::install().map_err(|why| {
        eprintln!("Envoy could not be installed; the tests that need it will fail.\n{why}");
    });
    if let Err(why) = schemathesis::install() {
        eprintln!("Schemathesis could not be installed; the test that needs it will fail.\n{why}");
    }
    let mut failures = Vec::new();
    let mut told_last = String::new();
    let mut total = Summary::default();
    let runner: &[&str] = if has_nextest() {
        &["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "--retries", "1"]
    } else {
        &["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"]
    };
    for arguments in [runner, &["test", "--workspace", "--locked", "--no-fail-fast", "--doc", "--quiet"]] {
        let printed = tee(&mut cargo(arguments))?;
        let mut count = Summary::read(&printed.text);
        if !printed.succeeded {
            let failing = Failures::read(&printed.text);
            let recovered = if failing.are_all_named() { again(&failing)? } else { 0 };
            count =
                Summary { passed: count.passed + recovered, failed: count.failed.saturating_sub(recovered) };
            told_last.push_str(&failing.outputs);
            if recovered > 0 {
                told_last.push_str(&format!("{recovered} of these passed when they were run again, alone\n"));
            }
            // a broken build has run no test, and is a failure all the same
            count.failed += u64::from(failing.tests.is_empty() && count.failed == 0);
            if count.failed > 0 {
                failures.push(format!("`cargo {}`", arguments.join(" ")));
            }
        }
        total = total + count;
    }
    if let Err(why) = conformance::run(&[]) {
        total.failed += 1;
        failures.push(why);
    }
    match bpf::check() {
        Ok(()) => total.passed += 1,
        Err(why) => {
            total.failed += 1;
            failures.push(why);
        }
    }
    match instructions::run() {
        Ok(()) => total.passed += 1,
        Err(why) => {
            total.failed += 1;
            failures.push(why);
        }
    }
    // one minute with a fixed seed; `cargo xtask chaos` runs for ten minutes by default
    if is_root() {
        let envoy = envoy.iter().flat_map(|path| ["--envoy".to_owned(), path.display().to_string()]);
        let minute = ["--minutes", "1", "--seed", "1"].map(str::to_owned);
        match chaos::run(&minute.into_iter().chain(envoy).collect::<Vec<_>>()) {
            Ok(()) => total.passed += 1,
            Err(why) => {
                total.failed += 1;
                failures.push(why);
            }
        }
        match soak::smoke() {
            Ok(()) => total.passed += 1,
            Err(why) => {
                total.failed += 1;
                failures.push(why);
            }
        }
    } else {
        eprintln!("not run: `cargo xtask chaos --minutes 1`, which makes namespaces, needs root");
        eprintln!(
            "not run: `cargo xtask soak --data-path auto`, which attaches programs in the kernel, needs root"
        );
    }
    println!("\n{told_last}\n{total}");
    if failures.is_empty() { Ok(()) } else { Err(format!("these failed: {}", failures.join("; "))) }
}

/// Runs failing tests once more, one at a time and beside nothing else, and returns the number of those that pass then.
///
/// Hundreds of processes run at once on a machine of two cores; who fails there and never alone is told, and holds up
/// nobody.
fn again(failing: &Failures) -> Outcome<u64> {
    let mut failing_still: Vec<String> = Vec::new();
    for target in &failing.targets {
        let target = target.iter().map(String::as_str);
        let mut arguments: Vec<&str> =
            ["test", "--workspace", "--locked", "--no-fail-fast"].into_iter().chain(target).collect();
        arguments.extend(["--", "--exact", "--test-threads", "1"]);
        arguments.extend(failing.tests.iter().map(String::as_str));
        let printed = tee(&mut cargo(&arguments))?;
        let again = Failures::read(&printed.text).tests;
        if !printed.succeeded && again.is_empty() {
            return Ok(0);
        }
        failing_still.extend(again);
    }
    Ok(failing.tests.iter().filter(|test| !failing_still.contains(test)).count() as u64)
}

fn has_nextest() -> bool {
    on_path("cargo-nextest") || capture(Command::new("cargo").args(["nextest", "--version"])).is_ok()
}
