//! Limit on concurrent callers that follow something without end, such as server-sent events.
//!
//! Whether such a caller reads cannot be told for hours: what little it is told fits into the buffers of both kernels.
//! So none keeps its place for ever: when all are taken, whoever has followed longest makes room for the next, and a
//! caller that lives asks again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::DescriptorShare;

/// Time that everybody may follow, however many others come.
const AT_LEAST: Duration = Duration::from_mins(1);

/// Places of followers. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Followers {
    most: usize,
    // held to look and to change, never across an await
    places: Arc<Mutex<Places>>,
}

/// Places that are taken, the longest first.
#[derive(Debug, Default)]
struct Places {
    taken: VecDeque<(u64, Instant, CancellationToken)>,
    next: u64,
}

/// Place of one follower; freed when it is dropped.
#[derive(Debug)]
pub struct Follower {
    number: u64,
    ended: CancellationToken,
    followers: Followers,
}

impl Followers {
    /// Creates places for a server, at most a quarter of its connections.
    pub fn of(share: DescriptorShare, most: usize) -> Self {
        Self { most: most.min(share.now() / 4), places: Arc::default() }
    }

    /// Takes a place; `None`: all are taken by others that came within the last minute.
    pub fn take(&self) -> Option<Follower> {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> Option<Follower> {
        let mut places = self.places();
        if places.taken.len() >= self.most {
            let longest = places.taken.front().filter(|(_, since, _)| now.duration_since(*since) >= AT_LEAST);
            longest?.2.cancel();
            places.taken.pop_front();
        }
        let (number, ended) = (places.next, CancellationToken::new());
        places.next += 1;
        places.taken.push_back((number, now, ended.clone()));
        Some(Follower { number, ended, followers: self.clone() })
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// Waits until another has got the place.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.followers.places().taken.retain(|(number, ..)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_follows_longest_makes_room_after_a_minute() {
        let (followers, begin) = (Followers { most: 2, places: Arc::default() }, Instant::now());
        let take = |second: u64| followers.take_at(begin + Duration::from_secs(second));
        let (first, second) = (take(0).unwrap(), take(30).unwrap());
        assert!(take(59).is_none(), "both came just now");
        let third = take(60).unwrap();
        first.ended().await;
        assert!(!second.ended.is_cancelled() && take(60).is_none());
        drop(first);
        assert!(take(60).is_none(), "its place is another's");
        drop(second);
        let _fourth = take(60).unwrap();
        assert!(!third.ended.is_cancelled());
    }
}
