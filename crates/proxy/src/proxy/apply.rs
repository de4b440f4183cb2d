//! Change of configuration: the sockets that are kept, opened and closed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use l4::config::{Config, Listener, ProxyName};

use super::{PATIENCE, Published};
use crate::contexts::Contexts;
use crate::host_authorities::HostAuthorities;
use crate::listen::{Claim, open};
use crate::pinning::prefer;
use crate::resolve::{self, Resolver};
use crate::worker::{Adoption, Command, Mailbox};

/// Time that applying waits for the first resolution of new host names, so that their first connections find an
/// address.
const RESOLVE_PATIENCE: Duration = Duration::from_millis(250);

/// Result of applying a configuration.
#[derive(Clone, Debug, Default)]
pub struct ApplyReport {
    /// Generation of this configuration, as in the connection log.
    pub generation: u64,
    /// Listeners that accept connections on a new address.
    pub opened: Vec<ListenerId>,
    /// Listeners that go on accepting connections on their socket, perhaps with another route.
    pub kept: Vec<ListenerId>,
    /// Listeners that accept no more; their connections go on.
    pub closed: Vec<ListenerId>,
    /// Listeners that cannot be bound.
    pub failed: Vec<FailedListener>,
}

/// Id of a listener.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerId {
    /// Proxy of the listener.
    pub proxy: ProxyName,
    /// Name of the listener.
    pub name: Arc<str>,
    /// Address of the listener.
    pub address: SocketAddr,
}

impl ListenerId {
    /// Returns the id of a listener.
    pub fn of(listener: &Listener) -> Self {
        Self { proxy: listener.proxy.clone(), name: Arc::clone(&listener.name), address: listener.address }
    }
}

impl fmt::Display for ListenerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proxy, name, address } = self;
        write!(f, "listener {name} of proxy {proxy} on {address}")
    }
}

/// Listener that cannot be bound. Apply the configuration again when the cause is gone.
#[derive(Debug, Clone)]
pub struct FailedListener {
    /// Id of the listener.
    pub listener: ListenerId,
    /// Error of the system.
    pub error: Arc<io::Error>,
    /// Address where it goes on accepting connections, with its earlier configuration; `None`: nowhere.
    pub kept_at: Option<SocketAddr>,
}

impl FailedListener {
    /// Reason in words: what the system says, and what that means for an address.
    pub fn why(&self) -> String {
        why_not_bound(&self.error)
    }
}

/// Reason in words why an address cannot be listened on: what the system says, and what that means.
pub fn why_not_bound(error: &io::Error) -> String {
    let meaning = match error.kind() {
        io::ErrorKind::AddrInUse => "something else on this host listens there",
        io::ErrorKind::AddrNotAvailable => "this host has no such address",
        io::ErrorKind::PermissionDenied => {
            "this process may not listen on such a port: give it CAP_NET_BIND_SERVICE, or lower \
             net.ipv4.ip_unprivileged_port_start"
        }
        _ => return error.to_string(),
    };
    format!("{meaning} ({error})")
}

impl fmt::Display for FailedListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener, error: _, kept_at } = self;
        write!(f, "{listener} cannot be bound: {}", self.why())?;
        match kept_at {
            Some(address) => write!(f, "; it stays on {address}"),
            None => Ok(()),
        }
    }
}

/// For each new address one socket per worker, or more.
type NewSockets = Vec<(SocketAddr, Vec<OwnedFd>)>;

/// Listeners that are bound now.
pub(super) struct Control {
    workers: usize,
    /// `true`: each worker is pinned to a CPU, and sets it at its sockets.
    are_pinned: bool,
    generation: u64,
    bound: BTreeMap<SocketAddr, Arc<Listener>>,
    /// Captured listeners, without an address of their own, by proxy and name.
    captured: BTreeMap<(ProxyName, Arc<str>), Arc<Listener>>,
    /// Sockets of a predecessor, for listeners with their address.
    inherited: BTreeMap<SocketAddr, Vec<OwnedFd>>,
    /// TLS contexts of the served listeners.
    contexts: Arc<Contexts>,
    host: HostAuthorities,
    leaving: bool,
}

impl Control {
    pub(super) fn new(workers: usize, are_pinned: bool, host: HostAuthorities) -> Self {
        Self {
            workers,
            are_pinned,
            generation: 0,
            bound: BTreeMap::new(),
            captured: BTreeMap::new(),
            inherited: BTreeMap::new(),
            contexts: Arc::default(),
            host,
            leaving: false,
        }
    }

    /// Keeps sockets of a predecessor for later configurations.
    pub(super) fn inherit(&mut self, sockets: BTreeMap<SocketAddr, Vec<OwnedFd>>) {
        self.inherited = sockets;
    }

    /// Closes inherited sockets that no configuration uses, and returns their addresses.
    pub(super) fn disinherit(&mut self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.inherited).into_keys().collect()
    }

    /// Addresses of inherited sockets that no configuration has used so far.
    pub(super) fn unclaimed(&self) -> Vec<SocketAddr> {
        self.inherited.keys().copied().collect()
    }

    /// Listeners that are served.
    pub(super) fn serving(&self) -> Vec<Arc<Listener>> {
        self.bound.values().chain(self.captured.values()).cloned().collect()
    }

    /// Stops binding: every later configuration fails.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
        self.bound.clear();
        self.captured.clear();
    }

    pub(super) fn apply(
        &mut self,
        config: Config,
        published: &Published,
        mailboxes: &[Arc<Mailbox>],
        resolver: &Resolver,
    ) -> ApplyReport {
        self.generation += 1;
        let mut report = ApplyReport { generation: self.generation, ..ApplyReport::default() };
        if self.leaving {
            let gone = Arc::new(io::Error::other("the proxy is draining"));
            report.failed = config.listeners().iter().map(|listener| failed(listener, &gone, None)).collect();
            return report;
        }
        resolver.watch(&resolve::names(&config), RESOLVE_PATIENCE);
        let (serving, sockets) = self.bind(&config, &mut report);
        report.closed = self.closed(&serving);
        let (serving, contexts) = self.with_contexts(serving);
        published.board.watch(&serving);
        self.keep(&serving);
        self.contexts = Arc::new(contexts);
        published.certificate_ends.store(Arc::new(self.contexts.ends()));
        published.config.store(Arc::new(config));
        published.generation.store(self.generation, Relaxed);
        publish(self.generation, serving.into(), &self.contexts, sockets, mailboxes);
        report
    }

    /// Rereads the authorities that the host trusts, and rebuilds the contexts that use them; nothing is opened or
    /// closed.
    pub(super) fn read_host(&mut self, published: &Published, mailboxes: &[Arc<Mailbox>]) -> bool {
        let serving = self.bound.values().chain(self.captured.values()).cloned().collect();
        let (serving, contexts) = self.with_contexts(serving);
        if contexts.believes_as(&self.contexts) || self.leaving {
            return false;
        }
        self.keep(&serving);
        self.contexts = Arc::new(contexts);
        self.generation += 1;
        published.generation.store(self.generation, Relaxed);
        publish(self.generation, serving.into(), &self.contexts, NewSockets::new(), mailboxes);
        true
    }

    /// Returns listeners with their TLS contexts. If the host's authorities changed, all of them are new values:
    /// workers only look again at those.
    fn with_contexts(&self, mut serving: Vec<Arc<Listener>>) -> (Vec<Arc<Listener>>, Contexts) {
        let contexts = Contexts::of(&serving, &self.host, &self.contexts);
        if !contexts.believes_as(&self.contexts) {
            serving.iter_mut().for_each(|listener| *listener = Arc::new((**listener).clone()));
        }
        (serving, contexts)
    }

    /// Records what is served now.
    fn keep(&mut self, serving: &[Arc<Listener>]) {
        let (bound, captured): (Vec<_>, Vec<_>) =
            serving.iter().cloned().partition(|listener| listener.arrival.is_opened());
        self.bound = bound.into_iter().map(|listener| (listener.address, listener)).collect();
        self.captured = captured.into_iter().map(|listener| (key(&listener), listener)).collect();
    }

    /// Decides which listeners are served, and opens new ones: one socket per worker.
    fn bind(&mut self, config: &Config, report: &mut ApplyReport) -> (Vec<Arc<Listener>>, NewSockets) {
        let wanted = addresses(config.listeners());
        let (mut serving, mut sockets) = (Vec::new(), Vec::new());
        for listener in config.listeners() {
            if !listener.arrival.is_opened() {
                let before = self.captured.get(&key(listener));
                let told = if before.is_some() { &mut report.kept } else { &mut report.opened };
                told.push(ListenerId::of(listener));
                serving.push(Arc::clone(before.filter(|before| *before == listener).unwrap_or(listener)));
                continue;
            }
            if let Some(before) = self.bound.get(&listener.address) {
                report.kept.push(ListenerId::of(listener));
                // an equal listener stays the same allocation: workers then see at a glance that nothing changed
                serving.push(Arc::clone(if before == listener { before } else { listener }));
                continue;
            }
            let opened = match self.inherited.remove(&listener.address) {
                Some(inherited) => Ok(self.complete(listener.address, inherited)),
                None => self.open(listener.address),
            };
            match opened {
                Ok(opened) => {
                    report.opened.push(ListenerId::of(listener));
                    serving.push(Arc::clone(listener));
                    sockets.push((listener.address, opened));
                }
                Err(error) => {
                    let before = self.before(listener).filter(|before| !wanted.contains(&before.address));
                    report.failed.push(failed(
                        listener,
                        &Arc::new(error),
                        before.map(|before| before.address),
                    ));
                    serving.extend(before.cloned());
                }
            }
        }
        (serving, sockets)
    }

    fn open(&self, address: SocketAddr) -> io::Result<Vec<OwnedFd>> {
        match open(address, self.workers, Claim::Alone) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && self.holds_part_of(address) => {
                open(address, self.workers, Claim::Shared)
            }
            opened => opened,
        }
    }

    /// Completes the sockets to at least one per worker; all inherited ones are kept, as each has a queue of its
    /// own.
    fn complete(&self, address: SocketAddr, mut inherited: Vec<OwnedFd>) -> Vec<OwnedFd> {
        if !self.are_pinned {
            // the predecessor's workers may have been
            inherited.iter().for_each(|socket| drop(prefer(socket, None)));
        }
        let missing = self.workers.saturating_sub(inherited.len());
        match open(address, missing, Claim::Shared) {
            Ok(more) => inherited.extend(more),
            Err(error) => tracing::warn!(%address, %error, "some workers have no socket of their own here"),
        }
        inherited
    }

    /// Returns `true` if a socket of ours is in the way: one of the two addresses is a wildcard.
    fn holds_part_of(&self, address: SocketAddr) -> bool {
        let overlaps = |ours: &SocketAddr| {
            ours.port() == address.port() && (ours.ip().is_unspecified() || address.ip().is_unspecified())
        };
        self.bound.keys().any(overlaps)
    }

    fn before(&self, listener: &Listener) -> Option<&Arc<Listener>> {
        self.bound.values().find(|bound| bound.proxy == listener.proxy && bound.name == listener.name)
    }

    fn closed(&self, serving: &[Arc<Listener>]) -> Vec<ListenerId> {
        let stays = addresses(serving);
        let gone = self.bound.values().filter(|listener| !stays.contains(&listener.address));
        let captured: BTreeSet<_> = serving.iter().map(|listener| key(listener)).collect();
        let uncaptured =
            self.captured.iter().filter(|(key, _)| !captured.contains(*key)).map(|(_, listener)| listener);
        gone.chain(uncaptured).map(|listener| ListenerId::of(listener)).collect()
    }
}

/// Returns the addresses that are opened.
fn addresses(listeners: &[Arc<Listener>]) -> BTreeSet<SocketAddr> {
    let opened = listeners.iter().filter(|listener| listener.arrival.is_opened());
    opened.map(|listener| listener.address).collect()
}

fn key(listener: &Listener) -> (ProxyName, Arc<str>) {
    (listener.proxy.clone(), Arc::clone(&listener.name))
}

fn failed(listener: &Listener, error: &Arc<io::Error>, kept_at: Option<SocketAddr>) -> FailedListener {
    FailedListener { listener: ListenerId::of(listener), error: Arc::clone(error), kept_at }
}

/// Hands the served listeners to the workers, and waits until all have them.
fn publish(
    generation: u64,
    listeners: Arc<[Arc<Listener>]>,
    contexts: &Arc<Contexts>,
    sockets: NewSockets,
    mailboxes: &[Arc<Mailbox>],
) {
    let mut shares: Vec<Vec<(SocketAddr, OwnedFd)>> = mailboxes.iter().map(|_| Vec::new()).collect();
    for (address, opened) in sockets {
        for (index, socket) in opened.into_iter().enumerate() {
            let worker = index % mailboxes.len().max(1);
            if let Some(share) = shares.get_mut(worker) {
                share.push((address, socket));
            }
        }
    }
    let (done, all_done) = mpsc::channel();
    for (mailbox, sockets) in mailboxes.iter().zip(shares) {
        let (listeners, contexts) = (Arc::clone(&listeners), Arc::clone(contexts));
        let adoption = Adoption { generation, listeners, contexts, sockets, done: done.clone() };
        mailbox.send(Command::Adopt(adoption));
    }
    drop(done);
    // nothing is ever sent: the channel closes when the last worker is done
    if let Err(RecvTimeoutError::Timeout) = all_done.recv_timeout(PATIENCE) {
        tracing::warn!(generation, "a worker did not take over a configuration in time");
        return;
    }
    mailboxes.iter().for_each(|mailbox| mailbox.open(generation));
}
