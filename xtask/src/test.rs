//! Runner of all tests: unit, property, behaviour, end to end, documentation examples, fuzz smoke and conformance.

use std::process::Command;

use crate::debian::is_root;
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
    let mut total = Summary::default();
    let runner: &[&str] = if has_nextest() {
        &["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]
    } else {
        &["test", "--workspace", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"]
    };
    for arguments in [runner, &["test", "--workspace", "--locked", "--no-fail-fast", "--doc", "--quiet"]] {
        let printed = tee(&mut cargo(arguments))?;
        let count = Summary::read(&printed.text);
        total = total + count;
        if !printed.succeeded {
            // A broken build has run no test, and is a failure all the same.
            total.failed += u64::from(count.failed == 0);
            failures.push(format!("`cargo {}`", arguments.join(" ")));
        }
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
    println!("\n{total}");
    if failures.is_empty() { Ok(()) } else { Err(format!("these failed: {}", failures.join("; "))) }
}

fn has_nextest() -> bool {
    on_path("cargo-nextest") || capture(Command::new("cargo").args(["nextest", "--version"])).is_ok()
}
