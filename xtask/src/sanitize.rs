//! The data plane's tests under AddressSanitizer: what reads or writes outside of what it owns, or after it was freed,
//! ends the test.
//!
//! Our own code has no `unsafe`; that of the libraries which the data path leans on, and the kernel, which writes into
//! buffers that we lend it, are what is looked at. The standard library comes compiled, without the instrumentation;
//! its allocations are watched like all others. The runtime of the sanitizer comes with the stable toolchain, only its
//! flag does not yet.

use crate::run::{Outcome, cargo, execute, host, target};

/// Builds into a folder of its own, and runs the unit, property and socket tests of the proxy. Arguments go to the
/// tests: a name to filter by.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut command =
        cargo(&["test", "--package", "meshtcp-proxy", "--locked", "--no-fail-fast", "--lib", "--tests"]);
    // With a target named, build scripts and procedural macros are built without the instrumentation.
    command.args(["--target", host()?.as_str(), "--target-dir"]).arg(target().join("sanitize"));
    // It measures the memory of the process, which the sanitizer's own is part of.
    command
        .args(["--", "--skip", "a_reader_that_stalls_holds_the_sender_back_and_loses_nothing"])
        .args(arguments);
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    // Threads of tests that serve until the process ends are no leak.
    execute(command.env("ASAN_OPTIONS", "detect_leaks=0"))
}
