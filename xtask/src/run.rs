//! Other programs: each command is printed before it runs, and a failure is a sentence.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Result of a task: a value, or the sentence to end with.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// Folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Folder that cargo builds into, and that our own tools are installed into.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// Target triple of the host.
pub(crate) fn host() -> Outcome<String> {
    let said = capture(Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}

/// cargo command in the workspace, by the cargo that runs this program.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command with our own standard streams; anything but success is an error.
pub(crate) fn execute(command: &mut Command) -> Outcome {
    announce(command);
    match command.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{}` ended with {status}", words(command))),
        Err(error) => Err(format!("`{}` could not be started: {error}", words(command))),
    }
}

/// Output of a command, and its success.
pub(crate) struct Printed {
    /// Standard output and standard error, line by line in order of arrival.
    pub(crate) text: String,
    pub(crate) succeeded: bool,
}

/// Runs a command, passes its output on as it arrives, and keeps it.
pub(crate) fn tee(command: &mut Command) -> Outcome<Printed> {
    announce(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{}` could not be started: {error}", words(command)))?;
    let kept = Arc::new(Mutex::new(String::new()));
    let copiers = [
        child.stdout.take().map(|stream| copy(Box::new(stream), Box::new(std::io::stdout()), &kept)),
        child.stderr.take().map(|stream| copy(Box::new(stream), Box::new(std::io::stderr()), &kept)),
    ];
    let status = child.wait().map_err(|error| format!("`{}` was lost: {error}", words(command)))?;
    for copier in copiers.into_iter().flatten() {
        let _ = copier.join();
    }
    let text = kept.lock().map(|kept| kept.clone()).unwrap_or_default();
    Ok(Printed { text, succeeded: status.success() })
}

/// Runs a command silently and returns its standard output.
pub(crate) fn capture(command: &mut Command) -> Outcome<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{}` could not be started: {error}", words(command)))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{}` ended with {}\n{}", words(command), output.status, stderr.trim_end()))
    }
}

/// Waits until a condition holds; fails after `patience`.
pub(crate) fn within(patience: Duration, what: &str, mut so: impl FnMut() -> bool) -> Outcome {
    let deadline = Instant::now() + patience;
    while !so() {
        if Instant::now() > deadline {
            return Err(format!("not within {} s: {what}", patience.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Returns `true` if a program is on the path.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian's servers live in sbin, which a user's own path may leave out.
    let also = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(also).any(|folder| folder.join(program).is_file())
}

fn announce(command: &Command) {
    // Standard output and error are two streams; earlier output must not appear later.
    let _ = std::io::stdout().flush();
    eprintln!("$ {}", words(command));
}

fn words(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        let _ = write!(text, " {}", argument.to_string_lossy());
    }
    text
}

type Copier = std::thread::JoinHandle<()>;

fn copy(from: Box<dyn Read + Send>, mut to: Box<dyn Write + Send>, kept: &Arc<Mutex<String>>) -> Copier {
    let kept = Arc::clone(kept);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(from);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let _ = to.write_all(&line);
            let _ = to.flush();
            if let Ok(mut kept) = kept.lock() {
                kept.push_str(&String::from_utf8_lossy(&line));
            }
            line.clear();
        }
    })
}
