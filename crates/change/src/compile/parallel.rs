//! Parallel map on all cores.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

/// Number of items that a core takes at a time: the cost of a few does not pay for synchronization.
const AT_A_TIME: usize = 16;

/// Applies `work` to each item, and returns the results in the order of the items. A panic in one of them is
/// propagated.
pub(super) fn each<T: Sync, R: Send>(things: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let batches = things.len().div_ceil(AT_A_TIME);
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(batches);
    if cores <= 1 {
        return things.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let batch = next.fetch_add(1, Relaxed);
            let Some(things) = things.chunks(AT_A_TIME).nth(batch) else { return done };
            done.push((batch, things.iter().map(&work).collect::<Vec<R>>()));
        }
    };
    let mut done: Vec<(usize, Vec<R>)> = thread::scope(|scope| {
        let others: Vec<_> = (1..cores).map(|_| scope.spawn(worker)).collect();
        let mut done = worker();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(batch, _)| *batch);
    done.into_iter().flat_map(|(_, results)| results).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_things_however_many_there_are() {
        for many in [0, 1, AT_A_TIME, AT_A_TIME + 1, 1000] {
            let things: Vec<usize> = (0..many).collect();
            assert_eq!(
                each(&things, |thing| thing * 2),
                things.iter().map(|thing| thing * 2).collect::<Vec<_>>()
            );
        }
    }
}
