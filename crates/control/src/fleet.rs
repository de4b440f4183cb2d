//! What every attached proxy should run, in its own words, kept at what the resources say.
//!
//! ```text
//!  Compiled ──adopt──▶ Fleet ──(differs from what it was told?)──▶ Publisher ⇢ streams ⇢ proxies
//!  a proxy attaches ──attend──┘                                                     │
//!  report: proxies and routes, with what became of each  ◀── Statuses ◀── ACK, NACK ┘
//! ```
//!
//! Only what somebody wants is said in a dialect, and only when its plan changed. It opens no socket and has no clock.

mod envoy;
mod happening;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dialect::envoy::EnvoyOptions;
use model::ProxyKey;
use plan::Plan;
use xds::{Family, ResourceSet};

use crate::compile::{Compiled, CompiledProxy};
use crate::discovery::Publisher;

pub use happening::{Did, Happening, happenings};
pub use report::{FleetReport, ProxyReport, Reach, Refusal, RouteAtProxy, RouteReport, report};

/// The proxies that attach to this control plane, and what they were told.
#[derive(Debug)]
pub struct Fleet {
    publisher: Arc<Publisher>,
    envoy: EnvoyOptions,
    compiled: Arc<Compiled>,
    revision: u64,
    served: BTreeMap<(ProxyKey, Family), Served>,
    /// Attached proxies that no Dataplane is there for.
    waiting: BTreeSet<ProxyKey>,
}

/// What one proxy was told last.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// What it must do.
    pub plan: Arc<Plan>,
    /// The same in its own words.
    pub resources: Arc<ResourceSet>,
    /// The revision of the fleet that brought the last change of it.
    pub revision: u64,
    /// What could not be said as asked, in words.
    pub notes: Vec<String>,
}

/// What came of a look at who is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A proxy is told something new.
    Published {
        /// The proxy.
        proxy: ProxyKey,
        /// What it could not be told as asked, in words, and was not told before.
        notes: Vec<String>,
    },
    /// A proxy attached, and no Dataplane has its name: it waits, or keeps what it runs.
    Unknown {
        /// The proxy.
        proxy: ProxyKey,
    },
    /// A plan cannot be said in the dialect: a mistake of ours. The proxy keeps what it runs.
    Unsayable {
        /// The proxy.
        proxy: ProxyKey,
        /// What is wrong, with the resource and the path in it.
        problem: String,
    },
}

impl Fleet {
    /// A fleet that publishes to `publisher`, with nothing to say yet.
    pub fn new(publisher: Arc<Publisher>, envoy: EnvoyOptions, nothing: Compiled) -> Self {
        Self {
            publisher,
            envoy,
            compiled: Arc::new(nothing),
            revision: 0,
            served: BTreeMap::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Takes a new state of all proxies, and tells those that are attached what changed for them.
    pub fn adopt(&mut self, compiled: Arc<Compiled>) -> Vec<News> {
        self.compiled = compiled;
        self.revision += 1;
        self.attend()
    }

    /// Tells proxies that attached what they should run, and forgets those that left.
    pub fn attend(&mut self) -> Vec<News> {
        let wanted: BTreeSet<(ProxyKey, Family)> = self.publisher.wanted().into_iter().collect();
        let left: Vec<_> = self.served.keys().filter(|key| !wanted.contains(*key)).cloned().collect();
        for (proxy, family) in left {
            // what it was told grows old: when it comes back it waits for what is new
            self.publisher.retract(&proxy, family);
            self.served.remove(&(proxy, family));
        }
        self.waiting.retain(|proxy| wanted.iter().any(|(wanted, _)| wanted == proxy));
        let compiled = Arc::clone(&self.compiled);
        wanted.into_iter().filter_map(|(proxy, family)| self.tell(&compiled, proxy, family)).collect()
    }

    fn tell(&mut self, compiled: &Compiled, proxy: ProxyKey, family: Family) -> Option<News> {
        let Some(found) = compiled.proxies.get(&proxy) else {
            self.served.remove(&(proxy.clone(), family));
            self.publisher.retract(&proxy, family);
            return self.waiting.insert(proxy.clone()).then_some(News::Unknown { proxy });
        };
        self.waiting.remove(&proxy);
        let key = (proxy, family);
        let before = self.served.get(&key);
        if before.is_some_and(|served| Arc::ptr_eq(&served.plan, &found.plan) || served.plan == found.plan) {
            return None;
        }
        let CompiledProxy { plan, resources, notes, .. } = found;
        let said = match family {
            Family::L4 => Ok((Arc::clone(resources), notes.clone())),
            Family::Envoy => envoy::said(plan, &self.envoy),
        };
        let (resources, notes) = match said {
            Ok(said) => said,
            Err(problem) => return Some(News::Unsayable { proxy: key.0, problem: problem.to_string() }),
        };
        let old_notes = before.map(|served| served.notes.as_slice()).unwrap_or_default();
        let new_notes = notes.iter().filter(|note| !old_notes.contains(note)).cloned().collect();
        let changed = before.is_none_or(|served| served.resources != resources);
        let revision = match before {
            Some(served) if !changed => served.revision,
            Some(_) | None => self.revision,
        };
        if changed {
            self.publisher.publish(&key.0, family, Arc::clone(&resources));
        }
        let served = Served { plan: Arc::clone(plan), resources, revision, notes };
        self.served.insert(key.clone(), served);
        changed.then_some(News::Published { proxy: key.0, notes: new_notes })
    }

    /// All proxies as they should be.
    pub fn compiled(&self) -> &Arc<Compiled> {
        &self.compiled
    }

    /// How many states were adopted.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What each attached and known proxy was told last.
    pub fn served(&self) -> &BTreeMap<(ProxyKey, Family), Served> {
        &self.served
    }
}

#[cfg(test)]
mod tests;
