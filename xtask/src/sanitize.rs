//! Tests of the data plane under AddressSanitizer: a read or write out of bounds, or after a free, ends the test.
//!
//! Our own code has no `unsafe`; under test are the libraries of the data path, and the kernel, which writes into
//! buffers that we lend it. The standard library comes compiled, without the instrumentation; its allocations are
//! watched like all others. The runtime of the sanitizer comes with the stable toolchain, but its flag does not yet.

use crate::run::{Outcome, cargo, execute, host, target};

/// Builds into a folder of its own, and runs the unit, property and socket tests of the proxy. Arguments are passed to
/// the tests: a name to filter by.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut command =
        cargo(&["test", "--package", "meshtcp-proxy", "--locked", "--no-fail-fast", "--lib", "--tests"]);
    // With a target named, build scripts and procedural macros are built without the instrumentation.
    command.args(["--target", host()?.as_str(), "--target-dir"]).arg(target().join("sanitize"));
    // It measures the memory of the process, which includes the sanitizer's own.
    command
        .args(["--", "--skip", "a_reader_that_stalls_holds_the_sender_back_and_loses_nothing"])
        .args(arguments);
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    // Threads of tests that serve until the process ends are no leak.
    execute(command.env("ASAN_OPTIONS", "detect_leaks=0"))
}
