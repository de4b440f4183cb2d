//! Hand-over of configurations: the compile loop publishes those of each proxy, and streams pick them up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use plan::{ExternalSecret, Mtls, ProxyFeatures, ProxyId};
use tokio::sync::watch;
use xds::{Family, ResourceSet};

/// Configuration of one proxy; `None`: none is known.
pub type Published = Option<Package>;

/// Configuration of one proxy, with the secrets that it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// Resources in the dialect of the proxy.
    pub set: Arc<ResourceSet>,
    /// mTLS settings of the proxy in each mesh; empty: it has none, and needs no certificate beside the resources.
    pub identities: Vec<Arc<Mtls>>,
    /// Secrets for services outside the mesh that it needs beside the resources.
    pub outside: BTreeSet<ExternalSecret>,
}

/// Proxy and its dialect.
type Key = (ProxyId, Family);

#[derive(Debug, Default)]
struct Sets {
    senders: BTreeMap<Key, watch::Sender<Published>>,
    /// Proxies that attached or left since the last look.
    moved: BTreeSet<Key>,
    /// Features that proxies announced when they last attached, unless there are none; kept after they leave.
    announced: BTreeMap<ProxyId, ProxyFeatures>,
    /// Proxies with changed features that the planner has not seen yet: their current plan does not apply to them.
    unheard: BTreeSet<ProxyId>,
}

impl Sets {
    fn sender(&mut self, key: Key) -> &watch::Sender<Published> {
        self.senders.entry(key).or_default()
    }

    fn is_attached(&self, key: &Key) -> bool {
        self.senders.get(key).is_some_and(|sender| !sender.is_closed())
    }
}

/// Newest configuration of every proxy, by dialect: one writer, many readers, whole values.
#[derive(Debug, Default)]
pub struct Publisher {
    // Held only to look up or add a sender, never while a set is built or sent over a wire.
    sets: Mutex<Sets>,
    wanted: watch::Sender<u64>,
}

impl Publisher {
    /// Publishes a set that needs no secrets. Returns `true` if it differs from the last: an equal one wakes nobody.
    pub fn publish(&self, proxy: &ProxyId, family: Family, set: Arc<ResourceSet>) -> bool {
        self.publish_package(proxy, family, Package { set, identities: Vec::new(), outside: BTreeSet::new() })
    }

    /// Publishes a set together with the secrets that it needs. Returns `true` if the package differs from the last.
    pub fn publish_package(&self, proxy: &ProxyId, family: Family, package: Package) -> bool {
        self.sender(proxy, family).send_if_modified(|last| {
            let differs = last.as_ref() != Some(&package);
            if differs {
                *last = Some(package);
            }
            differs
        })
    }

    /// Withdraws the configuration of a proxy that is not known any more. An attached proxy keeps what it has; one that
    /// attaches later waits.
    pub fn retract(&self, proxy: &ProxyId, family: Family) {
        self.sender(proxy, family).send_replace(None);
        self.tidy(proxy, family);
    }

    /// Forgets a proxy that is neither known nor attached.
    fn tidy(&self, proxy: &ProxyId, family: Family) {
        let mut sets = self.lock();
        let key = (proxy.clone(), family);
        if sets.senders.get(&key).is_some_and(|sender| sender.is_closed() && sender.borrow().is_none()) {
            sets.senders.remove(&key);
        }
    }

    /// Notes that a proxy left, and forgets it if it is not known.
    pub(super) fn left(&self, proxy: &ProxyId, family: Family) {
        self.lock().moved.insert((proxy.clone(), family));
        self.tidy(proxy, family);
    }

    /// Returns the current and future configurations of a proxy that announces no features.
    pub fn watch(&self, proxy: &ProxyId, family: Family) -> watch::Receiver<Published> {
        self.attach(proxy, family, ProxyFeatures::default())
    }

    /// Returns the current and future configurations of a proxy. One that announces other features than before gets
    /// nothing until the planner has taken them into account.
    pub fn attach(
        &self,
        proxy: &ProxyId,
        family: Family,
        announced: ProxyFeatures,
    ) -> watch::Receiver<Published> {
        // under the lock: the sender could be tidied away in between
        let mut sets = self.lock();
        if *sets.announced.get(proxy).unwrap_or(&ProxyFeatures::default()) != announced {
            sets.announced.insert(proxy.clone(), announced);
            sets.unheard.insert(proxy.clone());
        }
        let key = (proxy.clone(), family);
        let receiver = sets.sender(key.clone()).subscribe();
        sets.moved.insert(key);
        drop(sets);
        self.wanted.send_modify(|count| *count += 1);
        receiver
    }

    /// Returns the announced features of all proxies, and marks them as seen; `None`: nothing is new.
    pub fn take_announced(&self) -> Option<BTreeMap<ProxyId, ProxyFeatures>> {
        let mut sets = self.lock();
        let unheard = std::mem::take(&mut sets.unheard);
        (!unheard.is_empty()).then(|| sets.announced.clone())
    }

    /// Returns the attached proxies whose features have been seen, with their dialects, sorted.
    pub fn wanted(&self) -> Vec<(ProxyId, Family)> {
        let sets = self.lock();
        let attached = sets.senders.iter().filter(|(_, sender)| !sender.is_closed()).map(|(key, _)| key);
        attached.filter(|(proxy, _)| !sets.unheard.contains(proxy)).cloned().collect()
    }

    /// Returns `true` if a proxy is attached in a dialect.
    pub fn is_wanted(&self, proxy: &ProxyId, family: Family) -> bool {
        self.lock().is_attached(&(proxy.clone(), family))
    }

    /// Returns the proxies that attached or left since the last call, each with `true` if it is attached now, sorted.
    /// Those whose features have not been seen wait.
    ///
    /// For the one caller that publishes: its cost depends on the number of changes, not of proxies.
    pub fn take_moved(&self) -> Vec<((ProxyId, Family), bool)> {
        let mut sets = self.lock();
        let all = std::mem::take(&mut sets.moved);
        let (waiting, moved) = all.into_iter().partition(|(proxy, _)| sets.unheard.contains(proxy));
        sets.moved = waiting;
        let moved: BTreeSet<Key> = moved;
        moved.into_iter().map(|key| (key.clone(), sets.is_attached(&key))).collect()
    }

    /// Changes whenever a proxy attaches, so that configurations without a recipient need not be compiled.
    pub fn wanted_changes(&self) -> watch::Receiver<u64> {
        self.wanted.subscribe()
    }

    fn sender(&self, proxy: &ProxyId, family: Family) -> watch::Sender<Published> {
        self.lock().sender((proxy.clone(), family)).clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sets> {
        // a panic cannot leave the map half changed
        self.sets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xds::TypeUrl;

    #[test]
    fn an_equal_set_wakes_nobody() {
        let publisher = Publisher::default();
        let proxy = ProxyId::dataplane("default", "web-1");
        let set = |body: &str| {
            let mut set = ResourceSet::default();
            set.insert(TypeUrl::new("x/y"), "name", body.as_bytes());
            Arc::new(set)
        };
        let mut watcher = publisher.watch(&proxy, Family::L4);
        assert!(watcher.borrow_and_update().is_none());
        assert!(publisher.publish(&proxy, Family::L4, set("1")));
        assert!(watcher.has_changed().unwrap());
        watcher.borrow_and_update();
        assert!(!publisher.publish(&proxy, Family::L4, set("1")));
        assert!(!watcher.has_changed().unwrap());
        assert_eq!(publisher.wanted(), [(proxy, Family::L4)]);
        drop(watcher);
        assert!(publisher.wanted().is_empty());
    }
}
