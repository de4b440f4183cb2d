//! Two real redis servers behind one outbound.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use crate::connection::assert_split;
use crate::program::{Killed, PATIENCE, Up, eventually};
use crate::town::Town;

/// Redis server on loopback that knows its own name; dropping it ends it.
pub(crate) struct Redis {
    _running: Killed,
}

impl Redis {
    pub(crate) fn start(port: u16, name: &str) -> Self {
        let program = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|folder| folder.join("redis-server"))
            .find(|path| path.is_file())
            .unwrap_or_else(|| panic!("redis-server is not on the PATH: apt-get install redis-server"));
        let port_text = port.to_string();
        let arguments = ["--port", &port_text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let child = Command::new(program)
            .args(arguments)
            .args(["--tcp-backlog", "128", "--maxclients", "3000", "--daemonize", "no"])
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let redis = Self { _running: Killed(child) };
        eventually("redis answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let mut client = Client::open(port);
        client.send(&["SET", "me", name]);
        assert_eq!(client.receive(), "OK");
        redis
    }
}

/// Client that speaks just enough of the redis protocol.
pub(crate) struct Client {
    read: BufReader<TcpStream>,
    write: TcpStream,
}

/// Name of the server that answers a new connection; `None`: none does.
pub(crate) fn who_answers(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(b"GET me\r\n").ok()?;
    let mut lines = BufReader::new(stream).lines();
    lines.next()?.ok().filter(|length| length.starts_with('$'))?;
    lines.next()?.ok()
}

impl Client {
    pub(crate) fn open(port: u16) -> Self {
        let write = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { read: BufReader::new(write.try_clone().unwrap()), write }
    }

    fn send(&mut self, words: &[&str]) {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.write.write_all(command.as_bytes()).unwrap();
    }

    fn receive(&mut self) -> String {
        let mut line = String::new();
        self.read.read_line(&mut line).unwrap();
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("+" | ":", text)) => text.to_owned(),
            Some(("$", length)) => {
                let mut text = vec![0; length.parse::<usize>().unwrap() + 2];
                self.read.read_exact(&mut text).unwrap();
                text.truncate(text.len() - 2);
                String::from_utf8(text).unwrap()
            }
            _ => panic!("redis says {line:?}"),
        }
    }

    pub(crate) fn who(&mut self) -> String {
        self.send(&["GET", "me"]);
        self.receive()
    }
}

/// Two servers and `up` in front of them, with a connection log.
struct Setup {
    up: Up,
    log: PathBuf,
    town: Town,
    _servers: [Redis; 2],
    _logs: tempfile::TempDir,
}

fn setup() -> Setup {
    let town = Town::new();
    let servers = [Redis::start(town.applications[0], "v1"), Redis::start(town.applications[1], "v2")];
    town.route(&[("v1", 90), ("v2", 10)]);
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("connections.log");
    let up = Up::start(&["--log", log.to_str().unwrap(), "--log-format", "json", &town.path()]);
    up.is_ready();
    Setup { up, log, town, _servers: servers, _logs: logs }
}

impl Setup {
    /// Log lines of the outbound, once there are `count`.
    fn lines(&self, count: usize) -> Vec<serde_json::Value> {
        let mut lines = Vec::new();
        eventually(&format!("{count} lines in the connection log"), || {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            let all = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            lines = all.filter(|line| line["proxy"] == "default/web-1").collect();
            lines.len() >= count
        });
        assert_eq!(lines.len(), count);
        lines
    }

    fn every_line_says_why(&self, count: usize) {
        for line in self.lines(count) {
            assert_eq!(line["policy"], "MeshTCPRoute default/canary", "{line}");
            assert_eq!(line["rule"], "to[0].rules[0]", "{line}");
        }
    }
}

#[test]
fn two_thousand_connections_are_split_and_every_log_line_says_why() {
    let setup = setup();
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..2000 {
        let name = Client::open(setup.town.outbound).who();
        *seen.entry(name).or_default() += 1;
    }
    assert_split(&seen, &[("v1", 90.0), ("v2", 10.0)]);
    setup.every_line_says_why(2000);
}

#[test]
fn two_hundred_pipelining_clients_live_through_a_hundred_edits() {
    const CLIENTS: usize = 200;
    const DEPTH: u64 = 16;
    let setup = setup();
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let opened: Vec<(Client, String)> = (0..CLIENTS)
        .map(|_| {
            let mut client = Client::open(setup.town.outbound);
            let name = client.who();
            (client, name)
        })
        .collect();
    let on_v2 = opened.iter().filter(|(_, name)| name == "v2").count();
    assert!(on_v2 > 0, "no client is on the backend that will be removed");

    let work = |number: usize, mut client: Client, name: String| {
        let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
        move || {
            let key = format!("counter:{number}");
            let mut counted = 0;
            while !stop.load(SeqCst) {
                for _ in 0..DEPTH {
                    client.send(&["INCR", &key]);
                }
                client.send(&["GET", "me"]);
                for _ in 0..DEPTH {
                    counted += 1;
                    assert_eq!(client.receive(), counted.to_string());
                }
                assert_eq!(client.receive(), name, "a connection never moves");
                rounds.fetch_add(1, SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
    };
    let threads: Vec<_> = opened
        .into_iter()
        .enumerate()
        .map(|(number, (client, name))| {
            std::thread::Builder::new().stack_size(128 * 1024).spawn(work(number, client, name)).unwrap()
        })
        .collect();

    // each edit is in force before the next, and every client made a request in between
    let in_force = |weights: &[u64]| {
        eventually(&format!("weights {weights:?} in force"), || {
            let plan = setup.up.json("/plan?proxy=web-1");
            let split = plan["outbounds"][0]["split"].as_array().unwrap().clone();
            split.iter().map(|it| it["weight"].as_u64().unwrap()).eq(weights.iter().copied())
        });
    };
    for edit in 0..100_u32 {
        let (v1, v2) = (99 - edit % 50, 1 + edit % 50);
        let before = rounds.load(SeqCst);
        if edit == 40 {
            setup.town.route(&[("v1", v1)]);
            in_force(&[v1.into()]);
        } else {
            setup.town.route(&[("v1", v1), ("v2", v2)]);
            in_force(&[v1.into(), v2.into()]);
        }
        eventually("clients go on", || rounds.load(SeqCst) >= before + CLIENTS as u64 / 4);
    }
    stop.store(true, SeqCst);
    for thread in threads {
        thread.join().unwrap();
    }
    setup.every_line_says_why(CLIENTS);
    let metrics = setup.up.ask("/metrics").1;
    let is_cut = |line: &&str| line.starts_with("meshtcp_backend_connections_cut_total{");
    let cut: Vec<&str> = metrics.lines().filter(is_cut).collect();
    assert!(!cut.is_empty() && cut.iter().all(|line| line.ends_with(" 0")), "{cut:?}");
}
