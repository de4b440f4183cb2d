//! Single entry point for people and CI: `cargo xtask NAME`.
//!
//! It installs what the tests need, then runs well-known tools. Each command is printed before it runs, so that it can
//! be copied and run by hand.

mod bench;
mod bpf;
mod chaos;
mod check;
mod conformance;
mod deb;
mod debian;
mod envoy;
mod failures;
mod fanout;
mod fuzz;
mod house;
mod instructions;
mod kernel_matrix;
mod python;
mod run;
mod sanitize;
mod schemathesis;
mod soak;
mod summary;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask NAME

  test                        install what the tests need, then run every test
  check                       formatting, clippy and documentation, warnings denied
  ci                          check, then test: what CI runs
  bpf [--check]               make the programs for the kernel of bpf/mesh.bpf.c; or compare with those in the tree
  chaos [--minutes N] [--seed N] [--mtls LIFE] [--gentle yes] [--envoy PATH]
                              everything that goes wrong, at random and under load (default 10 minutes); needs root
  conformance [ARG…]          score the product against ../shared/conformance (ARGs go to score.py: --show, --only …)
  bench [ARG…]                compare with HAProxy, nginx and Envoy, ten minutes: writes docs/performance.md and its plot
                              (--quick: two minutes, prints only; --only CASE,…; --against RIVAL,…; --rounds N)
  deb [--binary PATH] [--to FOLDER]
                              a Debian package, into target/deb; builds a release unless there is a program to take
  instructions                count what a connection costs, and hold it against the budget
  house                       who may lean on whom, as a table, checked; words and circles of files, too
  envoy                       install Envoy into target/envoy/bin/envoy
  fanout [CALLERS…]           measure how a change reaches 100, 1,000 and 10,000 proxies, into docs/performance.md
  fuzz NAME [--seconds N]     fuzz one door: draft, plan, hello, certificate, discovery, dns or proxy_header (default 60 seconds)
  sanitize [NAME]             run the data plane's tests under AddressSanitizer
  soak [--minutes N] [--data-path auto]
                              churn before the real program (default 30 minutes), written to docs/soak.md; or of connections that
                              are decided in the kernel, to docs/soak-kernel.md
  kernel-matrix [VMLINUZ…]    the demo on the kernel path of other kernels, booted under qemu (default: Debian's for clouds)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        print!("{USAGE}");
        return ExitCode::from(2);
    };
    let outcome = match name.as_str() {
        "test" => test::run(),
        "check" => check::run(),
        "ci" => check::run().and_then(|()| test::run()),
        "conformance" => conformance::run(rest),
        "bench" => bench::run(rest),
        "bpf" => bpf::run(rest),
        "chaos" => chaos::run(rest),
        "deb" => deb::run(rest),
        "instructions" => instructions::run(),
        "house" => house::run(),
        "kernel-matrix" => kernel_matrix::run(rest),
        "envoy" => envoy::install().map(|path| println!("{}", path.display())),
        "fanout" => fanout::run(rest),
        "fuzz" => fuzz::run(rest),
        "sanitize" => sanitize::run(rest),
        "soak" => soak::run(rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(format!("there is no `cargo xtask {other}`\n\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
