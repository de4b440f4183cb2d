//! Resolves the host names at which proxies are dialled, so that plans say addresses (spec 08 §2).
//!
//! The system's resolver is asked, on this host, once for all proxies: an Envoy takes nothing but addresses from a control
//! plane, and of several all are to dial the same one.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use plan::{Host, Hosts};
use tokio::net::lookup_host;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::guard::task_again;

/// How long an answer is used before a name is asked for again.
const REFRESH: Duration = Duration::from_secs(10);
/// How long one answer may take. Who asks longer has a server that is away.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a state waits for the first answers about its names: what it says of the others comes later.
const FIRST: Duration = Duration::from_secs(1);
/// How many names may be asked for at once.
const TOGETHER: usize = 64;

/// Resolves names, again and again, for as long as it or a clone of it lives.
#[derive(Clone, Debug)]
pub struct HostResolver {
    runtime: Handle,
    names: watch::Sender<BTreeSet<Arc<str>>>,
    found: watch::Receiver<Arc<Hosts>>,
}

impl HostResolver {
    /// Knows no names yet. `wake` is called when one stands for something else than before.
    pub fn start(runtime: &Handle, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (names, asked) = watch::channel(BTreeSet::new());
        let (tell, found) = watch::channel(Arc::default());
        let wake = Arc::new(wake);
        runtime.spawn(async move {
            task_again("hosts", || resolve(asked.clone(), tell.clone(), Arc::clone(&wake))).await;
        });
        Self { runtime: runtime.clone(), names, found }
    }

    /// Asks for these names too from now on, and waits a while for the first answers to those that are new.
    pub fn ask<'n>(&self, names: impl IntoIterator<Item = &'n str>) {
        let (names, mut found) =
            (names.into_iter().map(Arc::from).collect::<BTreeSet<Arc<str>>>(), self.found.clone());
        self.names.send_if_modified(|asked| {
            let before = asked.len();
            asked.extend(names.iter().cloned());
            asked.len() > before
        });
        let answered = |found: &Arc<Hosts>| names.iter().all(|name| found.contains_key(&**name));
        if !answered(&found.borrow()) {
            // what has no answer by then is told later
            let _ = self.runtime.block_on(timeout(FIRST, found.wait_for(answered)));
        }
    }

    /// Forgets all names but these.
    pub fn keep(&self, names: &BTreeSet<&str>) {
        self.names.send_if_modified(|asked| {
            let before = asked.len();
            asked.retain(|name| names.contains(&**name));
            asked.len() < before
        });
    }

    /// What names stand for, as far as it is known.
    pub fn found(&self) -> Arc<Hosts> {
        Arc::clone(&self.found.borrow())
    }
}

/// Asks for all names, and for those that are new at once. Ends when nobody names any more.
async fn resolve(
    mut asked: watch::Receiver<BTreeSet<Arc<str>>>,
    tell: watch::Sender<Arc<Hosts>>,
    wake: Arc<impl Fn() + Send + Sync>,
) {
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
                if asked.borrow().contains(&name) && publish(&tell, &name, answer) {
                    wake();
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

/// Tells an answer. Whether the name stands for something else now, or has another reason to stand for nothing.
fn publish(tell: &watch::Sender<Arc<Hosts>>, name: &str, answer: Result<IpAddr, String>) -> bool {
    tell.send_if_modified(|found| {
        let before = found.get(name);
        let now = match answer {
            Ok(address) => Host::Known(address),
            Err(why) => match before.and_then(Host::address) {
                Some(address) => Host::Kept { address, why },
                None => Host::Unknown { why },
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
        let resolver = HostResolver::start(&Handle::current(), move || woken.send(()).unwrap_or_default());
        let asking = resolver.clone();
        let names = ["localhost", "nowhere.invalid", "127.0.0.9"];
        tokio::task::spawn_blocking(move || asking.ask(names)).await.unwrap();
        while resolver.found().len() < names.len() {
            wakes.recv().await.unwrap();
        }
        let found = resolver.found();
        assert_eq!(found["127.0.0.9"], Host::Known("127.0.0.9".parse().unwrap()));
        assert_eq!(found["localhost"].address(), Some("127.0.0.1".parse().unwrap()));
        assert!(
            matches!(&found["nowhere.invalid"], Host::Unknown { why } if why.contains("resolved")),
            "{found:?}"
        );
        resolver.keep(&BTreeSet::from(["localhost"]));
        let mut seen = resolver.found.clone();
        seen.wait_for(|found| found.len() == 1).await.unwrap();
    }

    #[test]
    fn a_name_keeps_the_address_that_it_had_until_there_is_another() {
        let (tell, found) = watch::channel(Arc::default());
        let address = |text: &str| text.parse().unwrap();
        assert!(publish(&tell, "gate", Ok(address("10.0.0.1"))));
        assert!(!publish(&tell, "gate", Ok(address("10.0.0.1"))));
        assert!(publish(&tell, "gate", Err("is away".into())));
        let kept = Host::Kept { address: address("10.0.0.1"), why: "is away".into() };
        assert_eq!(found.borrow()["gate"], kept);
        assert!(!publish(&tell, "gate", Err("is away".into())), "it was told");
        assert!(publish(&tell, "gate", Ok(address("10.0.0.2"))));
        assert_eq!(found.borrow()["gate"], Host::Known(address("10.0.0.2")));
    }
}
