//! Statuses of proxies, shared by the streams that update them and by readers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use change::paths::ReportedPaths;
use change::status::{Connection, ProxyStatus, TurnedAway};
use jiff::Timestamp;
use plan::ProxyId;
use tokio::sync::watch;
use xds::{Event, TypeUrl, Version};

use super::turned_away::TurnedAwayClients;

/// Status of every proxy that has attached since this control plane started.
#[derive(Debug, Default)]
pub struct Statuses {
    // held for one small update or one copy
    known: Mutex<Known>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    proxies: BTreeMap<ProxyId, ProxyStatus>,
    /// Proxies whose status changed since the last look.
    changed: BTreeSet<ProxyId>,
    turned: TurnedAwayClients,
}

impl Statuses {
    /// Returns the status of one proxy; `None`: it has never attached here.
    pub fn get(&self, proxy: &ProxyId) -> Option<ProxyStatus> {
        self.lock().proxies.get(proxy).cloned()
    }

    /// Returns the statuses of all proxies.
    pub fn all(&self) -> BTreeMap<ProxyId, ProxyStatus> {
        self.lock().proxies.clone()
    }

    /// Returns the proxies whose status changed since the last call, with the current status; `None`: it was forgotten.
    ///
    /// For the one caller that follows statuses: its cost depends on the number of changes, not of proxies.
    pub fn take_changed(&self) -> BTreeMap<ProxyId, Option<ProxyStatus>> {
        let mut known = self.lock();
        let changed = std::mem::take(&mut known.changed);
        changed.into_iter().map(|proxy| (proxy.clone(), known.proxies.get(&proxy).cloned())).collect()
    }

    /// Returns the clients that were rejected in the last quarter of an hour.
    pub fn turned_away(&self) -> Vec<TurnedAway> {
        self.lock().turned.lately(Timestamp::now())
    }

    /// Returns the clients that were rejected since the last call, each at most once a minute: for the one caller that
    /// logs them.
    pub fn take_turned_away(&self) -> Vec<TurnedAway> {
        self.lock().turned.take_news()
    }

    pub(crate) fn turn_away(&self, who: &str, why: &str, from: Option<IpAddr>) {
        self.lock().turned.add(who, why, from, Timestamp::now());
        self.changes.send_modify(|count| *count += 1);
    }

    /// Changes whenever a status does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn opened(&self, proxy: &ProxyId, connection: Connection) {
        self.lock().turned.admitted(&proxy.to_string());
        self.update(proxy, |status| status.opened(connection));
    }

    /// Notes that a stream ended. A proxy without a published configuration is forgotten.
    pub(crate) fn closed(&self, proxy: &ProxyId, known: bool) {
        let mut all = self.lock();
        match all.proxies.get_mut(proxy) {
            Some(status) if known || status.published.is_some() => status.closed(),
            _ => drop(all.proxies.remove(proxy)),
        }
        all.changed.insert(proxy.clone());
        drop(all);
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn published(&self, proxy: &ProxyId, version: Version, in_sync: bool) {
        self.update(proxy, |status| status.publish(version, in_sync, Timestamp::now()));
    }

    /// Sets the reason why the published configuration is withheld from a proxy; `None`: it is not withheld.
    pub(crate) fn withheld(&self, proxy: &ProxyId, why: Option<String>) {
        if self.lock().proxies.get(proxy).is_none_or(|status| status.withheld != why) {
            self.update(proxy, |status| status.withheld = why);
        }
    }

    pub(crate) fn accepted(&self, proxy: &ProxyId, version: Version) {
        self.update(proxy, |status| status.accept(version, Timestamp::now()));
    }

    pub(crate) fn settled(&self, proxy: &ProxyId, version: Version) {
        self.update(proxy, |status| status.settle(version, Timestamp::now()));
    }

    pub(crate) fn answered(&self, proxy: &ProxyId, event: Event, refused: &[(TypeUrl, String)]) {
        self.update(proxy, |status| status.answer(event, refused, Timestamp::now()));
    }

    pub(crate) fn retained(&self, proxy: &ProxyId, refused: &[(TypeUrl, String)]) {
        self.update(proxy, |status| status.keep_rejections(refused));
    }

    /// Sets the data paths of a proxy's outbounds.
    pub(crate) fn reported_paths(&self, proxy: &ProxyId, paths: ReportedPaths) {
        self.update(proxy, |status| status.paths = Some(Arc::new(paths)));
    }

    /// Records that a proxy no longer reports. A proxy without a status stays without one.
    pub(crate) fn stopped_reporting(&self, proxy: &ProxyId) {
        if self.lock().proxies.get(proxy).is_some_and(|status| status.paths.is_some()) {
            self.update(proxy, ProxyStatus::stopped_reporting);
        }
    }

    fn update(&self, proxy: &ProxyId, change: impl FnOnce(&mut ProxyStatus)) {
        let mut known = self.lock();
        change(known.proxies.entry(proxy.clone()).or_default());
        known.changed.insert(proxy.clone());
        drop(known);
        self.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // every change is complete where it could panic
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
