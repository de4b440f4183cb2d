//! Random faults under load: programs are killed, stopped and queried oddly, networks cut, disks filled, outputs
//! blocked, callers hostile, operators careless. In the end no live connection was cut except those whose own peer was
//! hit, every accepted write is stored, every process runs that should, and status is true.
//!
//! ```text
//!  this process: clients ─▶ web-1 ─▶ cache-1, cache-next-1 ─▶ applications (this process, too)
//!                                │ a network of two namespaces, which can be cut
//!                                ▼
//!                     two control planes ─▶ PostgreSQL
//! ```
//!
//! It runs in namespaces of its own, so it needs root; `--seed` determines everything in it, and it ends by itself.

mod applications;
mod clients;
mod faults;
mod hostile;
mod identity;
mod program;
mod stage;
mod verdict;
mod writes;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use clients::Clients;
use faults::Fault;
use identity::Identity;
use stage::Stage;
use writes::Writes;

use crate::run::{Outcome, cargo, execute, target};

/// Environment variable that says that the namespaces exist already.
const INSIDE: &str = "MESHTCP_CHAOS_INSIDE";
/// Longest pause between two faults, in milliseconds: the second often begins before the first is over.
const PAUSE: u64 = 1500;
/// Number of concurrent connections.
const CONNECTIONS: usize = 1000;

/// `[--minutes N] [--seed N] [--connections N] [--mtls LIFE] [--gentle yes] [--envoy PATH] [--binary PATH]`: runs, and
/// prints the result.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let flags = Flags::read(arguments)?;
    if std::env::var_os(INSIDE).is_none() {
        return again_inside(&flags);
    }
    chaos(&flags)
}

struct Flags {
    minutes: f64,
    seed: u64,
    connections: usize,
    /// Lifetime of certificates, such as `5s`; `None`: the mesh has no mutual TLS.
    mtls: Option<String>,
    /// `true`: only faults that must not end a connection.
    gentle: bool,
    /// Envoy that one of the proxies runs; `None`: all proxies are ours.
    envoy: Option<PathBuf>,
    binary: Option<PathBuf>,
}

impl Flags {
    fn read(arguments: &[String]) -> Outcome<Self> {
        let seed = fastrand::u64(1..1_000_000);
        let mut flags = Self {
            minutes: 10.0,
            seed,
            connections: CONNECTIONS,
            mtls: None,
            gentle: false,
            envoy: None,
            binary: None,
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest.next().ok_or_else(|| format!("`{name}` needs a value"))?;
            let wrong = || format!("`{name} {value}` is no number");
            match name.as_str() {
                "--minutes" => flags.minutes = value.parse().map_err(|_| wrong())?,
                "--seed" => flags.seed = value.parse().map_err(|_| wrong())?,
                "--connections" => flags.connections = value.parse().map_err(|_| wrong())?,
                "--mtls" => flags.mtls = Some(value.clone()),
                "--gentle" => flags.gentle = value == "yes",
                "--envoy" => flags.envoy = Some(value.into()),
                "--binary" => flags.binary = Some(value.into()),
                other => {
                    let flags = "--minutes, --seed, --connections, --mtls, --gentle, --envoy, --binary";
                    return Err(format!("`{other}` is none of {flags}"));
                }
            }
        }
        Ok(flags)
    }
}

/// Runs this program again, in a network and with mounts of its own.
fn again_inside(Flags { minutes, seed, connections, mtls, gentle, envoy, binary }: &Flags) -> Outcome {
    let binary = match binary {
        Some(binary) => binary.clone(),
        None => {
            execute(&mut cargo(&["build", "--locked", "--package", "meshtcp"]))?;
            target().join("debug/meshtcp")
        }
    };
    let whole = |path: &PathBuf| path.canonicalize().map_err(|error| format!("{}: {error}", path.display()));
    let (binary, envoy) = (whole(&binary)?, envoy.as_ref().map(whole).transpose()?);
    let this = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--"]).arg(this).arg("chaos");
    command.args(["--minutes", &minutes.to_string(), "--seed", &seed.to_string()]);
    command.args(mtls.iter().flat_map(|life| ["--mtls", life]));
    if *gentle {
        command.args(["--gentle", "yes"]);
    }
    if let Some(envoy) = envoy {
        command.arg("--envoy").arg(envoy);
    }
    command.args(["--connections", &connections.to_string(), "--binary"]).arg(binary).env(INSIDE, "1");
    execute(&mut command)
}

fn chaos(Flags { minutes, seed, connections, mtls, gentle, envoy, binary }: &Flags) -> Outcome {
    let binary = binary.as_ref().ok_or("--binary is missing")?;
    let mut chance = fastrand::Rng::with_seed(*seed);
    let mut stage = Stage::set(binary, envoy.as_deref())?;
    let identity = mtls.as_ref().map(|life| Identity::new(stage.folder(), life)).transpose()?;
    let writes = Writes::begin(&stage, identity, chance.fork())?;
    stage.is_live()?;
    let clients = Clients::start(stage.outbound(), *connections)?;
    let (time, begun) = (Duration::from_secs_f64(minutes * 60.0), Instant::now());
    let mut told = Duration::ZERO;
    let mut underway: Vec<(Instant, Fault)> = Vec::new();
    let mut counted = 0;
    while begun.elapsed() < time {
        std::thread::sleep(Duration::from_millis(chance.u64(50..PAUSE)));
        let now = Instant::now();
        let (over, still): (Vec<_>, Vec<_>) = underway.into_iter().partition(|(until, _)| *until <= now);
        underway = still;
        for (_, fault) in over {
            stage.undo(fault)?;
        }
        let fault = Fault::any(&mut chance);
        let is_wanted = !gentle || fault.is_gentle();
        // one of a kind at a time
        if is_wanted && !underway.iter().any(|(_, other)| other.concerns_the_same_as(&fault)) {
            let lasts = stage.make(fault, &mut chance)?;
            counted += 1;
            underway.push((Instant::now() + lasts, fault));
        }
        if begun.elapsed() > told + Duration::from_secs(10) {
            told = begun.elapsed();
            eprintln!(
                "{:>4} s: {counted} faults, {}, {}",
                told.as_secs(),
                clients.in_words(),
                writes.in_words()
            );
        }
    }
    for (_, fault) in underway {
        stage.undo(fault)?;
    }
    let written = writes.end()?;
    let seen = clients.end();
    verdict::of(stage, &written, &seen, *seed, counted)
}
