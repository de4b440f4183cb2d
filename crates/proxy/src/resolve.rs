//! The thread that resolves endpoints which are host names.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use l4::config::{Config, Host, Target};
use l4::decide::{Addresses, Resolved};

use crate::guard::{Part, again, step};

/// How long an answer is used before the name is asked for again.
const REFRESH: Duration = Duration::from_secs(30);

/// Resolves the names of the current configuration, again and again.
pub(crate) struct Resolver {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    addresses: Arc<ArcSwap<Addresses>>,
    names: Mutex<Names>,
    changed: Condvar,
}

#[derive(Default)]
struct Names {
    /// When each name is due.
    due: BTreeMap<Arc<str>, Instant>,
    /// Names that were looked up at least once.
    seen: BTreeSet<Arc<str>>,
    /// Whether the thread waits for an answer, which may take long.
    asking: bool,
    stopped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver {
    /// Starts the thread; it publishes what it learns in `addresses`.
    pub(crate) fn start(addresses: Arc<ArcSwap<Addresses>>) -> io::Result<Self> {
        let shared = Arc::new(Shared { addresses, names: Mutex::default(), changed: Condvar::new() });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("proxy-resolve".into())
            .spawn(move || again(Part::Resolver, || resolve_all(&for_thread)))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Resolves these names from now on, and no others; waits a while for the first answer to each.
    pub(crate) fn watch(&self, names: BTreeSet<Arc<str>>, patience: Duration) {
        let mut state = self.shared.lock();
        let now = Instant::now();
        state.due.retain(|name, _| names.contains(name));
        state.seen.retain(|name| names.contains(name));
        for name in &names {
            state.due.entry(Arc::clone(name)).or_insert(now);
        }
        self.shared.changed.notify_all();
        let all_seen = |state: &mut Names| state.seen.len() < names.len() && !state.stopped;
        let waited = self.shared.changed.wait_timeout_while(state, patience, all_seen);
        drop(waited);
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        let asking = state.asking;
        drop(state);
        self.shared.changed.notify_all();
        // a look-up cannot be interrupted; the thread ends after it, and until then touches nothing of anybody's
        if let Some(thread) = self.thread.take()
            && !asking
        {
            let _ = thread.join();
        }
    }
}

/// The host names among the endpoints of a configuration.
pub(crate) fn names(config: &Config) -> BTreeSet<Arc<str>> {
    let routes = config.listeners().iter().flat_map(|listener| &listener.routes);
    let clusters =
        routes.flat_map(|(_, route)| &route.backends).filter_map(|backend| match &backend.target {
            Target::Cluster(cluster) => Some(cluster),
            Target::Unavailable(_) => None,
        });
    let hosts = clusters.flat_map(|cluster| &cluster.endpoints).map(|endpoint| &endpoint.host);
    let names = hosts.filter_map(|host| match host {
        Host::Name(name) => Some(Arc::clone(name)),
        Host::Ip(_) => None,
    });
    names.collect()
}

fn resolve_all(shared: &Shared) {
    // true after a panic
    shared.lock().asking = false;
    loop {
        let Some(name) = next_due(shared) else { return };
        step(Part::Resolver);
        let answer = look_up(&name);
        publish(shared, &name, answer);
        let mut state = shared.lock();
        state.asking = false;
        if let Some(due) = state.due.get_mut(&name) {
            *due = Instant::now() + REFRESH;
            state.seen.insert(name);
        }
        drop(state);
        shared.changed.notify_all();
    }
}

fn next_due(shared: &Shared) -> Option<Arc<str>> {
    let mut state = shared.lock();
    loop {
        if state.stopped {
            return None;
        }
        let next = state.due.iter().min_by_key(|(_, due)| **due).map(|(name, due)| (Arc::clone(name), *due));
        let wait = match next {
            None => REFRESH,
            Some((name, due)) => match due.checked_duration_since(Instant::now()) {
                None | Some(Duration::ZERO) => {
                    state.asking = true;
                    // should asking for it fail in any way, the others have their turn first
                    state.due.insert(Arc::clone(&name), Instant::now() + REFRESH);
                    return Some(name);
                }
                Some(wait) => wait,
            },
        };
        state = shared.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
    }
}

fn look_up(name: &str) -> Result<Vec<IpAddr>, Arc<str>> {
    let found =
        (name, 0).to_socket_addrs().map_err(|error| Arc::from(format!("cannot be resolved: {error}")))?;
    let all: BTreeSet<IpAddr> = found.map(|address| address.ip()).collect();
    // one family only: many services that have both names listen on IPv4 alone
    let four: Vec<IpAddr> = all.iter().copied().filter(IpAddr::is_ipv4).collect();
    let addresses = if four.is_empty() { all.into_iter().collect() } else { four };
    if addresses.is_empty() { Err("has no address".into()) } else { Ok(addresses) }
}

/// Replaces what is known; a failure does not replace an answer.
fn publish(shared: &Shared, name: &Arc<str>, answer: Result<Vec<IpAddr>, Arc<str>>) {
    let watched: Vec<Arc<str>> = shared.lock().due.keys().cloned().collect();
    let before = shared.addresses.load_full();
    let known = watched.into_iter().filter_map(|watched| {
        let kept = before.get(&watched).cloned();
        let now = if watched == *name {
            match (&answer, kept) {
                (Ok(addresses), _) => Some(Resolved::Known(addresses.clone())),
                (Err(_), Some(Resolved::Known(addresses))) => Some(Resolved::Known(addresses)),
                (Err(why), _) => Some(Resolved::Failed(Arc::clone(why))),
            }
        } else {
            kept
        };
        now.map(|now| (watched, now))
    });
    let after: Addresses = known.collect();
    if after != *before {
        if let Err(why) = &answer {
            tracing::warn!(host = %name, %why, "an endpoint's host name has no address");
        }
        shared.addresses.store(Arc::new(after));
    }
}
