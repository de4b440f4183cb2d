//! Real program over a long time: connections come and go in every way, weights and endpoints change, backends die and
//! return. In the end every connection must be accounted for, and no resource may have grown.
//!
//! Bounded in time by `--minutes`, in connections by the number of clients and their limits.

mod backends;
mod clients;
mod program;
mod report;
mod town;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::Backend;
use clients::Clients;
use program::{DataPath, Program, Sample};
use report::Report;
use town::Town;

use crate::run::{Outcome, cargo, execute, root, target};

/// Interval between changes of weights.
const CHANGE: Duration = Duration::from_secs(2);
/// Number of samples that the table shows.
const ROWS: u32 = 20;
/// Time limit until all connections have ended after clients have stopped.
const END: Duration = Duration::from_secs(60);

/// `[--minutes N] [--seed N] [--binary PATH] [--data-path relay|auto]`: runs, checks, and writes `docs/soak.md`, or for
/// connections that are decided in the kernel `docs/soak-kernel.md`.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let Flags { minutes, seed, binary, path: way } = Flags::read(arguments)?;
    let binary = match binary {
        Some(binary) => binary.into(),
        None => built()?,
    };
    let report = soak(&binary, Duration::from_secs_f64(minutes * 60.0), seed, way)?;
    let path = root().join(way.page());
    std::fs::write(&path, report.text()).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{}", report.text());
    report.verdict()
}

/// Runs the kernel path for some seconds, and writes no page.
pub(crate) fn smoke() -> Outcome {
    let report = soak(&built()?, Duration::from_secs(20), 1, DataPath::Auto)?;
    println!("{}", report.text());
    report.verdict()
}

fn built() -> Outcome<PathBuf> {
    execute(&mut cargo(&["build", "--locked", "--package", "meshtcp"]))?;
    Ok(target().join("debug/meshtcp"))
}

struct Flags {
    minutes: f64,
    seed: u64,
    binary: Option<String>,
    path: DataPath,
}

impl Flags {
    fn read(arguments: &[String]) -> Outcome<Self> {
        let mut flags = Self { minutes: 30.0, seed: 1, binary: None, path: DataPath::Relay };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest.next().ok_or_else(|| format!("`{name}` needs a value"))?;
            let number = || value.parse().map_err(|_| format!("`{name} {value}` is no number"));
            match name.as_str() {
                "--minutes" => {
                    flags.minutes = value.parse().map_err(|_| format!("`{name} {value}`: how many?"))?
                }
                "--seed" => flags.seed = number()?,
                "--binary" => flags.binary = Some(value.clone()),
                "--data-path" => flags.path = DataPath::read(value)?,
                other => {
                    return Err(format!("`{other}` is none of --minutes, --seed, --binary, --data-path"));
                }
            }
        }
        Ok(flags)
    }
}

fn soak(binary: &Path, time: Duration, seed: u64, path: DataPath) -> Outcome<Report> {
    let mut chance = fastrand::Rng::with_seed(seed);
    let town = Town::build(&target().join("soak"), &mut chance)?;
    let backends: Vec<Backend> = town.applications.iter().map(|port| Backend::at(*port)).collect();
    let program = Program::start(binary, &town, path)?;
    program.is_ready(END)?;
    let idle_before = program.sample()?;
    let clients = Arc::new(Clients::default());
    let running = clients.start(town.outbound, chance.fork());
    let begun = Instant::now();
    let mut samples: Vec<(Duration, Sample)> = Vec::new();
    let (mut changes, mut next_change) = (0u32, CHANGE);
    let mut next_sample = Duration::ZERO;
    while begun.elapsed() < time {
        let elapsed = begun.elapsed();
        if elapsed >= next_change {
            next_change = elapsed + CHANGE;
            changes += 1;
            town.change(&mut chance)?;
            backends.iter().for_each(|backend| backend.maybe_flap(&mut chance));
        }
        if elapsed >= next_sample {
            next_sample += time / ROWS;
            samples.push((elapsed, program.sample()?));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    samples.push((begun.elapsed(), program.sample()?));
    clients.stop();
    for thread in running {
        thread.join().map_err(|_| "a client panicked".to_owned())?;
    }
    backends.iter().for_each(Backend::settle);
    let metrics = program.awaits_end(END)?;
    let idle_after = program.sample()?;
    let log_lines = program.leave(END)?;
    Ok(Report {
        time: begun.elapsed(),
        seed,
        changes,
        path,
        dialled: clients.dialled(),
        outbound: town.outbound_name(),
        samples,
        idle_before,
        idle_after,
        metrics,
        log_lines,
    })
}
