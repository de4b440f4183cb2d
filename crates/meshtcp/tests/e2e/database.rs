//! Real PostgreSQL of one test, which can be killed and restarted.

#![allow(dead_code, reason = "the tests of stores use another part of it")]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::ports::free_ports;

/// Limit on the start of a server, for the most loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Password that must appear in no message.
pub(crate) const PASSWORD: &str = "hunter2";

/// Server with a folder and a port of its own; dropping it stops it.
pub(crate) struct Database {
    folder: tempfile::TempDir,
    port: u16,
    running: Option<Child>,
}

/// Command of Debian's newest server, which does not run as root.
pub(crate) fn command(program: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("`cargo xtask test` installs PostgreSQL");
    let mut folders: Vec<PathBuf> = versions.map(|version| version.unwrap().path().join("bin")).collect();
    folders.sort();
    let program = folders.pop().expect("`cargo xtask test` installs PostgreSQL").join(program);
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]).arg(program);
    command
}

impl Database {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let made = command("initdb")
            .args(["--auth=trust", "--username=mesh", "--no-sync", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(folder.path().join("data"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let [port] = free_ports();
        let mut database = Self { folder, port, running: None };
        database.comes_back();
        database
    }

    /// Port at which it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Folder of its data, which has room beside it.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Address of a database, with a password that the server does not ask for.
    pub(crate) fn address(&self, database: &str) -> String {
        format!("postgres://mesh:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Address of its store.
    pub(crate) fn store(&self) -> String {
        self.address("postgres")
    }

    /// Kills it like a crash: the next start has to recover.
    pub(crate) fn crashes(&mut self) {
        if let Some(mut child) = self.running.take() {
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::QUIT).unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn comes_back(&mut self) {
        let log = self.folder.path().join("log");
        let port = self.port.to_string();
        let child = command("postgres")
            .args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-D"])
            .arg(self.data())
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        self.running = Some(child);
        let mut asks = command("pg_isready");
        asks.args(["-q", "-h", "127.0.0.1", "-p", &port]);
        let deadline = Instant::now() + PATIENCE;
        while !asks.status().unwrap().success() {
            assert!(Instant::now() < deadline, "{}", std::fs::read_to_string(&log).unwrap());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.crashes();
    }
}
