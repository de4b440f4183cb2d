//! Ranking of policies of the tag-based model by how well they fit an outbound (spec 01 §10).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use model::{Resource, Tags};

use crate::view::View;

/// Policies of one kind that select a proxy, indexed by the service that they are about.
pub(super) struct Fitting<'a, P> {
    policies: Vec<Candidate<'a, P>>,
    by_service: BTreeMap<&'a str, Vec<usize>>,
    /// Policies with a selector that does not name its service.
    for_any: Vec<usize>,
}

struct Candidate<'a, P> {
    resource: &'a Resource,
    policy: &'a P,
    source: Rank,
    destinations: &'a [Tags],
}

/// Rank of a selector; greater fits better: more matched tags, then more of them by value instead of by `*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::routing) struct Rank {
    matched: usize,
    exactly: usize,
}

impl<'a, P> Fitting<'a, P> {
    /// Keeps the policies whose sources match an inbound, or the gateway, of the proxy.
    pub(super) fn new(
        view: &View<'_>,
        policies: impl Iterator<Item = (&'a Resource, &'a P, &'a [Tags], &'a [Tags])>,
    ) -> Self {
        let dataplane = view.dataplane();
        let own = dataplane.gateway.iter().map(|gateway| &gateway.tags);
        let own: Vec<&Tags> = own.chain(dataplane.inbound.iter().map(|inbound| &inbound.tags)).collect();
        let mut fitting = Self { policies: Vec::new(), by_service: BTreeMap::new(), for_any: Vec::new() };
        for (resource, policy, sources, destinations) in policies {
            let Some(source) = own.iter().filter_map(|tags| best(sources, tags)).max() else { continue };
            let at = fitting.policies.len();
            fitting.policies.push(Candidate { resource, policy, source, destinations });
            for destination in destinations {
                let places = match destination.service() {
                    Some(service) if service != "*" => fitting.by_service.entry(service).or_default(),
                    Some(_) | None => &mut fitting.for_any,
                };
                if places.last() != Some(&at) {
                    places.push(at);
                }
            }
        }
        fitting
    }

    /// Returns the policy that fits an outbound best; of several the newest, and then the first by name.
    pub(super) fn best(&self, outbound: &Tags) -> Option<(&'a Resource, &'a P)> {
        let service = outbound.service().unwrap_or_default();
        let named = self.by_service.get(service).map(Vec::as_slice).unwrap_or_default();
        let ranked = named.iter().chain(&self.for_any).filter_map(|at| {
            let Candidate { resource, policy, source, destinations } = self.policies.get(*at)?;
            let destination = best(destinations, outbound)?;
            let rank = Rank {
                matched: source.matched + destination.matched,
                exactly: source.exactly + destination.exactly,
            };
            Some(((rank, resource.meta().created, Reverse(*at)), (*resource, *policy)))
        });
        ranked.max_by_key(|(rank, _)| *rank).map(|(_, found)| found)
    }
}

/// Returns the rank of the best of some selectors for tags; `None`: none matches.
pub(in crate::routing) fn best(selectors: &[Tags], tags: &Tags) -> Option<Rank> {
    let fitting = selectors.iter().filter(|selector| selector.matches(tags));
    fitting
        .map(|selector| Rank {
            matched: selector.len(),
            exactly: selector.iter().filter(|(_, value)| *value != "*").count(),
        })
        .max()
}
