//! Program of ours that is killed, stopped and restarted, and whose output is not always read.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::run::Outcome;

/// Number of last lines that are kept for the report of a failure.
const LINES: usize = 60;

/// Time after which a program has finished starting, on the slowest machine.
const SETTLED: Duration = Duration::from_secs(10);

/// Arguments and environment of a program.
pub(super) struct Recipe {
    pub(super) name: &'static str,
    pub(super) binary: PathBuf,
    pub(super) arguments: Vec<String>,
    /// Process whose network namespace it runs in; `None`: the current one.
    pub(super) network: Option<u32>,
    /// Working folder, which may hold its files.
    pub(super) folder: PathBuf,
}

/// Program; dropping it kills it.
pub(super) struct Program {
    recipe: Recipe,
    child: Option<Child>,
    /// Processes that it took over from, which keep their connections.
    predecessors: Vec<Child>,
    started: Instant,
    /// `true`: its output is not read.
    blocked: Arc<AtomicBool>,
    last: Arc<Mutex<Vec<String>>>,
}

impl Program {
    pub(super) fn start(recipe: Recipe) -> Outcome<Self> {
        let mut program = Self {
            recipe,
            child: None,
            predecessors: Vec::new(),
            started: Instant::now(),
            blocked: Arc::default(),
            last: Arc::default(),
        };
        program.start_again()?;
        Ok(program)
    }

    /// Starts it if it is not running.
    pub(super) fn start_again(&mut self) -> Outcome {
        if self.is_running() {
            return Ok(());
        }
        let Recipe { name, binary, arguments, network, folder } = &self.recipe;
        let mut command = match network {
            Some(pid) => {
                let mut command = Command::new("nsenter");
                command.args(["--target", &pid.to_string(), "--net", "--"]).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command.args(arguments).env("MESHTCP_CONFIG", "/nonexistent").stdin(Stdio::null());
        command
            .current_dir(folder)
            .env("MESHTCP_RUNTIME_DIR", folder.join("run"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        let streams = [
            child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
            child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        ];
        for stream in streams.into_iter().flatten() {
            let (blocked, last) = (Arc::clone(&self.blocked), Arc::clone(&self.last));
            std::thread::spawn(move || read(stream, &blocked, &last));
        }
        (self.child, self.started) = (Some(child), Instant::now());
        Ok(())
    }

    pub(super) fn name(&self) -> &'static str {
        self.recipe.name
    }

    fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Returns `true` if it has ended by itself.
    pub(super) fn has_died(&mut self) -> bool {
        self.child.is_some() && !self.is_running()
    }

    /// Command of another one like it, without these flags and their values.
    pub(super) fn twin(&self, without: &[&str]) -> Command {
        let Recipe { name: _, binary, arguments, network: _, folder } = &self.recipe;
        let mut command = Command::new(binary);
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match without.contains(&argument.as_str()) {
                true => drop(arguments.next()),
                false => drop(command.arg(argument)),
            }
        }
        command.current_dir(folder).env("MESHTCP_CONFIG", "/nonexistent");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Starts another process beside it, which takes over from it.
    pub(super) fn take_over(&mut self) -> Outcome {
        let before = self.child.take();
        self.start_again()?;
        self.predecessors.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        self.predecessors.extend(before);
        Ok(())
    }

    /// Asks it to exit, and kills it if it does not within ten seconds.
    pub(super) fn leave(&mut self) {
        self.signal("TERM");
        let Some(mut child) = self.child.take() else { return };
        for _ in 0..200 {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    pub(super) fn signal(&self, signal: &str) {
        if let Some(child) = &self.child {
            // a process that has ended receives no signal
            let _ = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
        }
    }

    /// Returns `true` if it has had the time to install its signal handlers: before that, a signal ends it.
    pub(super) fn hears(&self) -> bool {
        self.started.elapsed() > SETTLED
    }

    /// Kills it, and its predecessors.
    pub(super) fn kill(&mut self) {
        for mut child in self.predecessors.drain(..).chain(self.child.take()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub(super) fn block_output(&self, blocked: bool) {
        self.blocked.store(blocked, Relaxed);
    }

    /// Last lines of its output.
    pub(super) fn last_words(&self) -> String {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

fn read(stream: impl Read, blocked: &AtomicBool, last: &Mutex<Vec<String>>) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        while blocked.load(Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LINES {
            last.remove(0);
        }
        last.push(line);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program of the system, and returns its output.
pub(super) fn tool(program: &str, arguments: &[&str]) -> Outcome<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// Folder of PostgreSQL's programs.
pub(super) fn postgres_bin() -> Outcome<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").map_err(|_| "PostgreSQL is not installed")?;
    let bins = versions.filter_map(Result::ok).map(|version| version.path().join("bin"));
    bins.filter(|bin| bin.join("postgres").exists()).max().ok_or_else(|| "PostgreSQL is not installed".into())
}

/// Creates a folder that everybody can write to, for a server that does not run as root.
pub(super) fn opened(folder: &Path) -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let words = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(words)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).map_err(words)
}
