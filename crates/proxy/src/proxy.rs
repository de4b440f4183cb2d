//! Data plane as a value: start it, apply configurations, query it, drain it, drop it.

mod apply;
mod options;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use l4::balance::Roster;
use l4::config::{Cluster, Config, Listener, ProxyName};
use l4::counts::CounterSnapshot;
use l4::decide::Addresses;
use l4::ending::Ending;

pub use apply::{ApplyReport, FailedListener, ListenerId, why_not_bound};
pub use options::Options;

use crate::connection_info::ConnectionInfo;
use crate::direct::{DirectRecorder, Living};
use crate::health::{Board, Checker};
use crate::limits::{Places, default_connections, ephemeral_ports, raise_open_files};
use crate::log::{ConnectionLines, ConnectionLog, Lanes, LogBuffer};
use crate::pinning::{self, Pinning};
use crate::published::Published;
use crate::resolve::Resolver;
use crate::worker::{Command, Mailbox, Neighbours, Passing, Shared, Worker};
use apply::Control;

/// Timeout of a worker's answer; only one that is stopped takes as long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Timeout of writing the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Running data plane. Dropping it ends all connections and joins all threads; see [`Proxy::drain`].
pub struct Proxy {
    published: Arc<Published>,
    control: Mutex<Control>,
    mailboxes: Vec<Arc<Mailbox>>,
    threads: Vec<JoinHandle<()>>,
    resolver: Resolver,
    /// Ends its thread when dropped.
    _checker: Checker,
    lanes: Arc<Lanes>,
    log: (Option<ConnectionLog>, Option<ConnectionLines>),
    addresses: Arc<ArcSwap<Addresses>>,
    living: Arc<Living>,
    shared: Arc<Shared>,
}

/// Result of draining a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Number of connections that ended by themselves.
    pub ended: u64,
    /// Number of connections that were closed at the end of the grace period.
    pub closed: u64,
}

impl Proxy {
    /// Starts the workers. Nothing is carried until [`Proxy::apply`].
    ///
    /// # Errors
    /// A thread, an event queue or a wake-up descriptor is not available, or the file of the connection log cannot
    /// be opened.
    pub fn start(options: Options) -> io::Result<Self> {
        let Options {
            threads,
            pin_workers,
            max_connections,
            connection_log,
            connection_lines,
            hello_timeout,
            client_keepalive,
            client_user_timeout,
            half_closed_timeout,
            name_refresh,
            seed,
            host_authorities,
        } = options;
        let open_files = raise_open_files();
        let workers =
            threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let limit = max_connections.map_or_else(|| default_connections(open_files), NonZeroUsize::get);
        let addresses = Arc::new(ArcSwap::from_pointee(Addresses::default()));
        let board = Arc::new(Board::new()?);
        let resolver = Resolver::start(Arc::clone(&addresses), name_refresh)?;
        let pinning = if pin_workers { Pinning::of_process(workers) } else { Pinning::Off };
        let are_pinned = matches!(pinning, Pinning::On(_));
        let mailboxes = (0..workers).map(|_| Mailbox::new().map(Arc::new));
        let mailboxes = mailboxes.collect::<io::Result<Vec<_>>>()?;
        let shared = Arc::new(Shared {
            board: Arc::clone(&board),
            places: Arc::new(Places::new(limit)),
            addresses: Arc::clone(&addresses),
            doubts: resolver.doubts(),
            hello_timeout,
            client_keepalive,
            client_user_timeout,
            half_closed_timeout,
            ephemeral_ports: ephemeral_ports(),
            passing: Passing::default(),
            workers,
            neighbours: are_pinned.then(|| Neighbours::new(&mailboxes)),
            pinning,
            seed: seed.unwrap_or_else(|| fastrand::u64(..)),
            listener_places: Mutex::default(),
        });
        // held until the workers hold it
        let (lanes, _own) = Lanes::new(connection_log.as_ref().map(|log| &log.sink))?;
        let published = Arc::new(Published {
            config: ArcSwap::default(),
            certificate_ends: ArcSwap::default(),
            generation: AtomicU64::new(0),
            counters: (0..workers).map(|_| Arc::default()).collect(),
            direct: Arc::default(),
            dropped_lines: Arc::clone(lanes.dropped()),
            board: Arc::clone(&board),
            dns: OnceLock::new(),
        });
        let mut proxy = Self {
            published,
            control: Mutex::new(Control::new(workers, are_pinned, host_authorities)),
            mailboxes,
            threads: Vec::new(),
            _checker: Checker::start(&board, Arc::clone(&addresses))?,
            resolver,
            lanes,
            log: (connection_log, connection_lines),
            addresses,
            living: Arc::default(),
            shared: Arc::clone(&shared),
        };
        proxy.start_workers(&shared)?;
        Ok(proxy)
    }

    fn start_workers(&mut self, shared: &Arc<Shared>) -> io::Result<()> {
        for (index, (counters, mailbox)) in self.published.counters.iter().zip(&self.mailboxes).enumerate() {
            let (shared, for_worker, counters) =
                (Arc::clone(shared), Arc::clone(mailbox), Arc::clone(counters));
            let ((log, lines), lanes) = (self.log.clone(), Arc::clone(&self.lanes));
            let (started, starting) = mpsc::channel();
            let log = move || LogBuffer::new(log.as_ref(), lines.as_ref(), lanes);
            let cpu = shared.pinning.cpu_of(index);
            let pin = move || {
                if let Some(Err(error)) = cpu.map(pinning::pin) {
                    tracing::warn!(worker = index, %error, "a worker cannot be pinned to its CPU");
                }
            };
            let begin = move || {
                pin();
                Worker::new(index, shared, for_worker, counters, log())
            };
            let work = move || match begin() {
                Ok(worker) => {
                    let _ = started.send(Ok(()));
                    worker.run();
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            };
            self.threads.push(std::thread::Builder::new().name(format!("proxy-{index}")).spawn(work)?);
            starting.recv().map_err(io::Error::other)??;
        }
        Ok(())
    }

    /// Applies another configuration: a new connection is decided by it once this returns.
    ///
    /// Live connections keep their decision. A listener whose address stays keeps its socket, even if it moves to
    /// another proxy. One that cannot be bound is reported, and the rest goes live; if it had another address
    /// before, it stays there.
    pub fn apply(&self, config: Config) -> ApplyReport {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        control.apply(config, &self.published, &self.mailboxes, &self.resolver)
    }

    /// Configuration that was applied last.
    pub fn config(&self) -> Arc<Config> {
        self.published.config.load_full()
    }

    /// Listeners that are served: those of the last configuration, or of an earlier one where a listener could not
    /// be opened.
    pub fn serving(&self) -> Vec<Arc<Listener>> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner).serving()
    }

    /// Returns the roster of a proxy's cluster: the endpoints that accept connections now.
    pub fn roster(&self, proxy: &ProxyName, cluster: &Arc<Cluster>) -> Arc<Roster> {
        self.published.board.cell(proxy, cluster).whole_roster()
    }

    /// Number of changes of any cluster's roster so far.
    pub fn roster_changes(&self) -> u64 {
        self.published.board.changes()
    }

    /// Addresses of endpoints that are host names, as last resolved.
    pub fn addresses(&self) -> Arc<Addresses> {
        self.addresses.load_full()
    }

    /// Returns the counters and log of direct connections, for the thread that gets their events.
    pub fn recorder(&self) -> DirectRecorder {
        let (log, lines) = &self.log;
        let log = LogBuffer::new(log.as_ref(), lines.as_ref(), Arc::clone(&self.lanes));
        let (board, living) = (Arc::clone(&self.published.board), Arc::clone(&self.living));
        DirectRecorder::new(board, Arc::clone(&self.published.direct), living, self.resolver.doubts(), log)
    }

    /// Pinning of the workers, as requested and as far as this host permits it.
    pub fn pinning(&self) -> &Pinning {
        &self.shared.pinning
    }

    /// State that its workers share.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// State that can be read while it works.
    pub(crate) fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published)
    }

    /// Returns the counters so far.
    pub fn counters(&self) -> CounterSnapshot {
        self.published.snapshot()
    }

    /// Adds the proxy's metrics to a registry; they are read whenever it is encoded, even after the proxy is gone.
    pub fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        registry.register_collector(Box::new(crate::metrics::Metrics::new(Arc::clone(&self.published))));
    }

    /// Reopens the files of logs: their paths may lead elsewhere now. Otherwise that is noticed within a second or
    /// two.
    pub fn reopen_logs(&self) {
        self.lanes.reopen();
    }

    /// Rereads the authorities that this host trusts, if services outside the mesh are verified by them. Changes
    /// apply to connections that begin from then on. Returns `true` if there are any.
    pub fn read_host_authorities(&self) -> bool {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        control.read_host(&self.published, &self.mailboxes)
    }

    /// Returns all live connections, by id.
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        let (reply, replies) = mpsc::channel();
        for mailbox in &self.mailboxes {
            mailbox.send(Command::List(reply.clone()));
        }
        drop(reply);
        let mut connections = Vec::new();
        while let Ok(some) = replies.recv_timeout(PATIENCE) {
            connections.extend(some);
        }
        connections.extend(self.living.list());
        connections.sort_by_key(|connection: &ConnectionInfo| connection.id);
        connections
    }

    /// Takes the listening sockets of a predecessor: a configuration with their address gets them, with the
    /// connections that wait in their queues. Call it before [`Proxy::apply`].
    pub fn inherit(&self, sockets: BTreeMap<SocketAddr, Vec<OwnedFd>>) {
        self.control.lock().unwrap_or_else(PoisonError::into_inner).inherit(sockets);
    }

    /// Addresses of inherited sockets that no configuration has used so far.
    pub fn unclaimed(&self) -> Vec<SocketAddr> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner).unclaimed()
    }

    /// Closes inherited sockets that no configuration uses, and returns their addresses.
    pub fn disinherit(&self) -> Vec<SocketAddr> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner).disinherit()
    }

    /// Duplicates each listening socket, for a successor; this proxy goes on accepting.
    pub fn lend(&self) -> BTreeMap<SocketAddr, Vec<OwnedFd>> {
        let (reply, replies) = mpsc::channel();
        for mailbox in &self.mailboxes {
            mailbox.send(Command::Lend(reply.clone()));
        }
        drop(reply);
        let mut sockets: BTreeMap<SocketAddr, Vec<OwnedFd>> = BTreeMap::new();
        while let Ok((address, socket)) = replies.recv_timeout(PATIENCE) {
            sockets.entry(address).or_default().push(socket);
        }
        sockets
    }

    /// Stops accepting, waits until connections ended or `grace` is over, and closes the rest.
    ///
    /// Connections that were waiting to be accepted are still served. Afterwards every listener of [`Proxy::apply`]
    /// fails.
    pub fn drain(&self, grace: Duration) -> DrainReport {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        control.leave();
        drop(control);
        let before = self.published.snapshot();
        let (done, drained) = mpsc::channel();
        for mailbox in &self.mailboxes {
            mailbox.send(Command::Drain(done.clone()));
        }
        drop(done);
        let deadline = Instant::now() + grace;
        let timeout = deadline.saturating_duration_since(Instant::now());
        if let Err(RecvTimeoutError::Timeout) = drained.recv_timeout(timeout) {
            for mailbox in &self.mailboxes {
                mailbox.send(Command::CloseAll);
            }
            let _ = drained.recv_timeout(PATIENCE);
        }
        let after = self.published.snapshot();
        let closed = ended(&after, Ending::is_cut) - ended(&before, Ending::is_cut);
        let all =
            ended(&after, |ending| !ending.is_refusal()) - ended(&before, |ending| !ending.is_refusal());
        DrainReport { ended: all.saturating_sub(closed), closed }
    }
}

fn ended(snapshot: &CounterSnapshot, wanted: impl Fn(Ending) -> bool) -> u64 {
    let all = snapshot.listeners.iter().flat_map(|listener| &listener.ended);
    all.filter(|(ending, _)| wanted(**ending)).map(|(_, count)| count).sum()
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for mailbox in &self.mailboxes {
            mailbox.send(Command::Stop);
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        self.lanes.finish(LAST_LINES);
    }
}
