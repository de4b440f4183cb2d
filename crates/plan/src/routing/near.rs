//! Suggestions for references that name nothing.

use std::collections::BTreeSet;

use model::{Kind, Resource, ResourceId};

use crate::view::View;

/// Limit on names that a wrong one is compared with: a hint is not worth more time in a mesh of thousands.
const COMPARED: usize = 1000;

/// Describes what was looked for, and services with the same or a similar name.
pub(super) fn services(view: &View<'_>, id: &ResourceId) -> String {
    let ResourceId { kind, mesh, zone, namespace, name, section: _ } = id;
    let mut text = format!("{kind} {name} in mesh {mesh}");
    for (what, value) in [("zone", zone), ("namespace", namespace)] {
        if !value.is_empty() {
            text += &format!(", {what} {value}");
        }
    }
    let kinds = [Kind::MeshService, Kind::MeshMultiZoneService, Kind::MeshExternalService];
    let candidates =
        || kinds.into_iter().flat_map(|kind| view.of_kind(kind).iter().map(AsRef::as_ref)).take(COMPARED);
    if let Some(same) = candidates().find(|resource| resource.meta().display_name() == name) {
        return text + &format!("; there is {}: refer to it by labels", place(same));
    }
    match nearest(name, candidates().map(|resource: &Resource| resource.meta().display_name())) {
        Some(near) => text + &format!("; did you mean `{near}`?"),
        None => text,
    }
}

/// Describes what was looked for, and a similar tag value, if no endpoint has it.
pub(super) fn tag_services(view: &View<'_>, service: &str) -> Option<String> {
    let known: BTreeSet<&str> = view
        .reader()
        .dataplanes(view.mesh_name())
        .take(COMPARED)
        .flat_map(|(_, dataplane)| &dataplane.inbound)
        .filter_map(|inbound| inbound.tags.service())
        .collect();
    nearest(service, known.into_iter()).map(|near| format!("did you mean `{near}`?"))
}

fn place(resource: &Resource) -> String {
    let (zone, namespace) = (resource.meta().zone(), resource.meta().namespace());
    let mut place = format!("one of kind {}", resource.kind());
    if !zone.is_empty() {
        place += &format!(" in zone {zone}");
    }
    if !namespace.is_empty() {
        place += &format!(" in namespace {namespace}");
    }
    place
}

/// Returns the known name with the fewest edits, if they are few; the first of several.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let allowed = 1 + name.len() / 5;
    known
        .filter(|known| known.len().abs_diff(name.len()) <= allowed && *known != name)
        .map(|known| (edits(name, known), known))
        .filter(|(edits, _)| *edits <= allowed)
        .min()
        .map(|(_, known)| known)
}

/// Returns the Levenshtein distance in bytes.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, left) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (index, right) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(row[index] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_is_near_and_another_word_is_not() {
        let known = ["redis", "ledger", "payments-db"];
        assert_eq!(nearest("rediss", known.into_iter()), Some("redis"));
        assert_eq!(nearest("payment-db", known.into_iter()), Some("payments-db"));
        assert_eq!(nearest("web", known.into_iter()), None);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
