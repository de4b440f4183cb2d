//! Record of clients that were refused attachment.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use change::status::TurnedAway;
use jiff::Timestamp;

/// Limit on remembered clients: the last ones are kept.
const REMEMBERED: usize = 100;
/// Time after which a client that has not come again is forgotten.
const LATELY: Duration = Duration::from_mins(15);
/// Silence after which another attempt of a client is logged again.
const NEWS: Duration = Duration::from_mins(1);

/// Recently rejected clients: one entry for each name, reason and address.
#[derive(Debug, Default)]
pub(super) struct TurnedAwayClients {
    known: BTreeMap<(String, String, Option<IpAddr>), TurnedAway>,
    /// Entries that nobody has taken yet.
    news: Vec<TurnedAway>,
}

impl TurnedAwayClients {
    pub(super) fn add(&mut self, who: &str, why: &str, from: Option<IpAddr>, now: Timestamp) {
        self.forget_old(now);
        let key = (who.to_owned(), why.to_owned(), from);
        let is_news = self.known.get(&key).is_none_or(|known| !is_within(known.last, now, NEWS));
        if !self.known.contains_key(&key) && self.known.len() >= REMEMBERED {
            let oldest = self.known.iter().min_by_key(|(_, it)| it.last).map(|(key, _)| key.clone());
            oldest.map(|key| self.known.remove(&key));
        }
        let known = self.known.entry(key).or_insert_with(|| TurnedAway {
            who: who.to_owned(),
            why: why.to_owned(),
            from,
            first: now,
            last: now,
            times: 0,
        });
        known.last = now;
        known.times += 1;
        if is_news && self.news.len() < REMEMBERED {
            self.news.push(known.clone());
        }
    }

    /// Removes the entries of a client that has been admitted.
    pub(super) fn admitted(&mut self, who: &str) {
        self.known.retain(|_, it| it.who != who);
    }

    pub(super) fn lately(&self, now: Timestamp) -> Vec<TurnedAway> {
        self.known.values().filter(|it| is_within(it.last, now, LATELY)).cloned().collect()
    }

    pub(super) fn take_news(&mut self) -> Vec<TurnedAway> {
        std::mem::take(&mut self.news)
    }

    fn forget_old(&mut self, now: Timestamp) {
        self.known.retain(|_, it| is_within(it.last, now, LATELY));
    }
}

fn is_within(then: Timestamp, now: Timestamp, time: Duration) -> bool {
    now.duration_since(then) <= time.try_into().unwrap_or(jiff::SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn one_that_knocks_again_and_again_is_one_line_and_one_piece_of_news_a_minute() {
        let mut turned = TurnedAwayClients::default();
        for second in 0..100 {
            turned.add("default/web-1", "no token", None, at(second));
        }
        let lately = turned.lately(at(100));
        assert_eq!((lately.len(), lately[0].times, turned.take_news().len()), (1, 100, 1));
        turned.add("default/web-1", "no token", None, at(200));
        assert_eq!(turned.take_news().len(), 1);
        assert_eq!(turned.lately(at(200 + 15 * 60 + 1)), [], "it is over");
    }

    #[test]
    fn who_is_let_in_is_not_turned_away_and_strangers_do_not_fill_the_memory() {
        let mut turned = TurnedAwayClients::default();
        turned.add("default/web-1", "no token", None, at(0));
        turned.admitted("default/web-1");
        assert_eq!(turned.lately(at(0)), []);
        for stranger in 0..1000 {
            turned.add(&stranger.to_string(), "no node id", None, at(stranger));
        }
        assert_eq!(turned.lately(at(999)).len(), REMEMBERED);
        assert_eq!(turned.take_news().len(), REMEMBERED);
    }
}
