//! Largest sets of subsets that all overlap with each other.

use std::collections::{BTreeMap, BTreeSet};

use model::Tags;

use crate::merge::tag::Entry;

/// Limit on combinations of tags, whose number doubles with each tag: more rules than this would be of no use.
pub(super) const MOST_COMBINATIONS: usize = 16_384;

/// Limit on sets of overlapping subsets, for the same reason.
const MOST_CLIQUES: usize = 4096;

/// Error: too many tags overlap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooManyTags {
    #[error(
        "{0} tags that overlap make more than {MOST_COMBINATIONS} combinations; say what is meant in fewer items"
    )]
    Together(usize),
    #[error("tags overlap in more than {MOST_CLIQUES} ways; say what is meant in fewer items")]
    Ways,
}

/// Returns every largest set of entries whose subsets all overlap with each other, as positions.
pub(super) fn cliques(entries: &[Entry<'_>]) -> Result<Vec<Vec<usize>>, TooManyTags> {
    let all: Vec<(usize, Tags)> =
        entries.iter().enumerate().map(|(at, entry)| (at, entry.subset.clone())).collect();
    overlapping(all)
}

/// Splits by a tag key that all subsets have, as often as there is one: subsets with different values never
/// overlap, which is the common case of policies. The rest is searched.
fn overlapping(subsets: Vec<(usize, Tags)>) -> Result<Vec<Vec<usize>>, TooManyTags> {
    let (everything, rest): (Vec<_>, Vec<_>) = subsets.into_iter().partition(|(_, tags)| tags.is_empty());
    let everything: Vec<usize> = everything.into_iter().map(|(at, _)| at).collect();
    if rest.is_empty() {
        return Ok(if everything.is_empty() { Vec::new() } else { vec![everything] });
    }
    let shared = rest[0].1.iter().map(|(key, _)| key.to_owned());
    let shared = shared.into_iter().find(|key| rest.iter().all(|(_, tags)| tags.get(key).is_some()));
    let mut cliques = match shared {
        Some(key) => {
            let mut by_value: BTreeMap<String, Vec<(usize, Tags)>> = BTreeMap::new();
            for (at, mut tags) in rest {
                let value = tags.remove(&key).unwrap_or_default();
                by_value.entry(value).or_default().push((at, tags));
            }
            let mut cliques = Vec::new();
            for subsets in by_value.into_values() {
                cliques.extend(overlapping(subsets)?);
            }
            cliques
        }
        None => search(&rest)?,
    };
    for clique in &mut cliques {
        clique.extend(&everything);
    }
    Ok(cliques)
}

/// Bron–Kerbosch algorithm with a pivot. Equal subsets are one node.
fn search(subsets: &[(usize, Tags)]) -> Result<Vec<Vec<usize>>, TooManyTags> {
    let mut nodes: BTreeMap<&Tags, Vec<usize>> = BTreeMap::new();
    for (at, tags) in subsets {
        nodes.entry(tags).or_default().push(*at);
    }
    let (tags, positions): (Vec<&Tags>, Vec<Vec<usize>>) = nodes.into_iter().unzip();
    let neighbours: Vec<BTreeSet<usize>> = (0..tags.len())
        .map(|a| (0..tags.len()).filter(|b| *b != a && overlap(tags[a], tags[*b])).collect())
        .collect();
    let mut found: Vec<Vec<usize>> = Vec::new();
    let mut stack = vec![(Vec::new(), (0..tags.len()).collect::<BTreeSet<_>>(), BTreeSet::new())];
    while let Some((clique, mut open, mut closed)) = stack.pop() {
        let Some(pivot) = open.union(&closed).max_by_key(|node| neighbours[**node].len()).copied() else {
            if found.len() == MOST_CLIQUES {
                return Err(TooManyTags::Ways);
            }
            found.push(clique.iter().flat_map(|node: &usize| positions[*node].clone()).collect());
            continue;
        };
        for node in open.difference(&neighbours[pivot]).copied().collect::<Vec<_>>() {
            let near = &neighbours[node];
            let grown = clique.iter().copied().chain([node]).collect();
            stack.push((grown, &open & near, &closed & near));
            open.remove(&node);
            closed.insert(node);
        }
    }
    Ok(found)
}

/// Returns `true` if a destination may have the tags of both.
pub(super) fn overlap(a: &Tags, b: &Tags) -> bool {
    a.iter().all(|(key, value)| b.get(key).is_none_or(|other| other == value))
}
