//! Workers of a proxy whose connections arrive by CPU, as they know each other: the load of each, and its mailbox.
//!
//! All clients of one thread arrive at one worker: a pool that it opens would stay there for ever. So a worker that is far
//! above the mean hands what it accepts to the one with the fewest connections.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use super::mailbox::{Command, Handed, Mailbox};

/// Number of connections above the mean up to which a worker keeps what it accepts, where a quarter of the mean is less.
const LEEWAY: usize = 8;

/// Workers of a proxy, by index.
pub(crate) struct Neighbours(Vec<Neighbour>);

/// Worker as the others know it. On a cache line of its own: each worker writes its load in every turn of its loop.
#[repr(align(64))]
struct Neighbour {
    /// Number of its connections at the end of its last turn.
    live: AtomicUsize,
    /// Number of connections that wait in its mailbox.
    coming: AtomicUsize,
    mailbox: Arc<Mailbox>,
}

impl Neighbours {
    pub(crate) fn new(mailboxes: &[Arc<Mailbox>]) -> Self {
        let neighbour = |mailbox: &Arc<Mailbox>| Neighbour {
            live: AtomicUsize::new(0),
            coming: AtomicUsize::new(0),
            mailbox: Arc::clone(mailbox),
        };
        Self(mailboxes.iter().map(neighbour).collect())
    }

    /// Records the number of a worker's connections.
    pub(super) fn note(&self, worker: usize, live: usize) {
        if let Some(neighbour) = self.0.get(worker) {
            neighbour.live.store(live, Relaxed);
        }
    }

    /// Records that a worker took a connection from its mailbox.
    pub(super) fn arrived(&self, worker: usize) {
        if let Some(neighbour) = self.0.get(worker) {
            neighbour.coming.fetch_sub(1, Relaxed);
        }
    }

    /// Returns the worker that takes a connection which came to `own`, which has so many.
    pub(super) fn taker(&self, own: usize, live: usize) -> usize {
        if live < LEEWAY {
            // whatever the others have
            return own;
        }
        let loads = self.0.iter().enumerate().map(|(worker, neighbour)| {
            let known = if worker == own { live } else { neighbour.live.load(Relaxed) };
            known + neighbour.coming.load(Relaxed)
        });
        taker(own, loads)
    }

    /// Hands a connection to a worker that serves the same generation, or returns it.
    pub(super) fn offer(&self, worker: usize, generation: u64, handed: Handed) -> Result<(), Handed> {
        let Some(neighbour) = self.0.get(worker) else { return Err(handed) };
        neighbour.coming.fetch_add(1, Relaxed);
        let outcome = neighbour.mailbox.offer(generation, handed);
        if outcome.is_err() {
            neighbour.coming.fetch_sub(1, Relaxed);
        }
        outcome
    }

    /// Returns a connection to the worker that accepted it, which has to keep it.
    pub(super) fn give_back(&self, handed: Handed) {
        if let Some(neighbour) = self.0.get(handed.from) {
            neighbour.coming.fetch_add(1, Relaxed);
            neighbour.mailbox.send(Command::Take(handed));
        }
    }
}

/// Returns the worker that takes a connection which came to `own`, by the loads of all workers: `own`, unless it has a
/// quarter more than the mean, and at least [`LEEWAY`] more; then the one with the fewest.
fn taker(own: usize, loads: impl Iterator<Item = usize>) -> usize {
    let (mut all, mut workers, mut mine, mut least) = (0, 0, 0, (usize::MAX, own));
    for (worker, load) in loads.enumerate() {
        all += load;
        workers += 1;
        if worker == own {
            mine = load;
        }
        least = least.min((load, worker));
    }
    let mean = all / workers.max(1);
    if mine < mean + (mean / 4).max(LEEWAY) { own } else { least.1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Highest load that the law permits after one more connection, among so many workers with so many in all.
    fn most(all: usize, workers: usize) -> usize {
        let mean = all / workers;
        mean + (mean / 4).max(LEEWAY)
    }

    #[test]
    fn a_pool_of_one_thread_does_not_pile_up_on_its_worker() {
        let mut loads = [0; 4];
        for _ in 0..1_000 {
            loads[taker(2, loads.into_iter())] += 1;
        }
        assert_eq!(loads.iter().sum::<usize>(), 1_000);
        assert!(loads[2] <= most(1_000, 4), "{loads:?}");
        assert!(*loads.iter().min().unwrap() >= 200, "{loads:?}");
    }

    #[test]
    fn a_few_connections_stay_where_they_came() {
        let mut loads = [0; 64];
        for _ in 0..LEEWAY {
            loads[taker(7, loads.into_iter())] += 1;
        }
        assert_eq!(loads[7], LEEWAY);
    }

    proptest! {
        #[test]
        fn who_takes_one_more_is_not_above_the_bound_and_who_hands_over_hands_to_the_least(
            loads in prop::collection::vec(0_usize..200, 1..9),
            own in any::<prop::sample::Index>(),
        ) {
            let own = own.index(loads.len());
            let taker = taker(own, loads.iter().copied());
            let all: usize = loads.iter().sum();
            prop_assert!(loads[taker] < most(all, loads.len()));
            if taker != own {
                prop_assert_eq!(loads[taker], *loads.iter().min().unwrap());
                prop_assert!(loads[own] >= most(all, loads.len()));
            }
        }

        #[test]
        fn however_connections_come_and_go_no_arrival_goes_past_the_bound(
            workers in 1_usize..7,
            steps in prop::collection::vec((any::<bool>(), 0_usize..7), 1..600),
        ) {
            let mut loads = vec![0_usize; workers];
            for (comes, at) in steps {
                let at = at % workers;
                match comes {
                    true => {
                        let taker = taker(at, loads.iter().copied());
                        loads[taker] += 1;
                        let all: usize = loads.iter().sum();
                        prop_assert!(loads[taker] <= most(all, workers));
                    }
                    false => loads[at] = loads[at].saturating_sub(1),
                }
            }
        }
    }
}
