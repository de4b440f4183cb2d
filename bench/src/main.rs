//! Side by side with HAProxy, nginx and Envoy, on this machine, in one run: `cargo xtask bench`.
//!
//! ```text
//!  load (CPU 1) ──▶ one proxy of many (CPU 0) ──▶ backends (CPU 1)        short slices, in turn: a duel
//! ```
//!
//! All proxies are up at once; those whose turn it is not use no CPU. A slow change of the machine hits all of them
//! alike, so the ratio of two slices of one round says more than two averages.

mod backend;
mod case;
mod certificates;
mod cgroup;
mod contest;
mod contestant;
mod door;
mod files;
mod ledger;
mod load;
mod machine;
mod order;
mod pace;
mod page;
mod plot;
mod poll;
mod process;
mod socket;
mod target;
mod window;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Compares meshtcp with its rivals, and writes docs/performance.md and docs/performance.svg.
#[derive(Debug, Parser)]
#[command(name = "meshtcp-bench")]
enum Cli {
    /// Runs the comparison
    Run(Arguments),
    /// Plays the backends, until it is killed
    Serve {
        /// Where to listen
        addresses: Vec<SocketAddr>,
    },
}

/// How to compare.
#[derive(Clone, Debug, clap::Args)]
struct Arguments {
    /// Takes two minutes instead of ten; says less
    #[arg(long)]
    quick: bool,
    /// Only these cases, by their short names
    #[arg(long, value_delimiter = ',', value_name = "CASE")]
    only: Vec<case::Case>,
    /// Only these rivals
    #[arg(long, value_delimiter = ',', value_name = "RIVAL")]
    against: Vec<contestant::Contestant>,
    /// How many rounds each case has
    #[arg(long, value_name = "N", conflicts_with = "times")]
    rounds: Option<usize>,
    /// Takes so many times as long: as many times the rounds of each case, for medians that scatter less
    #[arg(long, value_name = "N", default_value_t = 1)]
    times: usize,
    /// How far to go before other programs: a nice value
    #[arg(long, default_value_t = -10, allow_hyphen_values = true, value_name = "NICE")]
    nice: i32,
    /// Where to put the raw samples, logs and configurations
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// The meshtcp binary
    #[arg(long, value_name = "FILE")]
    meshtcp: PathBuf,
    /// The Envoy binary
    #[arg(long, value_name = "FILE")]
    envoy: Option<PathBuf>,
    /// Writes its section of this page, and the plot beside it
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// What to say was run
    #[arg(long, default_value = "cargo xtask bench")]
    command: String,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse() {
        Cli::Serve { addresses } => backend::serve(&addresses).map_err(|error| error.to_string()),
        Cli::Run(arguments) => contest::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
