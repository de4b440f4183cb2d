//! Permissions to leave a mesh by the egress of its zone (spec 08 §6.3).

use model::policy::Policy;
use model::reference::SERVICE_TAG;
use model::{Kind, RefKind, Resource, Spec, Tags, TargetRef};

use super::{by_name, by_tags};
use crate::plan::{Permissions, Warning};
use crate::precedence::Precedence;
use crate::reader::Reader;

/// Permissions to leave a mesh to services that policies select.
pub(in crate::routing) struct Exits<'x> {
    pub(in crate::routing) reader: &'x Reader<'x>,
    pub(in crate::routing) mesh: &'x str,
    pub(in crate::routing) warnings: &'x mut Vec<Warning>,
}

impl Exits<'_> {
    /// Returns the permissions for a tag-based service: those of the MeshTrafficPermissions that select it, or else
    /// of the TrafficPermission that fits it best; and `true` if the latter decides, or would have.
    pub(in crate::routing) fn of_tags(&mut self, tags: &Tags) -> (Permissions, bool) {
        let service =
            |target: &TargetRef| Tags::from_iter([(SERVICE_TAG, target.name.as_deref().unwrap_or("*"))]);
        let selects = |target: &TargetRef| match target.kind {
            RefKind::Mesh => true,
            RefKind::MeshSubset => target.tags.matches(tags),
            RefKind::MeshService => service(target).matches(tags),
            RefKind::MeshServiceSubset => service(target).merged(&target.tags).matches(tags),
            RefKind::MeshGateway
            | RefKind::Dataplane
            | RefKind::MeshHTTPRoute
            | RefKind::MeshExternalService
            | RefKind::MeshMultiZoneService => false,
        };
        if let Some(permissions) = self.of(selects) {
            return (permissions, false);
        }
        match by_tags(self.reader, self.mesh, tags) {
            Some(permissions) => (permissions, true),
            None => (Permissions::nobody(), !self.reader.profile().permissions_always_answer()),
        }
    }

    /// Returns the permissions for a MeshExternalService by its display name (2.8).
    pub(in crate::routing) fn of_service(&mut self, name: &str) -> Permissions {
        let selects = |target: &TargetRef| match target.kind {
            RefKind::Mesh => true,
            RefKind::MeshExternalService => target.name.as_deref() == Some(name),
            RefKind::MeshSubset
            | RefKind::MeshService
            | RefKind::MeshServiceSubset
            | RefKind::MeshGateway
            | RefKind::Dataplane
            | RefKind::MeshHTTPRoute
            | RefKind::MeshMultiZoneService => false,
        };
        self.of(selects).unwrap_or_else(Permissions::nobody)
    }

    /// Returns the permissions of the MeshTrafficPermissions with a selected target; `None`: none. If they cannot
    /// be merged, nobody may leave.
    fn of(&mut self, selects: impl Fn(&TargetRef) -> bool) -> Option<Permissions> {
        let profile = self.reader.profile();
        let mesh = TargetRef::of_kind(RefKind::Mesh);
        let policies = self.reader.in_mesh(Kind::MeshTrafficPermission, self.mesh).iter();
        let mut matched: Vec<(&Resource, &Policy)> = policies
            .filter(|resource| !(profile.knows_shadow_policies() && resource.meta().is_shadow()))
            .filter_map(|resource| match resource.spec() {
                Spec::Policy(policy) => Some((resource.as_ref(), policy)),
                _ => None,
            })
            .filter(|(_, policy)| selects(policy.target.as_ref().unwrap_or(&mesh)))
            .collect();
        matched.sort_by_cached_key(|(resource, policy)| Precedence::of(resource, policy, profile));
        let matched: Vec<&Resource> = matched.into_iter().map(|(resource, _)| resource).collect();
        by_name(&matched, self.mesh, profile).unwrap_or_else(|why| {
            let text = format!(
                "nobody of mesh {} leaves it: the `from` items of its MeshTrafficPermissions cannot be merged: {why}",
                self.mesh
            );
            self.warnings.push(text.into());
            Some(Permissions::nobody())
        })
    }
}
