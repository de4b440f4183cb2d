//! Look-up of the targets of references in a snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::reference::{MESH_TAG, SERVICE_TAG};
use model::topology::OutboundTarget;
use model::violation::Step;
use model::{
    FieldPath, Kind, Labels, Problem, RefKind, Resource, ResourceKey, Severity, Spec, Tags, TargetRef,
    Violation,
};
use plan::Snapshot;

use super::DanglingReference;
use super::made::{Reference, references};
use super::selection;
use crate::Entry;

/// Checker of the references of one resource.
pub(super) struct Checker<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) by: &'a ResourceKey,
    pub(super) entry: &'a Entry,
}

impl Checker<'_> {
    /// Dangling references of the resource.
    pub(super) fn check(&self) -> Vec<DanglingReference> {
        let resource = &self.entry.resource;
        references(resource).into_iter().filter_map(|(path, it)| self.missing(&path, it)).collect()
    }

    fn missing(&self, path: &FieldPath, reference: Reference) -> Option<DanglingReference> {
        let found = match &reference {
            Reference::To(target) => {
                self.is_known(target) || target.name.as_deref().is_some_and(|name| self.is_dialled(name))
            }
            Reference::Backend(backend) => self.is_known(&backend.target),
            Reference::Service(tags) => self.is_offered(tags) || self.is_rerouted(tags),
            Reference::For(target) => selection::is_somebody(self.snapshot, self.mesh(), target),
        };
        if found {
            return None;
        }
        let (resource, document) = (&self.entry.resource, &self.entry.document);
        // on Kubernetes the whole body is below `spec`
        let inside =
            resource.kind().body() == model::kind::Body::Inline && document.value().get("spec").is_some();
        let path = if inside { below_spec(path) } else { path.clone() };
        let path = self.most_telling(&path, &reference);
        let target_name = path.steps().last() == Some(&Step::Field("name".to_owned()));
        let (what, help) = self.words(&reference);
        let problem = Problem {
            source: document.source().clone(),
            position: if target_name { document.value_position(&path) } else { document.position(&path) },
            severity: Severity::Warning,
            resource: Some(resource.describe()),
            violation: Violation::new(path, what),
            help,
        };
        let (by, policy) = (self.by.clone(), resource.id());
        let holds_back = !matches!(reference, Reference::For(_));
        Some(DanglingReference { by, policy, made: reference, holds_back, problem })
    }

    /// Part of a reference to report: its labels, its tags if only those are wrong, or else its name.
    fn most_telling(&self, path: &FieldPath, reference: &Reference) -> FieldPath {
        let target = match reference {
            Reference::Service(_) => return path.key(SERVICE_TAG),
            Reference::For(target) if !target.tags.is_empty() && target.labels.is_none() => {
                return path.field("tags");
            }
            Reference::To(target) | Reference::For(target) => target,
            Reference::Backend(backend) => &backend.target,
        };
        let service = Tags::from_iter([(SERVICE_TAG, target.name.clone().unwrap_or_default())]);
        if target.labels.is_some() {
            path.field("labels")
        } else if !target.tags.is_empty() && self.is_offered(&service) {
            path.field("tags")
        } else {
            path.field("name")
        }
    }

    fn mesh(&self) -> &str {
        self.entry.resource.meta().mesh.as_str()
    }

    fn is_known(&self, target: &TargetRef) -> bool {
        let by_name = |kind: Kind| {
            let of_kind = self.snapshot.in_mesh(kind, self.mesh());
            target.name.as_ref().is_some_and(|name| of_kind.iter().any(|it| it.meta().display_name() == name))
        };
        let by_labels =
            |kind: Kind, labels: &Labels| self.snapshot.by_labels(kind, self.mesh(), labels).next().is_some();
        match (target.kind, &target.labels, target.kind.resource_kind()) {
            (RefKind::MeshServiceSubset, _, _) => {
                let service = target.name.clone().unwrap_or_default();
                let tags = Tags::from_iter([(SERVICE_TAG, service)]).merged(&target.tags);
                self.is_offered(&tags)
            }
            (RefKind::MeshService, Some(labels), Some(kind)) => by_labels(kind, labels),
            (RefKind::MeshService, None, Some(kind)) => {
                let service = target.name.clone().unwrap_or_default();
                by_name(kind) || self.is_offered(&Tags::from_iter([(SERVICE_TAG, service)]))
            }
            (RefKind::MeshExternalService | RefKind::MeshMultiZoneService, Some(labels), Some(kind)) => {
                by_labels(kind, labels)
            }
            (RefKind::MeshExternalService | RefKind::MeshMultiZoneService, None, Some(kind)) => by_name(kind),
            // these select proxies, or everything
            (_, _, _) => true,
        }
    }

    /// Returns `true` if a service with these tags is offered by a proxy, a gateway, another zone, or outside the mesh.
    fn is_offered(&self, tags: &Tags) -> bool {
        if tags.get(MESH_TAG).is_some_and(|mesh| mesh != self.mesh()) {
            return true;
        }
        let offers = |resource: &Arc<Resource>| match resource.spec() {
            Spec::Dataplane(it) => it.gateway.as_ref().is_some_and(|gateway| tags.matches(&gateway.tags)),
            Spec::ExternalService(it) => tags.matches(&it.tags),
            Spec::ZoneIngress(it) => it.available.iter().any(|service| tags.matches(&service.tags)),
            _ => false,
        };
        self.snapshot.dataplanes_with_tags(self.mesh(), tags).next().is_some()
            || self.snapshot.in_mesh(Kind::Dataplane, self.mesh()).iter().any(offers)
            || self.snapshot.in_mesh(Kind::ExternalService, self.mesh()).iter().any(offers)
            || self.snapshot.of_kind(Kind::ZoneIngress).iter().any(offers)
    }

    /// Returns `true` if a proxy dials a service of that name: a route may send it elsewhere although it is not
    /// offered.
    fn is_dialled(&self, service: &str) -> bool {
        self.snapshot.dataplanes(self.mesh()).any(|(_, dataplane)| {
            dataplane.outbound.iter().any(|outbound| match &outbound.target {
                OutboundTarget::Tags(tags) => tags.service() == Some(service),
                OutboundTarget::BackendRef { .. } => false,
            })
        })
    }

    /// Returns `true` if a route sends the connections to a service elsewhere.
    fn is_rerouted(&self, tags: &Tags) -> bool {
        let routes = [Kind::MeshTCPRoute, Kind::MeshHTTPRoute, Kind::TrafficRoute];
        let speaks = |resource: &Arc<Resource>| match resource.spec() {
            Spec::Policy(policy) => {
                policy.to.iter().any(|item| item.target.name.as_deref() == tags.service())
            }
            Spec::TrafficRoute(route) => route.destinations.iter().any(|selector| selector.matches(tags)),
            _ => false,
        };
        routes.iter().any(|kind| self.snapshot.in_mesh(*kind, self.mesh()).iter().any(speaks))
    }

    fn words(&self, reference: &Reference) -> (String, Option<String>) {
        let wanted = match reference {
            Reference::To(target) => target,
            Reference::Backend(backend) => &backend.target,
            Reference::Service(tags) => {
                let help = self.near(tags.service().unwrap_or_default());
                return (format!("nobody offers {tags} in mesh {}", self.mesh()), help);
            }
            Reference::For(target) => {
                let help = selection::nearest(self.snapshot, self.mesh(), target);
                return (
                    format!("{target} selects no proxy of mesh {}: it decides nothing", self.mesh()),
                    help,
                );
            }
        };
        let what = match reference {
            Reference::Backend(backend) => backend.to_string(),
            Reference::To(_) | Reference::Service(_) | Reference::For(_) => wanted.to_string(),
        };
        let help = wanted.name.as_deref().and_then(|name| self.near(name));
        (format!("{what} is nowhere in mesh {}", self.mesh()), help)
    }

    /// Description of similar or existing services, for an unknown name.
    fn near(&self, name: &str) -> Option<String> {
        let mut services = BTreeSet::new();
        for (_, dataplane) in self.snapshot.dataplanes(self.mesh()) {
            services.extend(
                dataplane.inbound.iter().filter_map(|inbound| inbound.tags.service().map(str::to_owned)),
            );
        }
        for kind in [Kind::MeshService, Kind::MeshExternalService, Kind::MeshMultiZoneService] {
            let named = self.snapshot.in_mesh(kind, self.mesh()).iter();
            services.extend(named.map(|resource| resource.meta().display_name().to_owned()));
        }
        if services.is_empty() {
            return Some("no service is defined in this mesh".into());
        }
        if services.contains(name) {
            return Some(format!("there is a service {name}, but not with these tags or of this kind"));
        }
        let some: Vec<&str> = services.iter().map(String::as_str).take(8).collect();
        let more = services.len().saturating_sub(some.len());
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        let all = format!("there are {}{rest}", some.join(", "));
        let near = model::draft::did_you_mean(name, services.iter().map(String::as_str));
        Some(near.map_or(all.clone(), |near| format!("{near} {all}")))
    }
}

fn below_spec(path: &FieldPath) -> FieldPath {
    path.steps().iter().fold(FieldPath::root().field("spec"), |below, step| match step {
        Step::Field(name) => below.field(name),
        Step::Key(key) => below.key(key),
        Step::Index(index) => below.index(*index),
    })
}
