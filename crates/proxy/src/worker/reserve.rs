//! Reserved descriptor for when no other is left: with it waiting clients can be refused.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::fcntl_dupfd_cloexec;

use super::deadlines::Micros;

/// Time that clients wait for a shortage to pass before they are refused.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reserved descriptor of a worker, and the time since which there is no other.
pub(super) struct Reserve {
    held: Option<OwnedFd>,
    short_since: Option<Micros>,
}

impl Reserve {
    /// Reserves a duplicate of any descriptor: its target does not matter.
    pub(super) fn copy_of(any: &OwnedFd) -> Self {
        Self { held: fcntl_dupfd_cloexec(any, 0).ok(), short_since: None }
    }

    /// Records that a client got a descriptor.
    pub(super) fn enough(&mut self) {
        self.short_since = None;
    }

    /// Records that there is no descriptor. Returns `true` if the shortage has lasted too long to let clients wait.
    pub(super) fn short(&mut self, now: Micros) -> bool {
        now.since(*self.short_since.get_or_insert(now)) >= PATIENCE
    }

    /// Frees the reserved descriptor. Returns `false` if there is none.
    pub(super) fn give(&mut self) -> bool {
        self.held.take().is_some()
    }

    /// Reserves a duplicate again, if it was freed and one is available.
    pub(super) fn refill(&mut self, any: &OwnedFd) {
        if self.held.is_none() {
            self.held = fcntl_dupfd_cloexec(any, 0).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_counts_from_its_beginning_and_ends_with_the_first_who_is_served() {
        let mut reserve = Reserve { held: None, short_since: None };
        let at = |milliseconds| Micros::default() + Duration::from_millis(milliseconds);
        assert!(!reserve.short(at(10)) && !reserve.short(at(900)) && reserve.short(at(1010)));
        reserve.enough();
        assert!(!reserve.short(at(1020)));
    }

    #[test]
    fn the_reserve_is_given_once_until_it_is_taken_again() {
        let any = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let mut reserve = Reserve::copy_of(&any);
        assert!(reserve.give() && !reserve.give());
        reserve.refill(&any);
        assert!(reserve.give());
    }
}
