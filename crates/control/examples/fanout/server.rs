//! Control plane under measurement: the loop of `meshtcp control-plane`, with a made-up mesh as its source.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use change::rollout::Rollout;
use change::traffic::TrafficQuestion;
use meshtcp_control::discovery::{DiscoveryMetrics, DiscoveryServer, Publisher, Statuses, serve};
use meshtcp_control::fleet::{Fleet, Standing};
use meshtcp_control::run::{ControlLoop, FleetSink, Inbox, WakeEvent, run as run_loop};
use meshtcp_control::telemetry::Telemetry;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use xds::TypeUrl;
use xds::order::{L4_CLUSTER, L4_ENDPOINTS, L4_LISTENER, L4_ROUTE};

use super::mesh::{Change, Mesh, compiler};
use super::source::{MadeUp, Shared};

/// Period over which answers of proxies are collected before the loop looks at them, as in `meshtcp control-plane`.
const COLLECT: Duration = Duration::from_millis(20);

struct Server {
    shared: Arc<Mutex<Shared>>,
    standing: watch::Receiver<Arc<Standing>>,
    statuses: Arc<Statuses>,
    metrics: DiscoveryMetrics,
    telemetry: Telemetry,
    events: Sender<WakeEvent<()>>,
    runtime: Runtime,
    callers: usize,
}

/// Prints its address, then an answer for each line on standard input.
pub(crate) fn run(callers: usize) {
    let shared = Shared { mesh: Mesh::new(callers), changed: true, accepting: 0.0 };
    let shared = Arc::new(Mutex::new(shared));
    let (publisher, statuses) = (Arc::new(Publisher::default()), Arc::new(Statuses::default()));
    let (metrics, telemetry) = (DiscoveryMetrics::default(), Telemetry::default());
    let fleet = Fleet::new(Arc::clone(&publisher), compiler().nothing());
    let standing = fleet.standing();
    let sink = FleetSink::new(fleet, Arc::clone(&publisher), Arc::clone(&statuses));
    let source = Box::new(MadeUp(Arc::clone(&shared)));
    let (events, inbox) = channel();
    std::thread::spawn(move || {
        let mut live = ControlLoop::new(source, compiler(), sink);
        run_loop::<_, Inbox<()>>(&mut live, &mut Inbox::new(inbox), |_, _| {});
    });
    let runtime = Runtime::new().unwrap();
    let address = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        forward(publisher.wanted_changes(), events.clone());
        forward(statuses.changes(), events.clone());
        let server = DiscoveryServer::new("fanout", publisher, statuses.clone(), metrics.clone())
            .reporting(telemetry.clone());
        tokio::spawn(serve(listener, None, server, CancellationToken::new(), Duration::ZERO));
        address
    });
    let mut server = Server { shared, standing, statuses, metrics, telemetry, events, runtime, callers };
    server.until(|standing| standing.revision.number() > 0);
    println!("{address}");
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let answer = match line.split_once(' ') {
            Some(("all", weight)) => server.change(Change::WeightOfAll(weight.parse().unwrap())),
            Some(("team", weight)) => server.change(Change::WeightOfATeam(weight.parse().unwrap())),
            None if line == "reports" => server.reports(),
            _ => server.attached(),
        };
        println!("{answer}");
    }
    server.runtime.shutdown_background();
}

fn forward(mut changes: watch::Receiver<u64>, events: Sender<WakeEvent<()>>) {
    tokio::spawn(async move {
        while changes.changed().await.is_ok() && events.send(WakeEvent::Look).is_ok() {
            tokio::time::sleep(COLLECT).await;
        }
    });
}

impl Server {
    /// Waits until the predicate holds.
    fn until(&mut self, so: impl FnMut(&Arc<Standing>) -> bool) -> Arc<Standing> {
        Arc::clone(&*self.runtime.block_on(self.standing.wait_for(so)).unwrap())
    }

    /// Waits until every caller runs its configuration.
    fn attached(&mut self) -> Value {
        let statuses = Arc::clone(&self.statuses);
        let is_told = |standing: &Arc<Standing>| standing.served.len() >= self.callers;
        self.runtime.block_on(async {
            self.standing.clone().wait_for(is_told).await.unwrap();
            let mut changes = statuses.changes();
            while statuses.all().values().filter(|status| status.is_in_sync()).count() < self.callers {
                changes.changed().await.unwrap();
                tokio::time::sleep(COLLECT).await;
            }
        });
        let planned = self.standing.borrow().compiled.planned;
        json!({ "told": self.callers, "planned": planned, "cpu": cpu(), "memory": memory(), "bytes": self.kibibytes() })
    }

    /// Takes reports for two seconds, then returns the cost of ten more seconds of them.
    fn reports(&self) -> Value {
        std::thread::sleep(Duration::from_secs(2));
        let before = cpu();
        std::thread::sleep(Duration::from_secs(10));
        let taken = cpu() - before;
        let reporting = self.telemetry.page(&TrafficQuestion::default()).reporting;
        json!({ "told": reporting, "cpu": taken, "memory": memory() })
    }

    /// Makes a change, and waits until every affected proxy runs it.
    fn change(&mut self, change: Change) -> Value {
        let (cpu_before, bytes_before) = (cpu(), self.kibibytes());
        let before = self.standing.borrow().revision;
        {
            let mut shared = self.shared.lock().unwrap();
            shared.mesh.make(change);
            shared.changed = true;
        }
        self.events.send(WakeEvent::Look).unwrap();
        let is_live = |standing: &Arc<Standing>| {
            standing.revision > before && standing.rollout(standing.revision).is_some_and(|it| it.is_done())
        };
        let standing = self.until(is_live);
        let Some(Rollout { concerned, live_after, .. }) = standing.rollout(standing.revision) else {
            return Value::Null;
        };
        let milliseconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        json!({
            "told": concerned,
            "p50": milliseconds(live_after.half),
            "p99": milliseconds(live_after.most),
            "p100": milliseconds(live_after.all),
            "planned": standing.compiled.planned,
            "planning": self.shared.lock().unwrap().accepting,
            "cpu": cpu() - cpu_before,
            "memory": memory(),
            "bytes": self.kibibytes() - bytes_before,
        })
    }

    /// Size of all responses so far, in KiB.
    fn kibibytes(&self) -> f64 {
        let types = [L4_CLUSTER, L4_ENDPOINTS, L4_ROUTE, L4_LISTENER];
        let bytes: u64 = types.iter().map(|url| self.metrics.bytes_of(&TypeUrl::new(*url))).sum();
        bytes as f64 / 1024.0
    }
}

/// CPU time of this process so far, user and kernel, in milliseconds.
pub(crate) fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// Resident memory of this process, in MiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
