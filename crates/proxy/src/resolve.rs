//! Resolver threads for endpoints that are host names: each name is independent, so that a silent server delays
//! only its own names.
//!
//! The system's resolver is used, so that `/etc/hosts` and its other configuration apply. It provides no time to
//! live, so the servers of the host are asked for that alone: a name is resolved again when it has passed, after a
//! fixed time at the latest, and at once when connecting to its addresses fails.

mod lifetime;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use l4::config::{Config, Host};
use l4::decide::{Addresses, Resolved};

use crate::guard::{Part, again, step};

/// Minimum interval between resolutions of a name, even if connecting to its addresses keeps failing.
const LEAST: Duration = Duration::from_secs(1);
/// Limit on concurrent resolutions. Only names with silent servers take that long.
const THREADS: usize = 256;
/// Stack size of a lookup, in bytes.
const STACK: usize = 256 << 10;
/// Time that a thread waits for work before it checks whether it is still needed.
const IDLE: Duration = Duration::from_secs(10);

/// Resolver of the names of the current configuration, until it is dropped.
pub(crate) struct Resolver {
    shared: Arc<Shared>,
}

/// Handle by which workers report that an address of a name does not work.
#[derive(Clone)]
pub(crate) struct Doubts(Arc<Shared>);

struct Shared {
    addresses: Arc<ArcSwap<Addresses>>,
    /// Maximum time that an answer is used before the name is resolved again.
    refresh: Duration,
    // held for as long as it takes to read or write it, never during a lookup
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    names: BTreeMap<Arc<str>, Name>,
    threads: usize,
    /// Number of threads that wait for work.
    idle: usize,
    stopped: bool,
}

/// Name that is watched.
struct Name {
    /// Time of the next resolution.
    due: Instant,
    /// Time of the last resolution; `None`: never.
    asked: Option<Instant>,
    /// `true`: a lookup is in progress, which may take long.
    asking: bool,
    /// `true`: there was an answer, or an error.
    seen: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolver {
    /// Starts a thread; more are started while names are slow. They publish results in `addresses`.
    ///
    /// # Errors
    /// A thread is not available.
    pub(crate) fn start(addresses: Arc<ArcSwap<Addresses>>, refresh: Duration) -> io::Result<Self> {
        let refresh = refresh.max(LEAST);
        let shared =
            Arc::new(Shared { addresses, refresh, state: Mutex::default(), changed: Condvar::new() });
        spawn(&shared, &mut shared.lock())?;
        Ok(Self { shared })
    }

    /// Returns the handle by which workers report that an address of a name does not work.
    pub(crate) fn doubts(&self) -> Doubts {
        Doubts(Arc::clone(&self.shared))
    }

    /// Resolves these names from now on, and no others; waits up to `patience` for the first answers to new ones.
    pub(crate) fn watch(&self, names: &BTreeSet<Arc<str>>, patience: Duration) {
        let mut state = self.shared.lock();
        let now = Instant::now();
        state.names.retain(|name, _| names.contains(name));
        let mut new = Vec::new();
        for name in names {
            state.names.entry(Arc::clone(name)).or_insert_with(|| {
                new.push(Arc::clone(name));
                Name { due: now, asked: None, asking: false, seen: false }
            });
        }
        if new.is_empty() {
            return;
        }
        self.shared.changed.notify_all();
        let is_open = |state: &mut State| {
            let is_unseen = |name| state.names.get(name).is_some_and(|name| !name.seen);
            !state.stopped && new.iter().any(is_unseen)
        };
        let waited = self.shared.changed.wait_timeout_while(state, patience, is_open);
        drop(waited);
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        // a lookup cannot be interrupted; its thread ends after it, and until then touches nothing shared
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Doubts {
    /// Requests a resolution of a name, unless it was resolved a moment ago: connecting to its address failed.
    /// Never blocks.
    pub(crate) fn about(&self, name: &Arc<str>) {
        // the holder of the lock is about to check anyway, and the next failure reports it again
        let Ok(mut state) = self.0.state.try_lock() else { return };
        let now = Instant::now();
        if let Some(name) = state.names.get_mut(name)
            && !name.asking
            && name.asked.is_some_and(|asked| now >= asked + LEAST)
            && name.due > now
        {
            name.due = now;
            self.0.changed.notify_all();
        }
    }
}

/// Returns the host names among the endpoints of a configuration.
pub(crate) fn names(config: &Config) -> BTreeSet<Arc<str>> {
    let clusters = config.listeners().iter().flat_map(|listener| listener.clusters());
    let hosts = clusters.flat_map(|cluster| &cluster.endpoints).map(|endpoint| &endpoint.host);
    let names = hosts.filter_map(|host| match host {
        Host::Name(name) => Some(Arc::clone(name)),
        Host::Ip(_) | Host::Original => None,
    });
    names.collect()
}

fn spawn(shared: &Arc<Shared>, state: &mut State) -> io::Result<()> {
    let for_thread = Arc::clone(shared);
    let work = move || again(Part::Resolver, || resolve_all(&for_thread));
    std::thread::Builder::new().name("proxy-resolve".into()).stack_size(STACK).spawn(work)?;
    state.threads += 1;
    Ok(())
}

fn resolve_all(shared: &Arc<Shared>) {
    while let Some(mut asking) = next_due(shared) {
        step(Part::Resolver);
        let answer = look_up(&asking.name);
        let first = answer.as_ref().ok().and_then(|addresses| addresses.first().copied());
        publish(shared, &asking.name, answer);
        asking.is_known();
        asking.lasts = first.and_then(|address| lifetime::of(&asking.name, address));
    }
}

/// Lookup of a name in progress.
struct Lookup<'a> {
    shared: &'a Shared,
    name: Arc<str>,
    /// Time to live of the answer; `None`: unknown.
    lasts: Option<Duration>,
}

impl Lookup<'_> {
    /// Marks the name as resolved: a waiting configuration does not wait for the time to live.
    fn is_known(&self) {
        if let Some(name) = self.shared.lock().names.get_mut(&self.name) {
            name.seen = true;
        }
        self.shared.changed.notify_all();
    }
}

impl Drop for Lookup<'_> {
    /// Runs also after a panic: the other names have their turn first.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        if let Some(name) = state.names.get_mut(&self.name) {
            name.asking = false;
            name.seen = true;
            let refresh = self.shared.refresh;
            name.due = Instant::now() + self.lasts.map_or(refresh, |lasts| lasts.clamp(LEAST, refresh));
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

/// Waits for a name that is due. `None`: this thread is not needed any more.
fn next_due(shared: &Arc<Shared>) -> Option<Lookup<'_>> {
    let mut state = shared.lock();
    loop {
        if state.stopped {
            state.threads -= 1;
            return None;
        }
        let now = Instant::now();
        let idle = state.names.iter_mut().filter(|(_, name)| !name.asking);
        let wait = match idle.min_by_key(|(_, name)| name.due) {
            Some((text, name)) if name.due <= now => {
                let text = Arc::clone(text);
                (name.asking, name.asked) = (true, Some(now));
                // without a further thread, the next name waits for this one
                if state.idle == 0 && state.threads < THREADS {
                    let _ = spawn(shared, &mut state);
                }
                return Some(Lookup { shared, name: text, lasts: None });
            }
            Some((_, name)) => (name.due - now).min(IDLE),
            None => IDLE,
        };
        state.idle += 1;
        let (again, waited) =
            shared.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner);
        state = again;
        state.idle -= 1;
        if waited.timed_out() && wait == IDLE && state.idle > 0 {
            state.threads -= 1;
            return None;
        }
    }
}

fn look_up(name: &str) -> Result<Vec<IpAddr>, Arc<str>> {
    let found =
        (name, 0).to_socket_addrs().map_err(|error| Arc::from(format!("cannot be resolved: {error}")))?;
    let all: BTreeSet<IpAddr> = found.map(|address| address.ip()).collect();
    // one family only: many services with both sorts of addresses listen on IPv4 alone
    let four: Vec<IpAddr> = all.iter().copied().filter(IpAddr::is_ipv4).collect();
    let addresses = if four.is_empty() { all.into_iter().collect() } else { four };
    if addresses.is_empty() { Err("has no address".into()) } else { Ok(addresses) }
}

/// Publishes a result; a failure does not replace an answer.
fn publish(shared: &Shared, name: &Arc<str>, answer: Result<Vec<IpAddr>, Arc<str>>) {
    // two answers may come at once, and each is merged into the current ones
    let state = shared.lock();
    let before = shared.addresses.load_full();
    let known = state.names.keys().filter_map(|watched| {
        let kept = before.get(watched).cloned();
        let now = if watched == name {
            match (&answer, kept) {
                (Ok(addresses), _) => Some(Resolved::Known(addresses.clone())),
                (Err(_), Some(Resolved::Known(addresses))) => Some(Resolved::Known(addresses)),
                (Err(why), _) => Some(Resolved::Failed(Arc::clone(why))),
            }
        } else {
            kept
        };
        now.map(|now| (Arc::clone(watched), now))
    });
    let after: Addresses = known.collect();
    let is_new = after != *before;
    if is_new {
        shared.addresses.store(Arc::new(after));
    }
    drop(state);
    if is_new && let Err(why) = &answer {
        tracing::warn!(host = %name, %why, "an endpoint's host name has no address");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_known(resolver: &Resolver, name: &str) -> bool {
        matches!(resolver.shared.addresses.load().get(name), Some(Resolved::Known(_)))
    }

    fn eventually(what: &str, so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !so() {
            assert!(Instant::now() < deadline, "not so in time: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_name_that_is_being_asked_for_holds_up_no_other() {
        let resolver = Resolver::start(Arc::default(), Duration::from_secs(3600)).unwrap();
        let (silent, good): (Arc<str>, Arc<str>) = ("silent.test".into(), "127.0.0.1".into());
        // as if its server did not answer
        let now = Instant::now();
        let name = Name { due: now, asked: Some(now), asking: true, seen: false };
        resolver.shared.lock().names.insert(Arc::clone(&silent), name);
        let begun = Instant::now();
        resolver.watch(&BTreeSet::from([Arc::clone(&silent)]), Duration::from_secs(3600));
        resolver.watch(&BTreeSet::from([silent, good]), Duration::from_secs(3600));
        assert!(is_known(&resolver, "127.0.0.1"));
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn an_answer_is_asked_for_again_and_at_once_when_connecting_fails() {
        let resolver = Resolver::start(Arc::default(), Duration::from_secs(3600)).unwrap();
        let name: Arc<str> = "127.0.0.1".into();
        resolver.watch(&BTreeSet::from([Arc::clone(&name)]), Duration::from_secs(60));
        let asked = || resolver.shared.lock().names.get(&name).and_then(|name| name.asked);
        let first = asked().unwrap();
        eventually("asked again", || {
            resolver.doubts().about(&name);
            asked() != Some(first)
        });
        let second = asked().unwrap();
        assert!(second.duration_since(first) >= LEAST);
    }
}
