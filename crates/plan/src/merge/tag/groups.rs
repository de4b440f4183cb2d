//! Subsets that overlap, and the combinations of their tags (spec 07 §11.4).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use model::Tags;
use model::profile::Overlaps;

use super::cliques::{MOST_COMBINATIONS, TooManyTags, cliques, overlap};
use crate::merge::tag::{Entry, tag};
use crate::rules::Subset;

/// Returns the combinations of the tags of overlapping subsets, each with the entries that apply to it, as
/// positions, ascending. In the order of the reference, which compares the positions of a group as text, larger
/// first.
pub(super) fn combinations(
    entries: &[Entry<'_>],
    overlaps: Overlaps,
) -> Result<Vec<(Subset, Vec<usize>)>, TooManyTags> {
    let mut groups = match overlaps {
        Overlaps::Cliques => cliques(entries)?,
        Overlaps::Components => components(entries),
    };
    for group in &mut groups {
        group.sort_unstable();
    }
    let text = |group: &Vec<usize>| group.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    groups.sort_by_cached_key(|group| Reverse(text(group)));
    let index = Index::of(entries);
    let mut found = Vec::new();
    for group in groups {
        let tags: BTreeSet<(&str, &str)> = group.iter().flat_map(|at| entries[*at].subset.iter()).collect();
        for combination in of_tags(&tags)? {
            let about = index.covering(entries, &combination);
            found.push((combination, about));
        }
    }
    Ok(found)
}

/// Groups entries whose subsets overlap, directly or over others.
fn components(entries: &[Entry<'_>]) -> Vec<Vec<usize>> {
    let mut nodes: BTreeMap<&Tags, Vec<usize>> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        nodes.entry(&entry.subset).or_default().push(at);
    }
    let mut components: Vec<(Vec<&Tags>, Vec<usize>)> = Vec::new();
    for (tags, positions) in nodes {
        let (near, mut rest): (Vec<_>, Vec<_>) =
            components.into_iter().partition(|(known, _)| known.iter().any(|known| overlap(known, tags)));
        let mut joined = (vec![tags], positions);
        for (tags, positions) in near {
            joined.0.extend(tags);
            joined.1.extend(positions);
        }
        rest.push(joined);
        components = rest;
    }
    components.into_iter().map(|(_, positions)| positions).collect()
}

/// Returns every combination of having and lacking tags, the first key changing fastest. Of each key at most one
/// value is present; the other values of that key are then lacking and not listed.
fn of_tags(tags: &BTreeSet<(&str, &str)>) -> Result<Vec<Subset>, TooManyTags> {
    let mut combinations = vec![Subset::default()];
    let mut rest: Vec<(&str, &str)> = tags.iter().copied().collect();
    while let Some((key, _)) = rest.last().copied() {
        let of_key = rest.split_off(rest.partition_point(|(other, _)| *other < key));
        let none = Subset(of_key.iter().map(|(key, value)| tag(key, value, true)).collect());
        let one = of_key.iter().rev().map(|(key, value)| Subset(vec![tag(key, value, false)]));
        let choices: Vec<Subset> = one.chain([none]).collect();
        if combinations.len().saturating_mul(choices.len()) > MOST_COMBINATIONS {
            return Err(TooManyTags::Together(tags.len()));
        }
        // later keys change more slowly: they are the outer loop
        let with_key = |Subset(later): &Subset| -> Vec<Subset> {
            choices.iter().map(|Subset(own)| Subset([own.as_slice(), later].concat())).collect()
        };
        combinations = combinations.iter().flat_map(with_key).collect();
    }
    Ok(combinations)
}

/// Entries by the first of their tags, so that a lookup compares only a few with a combination.
struct Index<'e> {
    /// Entries about everything.
    everything: Vec<usize>,
    by_tag: BTreeMap<(&'e str, &'e str), Vec<usize>>,
}

impl<'e> Index<'e> {
    fn of(entries: &'e [Entry<'_>]) -> Self {
        let mut index = Self { everything: Vec::new(), by_tag: BTreeMap::new() };
        for (at, entry) in entries.iter().enumerate() {
            match entry.subset.iter().next() {
                None => index.everything.push(at),
                Some(first) => index.by_tag.entry(first).or_default().push(at),
            }
        }
        index
    }

    /// Returns the entries all of whose tags a combination has, whether or not they are of its group.
    fn covering(&self, entries: &[Entry<'_>], combination: &Subset) -> Vec<usize> {
        let had: BTreeSet<(&str, &str)> =
            combination.0.iter().filter(|t| !t.not).map(|t| (t.key.as_str(), t.value.as_str())).collect();
        let candidates = had.iter().filter_map(|tag| self.by_tag.get(tag)).flatten();
        let covering = candidates.filter(|at| entries[**at].subset.iter().all(|tag| had.contains(&tag)));
        let mut covering: Vec<usize> = covering.chain(&self.everything).copied().collect();
        covering.sort_unstable();
        covering
    }
}
