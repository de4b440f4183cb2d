//! Trust roots of proxies: an authority, and those that it replaced until no certificate of theirs is valid (spec 07
//! §18.5).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{BACKDATED, after};

/// Time for which a new authority is trusted before it signs, if certificates live long enough: by then every proxy,
/// also those of other control planes, has heard of it.
pub(super) const SETTLES: Duration = Duration::from_secs(15);

/// Certificates of authorities in PEM, each with the end of its trust; [`IN_FORCE`]: as long as it is in force.
pub(crate) type Former = BTreeMap<Arc<str>, Timestamp>;

/// End of the trust in an authority that nothing has replaced yet.
pub(crate) const IN_FORCE: Timestamp = Timestamp::MAX;

/// Certificates of an authority through its replacements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roots {
    /// Certificates in force, the signing one first.
    current: Vec<Arc<str>>,
    /// Time from which it may sign; `None`: at once.
    signs_from: Option<Timestamp>,
    former: Former,
    /// Longest lifetime of a certificate that was seen so far.
    longest: Duration,
}

impl Roots {
    /// Takes over the certificates in force, and the lifetime of those that they sign. Returns `true` if something was
    /// replaced.
    pub(super) fn observe(&mut self, chain: &[Arc<str>], lifetime: Duration, now: Timestamp) -> bool {
        self.longest = self.longest.max(lifetime);
        self.expire(now);
        let until = after(now, self.longest + BACKDATED + SETTLES);
        // in force when it was stored, and not any more
        let gone = self.former.iter_mut().filter(|(pem, until)| **until == IN_FORCE && !chain.contains(pem));
        gone.for_each(|(_, believed)| *believed = until);
        if self.current == chain {
            return false;
        }
        let is_first = self.current.is_empty() && self.former.is_empty();
        let gone: Vec<_> = self.current.drain(..).filter(|it| !chain.contains(it)).collect();
        let replaced = !gone.is_empty();
        let signs_anew = chain.first().is_some_and(|first| !self.former.contains_key(first));
        self.former.extend(gone.into_iter().map(|pem| (pem, until)));
        self.current = chain.to_vec();
        self.former.retain(|pem, _| !chain.contains(pem));
        // an earlier certificate has at least a fifth of its life left, and nobody can renew it meanwhile
        let settles = SETTLES.min(lifetime / 10);
        self.signs_from = (!is_first && signs_anew).then(|| after(now, settles));
        replaced
    }

    /// Takes over the stored state: the certificates in force then, and those that they had replaced.
    pub(super) fn remember(&mut self, former: &Former) {
        for (pem, until) in former.iter().filter(|(pem, _)| !self.current.contains(pem)) {
            let known = self.former.entry(Arc::clone(pem)).or_insert(*until);
            if *until != IN_FORCE {
                *known = if *known == IN_FORCE { *until } else { (*known).max(*until) };
            }
        }
    }

    /// Returns the replaced certificates that are still trusted.
    pub(super) fn former(&self) -> &Former {
        &self.former
    }

    /// Returns the time from which it may sign; `None`: now.
    pub(super) fn signs_from(&self, now: Timestamp) -> Option<Timestamp> {
        self.signs_from.filter(|from| *from > now)
    }

    /// Removes what is not trusted any more, and the waiting time of a new one that is over.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.former.retain(|_, until| *until > now);
        self.signs_from = self.signs_from(now);
    }

    /// Returns the state to be stored. A new one is in force when it signs: a process that starts before waits as long
    /// again.
    pub(super) fn written(&self) -> Former {
        let in_force = self.current.iter().filter(|_| self.signs_from.is_none());
        let in_force = in_force.map(|pem| (Arc::clone(pem), IN_FORCE));
        self.former.clone().into_iter().chain(in_force).collect()
    }

    /// Returns the next time at which a trusted certificate expires, or a new one may sign; `None`: neither.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let ends = self.former.values().filter(|until| **until != IN_FORCE).copied();
        ends.chain(self.signs_from).min()
    }

    /// Returns all trusted certificates, in PEM. Empty: nobody is trusted.
    pub(super) fn bundle(&self) -> String {
        let all: Vec<&str> =
            self.current.iter().chain(self.former.keys()).map(|pem| pem.trim_end()).collect();
        let mut bundle = all.join("\n");
        if !bundle.is_empty() {
            bundle.push('\n');
        }
        bundle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn chain(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| (*name).into()).collect()
    }

    #[test]
    fn a_replaced_authority_is_believed_until_its_last_certificate_ends() {
        let mut roots = Roots::default();
        assert!(!roots.observe(&chain(&["one"]), DAY, at(0)));
        assert_eq!((roots.signs_from(at(0)), roots.bundle().as_str()), (None, "one\n"));
        assert!(roots.observe(&chain(&["two"]), Duration::from_secs(60), at(100)));
        assert_eq!(
            roots.signs_from(at(100)),
            Some(at(106)),
            "first everybody hears of it, if certificates live so long"
        );
        assert_eq!(roots.bundle(), "two\none\n");
        // certificates of the first lived for a day
        let mut later = roots.clone();
        later.expire(at(100 + 86_400));
        assert_eq!(later.bundle(), "two\none\n");
        later.expire(at(100 + 86_400 + 26));
        assert_eq!((later.bundle().as_str(), later.due()), ("two\n", None));
        // back to the first while it is trusted: it may sign at once
        roots.observe(&chain(&["one"]), DAY, at(200));
        assert_eq!((roots.signs_from(at(200)), roots.bundle().as_str()), (None, "one\ntwo\n"));
    }

    #[test]
    fn what_others_know_is_believed_too() {
        let mut roots = Roots::default();
        roots.remember(&Former::from([("old".into(), at(50))]));
        roots.observe(&chain(&["new"]), DAY, at(10));
        assert_eq!(roots.bundle(), "new\nold\n");
        assert_eq!(roots.signs_from(at(10)), Some(at(25)), "who knows the old one may not have heard of it");
        assert_eq!((roots.due(), roots.written().len()), (Some(at(25)), 1));
        roots.expire(at(25));
        assert_eq!((roots.due(), roots.written().len()), (Some(at(50)), 2));
        // in force at the last start, and replaced meanwhile
        let mut started = Roots::default();
        started.remember(&Former::from([("one".into(), IN_FORCE)]));
        assert_eq!(started.bundle(), "one\n", "also while nothing can be read");
        let mut same = started.clone();
        same.observe(&chain(&["one"]), DAY, at(10));
        assert_eq!((same.signs_from(at(10)), same.former().len()), (None, 0));
        started.observe(&chain(&["two"]), DAY, at(10));
        assert_eq!((started.signs_from(at(10)), started.bundle().as_str()), (Some(at(25)), "two\none\n"));
        assert_eq!(started.due(), Some(at(25)));
        started.expire(at(25));
        assert_eq!(started.due(), Some(at(10 + 86_400 + 25)));
        roots.expire(at(51));
        assert_eq!(roots.bundle(), "new\n");
    }
}
