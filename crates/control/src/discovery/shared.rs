//! State shared by all streams: published configurations, and a seat for each proxy.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use model::ProxyKey;
use plan::ProxyId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use xds::{Memory, Protocol, Subscription};

use super::metrics::Reason;
use super::{DiscoveryMetrics, Publisher, Statuses, TokenGate};
use crate::identity::Issuer;

/// Period within which an occupied seat changes hands at most twice: a proxy that has restarted takes it from its
/// previous process, whose end is not known yet. Two processes of one name would take it from each other for ever: the
/// one that was first, and came back, keeps it.
const CHANGES_HANDS: Duration = Duration::from_secs(10);
const TWICE: usize = 2;

/// State shared by all streams.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) instance: Arc<str>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) statuses: Arc<Statuses>,
    pub(super) metrics: DiscoveryMetrics,
    /// Gate for tokens; `None`: anybody may attach.
    pub(super) gate: Option<TokenGate>,
    /// Issuer of certificates; `None`: none are issued, and proxies get only what is published.
    pub(super) issuer: Option<Issuer>,
    /// Cancelled when every stream has to end.
    pub(super) closing: CancellationToken,
    /// Number of streams opened so far; each has a number of its own.
    opened: AtomicU64,
    // Held to look up or replace one seat.
    seats: Mutex<BTreeMap<ProxyId, Seat>>,
}

/// Place of a proxy's one stream.
#[derive(Debug, Default)]
struct Seat {
    /// Number of the stream that holds the seat.
    number: u64,
    /// Cancelled when a newer stream takes the seat.
    replaced: CancellationToken,
    memory: Memory,
    /// Holder of the seat; `None`: it is empty.
    holder: Option<Holder>,
    /// Times at which the seat was recently taken from a holder.
    taken: VecDeque<Instant>,
    /// `true`: the holder keeps the seat as long as it lives.
    kept: bool,
}

/// Start and peer address of the stream that holds a seat.
#[derive(Clone, Copy, Debug)]
struct Holder {
    since: Timestamp,
    from: Option<SocketAddr>,
}

impl Seat {
    /// # Errors
    /// The current holder keeps the seat.
    fn take(&mut self, from: Option<SocketAddr>, now: Instant) -> Result<(), Holder> {
        if let Some(holder) = self.holder {
            self.taken.retain(|then| now.duration_since(*then) < CHANGES_HANDS);
            self.kept |= self.taken.len() >= TWICE;
            if self.kept {
                return Err(holder);
            }
            self.taken.push_back(now);
        }
        self.holder = Some(Holder { since: Timestamp::now(), from });
        Ok(())
    }
}

impl Shared {
    pub(super) fn new(
        instance: Arc<str>,
        publisher: Arc<Publisher>,
        statuses: Arc<Statuses>,
        metrics: DiscoveryMetrics,
        gate: Option<TokenGate>,
        issuer: Option<Issuer>,
    ) -> Self {
        let (closing, opened, seats) = (CancellationToken::new(), AtomicU64::new(0), Mutex::default());
        Self { instance, publisher, statuses, metrics, gate, issuer, closing, opened, seats }
    }

    /// State of a new stream, within the limits of all streams together.
    pub(super) fn subscription<P: Protocol>(&self, memory: Memory) -> Subscription<P> {
        Subscription::new(Arc::clone(&self.instance), memory).within(self.metrics.names.clone())
    }

    /// Gives a proxy's seat to a new stream and ends the one before. Returns the number of the stream, the token that
    /// ends it, and the memory that the proxy's last stream left.
    ///
    /// # Errors
    /// Two processes take the seat from each other: the current holder keeps it.
    pub(super) fn sit_down(
        &self,
        proxy: &ProxyId,
        from: Option<SocketAddr>,
    ) -> Result<(u64, CancellationToken, Memory), Status> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let seat = seats.entry(proxy.clone()).or_default();
        seat.take(from, Instant::now()).map_err(|Holder { since, from }| {
            let from = from.map(|from| format!(", from {from}")).unwrap_or_default();
            Status::already_exists(format!(
                "another process is attached as {proxy}{from}, since {since:.0}: is it started twice?"
            ))
        })?;
        seat.number = self.opened.fetch_add(1, Relaxed);
        std::mem::take(&mut seat.replaced).cancel();
        Ok((seat.number, seat.replaced.clone(), std::mem::take(&mut seat.memory)))
    }

    /// Returns `true` if a proxy is attached on the connection from this address.
    pub(super) fn is_seated(&self, proxy: &ProxyId, from: Option<SocketAddr>) -> bool {
        let seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = seats.get(proxy).and_then(|seat| seat.holder.as_ref());
        holder.is_some_and(|holder| holder.from == from)
    }

    /// Records that a client may not attach, and returns its status. `who`: empty if it has not identified itself.
    pub(super) fn turn_away(
        &self,
        reason: Reason,
        who: &str,
        from: Option<SocketAddr>,
        status: Status,
    ) -> Status {
        tracing::info!(peer = ?from, who, why = status.message(), "a client was turned away");
        self.metrics.turned_away(reason);
        self.statuses.turn_away(who, status.message(), from.map(|from| from.ip()));
        status
    }

    /// Frees the seat, and leaves a memory for the proxy's next stream; `None` leaves nothing. `holders` hold its
    /// certificates. Returns `false` if the next stream has the seat already.
    pub(super) fn stand_up<'a>(
        &self,
        proxy: &ProxyId,
        number: u64,
        memory: Option<Memory>,
        holders: impl Iterator<Item = &'a ProxyKey>,
    ) -> bool {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(seat) = seats.get_mut(proxy).filter(|seat| seat.number == number) else { return false };
        (seat.holder, seat.kept) = (None, false);
        if let Some(issuer) = &self.issuer {
            // while nobody else can take the seat
            holders.for_each(|holder| issuer.left(holder));
        }
        match memory {
            Some(memory) => seat.memory = memory,
            None => drop(seats.remove(proxy)),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a seat at the given seconds; returns for each whether it was allowed.
    fn takes(seat: &mut Seat, begin: Instant, seconds: &[u64]) -> Vec<bool> {
        let take = |second: &u64| seat.take(None, begin + Duration::from_secs(*second)).is_ok();
        seconds.iter().map(take).collect()
    }

    #[tokio::test]
    async fn a_proxy_that_starts_anew_has_its_seat_at_once_and_two_do_not_take_it_from_each_other_for_ever() {
        let (mut seat, begin) = (Seat::default(), Instant::now());
        assert_eq!(takes(&mut seat, begin, &[0, 60, 120]), [true; 3], "each life after the other");
        let (mut seat, begin) = (Seat::default(), Instant::now());
        // the first, another one, the first again; then it keeps it
        assert_eq!(takes(&mut seat, begin, &[0, 1, 2, 3, 30]), [true, true, true, false, false]);
        (seat.holder, seat.kept) = (None, false);
        assert_eq!(takes(&mut seat, begin, &[31]), [true], "it has left");
    }
}
