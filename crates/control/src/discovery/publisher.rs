//! Where the compile loop leaves what each proxy should run, and streams pick it up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use plan::{ExternalSecret, Mtls, ProxyFeatures, ProxyId};
use tokio::sync::watch;
use xds::{Family, ResourceSet};

/// What one proxy should run; `None` while nothing is known of it.
pub type Published = Option<Package>;

/// What one proxy should run.
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// The resources.
    pub set: Arc<ResourceSet>,
    /// How it proves who it is, in each mesh; none: it does not, and needs no secret beside the resources.
    pub identities: Vec<Arc<Mtls>>,
    /// The secrets about services outside the mesh that it needs beside the resources.
    pub outside: BTreeSet<ExternalSecret>,
}

/// Who is served, and in which dialect.
type Key = (ProxyId, Family);

#[derive(Debug, Default)]
struct Sets {
    senders: BTreeMap<Key, watch::Sender<Published>>,
    /// Who attached or left since somebody looked last.
    moved: BTreeSet<Key>,
    /// What proxies announced when they attached last, if it was anything; who leaves is still remembered.
    announced: BTreeMap<ProxyId, ProxyFeatures>,
    /// Those that announced something else than before, which nobody has heard yet: what is planned is not for them.
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

/// The newest set of every proxy, by dialect: one writer, many readers, whole values.
#[derive(Debug, Default)]
pub struct Publisher {
    // Held only to look up or add a sender, never while a set is built or sent over a wire.
    sets: Mutex<Sets>,
    wanted: watch::Sender<u64>,
}

impl Publisher {
    /// Publishes a set that needs no secrets. Returns whether it differs from the last: an equal one wakes nobody.
    pub fn publish(&self, proxy: &ProxyId, family: Family, set: Arc<ResourceSet>) -> bool {
        self.publish_package(proxy, family, Package { set, identities: Vec::new(), outside: BTreeSet::new() })
    }

    /// The same, of a set that needs secrets beside it.
    pub fn publish_package(&self, proxy: &ProxyId, family: Family, package: Package) -> bool {
        self.sender(proxy, family).send_if_modified(|last| {
            let differs = last.as_ref() != Some(&package);
            if differs {
                *last = Some(package);
            }
            differs
        })
    }

    /// Says that a proxy is not known any more. One that is attached keeps what it has; one that attaches later waits.
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

    /// Notes that a proxy left, and forgets it when it was not known.
    pub(super) fn left(&self, proxy: &ProxyId, family: Family) {
        self.lock().moved.insert((proxy.clone(), family));
        self.tidy(proxy, family);
    }

    /// What is published for a proxy that announces nothing, now and from now on.
    pub fn watch(&self, proxy: &ProxyId, family: Family) -> watch::Receiver<Published> {
        self.attach(proxy, family, ProxyFeatures::default())
    }

    /// What is published for a proxy now and from now on. One that announces something else than before is told nothing until
    /// that was heard, and plans are made by it.
    pub fn attach(
        &self,
        proxy: &ProxyId,
        family: Family,
        announced: ProxyFeatures,
    ) -> watch::Receiver<Published> {
        // Under the lock, or the sender could be tidied away in between.
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

    /// What proxies have announced, if any of it was not heard yet. From now on it is.
    pub fn take_announced(&self) -> Option<BTreeMap<ProxyId, ProxyFeatures>> {
        let mut sets = self.lock();
        let unheard = std::mem::take(&mut sets.unheard);
        (!unheard.is_empty()).then(|| sets.announced.clone())
    }

    /// The proxies that are attached now and were heard, and the dialects they speak, sorted.
    pub fn wanted(&self) -> Vec<(ProxyId, Family)> {
        let sets = self.lock();
        let attached = sets.senders.iter().filter(|(_, sender)| !sender.is_closed()).map(|(key, _)| key);
        attached.filter(|(proxy, _)| !sets.unheard.contains(proxy)).cloned().collect()
    }

    /// Whether a proxy is attached in a dialect.
    pub fn is_wanted(&self, proxy: &ProxyId, family: Family) -> bool {
        self.lock().is_attached(&(proxy.clone(), family))
    }

    /// Who attached or left since this was asked last, and whether it is attached now, sorted. Who is not heard yet waits.
    ///
    /// For the one who decides what is published, so that a look costs what happened and not what there is.
    pub fn take_moved(&self) -> Vec<((ProxyId, Family), bool)> {
        let mut sets = self.lock();
        let all = std::mem::take(&mut sets.moved);
        let (waiting, moved) = all.into_iter().partition(|(proxy, _)| sets.unheard.contains(proxy));
        sets.moved = waiting;
        let moved: BTreeSet<Key> = moved;
        moved.into_iter().map(|key| (key.clone(), sets.is_attached(&key))).collect()
    }

    /// Changes whenever a proxy attaches, so that what nobody wants need not be compiled.
    pub fn wanted_changes(&self) -> watch::Receiver<u64> {
        self.wanted.subscribe()
    }

    fn sender(&self, proxy: &ProxyId, family: Family) -> watch::Sender<Published> {
        self.lock().sender((proxy.clone(), family)).clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sets> {
        // A panic cannot leave the map half changed.
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
