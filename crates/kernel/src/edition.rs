//! Version of a listener, which stays in the tables as long as a connection of it lives.

use std::sync::Arc;

use l4::balance::hash::{mix_both, position};
use l4::config::{Listener, ProxyName, Target};
use l4::direct::Direct;

use crate::tables::{Interval, IntervalVerdict};

/// Listener as stored in one slot of the routes.
#[derive(Clone)]
pub(crate) struct Edition {
    /// Content of the slot.
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) listener: Arc<Listener>,
    pub(crate) generation: u64,
    pub(crate) intervals: Arc<[Interval]>,
}

/// Digest of the name of a proxy's listener or cluster, by which tables are adopted.
pub(crate) fn name(proxy: &ProxyName, name: &str) -> u64 {
    digest([proxy.as_str(), name])
}

/// Digest of the names that the intervals of a listener's table, and the endpoints behind them, have in the log and in
/// metrics. Of two tables of the same bytes and the same digest, either tells what became of the other's connections.
pub(crate) fn meaning(listener: &Listener, intervals: &[Interval]) -> u64 {
    let route = listener.route_at(Direct::ROUTE);
    let of_route = route.into_iter().flat_map(|route| {
        let backends = route.backends.iter().flat_map(|backend| {
            let endpoints = match &backend.target {
                Target::Cluster(cluster) => cluster.endpoints.as_slice(),
                Target::Unavailable(_) => &[],
            };
            let named = [backend.reference.to_string(), backend.cluster_name().to_owned()];
            named.into_iter().chain(endpoints.iter().map(ToString::to_string))
        });
        std::iter::once(route.name.to_string()).chain(backends)
    });
    let of_intervals =
        intervals.iter().map(|Interval { end: _, first_backend, backend, verdict }| match verdict {
            IntervalVerdict::Refuse(refusal, why) => {
                format!("{first_backend:?} {backend:?} {refusal:?} {why}")
            }
            IntervalVerdict::Go(_) | IntervalVerdict::Relay => format!("{first_backend:?} {backend:?}"),
        });
    let words = digest(of_route.chain(of_intervals));
    mix_both(name(&listener.proxy, &listener.name), words)
}

fn digest(words: impl IntoIterator<Item = impl AsRef<str>>) -> u64 {
    words.into_iter().fold(0, |digest, word| mix_both(digest, position(word.as_ref().as_bytes())))
}

impl Edition {
    /// Identity of an edition: the table, and the listener whose names it has.
    fn key(&self) -> (&[u8], *const Listener) {
        (&self.bytes, Arc::as_ptr(&self.listener))
    }
}

impl PartialEq for Edition {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Edition {}

impl PartialOrd for Edition {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Edition {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
