//! Clusters whose endpoints are all healthy: for deciding where no data plane runs.

use super::{ClusterState, ClusterStates, RouteIndex};
use crate::balance::Roster;
use crate::config::Listener;

/// State that takes every endpoint as usable and without load, and every cluster at the same turn.
#[derive(Clone, Copy, Debug)]
pub struct AllWell<'a> {
    /// Listener whose clusters are meant.
    pub listener: &'a Listener,
    /// Number of connections that each cluster got so far.
    pub turn: u64,
}

impl ClusterStates for AllWell<'_> {
    fn ask<A>(
        &self,
        route: RouteIndex,
        backend: usize,
        question: impl FnOnce(&ClusterState<'_>) -> A,
    ) -> Option<A> {
        let (_, cluster) = self.listener.route_at(route)?.backend_with_cluster(backend)?;
        let roster = Roster::of_all(cluster);
        Some(question(&ClusterState { roster: &roster, turn: self.turn, load: &|_| 0 }))
    }
}
