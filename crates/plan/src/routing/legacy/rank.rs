//! How well a policy of the tag-based model fits (spec 01 §10).

use model::Tags;

use crate::view::View;

/// Greater fits better: more matched tags, then more of them by value instead of by `*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    matched: usize,
    exactly: usize,
}

/// How well a policy fits the proxy and one of its outbounds; `None` when it does not.
pub(super) fn rank(
    view: &View<'_>,
    sources: &[Tags],
    destinations: &[Tags],
    outbound: &Tags,
) -> Option<Rank> {
    let dataplane = view.dataplane();
    let own = dataplane.gateway.iter().map(|gateway| &gateway.tags);
    let own = own.chain(dataplane.inbound.iter().map(|inbound| &inbound.tags));
    let source = own.filter_map(|tags| best(sources, tags)).max()?;
    let destination = best(destinations, outbound)?;
    Some(Rank {
        matched: source.matched + destination.matched,
        exactly: source.exactly + destination.exactly,
    })
}

fn best(selectors: &[Tags], tags: &Tags) -> Option<Rank> {
    let fitting = selectors.iter().filter(|selector| selector.matches(tags));
    fitting
        .map(|selector| Rank {
            matched: selector.len(),
            exactly: selector.iter().filter(|(_, value)| *value != "*").count(),
        })
        .max()
}
