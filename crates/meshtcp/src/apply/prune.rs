//! `--prune`: deletion of resources that were applied before and are in no file any more.
//!
//! Labels select these resources: a label of the user's choice (`-l`), or that of a set (`--set`), which every resource
//! gets that is applied as part of it.

use std::collections::BTreeSet;

use change::Entry;
use model::kind::Scope;
use model::{Kind, ResourceKey};
use serde_json::{Value, json};

use crate::client::{Client, Failed};
use crate::in_force::collection;
use crate::names;
use crate::selector::Selector;

/// Label with the name of the set that a resource is part of.
const PART_OF: &str = "applyset.meshtcp.io/part-of";

/// What is deleted by the way, and what is part of what.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Prune {
    /// Also delete what is in no file, of what has the label of -l or is in the set, in the meshes of the files; secrets,
    /// meshes and zones are left alone
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    selector: Selector,
    /// Make everything that is applied part of this set, by a label
    #[arg(long, value_name = "NAME", value_parser = names::set)]
    set: Option<String>,
}

impl Prune {
    /// Returns `true` if resources are to be deleted.
    ///
    /// # Errors
    /// Flags that contradict each other, with what to write instead.
    pub(super) fn is_wanted(&self) -> Result<bool, &'static str> {
        match (self.prune, self.selector.is_empty(), &self.set) {
            (true, true, None) => {
                Err("--prune has to know what may be deleted: write -l KEY=VALUE or --set NAME")
            }
            (_, false, Some(_)) => Err("-l and --set both say what may be deleted: write one of them"),
            (false, false, None) => Err("-l says what --prune may delete: write both"),
            (wanted, _, _) => Ok(wanted),
        }
    }

    /// Marks a document as part of the set.
    ///
    /// # Errors
    /// Name of the other set that the stored resource is part of.
    pub(super) fn mark(&self, document: &mut Value, stored: Option<&Value>) -> Result<(), String> {
        let Some(set) = &self.set else { return Ok(()) };
        if let Some(other) = stored.and_then(set_of).filter(|other| other != set) {
            return Err(other.to_owned());
        }
        if !document["labels"].is_object() {
            document["labels"] = json!({});
        }
        document["labels"][PART_OF] = json!(set);
        Ok(())
    }

    /// Resources to delete: those with the label or in the set, and not in the files.
    pub(super) fn superfluous(
        &self,
        client: &Client,
        entries: &[std::sync::Arc<Entry>],
    ) -> Result<Vec<ResourceKey>, Failed> {
        let kept: BTreeSet<ResourceKey> = entries.iter().map(|entry| entry.resource.key()).collect();
        let meshes: BTreeSet<&str> =
            entries.iter().map(|entry| entry.resource.meta().mesh.as_str()).collect();
        let served = client.kinds()?;
        let mut found = Vec::new();
        let kinds =
            Kind::ALL.iter().copied().filter(|kind| is_pruned(*kind) && served.contains(kind.plural()));
        for kind in kinds {
            let collections: BTreeSet<String> = match kind.scope() {
                Scope::Global => [collection(kind, "")].into(),
                Scope::Mesh => {
                    meshes.iter().filter(|mesh| !mesh.is_empty()).map(|mesh| collection(kind, mesh)).collect()
                }
            };
            for path in collections {
                let there = client.list(&path)?;
                let there = there.iter().filter(|it| self.is_meant(it));
                let keys = there.filter_map(|it| ResourceKey::of_document(it).ok());
                found.extend(keys.filter(|key| !kept.contains(key)));
            }
        }
        // policies before the resources that they name
        found.sort_by_key(|key| std::cmp::Reverse(key.kind));
        Ok(found)
    }

    fn is_meant(&self, stored: &Value) -> bool {
        match &self.set {
            Some(set) => set_of(stored) == Some(set),
            None => !self.selector.is_empty() && self.selector.admits(stored),
        }
    }
}

/// Returns `true` if resources of a kind may be deleted because no file has them.
fn is_pruned(kind: Kind) -> bool {
    match kind.scope() {
        Scope::Mesh => kind != Kind::Secret,
        Scope::Global => kind == Kind::HostnameGenerator,
    }
}

fn set_of(stored: &Value) -> Option<&str> {
    stored.get("labels")?.get(PART_OF)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_part_of_another_set_is_not_taken_away() {
        let prune = Prune { set: Some("shop".to_owned()), ..Prune::default() };
        let mut document = json!({ "name": "a" });
        prune.mark(&mut document, None).unwrap();
        assert_eq!(set_of(&document), Some("shop"));
        assert!(prune.is_meant(&document) && !prune.is_meant(&json!({ "name": "a" })));
        let depot = json!({ "labels": { PART_OF: "depot" } });
        assert_eq!(prune.mark(&mut document, Some(&depot)), Err("depot".to_owned()));
    }

    #[test]
    fn meshes_and_secrets_are_never_pruned() {
        for kind in [Kind::Mesh, Kind::Secret, Kind::GlobalSecret, Kind::Zone, Kind::ZoneIngress] {
            assert!(!is_pruned(kind), "{kind}");
        }
        assert!(is_pruned(Kind::MeshTCPRoute) && is_pruned(Kind::Dataplane));
    }
}
