//! Resolution of the host names at which proxies are dialled, so that plans contain addresses (spec 08 §2).
//!
//! The system's resolver on this host is asked, once for all proxies: an Envoy accepts only addresses from a control
//! plane, and all are to dial the same one of several.
//!
//! Resolved addresses outlive the process if there is a file for them: a process that starts without a reachable
//! resolver uses them.

mod last;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use plan::{Hosts, ResolvedHost};
use tokio::net::lookup_host;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use self::last::{Last, addresses};
use crate::guard::task_again;

/// Interval at which a name is resolved again.
const REFRESH: Duration = Duration::from_secs(10);
/// Limit on the wait for one answer; a slower resolver counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(5);
/// Limit on the time that a state waits for the first answers about its names; later answers are taken over afterwards.
const FIRST: Duration = Duration::from_secs(1);
/// Limit on names that are resolved at the same time.
const TOGETHER: usize = 64;

/// Periodic resolver of host names; runs as long as it or a clone of it lives.
#[derive(Clone, Debug)]
pub struct HostResolver {
    runtime: Handle,
    names: watch::Sender<BTreeSet<Arc<str>>>,
    found: watch::Sender<Arc<Hosts>>,
    last: Arc<Last>,
}

impl HostResolver {
    /// Starts a resolver without names. `kept`: file for the last addresses, read at the start and written later;
    /// `None`: they are forgotten at the end. `wake` is called when the address of a name changes.
    pub fn start(runtime: &Handle, kept: Option<PathBuf>, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (names, asked) = watch::channel(BTreeSet::new());
        let (found, last) = (watch::Sender::default(), Arc::new(Last::at(kept)));
        let it = Self { runtime: runtime.clone(), names, found: found.clone(), last: Arc::clone(&last) };
        let wake = Arc::new(wake);
        runtime.spawn(async move {
            let resolve = || resolve(asked.clone(), found.clone(), Arc::clone(&last), Arc::clone(&wake));
            task_again("hosts", resolve).await;
        });
        it
    }

    /// Adds names, and waits a while for the first answers to those that are new. A name without an answer by then has
    /// the address from the end of the previous process.
    pub fn ask<'n>(&self, names: impl IntoIterator<Item = &'n str>) {
        let (names, mut found) =
            (names.into_iter().map(Arc::from).collect::<BTreeSet<Arc<str>>>(), self.found.subscribe());
        self.names.send_if_modified(|asked| {
            let before = asked.len();
            asked.extend(names.iter().cloned());
            asked.len() > before
        });
        let answered = |found: &Arc<Hosts>| names.iter().all(|name| found.contains_key(&**name));
        if !answered(&found.borrow()) {
            // later answers are published when they come
            let _ = self.runtime.block_on(timeout(FIRST, found.wait_for(answered)));
            self.recall(&names);
        }
    }

    /// Gives names without an answer their last known addresses.
    fn recall(&self, names: &BTreeSet<Arc<str>>) {
        self.found.send_if_modified(|found| {
            let is_new = |name: &&Arc<str>| !found.contains_key(&***name);
            let last = self.last.addresses();
            let known: Vec<_> =
                names.iter().filter(is_new).filter_map(|name| last.get_key_value(&**name)).collect();
            for (name, address) in &known {
                let why = "has not been resolved since the control plane started".to_owned();
                Arc::make_mut(found).insert((*name).clone(), ResolvedHost::Kept { address: **address, why });
            }
            !known.is_empty()
        });
    }

    /// Forgets all names but these.
    pub fn keep(&self, names: &BTreeSet<&str>) {
        self.names.send_if_modified(|asked| {
            let before = asked.len();
            asked.retain(|name| names.contains(&**name));
            asked.len() < before
        });
    }

    /// Returns the known addresses of names.
    pub fn found(&self) -> Arc<Hosts> {
        Arc::clone(&self.found.borrow())
    }
}

/// Resolves all names periodically, and new ones at once. Ends when the sender of names is dropped.
async fn resolve(
    mut asked: watch::Receiver<BTreeSet<Arc<str>>>,
    tell: watch::Sender<Arc<Hosts>>,
    last: Arc<Last>,
    wake: Arc<impl Fn() + Send + Sync>,
) {
    let mut kept = last.addresses().clone();
    let mut looking: JoinSet<(Arc<str>, Result<IpAddr, String>)> = JoinSet::new();
    let mut due: Vec<Arc<str>> = Vec::new();
    let mut next = Instant::now();
    loop {
        while looking.len() < TOGETHER
            && let Some(name) = due.pop()
        {
            looking.spawn(async move {
                let answer = look_up(&name).await;
                (name, answer)
            });
        }
        tokio::select! {
            Some(Ok((name, answer))) = looking.join_next() => {
                let before = last.addresses().get(&*name).copied();
                if asked.borrow().contains(&name) && publish(&tell, &name, answer, before) {
                    wake();
                }
                let now = addresses(&tell.borrow());
                if looking.is_empty() && due.is_empty() && now != kept {
                    kept.clone_from(&now);
                    let last = Arc::clone(&last);
                    // errors are logged by `keep`
                    let _ = tokio::task::spawn_blocking(move || last.keep(&now)).await;
                }
            }
            changed = asked.changed() => {
                if changed.is_err() {
                    return;
                }
                let names = asked.borrow_and_update().clone();
                due.extend(names.iter().filter(|name| !tell.borrow().contains_key(&***name)).cloned());
                tell.send_if_modified(|found| {
                    let is_left = found.keys().any(|name| !names.contains(name.as_str()));
                    if is_left {
                        Arc::make_mut(found).retain(|name, _| names.contains(name.as_str()));
                    }
                    is_left
                });
            }
            () = sleep_until(next), if looking.is_empty() => {
                next = Instant::now() + REFRESH;
                due.extend(asked.borrow().iter().cloned());
            }
        }
    }
}

async fn look_up(name: &str) -> Result<IpAddr, String> {
    let answer = timeout(PATIENCE, lookup_host((name, 0))).await;
    let found = answer.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)));
    let addresses = found.map_err(|error| format!("cannot be resolved: {error}"))?;
    addresses.map(|address| address.ip()).min().ok_or_else(|| "has no address".to_owned())
}

/// Publishes an answer; `last`: address of the name when the process began. Returns `true` if the address changed, or
/// the reason for having none.
fn publish(
    tell: &watch::Sender<Arc<Hosts>>,
    name: &str,
    answer: Result<IpAddr, String>,
    last: Option<IpAddr>,
) -> bool {
    tell.send_if_modified(|found| {
        let before = found.get(name);
        let now = match answer {
            Ok(address) => ResolvedHost::Known(address),
            Err(why) => match before.and_then(ResolvedHost::address).or(last) {
                Some(address) => ResolvedHost::Kept { address, why },
                None => ResolvedHost::Unknown { why },
            },
        };
        if before == Some(&now) {
            return false;
        }
        if let Some(why) = now.failure() {
            tracing::warn!(host = name, why, "a host name at which proxies are dialled leads nowhere");
        }
        Arc::make_mut(found).insert(name.to_owned(), now);
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_smallest_address_of_a_name_is_told_and_a_name_that_leads_nowhere_costs_itself() {
        let (woken, mut wakes) = tokio::sync::mpsc::unbounded_channel();
        let wake = move || woken.send(()).unwrap_or_default();
        let resolver = HostResolver::start(&Handle::current(), None, wake);
        let asking = resolver.clone();
        let names = ["localhost", "nowhere.invalid", "127.0.0.9"];
        tokio::task::spawn_blocking(move || asking.ask(names)).await.unwrap();
        while resolver.found().len() < names.len() {
            wakes.recv().await.unwrap();
        }
        let found = resolver.found();
        assert_eq!(found["127.0.0.9"], ResolvedHost::Known("127.0.0.9".parse().unwrap()));
        assert_eq!(found["localhost"].address(), Some("127.0.0.1".parse().unwrap()));
        assert!(
            matches!(&found["nowhere.invalid"], ResolvedHost::Unknown { why } if why.contains("resolved")),
            "{found:?}"
        );
        resolver.keep(&BTreeSet::from(["localhost"]));
        let mut seen = resolver.found.subscribe();
        seen.wait_for(|found| found.len() == 1).await.unwrap();
    }

    #[test]
    fn a_name_keeps_the_address_that_it_had_until_there_is_another() {
        let (tell, found) = watch::channel(Arc::default());
        let address = |text: &str| text.parse().unwrap();
        let publish = |name, answer| publish(&tell, name, answer, None);
        assert!(publish("gate", Ok(address("10.0.0.1"))));
        assert!(!publish("gate", Ok(address("10.0.0.1"))));
        assert!(publish("gate", Err("is away".into())));
        let kept = ResolvedHost::Kept { address: address("10.0.0.1"), why: "is away".into() };
        assert_eq!(found.borrow()["gate"], kept);
        assert!(!publish("gate", Err("is away".into())), "it was told");
        assert!(publish("gate", Ok(address("10.0.0.2"))));
        assert_eq!(found.borrow()["gate"], ResolvedHost::Known(address("10.0.0.2")));
    }

    #[tokio::test]
    async fn who_starts_while_nobody_answers_knows_what_names_stood_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("host-addresses");
        std::fs::write(&file, r#"{"nowhere.invalid": "10.0.0.1", "localhost": "10.0.0.2"}"#).unwrap();
        let resolver = HostResolver::start(&Handle::current(), Some(file.clone()), || ());
        let asking = resolver.clone();
        tokio::task::spawn_blocking(move || asking.ask(["nowhere.invalid", "localhost", "never.invalid"]))
            .await
            .unwrap();
        let kept = |found: &Arc<Hosts>| {
            found.len() == 3 && found["nowhere.invalid"].failure().is_some_and(|why| why.contains("resolved"))
        };
        resolver.found.subscribe().wait_for(kept).await.unwrap();
        let found = resolver.found();
        assert_eq!(found["nowhere.invalid"].address(), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(
            found["localhost"],
            ResolvedHost::Known("127.0.0.1".parse().unwrap()),
            "an answer outweighs it"
        );
        assert_eq!(found["never.invalid"].address(), None);
        loop {
            let kept = Last::at(Some(file.clone())).addresses().clone();
            if kept.get("localhost") == Some(&"127.0.0.1".parse().unwrap()) {
                assert_eq!(kept.len(), 2, "{kept:?}");
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
