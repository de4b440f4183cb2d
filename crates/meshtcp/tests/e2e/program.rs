//! The built binary as a child process whose output is read line by line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Time limit of waiting, long enough for any machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Folder in which control planes of tests create the sockets for commands.
pub(crate) const RUNTIME: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/run");

/// Output of a program, both streams together, line by line.
#[derive(Default)]
struct Printed {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

/// Child process; dropping it kills it.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Running program; dropping it kills it.
pub(crate) struct Program {
    child: Killed,
    printed: Arc<Printed>,
}

/// Command that runs the binary with these arguments.
pub(crate) fn meshtcp<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshtcp"));
    command
        .args(arguments)
        .env_remove("MESHTCP_LOG")
        .env_remove("MESHTCP_ADMIN")
        .env_remove("MESHTCP_SERVER")
        .env("MESHTCP_RUNTIME_DIR", RUNTIME)
        // most tests make changes by plain requests; permissions are tested in `rights`
        .env("MESHTCP_API_LOCALHOST", "admin")
        .env("MESHTCP_CONFIG", "/nonexistent/config.yaml")
        // lines as a journal gets them: without the time
        .env("JOURNAL_STREAM", "0:0");
    command
}

/// Runs the binary with these arguments to its end, as [`answer`] does.
pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    answer(&mut meshtcp(arguments))
}

/// Runs a command to its end; returns its exit code, its output and its errors.
pub(crate) fn answer(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let printed = Arc::<Printed>::default();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let printed = Arc::clone(&printed);
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    printed.lines.lock().unwrap().push(line);
                    printed.more.notify_all();
                }
            });
        }
        Self { child: Killed(child), printed }
    }

    /// Number of lines printed so far: a position to wait from.
    pub(crate) fn mark(&self) -> usize {
        self.printed.lines.lock().unwrap().len()
    }

    /// Waits for a line since `mark` that `wanted` accepts, and returns it.
    pub(crate) fn awaits(&self, mark: usize, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.printed.lines.lock().unwrap();
        loop {
            if let Some(line) = lines.iter().skip(mark).find(|line| wanted(line)) {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let since = lines.iter().skip(mark).cloned().collect::<Vec<_>>().join("\n");
            assert!(!left.is_zero(), "{what} was not printed, but only:\n{since}");
            lines = self.printed.more.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// Waits for a line since `mark` that contains this text, and returns it.
    pub(crate) fn awaits_text(&self, mark: usize, text: &str) -> String {
        self.awaits(mark, text, |line| line.contains(text))
    }

    /// Output so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lines.lock().unwrap().join("\n")
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child.0);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// Waits for the end and returns the exit code.
    pub(crate) fn ends(&mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.0.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.printed());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_none()
    }
}

/// `meshtcp up` with its admin server.
pub(crate) struct Up {
    pub(crate) program: Program,
    pub(crate) admin: String,
}

impl Up {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let all = ["up", "--admin", "127.0.0.1:0", "--workers", "2"].iter().chain(arguments);
        let program = Program::start(meshtcp(all));
        let line = program.awaits_text(0, "admin: http://");
        let admin = line.trim_start_matches("admin: http://").to_owned();
        Self { program, admin }
    }

    /// Sends a request to the admin server; returns the status and the body.
    pub(crate) fn ask(&self, path: &str) -> (u16, String) {
        ask(&self.admin, path)
    }

    /// Sends a request to the admin server; returns the body as JSON.
    pub(crate) fn json(&self, path: &str) -> Value {
        let (status, body) = self.ask(path);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// Waits until it accepts connections.
    pub(crate) fn is_ready(&self) {
        eventually("ready", || self.ask("/ready").0 == 200);
    }
}

/// Sends a request to an admin server; returns the status and the body.
pub(crate) fn ask(admin: &str, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(admin).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

/// Waits until a condition holds; panics after [`PATIENCE`].
pub(crate) fn eventually(what: &str, so: impl FnMut() -> bool) {
    let mut so = so;
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "not so in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
