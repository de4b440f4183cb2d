//! Data path of connections: through the relay, or directly to their endpoint, decided in the kernel where they are
//! dialled.
//!
//! ```text
//!  configuration ─▶ retire what closes ─▶ Proxy::apply ─▶ serve what is open, in the kernel too
//!  records, every 100 ms ─▶ Books: counters, health, log lines
//! ```

mod metrics;
mod parts;
mod report;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use control::guard::caught;
use kernel::{Attaching, Kernel, Left, Path, Reason, Records, Replaced, Serving};
use l4::Config;
use l4::config::{DataPath as Wish, Direction, Listener};
use proxy::{ApplyReport, ConnectionInfo, DirectRecorder, FailedListener, ListenerId, Proxy};

use crate::output::{complain, print};
use parts::Parts;

pub(crate) use metrics::Metrics;
pub(crate) use report::{paths_of, report, reported, told};

/// Interval at which records of the programs are read and health is compared.
const LOOK: Duration = Duration::from_millis(100);
/// Interval at which ended connections are looked for while draining.
const PAUSE: Duration = Duration::from_millis(20);

/// Which way connections take, by flags.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Data path")]
pub(crate) struct Flags {
    /// Which way connections to outbounds take
    #[arg(long, value_enum, default_value_t, value_name = "PATH", env = "MESHTCP_DATA_PATH")]
    data_path: Mode,
    /// The cgroup whose connections are decided about in the kernel; default: all of the host's
    #[arg(long, value_name = "FOLDER")]
    kernel_cgroup: Option<PathBuf>,
    /// What an application sees as the peer of a connection that was decided about in the kernel
    #[arg(long, value_enum, default_value_t, value_name = "WHOM")]
    kernel_peer: Peer,
    /// Also decide about connections in this network namespace, of a process by its number or by a path; may be repeated. No relay is
    /// there: what stays on it is refused
    #[arg(long, value_name = "PID|PATH", value_parser = network)]
    kernel_netns: Vec<PathBuf>,
    /// Keep deciding in the kernel if this process ends without a word, by files in this folder of a bpffs, which is for this process
    /// alone: the next one adopts them, `meshtcp kernel detach` removes them
    #[arg(long, value_name = "FOLDER")]
    kernel_pin: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Through the relay
    #[default]
    Relay,
    /// Straight to the endpoint where that can be, decided in the kernel as the application connects; else through the relay
    Auto,
    /// The same, with a warning for each outbound that stays on the relay
    Kernel,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// The address that it dialled
    #[default]
    Dialled,
    /// The endpoint
    Endpoint,
}

/// Path of a network namespace: that of a process by its number, or the path as written.
#[expect(clippy::unnecessary_wraps, reason = "a parser of flags may fail")]
fn network(written: &str) -> Result<PathBuf, std::convert::Infallible> {
    Ok(match written.parse::<u32>() {
        Ok(process) => format!("/proc/{process}/ns/net").into(),
        Err(_) => written.into(),
    })
}

/// Proxy, and the kernel programs beside it.
pub(crate) struct DataPath {
    proxy: Arc<Proxy>,
    mode: Mode,
    /// Running programs; or the reason why the relay carries everything.
    running: Result<Running, Reason>,
    /// Warnings that were printed, each once.
    warned: Mutex<BTreeSet<(String, String)>>,
}

/// Attached programs.
struct Running {
    shared: Arc<Shared>,
    reader: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    stop: AtomicBool,
}

struct State {
    kernel: Kernel,
    generation: u64,
    /// Outbounds at addresses that this host does not have, so that no socket can listen there.
    elsewhere: Vec<Arc<Listener>>,
    /// Kernel's parts of connection limits.
    parts: Parts,
    /// `true`: a configuration is being applied, and the open listeners are about to change.
    changing: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DataPath {
    /// Returns `true` if kernel programs decide.
    pub(crate) fn is_in_kernel(&self) -> bool {
        self.running.is_ok()
    }

    /// Data path through the relay only.
    fn relay(proxy: Arc<Proxy>) -> Self {
        Self { proxy, mode: Mode::Relay, running: Err(Reason::NotAsked), warned: Mutex::default() }
    }

    /// Starts the data path that the flags ask for. Programs that cannot run are reported once, and the relay carries
    /// everything.
    pub(crate) fn start(flags: &Flags, proxy: Arc<Proxy>) -> Self {
        let Flags { data_path, kernel_cgroup, kernel_peer, kernel_netns, kernel_pin } = flags;
        let names_peers = *kernel_peer == Peer::Dialled;
        let (cgroup, pins) = (kernel_cgroup.clone(), kernel_pin.clone());
        let networks = kernel_netns.clone();
        let attaching = Attaching { cgroup, names_peers, spares_own: true, networks, pins };
        Self::attach(*data_path, &attaching, proxy)
    }

    /// Data path for clients in the process of the proxy.
    pub(crate) fn of_own_clients(mode: Mode, proxy: Arc<Proxy>) -> Self {
        let attaching = Attaching {
            cgroup: None,
            names_peers: true,
            spares_own: false,
            networks: Vec::new(),
            pins: None,
        };
        Self::attach(mode, &attaching, proxy)
    }

    fn attach(mode: Mode, attaching: &Attaching, proxy: Arc<Proxy>) -> Self {
        if mode == Mode::Relay {
            return Self::relay(proxy);
        }
        let attached = Kernel::attach(attaching).map_err(|trouble| trouble.to_string());
        let running = attached.and_then(|(kernel, records)| {
            if kernel.is_adopted() {
                print("programs that a process before left in the kernel are adopted, with their tables\n");
            }
            Running::start(kernel, records, &proxy).map_err(|error| error.to_string())
        });
        let running = running.map_err(|why| {
            complain(&format!("warning: the relay carries all connections, not the kernel: {why}\n"));
            Reason::Unavailable(why.into())
        });
        Self { proxy, mode, running, warned: Mutex::default() }
    }

    /// Applies another configuration: once this returns, it decides every new connection, on either data path.
    pub(crate) fn apply(&self, config: Config) -> ApplyReport {
        let Ok(Running { shared, .. }) = &self.running else { return self.proxy.apply(config) };
        let stays: BTreeSet<SocketAddr> =
            config.listeners().iter().map(|listener| listener.address).collect();
        let mut state = shared.lock();
        state.changing = true;
        // no connection may be sent to an address that is about to be closed
        state.kernel.retire(|address| stays.contains(&address));
        drop(state);
        let listeners = config.listeners().to_vec();
        let mut report = self.proxy.apply(config);
        let mut state = shared.lock();
        state.generation = report.generation;
        state.elsewhere = elsewhere(&listeners, &report);
        state.changing = false;
        state.serve(&self.proxy);
        // connections decided where they are dialled need no listening socket
        report.failed.retain(|failed| !state.decides(&failed.listener));
        match state.kernel.replace_predecessors() {
            Ok(Replaced { programs: 0, others: _ }) => {}
            Ok(Replaced { programs, others }) => {
                let why = if others { ", as they are of another version or for another cgroup" } else { "" };
                print(&format!(
                    "{programs} programs that a process before left in the kernel are replaced{why}\n"
                ));
            }
            Err(error) => {
                complain(&format!("warning: programs of a process before stay in the kernel: {error}\n"))
            }
        }
        drop(state);
        self.warn();
        report
    }

    /// Data path of each listener that is served.
    fn paths(&self) -> Vec<(Arc<Listener>, Path)> {
        match &self.running {
            Ok(running) => running.shared.lock().kernel.paths().to_vec(),
            Err(reason) => {
                let relayed = |listener| (listener, Path::Relay(reason.clone()));
                self.proxy.serving().into_iter().map(relayed).collect()
            }
        }
    }

    /// All live connections, by id.
    pub(crate) fn connections(&self) -> Vec<ConnectionInfo> {
        let mut connections = self.proxy.connections();
        let Ok(running) = &self.running else { return connections };
        if connections.iter().any(|connection| connection.direct.is_some()) {
            let bytes = running.shared.lock().kernel.bytes();
            for connection in &mut connections {
                if let (Some(direct), Some([sent, received])) =
                    (&mut connection.direct, bytes.get(&connection.id))
                {
                    direct.counts = true;
                    (connection.bytes_from_client, connection.bytes_to_client) = (*sent, *received);
                }
            }
        }
        connections
    }

    /// Connections that the programs left to the relay; `None`: there are no programs.
    fn left(&self) -> Option<Left> {
        self.running.as_ref().ok().map(|running| running.shared.lock().kernel.left())
    }

    /// Warns, once per outbound, why it stays on the relay against its setting.
    fn warn(&self) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        for (listener, path) in self.paths() {
            let Path::Relay(reason) = path else { continue };
            let is_meant = self.mode == Mode::Kernel || listener.data_path == Wish::Kernel;
            if listener.direction != Direction::Outbound || !is_meant || reason == Reason::Asked {
                continue;
            }
            let (name, reason) = (format!("{} of {}", listener.name, listener.proxy), reason.to_string());
            if warned.insert((name.clone(), reason.clone())) {
                complain(&format!("warning: {name} stays on the relay: {reason}\n"));
            }
        }
    }

    /// Stops decisions in the kernel: new connections go to whatever listens at the address.
    pub(crate) fn leave(&self) {
        if let Ok(running) = &self.running {
            let mut state = running.shared.lock();
            state.changing = true;
            state.kernel.leave();
        }
    }

    /// Waits up to `grace` until connections that were decided in the kernel have ended; then reads the remaining
    /// records. Live connections go on.
    pub(crate) fn drain(&self, grace: Duration) {
        let Ok(running) = &self.running else { return };
        let deadline = Instant::now() + grace;
        let live = || running.shared.lock().kernel.live();
        while live() > 0 && Instant::now() < deadline {
            std::thread::sleep(PAUSE);
        }
        running.shared.stop.store(true, Relaxed);
        let reader = running.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = reader.map(JoinHandle::join);
        match live() {
            0 => {}
            1 => print("1 connection that nobody relays goes on\n"),
            live => print(&format!("{live} connections that nobody relays go on\n")),
        }
    }
}

impl Running {
    fn start(kernel: Kernel, records: Records, proxy: &Arc<Proxy>) -> std::io::Result<Self> {
        let state = Mutex::new(State::new(kernel));
        let shared = Arc::new(Shared { state, stop: AtomicBool::new(false) });
        let (for_thread, proxy) = (Arc::clone(&shared), Arc::clone(proxy));
        let read = move || {
            let mut reader = Reader::new(records, &for_thread, &proxy);
            while caught("kernel-path", || reader.look()).unwrap_or(true) {}
        };
        let reader = std::thread::Builder::new().name("kernel-path".into()).spawn(read)?;
        Ok(Self { shared, reader: Mutex::new(Some(reader)) })
    }
}

impl State {
    /// State in which nothing is served yet.
    fn new(kernel: Kernel) -> Self {
        Self { kernel, generation: 0, elsewhere: Vec::new(), parts: Parts::default(), changing: true }
    }

    /// Returns `true` if connections to a listener are decided where they are dialled.
    fn decides(&self, wanted: &ListenerId) -> bool {
        let mut paths = self.kernel.paths().iter();
        paths.any(|(listener, path)| *path == Path::Kernel && ListenerId::of(listener) == *wanted)
    }

    /// Decides by the listeners that are open now, and by the current health.
    fn serve(&mut self, proxy: &Proxy) {
        let mut listeners = proxy.serving();
        listeners.extend(self.elsewhere.iter().cloned());
        self.kernel.serve(&Serving {
            generation: self.generation,
            listeners: &listeners,
            roster: &|name, cluster| proxy.roster(name, cluster),
            addresses: &proxy.addresses(),
        });
    }
}

/// Outbounds that cannot be opened because this host does not have their address, which is virtual.
fn elsewhere(listeners: &[Arc<Listener>], report: &ApplyReport) -> Vec<Arc<Listener>> {
    let virtually = |failed: &&FailedListener| {
        failed.error.kind() == std::io::ErrorKind::AddrNotAvailable && failed.kept_at.is_none()
    };
    let failed: Vec<&FailedListener> = report.failed.iter().filter(virtually).collect();
    let is_meant = |listener: &&Arc<Listener>| {
        listener.direction == Direction::Outbound
            && failed.iter().any(|failed| failed.listener == ListenerId::of(listener))
    };
    listeners.iter().filter(is_meant).cloned().collect()
}

/// State of the reader thread.
struct Reader<'a> {
    records: Records,
    shared: &'a Shared,
    proxy: &'a Proxy,
    recorder: DirectRecorder,
    /// Generation of the configuration at the last look.
    generation: u64,
    /// Number of roster changes, and the addresses, at the last look.
    rosters: u64,
    addresses: Arc<l4::decide::Addresses>,
    /// Number of lost records at the last look, and whether the books miss some.
    lost: u64,
    misses: bool,
}

impl<'a> Reader<'a> {
    fn new(records: Records, shared: &'a Shared, proxy: &'a Proxy) -> Self {
        let recorder = proxy.recorder();
        let (rosters, addresses) = (proxy.roster_changes(), proxy.addresses());
        Self { records, shared, proxy, recorder, generation: 0, rosters, addresses, lost: 0, misses: false }
    }

    /// Waits for records or the next look, then takes them in. Returns `true` if there may be more.
    fn look(&mut self) -> bool {
        let leaves = self.shared.stop.load(Relaxed);
        if !leaves {
            self.records.wait(LOOK);
        }
        let mut state = self.shared.lock();
        let recorder = &mut self.recorder;
        if !state.changing && std::mem::replace(&mut self.generation, state.generation) != state.generation {
            recorder.follow(state.kernel.paths().iter().map(|(listener, _)| Arc::clone(listener)));
        }
        state.kernel.read(&mut self.records, |seen| recorder.note(seen));
        let (rosters, addresses) = (self.proxy.roster_changes(), self.proxy.addresses());
        let is_news = rosters != self.rosters || !Arc::ptr_eq(&addresses, &self.addresses);
        if is_news && !state.changing {
            (self.rosters, self.addresses) = (rosters, addresses);
            state.serve(self.proxy);
        }
        let State { kernel, parts, .. } = &mut *state;
        parts.share(kernel, self.proxy);
        let lost = state.kernel.left().lost_records;
        self.misses |= std::mem::replace(&mut self.lost, lost) != lost;
        if self.misses && state.kernel.live() == 0 {
            self.misses = false;
            self.recorder.forget_living();
            state.kernel.forget_living();
        }
        drop(state);
        self.recorder.flush();
        !leaves
    }
}
