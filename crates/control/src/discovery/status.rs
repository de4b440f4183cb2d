//! What proxies said, shared by the streams that hear it and those who ask.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use change::status::{Connection, ProxyStatus, TurnedAway};
use jiff::Timestamp;
use plan::ProxyId;
use tokio::sync::watch;
use xds::{Event, TypeUrl, Version};

use super::turned_away::Turned;

/// The status of every proxy that has attached since this control plane started.
#[derive(Debug, Default)]
pub struct Statuses {
    // Held for one small update or one copy.
    known: Mutex<Known>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Known {
    proxies: BTreeMap<ProxyId, ProxyStatus>,
    /// Those whose status changed since somebody looked last.
    changed: BTreeSet<ProxyId>,
    turned: Turned,
}

impl Statuses {
    /// One proxy; `None` when it has never attached here.
    pub fn get(&self, proxy: &ProxyId) -> Option<ProxyStatus> {
        self.lock().proxies.get(proxy).cloned()
    }

    /// All proxies.
    pub fn all(&self) -> BTreeMap<ProxyId, ProxyStatus> {
        self.lock().proxies.clone()
    }

    /// The proxies whose status changed since this was asked last, with what it is now; `None`: it was forgotten.
    ///
    /// For the one who follows what proxies do, so that a look costs what happened and not what there is.
    pub fn take_changed(&self) -> BTreeMap<ProxyId, Option<ProxyStatus>> {
        let mut known = self.lock();
        let changed = std::mem::take(&mut known.changed);
        changed.into_iter().map(|proxy| (proxy.clone(), known.proxies.get(&proxy).cloned())).collect()
    }

    /// Who wanted to attach in the last quarter of an hour and was turned away.
    pub fn turned_away(&self) -> Vec<TurnedAway> {
        self.lock().turned.lately(Timestamp::now())
    }

    /// Who was turned away since this was asked last, each at most once a minute: for the one who tells it.
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

    /// A proxy that nothing was ever published for is forgotten.
    pub(crate) fn closed(&self, proxy: &ProxyId, known: bool) {
        let mut all = self.lock();
        match all.proxies.get_mut(proxy) {
            Some(status) if known || status.published.is_some() => status.connection = None,
            _ => drop(all.proxies.remove(proxy)),
        }
        all.changed.insert(proxy.clone());
        drop(all);
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn published(&self, proxy: &ProxyId, version: Version, in_sync: bool) {
        self.update(proxy, |status| status.publish(version, in_sync, Timestamp::now()));
    }

    /// What is published is not told to a proxy, in words why; `None`: it is.
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

    fn update(&self, proxy: &ProxyId, change: impl FnOnce(&mut ProxyStatus)) {
        let mut known = self.lock();
        change(known.proxies.entry(proxy.clone()).or_default());
        known.changed.insert(proxy.clone());
        drop(known);
        self.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Every change is complete when it could panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
