//! Program under test: starting, querying, measuring from outside.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::town::Town;
use crate::run::{Outcome, within};

/// Data path of connections to outbounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataPath {
    /// Through the relay.
    Relay,
    /// Straight to the endpoint, decided in the kernel.
    Auto,
}

impl DataPath {
    pub(super) fn read(word: &str) -> Outcome<Self> {
        [Self::Relay, Self::Auto]
            .into_iter()
            .find(|path| path.as_str() == word)
            .ok_or_else(|| format!("`--data-path {word}` is neither relay nor auto"))
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Auto => "auto",
        }
    }

    /// Path of the page that is written.
    pub(super) fn page(self) -> &'static str {
        match self {
            Self::Relay => "docs/soak.md",
            Self::Auto => "docs/soak-kernel.md",
        }
    }
}

/// Measurements of the process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// Private memory, in KiB.
    pub(super) memory: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    /// Number of live connections, over all listeners.
    pub(super) active: u64,
    pub(super) accepted: u64,
}

/// Metrics: name, labels and value of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics(Vec<(String, BTreeMap<String, String>, f64)>);

impl Metrics {
    fn read(text: &str) -> Self {
        let line = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.trim_end_matches('}').split("\",");
            let labels = labels.filter_map(|label| {
                let (key, value) = label.split_once("=\"")?;
                Some((key.to_owned(), value.trim_end_matches('"').to_owned()))
            });
            Some((name.to_owned(), labels.collect(), value.parse().ok()?))
        };
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect())
    }

    /// Sum of a metric by the value of a label.
    pub(super) fn by(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for (_, labels, value) in self.0.iter().filter(|(other, ..)| other == name) {
            *sums.entry(labels.get(label).cloned().unwrap_or_default()).or_default() += *value as u64;
        }
        sums
    }

    pub(super) fn sum(&self, name: &str) -> u64 {
        self.by(name, "").values().sum()
    }
}

/// Running program; dropping it kills it.
pub(super) struct Program {
    child: Child,
    admin: String,
    log: PathBuf,
}

impl Program {
    pub(super) fn start(binary: &Path, town: &Town, path: DataPath) -> Outcome<Self> {
        let log = town.log();
        let _ = std::fs::remove_file(&log);
        let mut command = Command::new(binary);
        command
            .args(["up", "--admin", "127.0.0.1:0", "--workers", "2", "--data-path", path.as_str(), "--log"])
            .arg(&log);
        command.arg(town.resources()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
        let stdout = child.stdout.take().ok_or("the program has no output")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let admin = lines.find_map(|line| Some(line.split_once("admin: http://")?.1.to_owned()));
        // the output has to be read
        std::thread::spawn(move || lines.for_each(drop));
        let admin = admin.ok_or("the program ended before its admin server started")?;
        Ok(Self { child, admin, log })
    }

    /// Sends a request to the admin server; returns the body of an answer with status 200.
    fn ask(&self, path: &str) -> Option<String> {
        let mut connection = TcpStream::connect(&self.admin).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        write!(connection, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        (head.split(' ').nth(1)? == "200").then(|| body.to_owned())
    }

    pub(super) fn is_ready(&self, patience: Duration) -> Outcome {
        within(patience, "the program became ready", || self.ask("/ready").is_some())
    }

    fn metrics(&self) -> Outcome<Metrics> {
        let text = self.ask("/metrics").ok_or("the admin server does not answer")?;
        Ok(Metrics::read(&text))
    }

    pub(super) fn sample(&self) -> Outcome<Sample> {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let count = |name| std::fs::read_dir(folder.join(name)).map(|entries| entries.count() as u64);
        let words = |error: std::io::Error| format!("the program cannot be measured: {error}");
        let status = std::fs::read_to_string(folder.join("status")).map_err(words)?;
        let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let memory = memory.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
        let metrics = self.metrics()?;
        Ok(Sample {
            memory: memory.ok_or("the kernel does not tell the memory of a process")?,
            descriptors: count("fd").map_err(words)?,
            threads: count("task").map_err(words)?,
            active: metrics.sum("meshtcp_connections_active"),
            accepted: metrics.sum("meshtcp_proxy_connections_accepted_total"),
        })
    }

    /// Waits until no connection is live.
    pub(super) fn awaits_end(&self, patience: Duration) -> Outcome<Metrics> {
        let mut last = Metrics::default();
        within(patience, "every connection ended", || {
            last = self.metrics().unwrap_or_default();
            !last.0.is_empty() && last.sum("meshtcp_connections_active") == 0
        })?;
        Ok(last)
    }

    /// Asks it to exit, and counts the lines of its connection log.
    pub(super) fn leave(mut self, patience: Duration) -> Outcome<u64> {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        told.map_err(|error| format!("the program could not be asked to leave: {error}"))?;
        within(patience, "the program left", || matches!(self.child.try_wait(), Ok(Some(_))))?;
        let log =
            std::fs::File::open(&self.log).map_err(|error| format!("{}: {error}", self.log.display()))?;
        let mut lines = 0;
        for line in BufReader::new(log).lines() {
            let line = line.map_err(|error| format!("{}: {error}", self.log.display()))?;
            lines += u64::from(line.contains(" ended="));
        }
        Ok(lines)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
