//! Second part of a decision, after the route: the backend and the endpoint.

use std::sync::Arc;

use super::{Circumstances, ClusterStates, Facts, Forward, RefusalReason, RouteIndex, Sides};
use crate::config::Route;

/// Facts and moment of a decision whose route is known.
pub(super) struct Routed<'a, S> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) route: &'a Route,
    pub(super) index: RouteIndex,
    pub(super) circumstances: &'a Circumstances<'a, S>,
}

impl<S: ClusterStates> Routed<'_, S> {
    /// Carries the connection to a backend; `None`: nothing of it can be dialled.
    pub(super) fn forward(&self, backend: usize, first_backend: usize, tried: Sides) -> Option<Forward> {
        let (_, cluster) = self.route.backend_with_cluster(backend)?;
        let chosen = self.circumstances.standings.ask(self.index, backend, |standing| {
            let chosen = cluster.choose(standing, self.facts, self.circumstances.addresses);
            chosen.map(|(place, endpoint)| (standing.turn, place, endpoint))
        });
        let (turn, place, endpoint) = chosen??;
        let first_backend = u32::try_from(first_backend).ok()?;
        Some(Forward {
            route: self.index,
            backend,
            first_backend,
            turn,
            place: place as u32,
            attempt: 0,
            tried,
            endpoint,
        })
    }

    /// Next endpoint of the same backend, and whether it was not tried yet.
    pub(super) fn again(&self, failed: &Forward, attempt: u32) -> Option<(Forward, bool)> {
        let (_, cluster) = self.route.backend_with_cluster(failed.backend)?;
        let next = self.circumstances.standings.ask(self.index, failed.backend, |standing| {
            let turn = failed.turn.wrapping_add(attempt.into());
            let (addresses, destination) = (self.circumstances.addresses, self.facts.destination);
            let walk = || cluster.walk(standing.roster, failed.place as usize, turn, addresses, destination);
            let usable = walk().count();
            let steps = (attempt as usize).checked_rem(usable)?;
            let mut next = walk().nth(steps)?;
            if next.endpoint == failed.endpoint.endpoint {
                // health changed during the walk: the endpoint that just failed is not the next
                next = walk().nth((steps + 1) % usable)?;
            }
            let is_new = (attempt as usize) < usable && next.endpoint != failed.endpoint.endpoint;
            Some((Forward { attempt, endpoint: next, ..*failed }, is_new))
        });
        next?
    }

    /// Carries the connection to a backend that takes the share of the first one.
    pub(super) fn other_side(&self, first: usize, tried: Sides) -> Option<Forward> {
        let may = |backend: usize| tried.lacks(backend) && self.forward(backend, first, tried).is_some();
        let backend = match &self.route.sticky {
            None => self.route.split.instead_of(first, self.circumstances.draw, may),
            Some(sticky) => sticky.choose(self.facts.position(), |backend| backend != first && may(backend)),
        };
        self.forward(backend?, first, tried)
    }

    /// Reason why nothing of a backend can be dialled.
    pub(super) fn why_not(&self, backend: usize) -> (RefusalReason, Arc<str>) {
        let unavailable = |why| (RefusalReason::BackendUnavailable, why);
        let Some((_, cluster)) = self.route.backend_with_cluster(backend) else {
            return unavailable("the backendRef leads to no cluster".into());
        };
        let why = self.circumstances.standings.ask(self.index, backend, |standing| {
            cluster.why_not(standing.roster, self.circumstances.addresses)
        });
        why.unwrap_or_else(|| unavailable("the cluster is not known".into()))
    }
}
