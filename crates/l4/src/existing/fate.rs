//! Fate of one live connection when the configuration of its listener changes.

use std::sync::Arc;
use std::time::Duration;

use xds::proto::l4::Existing;

use super::{Shares, has_to_leave};
use crate::balance::Draw;
use crate::config::{Listener, Route};
use crate::decide::{Addresses, Circumstances, ClusterStates, Decision, Facts, decide};

/// Live connection.
#[derive(Clone, Copy, Debug)]
pub struct Established<'a> {
    /// Facts known when it was routed.
    pub facts: Facts<'a>,
    /// Draw at its routing; `None`: unknown.
    pub draw: Option<Draw>,
    /// Cluster that it was carried to.
    pub cluster: &'a str,
    /// Cluster of the backend that was chosen first; differs from `cluster` if that one could not take it.
    pub drawn: &'a str,
}

/// Fate of a connection when the configuration of its listener changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The weights are unchanged: it stays, and a drain in progress goes on.
    Unmoved,
    /// Its route keeps live connections: it stays, and a drain in progress ends.
    Kept,
    /// Its route no longer leads to its cluster: it is closed after this time.
    Grace(Duration),
    /// Its route drains the excess, and it is a candidate.
    Drains,
    /// It is closed, for this reason.
    Closes(String),
}

/// Decides the fate of a connection. `before`: shares of its route in the replaced configuration (`None`: there was no
/// such route); `shares`: those of `route`, its route in `listener` now.
pub fn fate<S: ClusterStates>(
    connection: &Established<'_>,
    before: Option<&Shares>,
    listener: &Listener,
    route: &Route,
    shares: &Shares,
    (standings, addresses): (&S, &Addresses),
) -> Fate {
    if let Some(grace) = route.drain_grace.filter(|_| !shares.lead_to(connection.cluster)) {
        return Fate::Grace(grace);
    }
    if before.is_some_and(|before| before.equal(shares)) {
        return Fate::Unmoved;
    }
    match route.existing {
        Existing::Keep => Fate::Kept,
        Existing::DrainExcess => Fate::Drains,
        Existing::Close => match would_go(connection, listener, standings, addresses) {
            Some([leads_to, goes])
                if has_to_leave(connection.cluster, connection.drawn, &leads_to, &goes) =>
            {
                Fate::Closes(format!("its route now sends it to {goes}"))
            }
            Some(_) => Fate::Unmoved,
            None => Fate::Closes("its route now sends it nowhere".into()),
        },
    }
}

/// Cluster that a connection's draw would lead to now, and the one that it would be carried to: another one where the
/// first spills.
fn would_go<S: ClusterStates>(
    connection: &Established<'_>,
    listener: &Listener,
    standings: &S,
    addresses: &Addresses,
) -> Option<[Arc<str>; 2]> {
    let circumstances = Circumstances { draw: connection.draw?, standings, addresses };
    let (route, first, last) = match decide(&connection.facts, listener, &circumstances) {
        Decision::Forward(forward) => (forward.route, forward.first_backend(), forward.backend),
        Decision::Refuse(refuse) => (refuse.route?, refuse.backend?, refuse.backend?),
    };
    let backends = &listener.route_at(route)?.backends;
    let cluster = |backend: usize| backends.get(backend).map(|backend| backend.cluster_name().into());
    Some([cluster(first)?, cluster(last)?])
}
