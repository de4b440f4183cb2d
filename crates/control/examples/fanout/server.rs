//! The control plane: what `meshtcp control-plane` runs, with a made-up mesh instead of files.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use meshtcp_control::compile::Compiled;
use meshtcp_control::discovery::{DiscoveryMetrics, DiscoveryServer, Publisher, Statuses, serve};
use meshtcp_control::fleet::{Accepted, Did, Fleet, Rollout};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use xds::TypeUrl;
use xds::order::{L4_CLUSTER, L4_ENDPOINTS, L4_LISTENER, L4_ROUTE};

use super::mesh::{Change, Mesh, compiler};

/// How long answers of proxies are collected before the loop looks at them, as in `meshtcp control-plane`.
const COLLECT: Duration = Duration::from_millis(20);

enum Event {
    Attend,
    Command(String),
    Leave,
}

struct Server {
    mesh: Mesh,
    current: Arc<Compiled>,
    fleet: Fleet,
    statuses: Arc<Statuses>,
    metrics: DiscoveryMetrics,
    inbox: Receiver<Event>,
    callers: usize,
    live: usize,
}

/// Prints its address, then an answer for each line on standard input.
pub(crate) fn run(callers: usize) {
    let mesh = Mesh::new(callers);
    let publisher = Arc::new(Publisher::default());
    let statuses = Arc::new(Statuses::default());
    let metrics = DiscoveryMetrics::default();
    let compiler = compiler();
    let mut fleet = Fleet::new(publisher.clone(), compiler.nothing());
    let current = Arc::new(compiler.plan_all(mesh.resources()));
    fleet.adopt(current.clone(), Accepted::now(fleet.revision().next()));

    let (events, inbox) = channel();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let address = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        forward(publisher.wanted_changes(), events.clone());
        forward(statuses.changes(), events.clone());
        let server = DiscoveryServer::new("fanout", publisher, statuses.clone(), metrics.clone());
        tokio::spawn(serve(listener, None, server, CancellationToken::new(), Duration::ZERO));
        address
    });
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = events.send(Event::Command(line));
        }
        let _ = events.send(Event::Leave);
    });
    println!("{address}");
    Server { mesh, current, fleet, statuses, metrics, inbox, callers, live: 0 }.answer();
    runtime.shutdown_background();
}

fn forward(mut changes: watch::Receiver<u64>, events: Sender<Event>) {
    tokio::spawn(async move {
        while changes.changed().await.is_ok() && events.send(Event::Attend).is_ok() {
            tokio::time::sleep(COLLECT).await;
        }
    });
}

impl Server {
    fn answer(mut self) {
        while let Some(command) = self.next_command() {
            let answer = match command.split_once(' ') {
                Some(("all", weight)) => self.change(Change::WeightOfAll(weight.parse().unwrap())),
                Some(("team", weight)) => self.change(Change::WeightOfATeam(weight.parse().unwrap())),
                _ => self.attached(),
            };
            println!("{answer}");
        }
    }

    fn next_command(&mut self) -> Option<String> {
        loop {
            match self.inbox.recv() {
                Ok(Event::Command(command)) => return Some(command),
                Ok(Event::Attend) => self.turn(),
                Ok(Event::Leave) | Err(_) => return None,
            }
        }
    }

    /// Takes turns until something is so.
    fn until(&mut self, so: impl Fn(&Self) -> bool) {
        while !so(self) {
            match self.inbox.recv_timeout(COLLECT) {
                Ok(Event::Attend) | Err(RecvTimeoutError::Timeout) => self.turn(),
                Ok(Event::Command(_) | Event::Leave) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn turn(&mut self) {
        self.fleet.attend();
        let happened = self.fleet.observe(&self.statuses);
        self.live += happened.iter().filter(|happening| happening.what == Did::Accepted).count();
    }

    /// Waits until every caller runs what it should.
    fn attached(&mut self) -> Value {
        self.until(|server| server.live >= server.callers);
        json!({ "told": self.callers, "planned": self.current.planned, "cpu": cpu(), "memory": memory(), "bytes": self.kibibytes() })
    }

    /// Makes a change, and waits until every proxy that it concerns runs it.
    fn change(&mut self, change: Change) -> Value {
        let (cpu_before, bytes_before) = (cpu(), self.kibibytes());
        self.mesh.make(change);
        let accepted = Accepted::now(self.fleet.revision().next());
        let before_planning = cpu();
        let next = compiler().plan_again(&self.current, self.mesh.resources());
        let planning = cpu() - before_planning;
        self.current = Arc::new(next);
        self.fleet.adopt(self.current.clone(), accepted);
        let rollout = |server: &Self| server.fleet.rollout(accepted.revision);
        self.until(|server| rollout(server).is_some_and(|rollout| rollout.is_done()));
        let Some(Rollout { concerned, live_after, .. }) = rollout(self) else { return Value::Null };
        let milliseconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        json!({
            "told": concerned,
            "p50": milliseconds(live_after.half),
            "p99": milliseconds(live_after.most),
            "p100": milliseconds(live_after.all),
            "planned": self.current.planned,
            "planning": planning,
            "cpu": cpu() - cpu_before,
            "memory": memory(),
            "bytes": self.kibibytes() - bytes_before,
        })
    }

    /// The bytes of all responses so far.
    fn kibibytes(&self) -> f64 {
        let types = [L4_CLUSTER, L4_ENDPOINTS, L4_ROUTE, L4_LISTENER];
        let bytes: u64 = types.iter().map(|url| self.metrics.bytes_of(&TypeUrl::new(*url))).sum();
        bytes as f64 / 1024.0
    }
}

/// The CPU time of this process so far, user and kernel, in milliseconds.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// The resident memory of this process in MiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
